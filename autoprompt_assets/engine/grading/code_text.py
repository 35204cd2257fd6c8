"""The code in an answer: in a fence, or all of it."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Literal

_LANGUAGE = re.compile(r"[ \t]*([\w+#.-]*)[^\n]*\n")


def code_in(text: str, languages: Collection[str], take: Literal["first", "last"]) -> str:
    """The code of one of `languages`, in lower case, that `text` holds.

    Of several fences count those that name one of them, else those that name none, else all; of
    these the first or the last that is not empty. Without a fence the whole text is code.
    """
    blocks = [block for block in _blocks(text) if block[1].strip()]
    named = [code for language, code in blocks if language in languages]
    plain = [code for language, code in blocks if not language]
    found = named or plain or [code for _, code in blocks] or [text]
    return found[0 if take == "first" else -1].strip("\n")


def _blocks(text: str) -> list[tuple[str, str]]:
    """The language and the content of each fence; the last one may be open."""
    blocks = []
    for part in text.replace("~~~", "```").split("```")[1::2]:
        head = _LANGUAGE.match(part)
        blocks.append((head[1].lower(), part[head.end() :]) if head else ("", part))
    return blocks
