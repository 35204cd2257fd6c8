"""Where one role is served, and the rules for any address and key."""

from __future__ import annotations

import re
from dataclasses import dataclass

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.keys import origin


@dataclass(frozen=True)
class Endpoint:
    """Where one role is served. `base_url` is `None` for the embedded model.

    `key_env` names the variable that holds the key; the key itself is read only when a client is
    made. `identity` stands for the server in requests and holds no credentials.
    """

    name: str
    base_url: str | None
    key_env: str | None
    key_required: bool
    model: str
    identity: str
    structured_output: bool = True
    """It heeds JSON schemas: as a named endpoint's setting says, and so do all others."""
    headers: tuple[tuple[str, str], ...] = ()
    """Headers of each request, with the variables that hold their values; unset, none is sent."""


def bound_key(variable: str | None, own: str, url: str) -> str | None:
    """The variable with the key, where `url` is on the endpoint's own host; no other is sent it."""
    return variable if origin(url) == origin(own) else None


def checked_url(url: str, source: str) -> str:
    """`url` without a slash at its end.

    Raises:
        InputError: it is no plain web address; the line begins with `source`.
    """
    if not (re.match(r"^https?://[^\s@/?#]+(/[^\s@?#]*)?$", url) and _has_origin(url)):
        raise InputError(
            f"{source}: is no plain http(s) address without credentials or a query; "
            "write e.g. http://127.0.0.1:8000/v1, and give keys in environment variables"
        )
    return url.rstrip("/")


def _has_origin(url: str) -> bool:
    try:
        return bool(origin(url))
    except ValueError:
        return False
