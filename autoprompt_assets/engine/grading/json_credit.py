"""How far one JSON value is another: a share from 0 to 1, and what differs in words.

| wanted | worth |
| --- | --- |
| an object | the mean of its keys' credit; one that is not wanted counts as a key that is wrong |
| a list | the mean of its items' credit, each in its place; one too many or too few is wrong |
| a list in any order | the same, of the pairs that are worth most |
| a number | 1 within the tolerance, else 0; 7 is 7.0, and true is not 1 |
| a text | 1 where it looks the same, else 0 |

So it is 1 only where all of it is right. Linear in the values' size: more than MOST_PAIRS items of
lists in any order that are not equal are compared in their order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from autoprompt_assets.engine.errors import type_word
from autoprompt_assets.engine.text import fold, quantity, visible

MOST_PAIRS = 2_500
"""Pairs of items that are compared to find the best ones, in one answer."""
MOST_DIFFERENCES = 8
"""Differences that are put in words."""
LONGEST_SHOWN = 60

_in_order = json.JSONEncoder(sort_keys=True).encode


@dataclass(frozen=True)
class Sameness:
    """When two values count as the same."""

    tolerance: float = 0.0
    """How far a number may be off."""
    ignore_case: bool = False
    """Texts are the same but for case and white space."""
    any_order: bool = False
    """Lists are compared without regard to order."""
    ignore_extra: bool = False
    """Keys that are not wanted do not count."""


@dataclass
class Differences:
    """What is wrong with an answer, in words, from its begin; and how much may still be paired."""

    lines: list[str] = field(default_factory=list)
    more: int = 0
    pairs: int = MOST_PAIRS
    room: int = MOST_DIFFERENCES

    @property
    def has_room(self) -> bool:
        """One more is put in words."""
        return self.left > 0

    def missing(self, path: str, wanted: Any) -> None:
        """Note that nothing stands at `path`."""
        self.add(path, f"is missing, want {shown_json(wanted)}" if self.has_room else "")

    def other(self, path: str, given: Any, wanted: Any) -> None:
        """Note what stands at `path` instead of `wanted`."""
        self.add(path, f"{shown_json(given)}, want {_told(given, wanted)}" if self.has_room else "")

    def add(self, path: str, trouble: str) -> None:
        """Note what is wrong at `path`."""
        self.say(f"{named(path)}: {trouble}")

    def say(self, line: str) -> None:
        """Note something."""
        if self.has_room:
            self.lines.append(line)
        else:
            self.more += 1

    @property
    def left(self) -> int:
        """How much more is put in words."""
        return self.room - len(self.lines)

    @property
    def text(self) -> str:
        """All of it as one line."""
        more = [f"and {quantity(self.more, 'more difference')}"] if self.more else []
        return "; ".join([*self.lines, *more])


def named(path: str) -> str:
    """What stands at `path`, in words."""
    return f"field {text_of(path)!r}" if path else "the JSON"


def shown_json(value: Any) -> str:
    """`value` as JSON, cut short; what no UTF-8 can hold is left out."""
    text = text_of(json.dumps(value, ensure_ascii=False))
    return text if len(text) <= LONGEST_SHOWN else f"{text[: LONGEST_SHOWN - 1]}…"


def text_of(text: str) -> str:
    """`text` with a question mark for each half of a pair that stands alone."""
    return text.encode("utf-8", "replace").decode()


def credit(
    given: Any, wanted: Any, how: Sameness, differences: Differences, path: str = ""
) -> float:
    """The share of `wanted` that `given` holds; what differs is added to `differences`."""
    if isinstance(wanted, dict) and isinstance(given, dict):
        return _of_object(given, wanted, how, differences, path)
    if isinstance(wanted, list) and isinstance(given, list):
        if how.any_order:
            return _of_bag(given, wanted, how, differences, path)
        return _of_list(given, wanted, how, differences, path)
    if same_scalar(given, wanted, how):
        return 1.0
    differences.other(path, given, wanted)
    return 0.0


def same_scalar(given: Any, wanted: Any, how: Sameness) -> bool:
    """Whether two values that are no objects or lists are the same."""
    if isinstance(given, str) and isinstance(wanted, str):
        if how.ignore_case:
            return fold(given, True) == fold(wanted, True)
        return visible(given) == visible(wanted)
    if isinstance(given, bool) != isinstance(wanted, bool):
        return False
    if given == wanted:
        return not isinstance(given, dict | list)
    return _is_number(given) and _is_number(wanted) and _near(given, wanted, how.tolerance)


def _told(given: Any, wanted: Any) -> str:
    kind = type_word(wanted)
    told = shown_json(wanted)
    return told if type_word(given) == kind or kind == told else f"{told} ({kind})"


def _of_object(
    given: Mapping[str, Any],
    wanted: Mapping[str, Any],
    how: Sameness,
    differences: Differences,
    path: str,
) -> float:
    total, count = 0.0, len(wanted)
    for key, value in wanted.items():
        at = f"{path}.{key}" if path else key
        if key in given:
            total += credit(given[key], value, how, differences, at)
        else:
            differences.missing(at, value)
    if not how.ignore_extra:
        extra = [key for key in given if key not in wanted]
        count += len(extra)
        for key in extra:
            differences.add(f"{path}.{key}" if path else key, "is not wanted")
    return total / count if count else 1.0


def _of_list(
    given: Sequence[Any], wanted: Sequence[Any], how: Sameness, differences: Differences, path: str
) -> float:
    _note_length(given, wanted, differences, path)
    pairs = zip(given, wanted, strict=False)
    total = sum(
        credit(one, other, how, differences, f"{path}[{index}]")
        for index, (one, other) in enumerate(pairs)
    )
    most = max(len(given), len(wanted))
    return total / most if most else 1.0


def _of_bag(
    given: Sequence[Any], wanted: Sequence[Any], how: Sameness, differences: Differences, path: str
) -> float:
    """Equal items are paired first, the others so that they are worth most together."""
    _note_length(given, wanted, differences, path)
    left_given, left_wanted = _without_common(given, wanted, how)
    equal = len(given) - len(left_given)
    total = equal + _paired(left_given, left_wanted, how, differences, path)
    most = max(len(given), len(wanted))
    return total / most if most else 1.0


def _note_length(
    given: Sequence[Any], wanted: Sequence[Any], differences: Differences, path: str
) -> None:
    if len(given) != len(wanted):
        differences.add(path, f"{quantity(len(given), 'item')}, want {len(wanted)}")


def _without_common(
    given: Sequence[Any], wanted: Sequence[Any], how: Sameness
) -> tuple[list[Any], list[Any]]:
    keys_given, keys_wanted = ([_key(one, how) for one in each] for each in (given, wanted))
    common = Counter(keys_given) & Counter(keys_wanted)
    return _left(given, keys_given, common), _left(wanted, keys_wanted, common)


def _left(items: Sequence[Any], keys: Sequence[str], common: Counter[str]) -> list[Any]:
    taken = Counter(common)
    left = []
    for item, key in zip(items, keys, strict=True):
        if taken[key] > 0:
            taken[key] -= 1
        else:
            left.append(item)
    return left


def _paired(
    given: Sequence[Any], wanted: Sequence[Any], how: Sameness, differences: Differences, path: str
) -> float:
    pairs: Iterable[tuple[Any, Any]] = zip(given, wanted, strict=False)
    size = len(given) * len(wanted)
    if 1 < size <= differences.pairs:
        from scipy.optimize import linear_sum_assignment

        differences.pairs -= size
        # Nobody reads these notes, and lists in two items that may be a pair are not paired.
        unheard = Differences(room=0, pairs=0)
        worth = [[credit(one, other, how, unheard) for other in wanted] for one in given]
        rows, columns = linear_sum_assignment(worth, maximize=True)
        pairs = [(given[row], wanted[column]) for row, column in zip(rows, columns, strict=True)]
    return sum(credit(one, other, how, differences, f"{path}[]") for one, other in pairs)


def _key(value: Any, how: Sameness) -> str:
    """The same text for values that are equal."""
    return _in_order(_normal(value, how))


def _normal(value: Any, how: Sameness) -> Any:
    if isinstance(value, dict):
        return {key: _normal(one, how) for key, one in value.items()}
    if isinstance(value, list):
        items = [_normal(one, how) for one in value]
        return sorted(items, key=_in_order)
    if isinstance(value, str):
        return fold(value, True) if how.ignore_case else visible(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _near(given: float, wanted: float, tolerance: float) -> bool:
    try:
        return abs(given - wanted) <= tolerance * (1 + 1e-9)
    except OverflowError:
        return False
