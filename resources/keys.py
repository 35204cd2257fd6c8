"""What can be wrong with a key that is there: seen before it is sent, and never shown."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from autoprompt_assets.engine.llm import Role
from resources.endpoints import Endpoint


def unusable_keys(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
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
