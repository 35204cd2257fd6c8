"""Whether RE2, which is linear in the text, reads a pattern exactly as Python's `re` does.

RE2 (Cox 2010, https://swtch.com/~rsc/regexp/regexp3.html) knows no look-around and no
back-references, and reads classes and word boundaries as ASCII. What is not surely the same in both
is left to `re`.
"""

from __future__ import annotations

import re
import re._constants as codes  # type: ignore[import-not-found]
import re._parser as parser  # type: ignore[import-not-found]
from collections.abc import Iterator
from functools import cache
from typing import Any

_SPELLED_OTHERWISE = re.compile(r"\[\[:|\{,|\\\d|\[[^\]]*\[[^\]]*:")
"""POSIX classes, `{,3}` and octal escapes, which mean another thing in RE2 or none."""
_SAME = frozenset(
    (
        *("LITERAL", "NOT_LITERAL", "ANY", "IN", "BRANCH", "SUBPATTERN"),
        *("MAX_REPEAT", "MIN_REPEAT", "AT", "RANGE", "NEGATE", "CATEGORY"),
    )
)
_SAME_PLACES = frozenset(
    (
        *("AT_BEGINNING", "AT_BEGINNING_STRING", "AT_END"),
        *("AT_BOUNDARY", "AT_NON_BOUNDARY"),
    )
)
_MOST_REPEATS = 1000
_OTHER_SPACE = re.compile("[\x0b\x1c-\x1f]")


@cache
def linear(pattern: str, ignore_case: bool) -> Any | None:
    """`pattern` as RE2 compiles it, or `None` where it may read a text otherwise than `re`."""
    if _SPELLED_OTHERWISE.search(pattern) or not pattern.isascii():
        return None
    parsed = parser.parse(pattern, re.IGNORECASE if ignore_case else 0)
    if parsed.getwidth()[0] == 0 or not all(map(_is_same, _nodes(parsed))):
        return None
    import re2

    options = re2.Options()
    options.case_sensitive = not ignore_case
    options.log_errors = False
    try:
        return re2.compile(pattern, options)
    except re2.error:
        return None


def is_plain(text: str) -> bool:
    """True for a text in which both mean the same by a class, a boundary and an end."""
    return text.isascii() and not text.endswith("\n") and _OTHER_SPACE.search(text) is None


def _nodes(parsed: Any) -> Iterator[tuple[str, Any]]:
    for code, argument in parsed:
        yield str(code), argument
        if code is codes.SUBPATTERN:
            yield from _nodes(argument[3])
        elif code is codes.BRANCH:
            for branch in argument[1]:
                yield from _nodes(branch)
        elif code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            yield from _nodes(argument[2])
        elif code is codes.IN:
            yield from ((str(inner), _) for inner, _ in argument)


def _is_same(node: tuple[str, Any]) -> bool:
    code, argument = node
    if code == "AT":
        return str(argument) in _SAME_PLACES
    if code in ("MAX_REPEAT", "MIN_REPEAT"):
        least, most, body = argument
        bounded = most is codes.MAXREPEAT or most <= _MOST_REPEATS
        # An empty turn of a loop is where engines part.
        return bool(least <= _MOST_REPEATS and bounded and body.getwidth()[0] > 0)
    return code in _SAME
