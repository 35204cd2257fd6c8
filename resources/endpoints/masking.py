"""Hides keys and other secrets wherever a text from outside quotes them."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Iterator
from functools import cache
from html.entities import html5
from urllib.parse import unquote

MASK = "***"
SHORTEST_MIXED = 5
"""Characters from which on a key of small and capital letters and digits is no word."""
SHORTEST_SECRET = 12
"""Characters from which on a key with letters and digits stands in an answer by no chance."""
SHORTEST_PHRASE = 20
"""Characters from which on any key does. Others are words that a model may write (`ollama`,
`customer-support`): in answers they stay, in errors they are masked all the same."""
SHORTEST_PACKED = 8
"""Characters of a key from which on its base64 is told from chance."""
LONGEST_SPELT = 200
"""Characters of a key up to which its letters and digits may be escaped, too: of a longer one, a
signed token, other characters are."""
SHORTEST_RUN, RUN_SHARE = 8, 0.6
"""Characters, and the share, of a key that an error may not show in one piece."""

_GAP = (
    r"(?:[\s\u200b-\u200d\u2060\ufeff\u00ad]|=\r?\n|\\[nrt]|\\u200[b-d]|<wbr>|&(?:shy|#8203);){0,4}"
)
"""What may part two characters of a key: a wrapped line, and marks that nobody sees."""
_CODE = re.compile(r"\\(?:u00|x)([0-9a-fA-F]{2})|\\([^\w\s])|=([0-9A-F]{2})")


class KeyMask:
    """Replaces one key, in each of the forms in which a server may quote it: in upper or lower
    case, with any of its characters escaped as JSON, a web address, a page or a mail escapes it,
    broken over lines, and as base64 writes it (`Basic` credentials hold it so).
    """

    def __init__(self, key: str) -> None:
        self._key = key.lower()
        self._whole = _pattern(key)
        packed = _packed(key.encode()) if len(key) >= SHORTEST_PACKED else ()
        self._packed = sorted(set(packed))
        self.is_secret = _is_secret(key)
        """Whether the key is masked in answers: it can stand there by no chance."""
        self._run = max(SHORTEST_RUN, -int(-RUN_SHARE * len(key) // 1))

    def error(self, text: str) -> str:
        """`text` of an error without the key, nor a longer piece of it."""
        return self.without_pieces(self.without(text))

    def answer(self, text: str) -> str:
        """`text` of an answer without the key, if it `is_secret`."""
        return self.without(text) if self.is_secret else text

    def without_pieces(self, text: str) -> str:
        """`text` without a longer piece of the key; where such a piece is told only once escapes
        are read, the text as it reads then.
        """
        if not self._key:
            return text
        text = self._without_runs(text)
        for read in (html.unescape(text), unquote(text), _CODE.sub(_character, text)):
            without = read if read == text else self._without_runs(read)
            if without != read:
                text = without
        return text

    def without(self, text: str) -> str:
        """`text` without the whole key."""
        text = self._whole.sub(MASK, text)
        for form in self._packed:
            text = text.replace(form, MASK)
        return text

    def _without_runs(self, text: str) -> str:
        """`text` without any `_run` or more characters of the key in one piece.

        Each such piece holds a whole block of half as many that begins at a multiple of its size.
        """
        size = (self._run + 1) // 2
        for start in range(0, len(self._key) - size + 1, size):
            text = self._without_run(text, start, size)
        return text

    def _without_run(self, text: str, start: int, size: int) -> str:
        """`text` without the pieces that hold the key's characters from `start` on, `size`."""
        key, lower, kept, done = self._key, text.lower(), [], 0
        if len(lower) != len(text):  # a few letters of other scripts grow
            lower = "".join(char.lower() if len(char.lower()) == 1 else char for char in text)
        block = key[start : start + size]
        found = lower.find(block)
        while found >= 0:
            left, right = found, found + size
            first, last = start, start + size
            while left > done and first and lower[left - 1] == key[first - 1]:
                left, first = left - 1, first - 1
            while right < len(lower) and last < len(key) and lower[right] == key[last]:
                right, last = right + 1, last + 1
            if last - first >= self._run:
                kept += [text[done:left], MASK]
                done = right
            found = lower.find(block, max(found + 1, done))
        return "".join([*kept, text[done:]])


