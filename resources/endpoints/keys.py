"""What is wrong with the keys of a run: seen before one is sent, and none is ever shown."""

from __future__ import annotations

import re
from collections.abc import Mapping

from autoprompt_assets.engine.keys import origin, sendable
from autoprompt_assets.engine.llm import Role
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.registry import KINDS, OWN
from autoprompt_assets.resources.env_file import read_env
from autoprompt_assets.resources.home import ENV_FILE

_BLANKS = " \t\u00a0"
_QUOTES = ("'", '"', "`")
_SCHEME = re.compile(r"(?:authorization: *)?(?:bearer|basic|token)(?=[ :])", re.IGNORECASE)


def read_key(variable: str | None, environ: Mapping[str, str]) -> str:
    """The key that a variable holds, or an empty text.

    Without what stands blank at its ends: no server takes that for a part of it, so that it would
    be quoted, and looked for to be masked, without.
    """
    return environ.get(variable or "", "").strip(_BLANKS)


def read_secrets(endpoint: Endpoint, environ: Mapping[str, str]) -> tuple[str, ...]:
    """What is secret of an endpoint, the key first, each as it may be quoted: with and without the
    `Bearer` before it.
    """
    held = [read_key(variable, environ) for variable in endpoint.secrets]
    bare = [_SCHEME.sub("", text, count=1).strip(_BLANKS) for text in held]
    return tuple(dict.fromkeys(text for text in (*held, *bare) if text))


def key_problems(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable that lacks its key or another secret, or whose value cannot
    be sent.
    """
    return [
        *_missing(endpoints, environ),
        *_unusable(endpoints, environ),
        *_led_away(endpoints, environ),
        *_shared(endpoints, environ),
    ]


ROUTES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"),
)
"""What decides who is between this machine and a server, and can be told the key there."""


def _led_away(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """A line for each key of the environment that a `.env` would send to an address of its own,
    or by a way of its own.

    The file of a folder that somebody else made must not take the key.
    """
    file = read_env(ENV_FILE)
    lines = read_env(ENV_FILE, as_it_stands=True)
    routes = [name for name in file if name.upper() in ROUTES]
    used = {
        (variable, name): None
        for endpoint in endpoints.values()
        for variable in endpoint.variables
        for name in (*_addresses(endpoint), *routes)
    }
    return [
        f"{name} comes from .env here and {variable} does not: write the key beside it, or export "
        f"{name}, so that no folder's file takes a key to another server"
        for variable, name in used
        if read_key(variable, environ)
        and file.get(name)
        and environ.get(name) == file[name]
        and (not lines.get(variable) or "$" in str(lines[variable]))
    ]


def _addresses(endpoint: Endpoint) -> tuple[str, ...]:
    """The variable that says where it is, if one does."""
    kind = KINDS.get(endpoint.name) if endpoint.kind is None else None
    return (kind.address,) if kind is not None and kind.address else ()


def _missing(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable that a run needs and does not find."""
    wanted: dict[str, list[str]] = {}
    for role, endpoint in endpoints.items():
        for variable in endpoint.secrets:
            needed = variable != endpoint.key_env or endpoint.key_required
            if needed and not read_key(variable, environ):
                wanted.setdefault(variable, []).append(role)
    return [
        f"{variable} is not set; {_needing(roles)} it: export it, or write it into .env here"
        for variable, roles in wanted.items()
    ]


def _needing(roles: list[str]) -> str:
    one = len(roles) == 1
    return f"the role {roles[0]} needs" if one else f"the roles {', '.join(roles)} need"


def _unusable(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable whose value no request can carry as it stands."""
    keys = dict.fromkeys(one.key_env for one in endpoints.values() if one.key_env)
    others = dict.fromkeys(name for one in endpoints.values() for name in one.variables)
    found = {name: _problem(read_key(name, environ)) for name in keys}
    found |= {name: _unsendable(read_key(name, environ)) for name in others if name not in keys}
    problems = [f"{name} {problem}" for name, problem in found.items() if problem]
    named = [name for name in found if read_key(name, environ).startswith(f"{name}=")]
    return [*problems, *(f"{name} starts with its own name; leave that out" for name in named)]


def _shared(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """A line for each secret of a named endpoint that the environment gives to another host."""
    addresses = {kind.keys[0]: kind.address for kind in OWN if kind.keys_shared}
    lines = []
    for endpoint in dict.fromkeys(endpoints.values()):
        for field, variable in endpoint.secret_fields:
            address = addresses.get(variable, "")
            own = environ.get(address)
            if own and endpoint.base_url and _origin(own) != origin(endpoint.base_url):
                lines.append(
                    f"endpoints.{endpoint.name}.{field} = {variable!r} is the key of {address}, on "
                    "another host or port; give each a variable of its own"
                )
    return lines


def _origin(url: str) -> str:
    try:
        return origin(url)
    except (KeyError, ValueError):  # what cannot be an address is no other's
        return ""


def _problem(key: str) -> str:
    problem = _unsendable(key)
    if problem:
        return problem
    scheme = _SCHEME.match(key)
    if scheme:
        return f"starts with {scheme[0] + ' '!r}; leave that out"
    if " " in key or "\t" in key:
        return "holds a blank, which no key does; set it without, and without a remark behind it"
    return ""


def _unsendable(key: str) -> str:
    if key.endswith(("\n", "\r")) and sendable(key.rstrip("\r\n")):
        return (
            "ends in a line break; set it without one: a secret's file or .env often keeps it, "
            '`export NAME="$(cat FILE)"` leaves it out'
        )
    if not sendable(key):
        return (
            "holds a character that no key has (a line break, a control character, or one beyond "
            "ASCII such as a curly quote or an invisible space); copy the key again"
        )
    if key[:1] in _QUOTES or key[-1:] in _QUOTES:
        return "is in quotes; take them off: docker's --env-file, for one, keeps them"
    return ""
