"""How a score in a review is read: strictly, so that no number of its prose is taken for one.

| said | read as |
| --- | --- |
| a number alone as the text, or its first or last line | it |
| the same after a lead ("Score: 4", "My rating is **4**"), or of the whole scale ("4/5") | it |
| a JSON object (the text, its last fence, its end), by one of KEYS | it |
| two of these that differ, a number beyond the scale, or one of another scale ("8/10") | none |
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from autoprompt_assets.engine.grading.verdict import read_verdict
from autoprompt_assets.engine.json_text import ending_object, fenced_json, parse_json
from autoprompt_assets.engine.text import visible

Scale = tuple[int, int]
KEYS = ("score", "rating", "grade", "verdict", "value")
LONGEST = 200
"""Characters that a line of a lead and a number may have."""

_WORD = r"(?:the|my|final|overall|total|score|rating|grade|verdict|is|of|i|give|it|an?)"
_GAP = r"(?:[^\w-]|-(?!\d))"
_LINE = re.compile(
    rf"{_GAP}*(?:{_WORD}{_GAP}+)*(?P<number>-?\d+(?:\.\d+)?)"
    r"(?:\s*(?:/|out of)\s*(?P<of>\d+))?(?:\s*(?:points?|stars?))?[\s*_`'\".!)\]]*",
    re.IGNORECASE,
)


def read_score(text: str, scale: Scale) -> float | None:
    """What a review settles on, as a share of the scale from 0 to 1; `None` where on nothing."""
    text = visible(text).strip()
    found = read_object(text)
    if found is not None:
        said = [found[key] for key in KEYS if key in found]
    else:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        said = [line for line in (*lines[:1], *lines[-1:]) if _match(line)]
    shares = {_share(one, scale) for one in said}
    return shares.pop() if len(shares) == 1 else None


def read_criteria(text: str, names: Iterable[str], scale: Scale | None) -> dict[str, float] | None:
    """Each criterion's share, from 0 to 1; `None` where one of them is not settled.

    Read are a JSON object whose keys are the names, and lines that begin with them.
    """
    text = visible(text).strip()
    found = read_object(text) or dict(_named_lines(text))
    known = {plain_key(key): value for key, value in found.items()}
    shares = {name: _criterion(known.get(plain_key(name)), scale) for name in names}
    settled = {name: one for name, one in shares.items() if one is not None}
    return settled if len(settled) == len(shares) else None


def read_object(text: str) -> dict[str, Any] | None:
    """The JSON object that a text is, that its last fence holds, or that it ends in."""
    try:
        found = parse_json(text)
    except ValueError:
        found = next(fenced_json(text), None)
    if isinstance(found, dict):
        return found
    ending = ending_object(text)
    return ending[1] if ending is not None and isinstance(ending[1], dict) else None


def plain_key(name: str) -> str:
    """A name's letters and digits, in one case."""
    return re.sub(r"[\W_]", "", name.casefold())


def _named_lines(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, colon, said = line.partition(":")
        if colon and len(line) <= LONGEST:
            yield name, said


def _criterion(said: Any, scale: Scale | None) -> float | None:
    if isinstance(said, Mapping):
        said = next((said[key] for key in (*KEYS, "met", "passed") if key in said), None)
    if scale is not None:
        return read_score(said, scale) if isinstance(said, str) else _share(said, scale)
    right = read_verdict(said) if isinstance(said, str) else said
    return float(right) if isinstance(right, bool) else None


def _share(number: Any, scale: Scale) -> float | None:
    low, high = scale
    if isinstance(number, str):
        match = _match(number)
        number = float(match["number"]) if match and match["of"] in (None, str(high)) else None
    if isinstance(number, bool) or not isinstance(number, int | float):
        return None
    return (number - low) / (high - low) if low <= number <= high else None


def _match(line: str) -> re.Match[str] | None:
    return _LINE.fullmatch(line) if len(line) <= LONGEST else None
