"""What is wrong with the keys of a run: seen before one is sent, and none is ever shown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping

from autoprompt_assets.engine.llm import Role
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.registry import OWN
from autoprompt_assets.resources.env_file import read_env
from autoprompt_assets.resources.home import ENV_FILE

ADDRESSES = {kind.keys[0]: kind.address for kind in OWN if kind.address and kind.keys}


_BLANKS = " \t\u00a0"
_QUOTES = ("'", '"', "`")
_SCHEME = re.compile(r"(?:authorization: *)?(?:bearer|basic|token)(?=[ :])", re.IGNORECASE)


def read_key(variable: str | None, environ: Mapping[str, str]) -> str:
    """The key that a variable holds, or an empty text.

    Without what stands blank at its ends: no server takes that for a part of it, so that it would
    be quoted, and looked for to be masked, without.
    """
    return environ.get(variable or "", "").strip(_BLANKS)


def key_problems(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable that lacks its key, or whose key cannot be sent."""
    return [
        *_missing_keys(endpoints, environ),
        *_unusable_keys(endpoints, environ),
        *_led_away(endpoints, environ),
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
    used = dict.fromkeys(endpoint.key_env for endpoint in endpoints.values() if endpoint.key_env)
    return [
        f"{name} comes from .env here and {key} does not: write the key beside it, or export "
        f"{name}, so that no folder's file takes a key to another server"
        for key in used
        for name in (*([ADDRESSES[key]] if key in ADDRESSES else []), *routes)
        if read_key(key, environ)
        and file.get(name)
        and environ.get(name) == file[name]
        and (not lines.get(key) or "$" in str(lines[key]))
    ]


def _missing_keys(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable that a run needs and does not find."""
    wanted: dict[str, list[str]] = {}
    for role, endpoint in endpoints.items():
        if endpoint.key_required and endpoint.key_env and not read_key(endpoint.key_env, environ):
            wanted.setdefault(endpoint.key_env, []).append(role)
    return [
        f"{variable} is not set; roles {', '.join(roles)} need it: export it, or "
        "write it into .env here"
        for variable, roles in wanted.items()
    ]


def _unusable_keys(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable whose key no HTTP header can carry as it stands."""
    names = dict.fromkeys(endpoint.key_env for endpoint in endpoints.values())
    found = ((name, _problem(read_key(name, environ))) for name in names if name)
    problems = [f"{name} {problem}" for name, problem in found if problem]
    named = [name for name in names if name and read_key(name, environ).startswith(f"{name}=")]
    return [*problems, *(f"{name} starts with its own name; leave that out" for name in named)]


def _problem(key: str) -> str:
    if key.endswith(("\n", "\r")) and not _foreign(key.rstrip("\r\n")):
        return (
            "ends in a line break; set it without one: a secret's file or .env often keeps it, "
            '`export NAME="$(cat FILE)"` leaves it out'
        )
    if _foreign(key):
        return (
            "holds a character that no key has (a line break, a control character, or one beyond "
            "ASCII such as a curly quote or an invisible space); copy the key again"
        )
    if key[:1] in _QUOTES or key[-1:] in _QUOTES:
        return "is in quotes; take them off: docker's --env-file, for one, keeps them"
    scheme = _SCHEME.match(key)
    if scheme:
        return f"starts with {scheme[0] + ' '!r}; leave that out"
    if " " in key or "\t" in key:
        return "holds a blank, which no key does; set it without, and without a remark behind it"
    return ""


def _foreign(text: str) -> bool:
    return any(not char.isascii() or unicodedata.category(char) == "Cc" for char in text)
