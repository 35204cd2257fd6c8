"""Characters that are obeyed where they should be shown: texts of models and servers hold them.

Terminals obey control characters (C0, DEL, C1), and directional embeddings, overrides and isolates
reorder what stands around a text. Tag characters are read by a model and seen by nobody, but in the
flags of regions. Marks and joiners that languages need (LRM, RLM, ZWJ, ZWNJ) do none of this.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Browsers drop or replace these, terminals obey them, and half a surrogate pair is no UTF-8.
CONTROLS: dict[int, int] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
}
_TURNS = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Embeddings, overrides and isolates; a page isolates each text instead."""
_DIRECTIONS = dict.fromkeys(_TURNS, 0xFFFD)
_REFERENCES = {code: f"&#x{code:x};" for code in _TURNS}
_IN_JSON = {
    code: f"\\u{code:04x}" for code in (*range(0x7F, 0xA0), *_TURNS, *range(0xD800, 0xE000))
}

_FLAG = "\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f"
_OBEYED = re.compile(
    f"{_FLAG}|\r\n|([\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff"
    "\U000e0000-\U000e007f])"
)


def obeyed(text: str) -> str:
    """What `text` holds that no prompt may, in words; empty where there is none.

    A prompt is read on terminals, in files and in diffs before it is trusted. Tabs and line ends
    are none of it; a carriage return without a line feed, which overwrites its line, is.
    """
    for match in _OBEYED.finditer(text):
        if match[1]:
            return f"U+{ord(match[1]):04X}, {_kind(ord(match[1]))}"
    return ""


def _kind(code: int) -> str:
    if code in _DIRECTIONS:
        return "which reorders the text around it"
    if 0xD800 <= code < 0xE000:
        return "which is half a character"
    return "which no reader sees" if code >= 0xE0000 else "a control character"


def for_terminal(text: str) -> str:
    """`text` with control characters as pictures of themselves."""
    return text.translate(CONTROLS | _DIRECTIONS)


def for_page(html: str) -> str:
    """An HTML document whose source holds no character that reorders; a browser reads the same."""
    return html.translate(_REFERENCES)


def json_text(value: Any, **options: Any) -> str:
    """`value` as JSON that a terminal can be shown: what it would obey is escaped, nothing lost."""
    return json.dumps(value, ensure_ascii=False, **options).translate(_IN_JSON)