class SecretsMask:
    """Replaces each of several secrets; see `KeyMask`."""

    def __init__(self, secrets: Iterable[str]) -> None:
        # A longer one first: another may be a part of it.
        distinct = sorted(dict.fromkeys(filter(None, secrets)), key=len, reverse=True)
        self._masks = [KeyMask(secret) for secret in distinct]

    def error(self, text: str) -> str:
        """`text` of an error without any of them, nor a longer piece of one."""
        # Wholes first: a piece of one may stand in another, the rest of which would be left.
        for mask in self._masks:
            text = mask.without(text)
        for mask in self._masks:
            text = mask.without_pieces(text)
        return text

    def answer(self, text: str) -> str:
        """`text` of an answer without those that stand there by no chance."""
        for mask in self._masks:
            text = mask.answer(text)
        return text


def _is_secret(key: str) -> bool:
    letters, digits = any(map(str.isalpha, key)), any(map(str.isdigit, key))
    mixed = digits and any(map(str.islower, key)) and any(map(str.isupper, key))
    if mixed:
        return len(key) >= SHORTEST_MIXED
    return len(key) >= (SHORTEST_SECRET if letters and digits else SHORTEST_PHRASE)


def _character(found: re.Match[str]) -> str:
    code = found[1] or found[3]
    return chr(int(code, 16)) if code else found[2]


def _pattern(key: str) -> re.Pattern[str]:
    """Finds the key with any of its characters escaped in any way, in linear time."""
    # One for backslashes in a row: however often they are escaped, there is one way to read them.
    parts = re.findall(r"\\+|[^\\]", key)
    pieces = []
    for place, part in enumerate(parts):
        spelt = len(key) <= LONGEST_SPELT or not part[0].isalnum()
        forms = "|".join(_forms(part[0]) if spelt else _plain(part[0]))
        after_slash = place and parts[place - 1][0] == "\\"
        many = "+" if part[0] == "\\" else ""
        # The first begins with plain characters alone, which a search finds fast.
        slashes = "" if not place or after_slash or many else r"\\{0,4}"
        pieces.append(f"{_GAP if place else ''}{slashes}(?:{forms}){many}")
    return re.compile("".join(pieces) or r"(?!)")


@cache
def _forms(char: str) -> tuple[str, ...]:
    """Regular expressions of all that stands for one character."""
    code, encoded = ord(char), char.encode()
    names = "".join(f"|{name}" for name in _names(char))
    forms = [
        *_plain(char),
        "".join(f"%(?:25){{0,3}}{_hex(byte)}" for byte in encoded),
        "".join(f"={_hex(byte)}" for byte in encoded),
        "".join(rf"\\x{_hex(byte)}" for byte in encoded),
        rf"\\{{1,4}}u00{_hex(code)}",
        rf"&(?:amp;){{0,3}}(?:#0{{0,5}}{code};?|#[xX]0{{0,5}}{_hex(code)};?{names})",
    ]
    return (*forms, r"\+") if char == " " else tuple(forms)


def _plain(char: str) -> list[str]:
    cases = dict.fromkeys((char, char.lower(), char.upper()))
    return [re.escape(one) for one in cases if len(one) == 1]


@cache
def _names(char: str) -> tuple[str, ...]:
    return tuple(name for name, meant in html5.items() if meant == char and name.endswith(";"))


def _hex(code: int) -> str:
    return "".join(
        f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in f"{code:02x}"
    )


def _packed(key: bytes) -> Iterator[str]:
    """What base64 makes of the key alone, wherever it begins in a text: three ways."""
    for before in range(3):
        start = -(-before * 8 // 6)  # what an earlier byte changes, too, stands before
        end = (before + len(key)) * 8 // 6  # what a later one changes, after
        for pack in (base64.b64encode, base64.urlsafe_b64encode):
            yield pack(b"\0" * before + key).decode()[start:end]
