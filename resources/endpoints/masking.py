"""Hides a key wherever a text from outside quotes it."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

MASK = "***"
NO_KEYS = frozenset({"none", "null", "empty", "dummy", "test", "no-key", "unused"})
SHORTEST_KEY = 4
"""What servers without keys are given is no secret, and a word that a model may write: one of
these in any case, or less than so many characters. In errors it is masked all the same."""
SHORTEST_PACKED = 8
"""Characters of a key from which on its base64 is told from chance."""


class KeyMask:
    """Replaces one key, in each of the forms in which a server may quote it: as it is, and as JSON,
    a web address, a page or base64 write it (`Basic` credentials hold it so).
    """

    def __init__(self, key: str) -> None:
        self._lower = key.lower()
        forms = {form for form in _forms(key) if form}
        forms |= {json.dumps(form, ensure_ascii=False)[1:-1] for form in forms}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))
        self._secret = len(key) >= SHORTEST_KEY and key.casefold() not in NO_KEYS

    def error(self, text: str) -> str:
        """`text` of an error without the key, nor the key in lower case."""
        text = self._replaced(text)
        return text.replace(self._lower, MASK) if self._lower else text

    def answer(self, text: str) -> str:
        """`text` of an answer without the key, if it is one and not a word."""
        return self._replaced(text) if self._secret else text

    def _replaced(self, text: str) -> str:
        for form in self._forms:
            text = text.replace(form, MASK)
        return text


def _forms(key: str) -> Iterator[str]:
    for ascii_only in (False, True):
        within = json.dumps(key, ensure_ascii=ascii_only)[1:-1]
        yield within
        yield within.replace("/", "\\/")
    yield from (key, repr(key)[1:-1], html.escape(key), html.escape(key, quote=False))
    for encoded in (quote(key), quote(key, safe=""), quote_plus(key)):
        yield encoded
        yield re.sub("%..", lambda escape: escape[0].lower(), encoded)
    if len(key) >= SHORTEST_PACKED:
        yield from _packed(key.encode())


def _packed(key: bytes) -> Iterator[str]:
    """What base64 makes of the key alone, wherever it begins in a text: three ways."""
    for before in range(3):
        start = -(-before * 8 // 6)  # what an earlier byte changes, too, stands before
        end = (before + len(key)) * 8 // 6  # what a later one changes, after
        for pack in (base64.b64encode, base64.urlsafe_b64encode):
            yield pack(b"\0" * before + key).decode()[start:end]
