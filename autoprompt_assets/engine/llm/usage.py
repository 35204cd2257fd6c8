"""What a server says of its cache in the usage of a reply: each provider has words of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CACHED = (
    ("prompt_tokens_details", "cached_tokens"),
    ("input_tokens_details", "cached_tokens"),
    ("prompt_cache_hit_tokens",),
    ("cache_read_input_tokens",),
    ("cached_tokens",),
)
"""Where servers say how many prompt tokens they had in their cache."""
_WRITTEN = (
    ("prompt_tokens_details", "cache_write_tokens"),
    ("prompt_tokens_details", "cache_creation_tokens"),
    ("cache_creation_input_tokens",),
)
"""Where they say how many they put there."""


def cache_tokens(usage: object, prompt: int) -> tuple[int, int]:
    """How many of `prompt` tokens were read from the provider's cache, and written to it.

    `usage` is what the server sent; what it does not say, or what cannot be, is 0.
    """
    if not isinstance(usage, dict):
        return 0, 0
    cached = min(_first(usage, _CACHED), prompt)
    return cached, min(_first(usage, _WRITTEN), prompt - cached)


def _first(usage: Mapping[str, Any], places: tuple[tuple[str, ...], ...]) -> int:
    for place in places:
        found: object = usage
        for name in place:
            found = found.get(name) if isinstance(found, dict) else None
        if isinstance(found, int) and not isinstance(found, bool) and found > 0:
            return found
    return 0
