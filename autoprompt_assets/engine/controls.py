"""Characters that are obeyed where they should be shown: texts of models and servers hold them."""

from __future__ import annotations

# Browsers drop or replace these, terminals obey them, and half a surrogate pair is no UTF-8.
CONTROLS: dict[int, int] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
}
_DIRECTIONS = dict.fromkeys((*range(0x202A, 0x202F), *range(0x2066, 0x206A)), 0xFFFD)
"""Overrides and isolates, which move what stands beside them; a page isolates each text instead."""


def for_terminal(text: str) -> str:
    """`text` with control characters as pictures of themselves."""
    return text.translate(CONTROLS | _DIRECTIONS)
