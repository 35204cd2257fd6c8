"""JSON in a model's text: as a whole, in a code fence, or in prose. Linear in the text's length."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

MOST_FENCES = 50
"""Code fences that are looked at, from the last on."""
MOST_LEVELS = 100
"""Objects and lists within one another that are read: what walks through them has a stack."""
LEVELS = 4
"""Brackets of prose that are looked into where what they enclose is no JSON."""

_FENCE = re.compile(r"(?:```+|~~~+)[ \t]*\w*\s*")
_CLOSED = re.compile(r"\s*(?:```|~~~|\Z)")
_BRACKET_OR_STRING = re.compile(r'[\[\]{}"]')
_STRING_END = re.compile(r'[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"')
_PAIRS = {"}": "{", "]": "["}


def _one_value(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    for key, value in pairs:
        if key in data and data[key] != value:
            raise ValueError(f"the key {key!r} has two values")
        data[key] = value
    return data


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_one_value, parse_constant=_no_number)


def parse_json(text: str) -> Any:
    """The one value that `text` is, as RFC 8259 has it: no NaN, and no key with two values.

    Raises:
        ValueError: `text` is no JSON, or is nested too deeply to be read.
    """
    try:
        value = _DECODER.decode(text.strip("\ufeff \t\r\n"))
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not is_shallow(value):
        raise ValueError("nested too deeply")
    return value


def is_shallow(value: object) -> bool:
    """True where no more than `MOST_LEVELS` objects and lists stand within one another."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MOST_LEVELS):
        inner = [one.values() if isinstance(one, dict) else one for one in level]
        level = [one for part in inner for one in part if isinstance(one, dict | list)]
        if not level:
            return True
    return False


def json_values(text: str) -> Iterator[Any]:
    """The JSON values in `text`, the most likely answer first.

    The whole text alone, where it is JSON; else those in code fences, from the last on, and then
    the outermost objects and lists of the prose, from the last on.
    """
    try:
        yield parse_json(text)
    except ValueError:
        yield from fenced_json(text)
        yield from _in_prose(text)


def fenced_json(text: str) -> Iterator[Any]:
    """The JSON values that are the whole of a code fence, from the last fence on.

    A fence ends where its value does, so that back-ticks in a string end none.
    """
    opens = [match.end() for match in _FENCE.finditer(text)]
    for start in islice(reversed(opens), MOST_FENCES):
        try:
            value, end = _DECODER.raw_decode(text, start)
        except (ValueError, RecursionError):
            continue
        if _CLOSED.match(text, end) and is_shallow(value):
            yield value


def _in_prose(text: str) -> Iterator[Any]:
    # A bracket or a quote of the prose may spoil the strings of what follows.
    for strings in (True, False):
        values = list(_parsed(text, _spans(text, strings)))
        if values:
            yield from values
            return


def _parsed(text: str, spans: list[tuple[int, int]]) -> Iterator[Any]:
    room, before = LEVELS * len(text), len(text) + 1
    for start, end in sorted(spans, key=lambda span: (-span[1], span[0])):
        if end > before:
            continue  # inside a value that was read
        room -= end - start
        if room < 0:
            return
        try:
            value = parse_json(text[start:end])
        except ValueError:
            continue
        before = start
        yield value


def _spans(text: str, strings: bool = True) -> list[tuple[int, int]]:
    """Where balanced brackets stand; with `strings`, none count that are quoted in brackets."""
    spans: list[tuple[int, int]] = []
    opened: list[tuple[str, int]] = []
    at = unpaired = 0  # no quote before `unpaired` opens a string
    while match := _BRACKET_OR_STRING.search(text, at):
        at, mark = match.end(), match[0]
        if mark == '"':
            if strings and opened and at > unpaired:
                string = _STRING_END.match(text, at)
                at, unpaired = (string.end(), unpaired) if string else (at, _line_end(text, at))
        elif mark in "[{":
            opened.append((mark, match.start()))
        elif opened and opened[-1][0] == _PAIRS[mark]:
            spans.append((opened.pop()[1], at))
    return spans


def _line_end(text: str, at: int) -> int:
    end = text.find("\n", at)
    return len(text) if end < 0 else end


def ending_object(text: str) -> tuple[str, Any] | None:
    """The JSON object that `text` ends in, after what stands before it on its first line."""
    end = len(text.rstrip())
    for start, stop in sorted(_spans(text)):
        if stop == end and text[start] == "{":
            try:
                value = parse_json(text[start:stop])
            except ValueError:
                return None
            return text[text.rfind("\n", 0, start) + 1 : start], value
    return None
