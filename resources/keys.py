"""What is wrong with the keys of a run: seen before one is sent, and none is ever shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from autoprompt_assets.engine.llm import Role
from resources.endpoints import Endpoint


def key_problems(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable that lacks its key, or whose key cannot be sent."""
    return _missing_keys(endpoints, environ) + _unusable_keys(endpoints, environ)


def _missing_keys(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable that a run needs and does not find."""
    wanted: dict[str, list[str]] = {}
    for role, endpoint in endpoints.items():
        if endpoint.key_required and endpoint.key_env and not environ.get(endpoint.key_env):
            wanted.setdefault(endpoint.key_env, []).append(role)
    return [
        f"{variable} is not set; roles {', '.join(roles)} need it: export it, or "
        "write it into .env here"
        for variable, roles in wanted.items()
    ]


def _unusable_keys(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable whose key no HTTP header can carry as it stands."""
    names = dict.fromkeys(endpoint.key_env for endpoint in endpoints.values())
    found = ((name, _problem(environ.get(name, ""))) for name in names if name)
    return [f"{name} {problem}" for name, problem in found if problem]


def _problem(key: str) -> str:
    if key.endswith(("\n", "\r")) and not _foreign(key.rstrip("\r\n")):
        return (
            "ends in a line break; set it without one: a secret's file or .env often keeps it, "
            '`export NAME="$(cat FILE)"` leaves it out'
        )
    if _foreign(key):
        return (
            "holds a character that no key has (a line break, a control character, or one beyond "
            "Latin-1 such as a curly quote or an invisible space); copy the key again"
        )
    return ""


def _foreign(text: str) -> bool:
    return any(ord(char) > 0xFF or unicodedata.category(char) == "Cc" for char in text)
