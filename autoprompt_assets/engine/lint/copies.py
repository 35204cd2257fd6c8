"""Rows that were copied into an instruction: found by word runs, against an index of the rows.

Memorised rows raise the score on the rows that a prompt is tuned on and on no other. Texts are
compared as words: NFKC, case folded, entities decoded, without punctuation and invisible
characters. In a script without spaces (Chinese, Japanese, Thai, …) each character counts as half a
word.

The index holds eight bytes for about every seventh word of the rows, so that tens of thousands of
rows take a few megabytes. Any twelve words in a row hold one of the six-word grams that stand at
every seventh word, so no such run is missed, unless it begins as over fifty rows do. (On sampled
fingerprints, of which this is the plainest: Schleimer et al. 2003, doi:10.1145/872757.872770.)

Three ways to be a copy: a row of four words and 20 characters or more as a whole; twelve words in a
row out of one, none of whose grams is the task's or the first prompt's; a shorter row whose target
stands beside it, parted by an arrow, a colon or their like. One or two characters never are.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.text import SPACELESS, is_spaceless, plain

RUN = 12
"""Words in a row that are a copy of a longer row."""
GRAM, STRIDE = 6, 7
"""Words of one gram, and from one indexed gram of a row to the next: GRAM + STRIDE - 1 = RUN."""
LEAST_WORDS, LEAST_CHARACTERS = 4, 20
"""A row below either is short, and may stand in an instruction by chance."""
SAMPLE = 400
"""Rows that are read to learn which grams belong to the task and not to a row."""
COMMON = 20
"""A gram is the task's where more than one row in so many (and more than one) holds it."""
MOST_ROWS, MOST_PLACES = 50, 4
"""Rows looked at for one gram, and places of one gram in one text."""
TARGET_WORDS = 8

_ROW_BITS, _HASH_BITS = 28, 36
_WORD = re.compile(f"[{SPACELESS}]|[^\\W_{SPACELESS}]+")
_BESIDE = re.compile(r"->|=>|[→⇒=:|\t]| [-–—] ")
_LABELS = frozenset(
    ["a", "answer", "class", "category", "label", "output", "response", "result", "target"]
)

Pair = tuple[tuple[str, ...], tuple[str, ...]]


class Leaks:
    """An index over `rows`; what `first` says itself is no copy."""

    def __init__(self, first: str, rows: Sequence[Example]) -> None:
        self._texts = _Texts(rows)
        words = _words(first)
        self._first = _joined(words)
        self._task = _task_grams(self._texts) | {hash(gram) for gram in _grams(words, GRAM)}
        self._index, self._pairs = self._indexed(set(_pairs_in(first, None)))
        self._shapes = {(len(given), len(target)) for given, target in self._pairs}

    def copied(self, instruction: str) -> str:
        """A text that stands in `instruction` and comes from one row, or an empty one."""
        words = _words(instruction)
        own = [hash(gram) not in self._task for gram in _grams(words, GRAM)]
        for size in (GRAM, GRAM - 1, LEAST_WORDS):
            for gram, places in _places(words, size).items():
                if size == GRAM and not own[places[0]]:
                    continue
                for row in self._found(gram):
                    copy = self._copy(row, gram, _Text(words, own, places))
                    if copy:
                        return copy
        pairs = _pairs_in(instruction, self._shapes)
        return next((" -> ".join(map(" ".join, pair)) for pair in pairs if pair in self._pairs), "")

    def _indexed(self, known: set[Pair]) -> tuple[array[int], frozenset[Pair]]:
        keys: list[int] = []
        pairs: set[Pair] = set()
        for number, text in self._texts.own():
            words = _words(text)
            if not _is_short(text, words):
                keys += [_key(gram) << _ROW_BITS | number for gram in self._anchors(words)]
            elif len(text.strip()) > 2 and words:
                target = self._texts.row(number).target
                pair = (tuple(words), tuple(_words(target)[:TARGET_WORDS]))
                if pair[1] and pair not in known:
                    pairs.add(pair)
        return array("Q", sorted(set(keys))), frozenset(pairs)

    def _anchors(self, words: list[str]) -> Iterator[tuple[str, ...]]:
        """The grams that a row is found by: its first own one, and its own at every seventh."""
        if len(words) < GRAM:
            yield tuple(words)
            return
        own = (gram for gram in _grams(words, GRAM) if hash(gram) not in self._task)
        yield from islice(own, 1)
        for at in range(0, len(words) - GRAM + 1, STRIDE):
            gram = tuple(words[at : at + GRAM])
            if hash(gram) not in self._task:
                yield gram

    def _found(self, gram: tuple[str, ...]) -> Iterator[int]:
        key = _key(gram)
        at = bisect_left(self._index, key << _ROW_BITS)
        for entry in self._index[at : at + MOST_ROWS]:
            if entry >> _ROW_BITS != key:
                return
            yield entry & ((1 << _ROW_BITS) - 1)

    def _copy(self, number: int, gram: tuple[str, ...], text: _Text) -> str:
        """The row where it stands as a whole around `gram`, or the run that is its own."""
        given = self._texts[number]
        row = _words(given)
        if len(gram) < GRAM:
            whole = tuple(row) == gram and _joined(row) not in self._first
            return given if whole else ""
        run = _longest_run(row)
        for place in _places(row, GRAM).get(gram, []):
            for at in text.places:
                if text.holds(row, at - place) and _joined(row) not in self._first:
                    return given
                start, length = text.stretch(row, at, place)
                if length >= run:
                    return " ".join(text.words[start : start + length])
        return ""


class _Texts:
    """What the rows were given, column by column: numbers count through a row's columns first.

    Of several columns, a value that stands in more than one row is no row's own: a tier, a country.
    """

    def __init__(self, rows: Sequence[Example]) -> None:
        self._rows = rows
        self._columns = tuple(rows[0].inputs) if rows else ()
        several = len(self._columns) > 1
        values = (one for row in rows for one in row.inputs.values()) if several else ()
        self._often = {one for one, count in Counter(map(hash, values)).items() if count > 1}

    def __len__(self) -> int:
        return len(self._rows) * len(self._columns)

    def __getitem__(self, number: int) -> str:
        return self.row(number).inputs[self._columns[number % len(self._columns)]]

    def row(self, number: int) -> Example:
        return self._rows[number // len(self._columns)]

    def own(self) -> Iterator[tuple[int, str]]:
        """Those that tell a row from others, with their numbers."""
        for number in range(len(self)):
            text = self[number]
            if not self._often or hash(text) not in self._often:
                yield number, text

    def sample(self) -> list[str]:
        """Some of them, from the whole of the table."""
        return [self[number] for number in range(0, len(self), max(1, len(self) // SAMPLE))]


class _Text:
    """An instruction's words, which of its grams are its own, and where one of them stands."""

    def __init__(self, words: list[str], own: list[bool], places: list[int]) -> None:
        self.words, self.own, self.places = words, own, places

    def holds(self, row: list[str], start: int) -> bool:
        return start >= 0 and self.words[start : start + len(row)] == row

    def stretch(self, row: list[str], at: int, place: int) -> tuple[int, int]:
        """Start and words of the run around `at` that `row` shares and that is no task text."""
        left = right = 0
        while min(at, place) > left and self._shared(row, at - left - 1, place - left - 1):
            left += 1
        while at + right + 1 < len(self.own) and place + right + GRAM < len(row):
            last = right + GRAM
            if self.words[at + last] != row[place + last] or not self.own[at + right + 1]:
                break
            right += 1
        return at - left, left + right + GRAM

    def _shared(self, row: list[str], at: int, place: int) -> bool:
        return self.words[at] == row[place] and self.own[at]


def _words(text: str) -> list[str]:
    return _WORD.findall(plain(text).casefold())


def _joined(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "


def _grams(words: Sequence[str], size: int) -> Iterator[tuple[str, ...]]:
    return (tuple(words[at : at + size]) for at in range(len(words) - size + 1))


def _places(words: Sequence[str], size: int) -> dict[tuple[str, ...], list[int]]:
    found: dict[tuple[str, ...], list[int]] = {}
    for at, gram in enumerate(_grams(words, size)):
        places = found.setdefault(gram, [])
        if len(places) < MOST_PLACES:
            places.append(at)
    return found


def _key(gram: tuple[str, ...]) -> int:
    return hash(gram) & ((1 << _HASH_BITS) - 1)


def _spaceless(words: Sequence[str]) -> int:
    return sum(1 for word in words if len(word) == 1 and is_spaceless(word))


def _is_short(text: str, words: Sequence[str]) -> bool:
    halves = _spaceless(words)
    characters = len(" ".join(text.split())) + halves
    return len(words) - halves / 2 < LEAST_WORDS or characters < LEAST_CHARACTERS


def _longest_run(row: Sequence[str]) -> int:
    return 2 * RUN if _spaceless(row) > len(row) / 2 else RUN


def _task_grams(texts: _Texts) -> set[int]:
    """Grams that many rows hold: options, a form, a question that is always the same."""
    sample = texts.sample()
    held: Counter[int] = Counter()
    for text in sample:
        held.update({hash(gram) for gram in _grams(_words(text), GRAM)})
    return {gram for gram, count in held.items() if count > max(1, len(sample) // COMMON)}


def _pairs_in(text: str, shapes: set[tuple[int, int]] | None) -> Iterator[Pair]:
    """What stands on both sides of an arrow, a colon and their like, in the lengths of `shapes`.

    `None` stands for every length up to eight words.
    """
    text = plain(text).casefold()
    found = list(_WORD.finditer(text))
    words = [match[0] for match in found]
    ends = [match.end() for match in found]
    starts = [match.start() for match in found[1:]]
    beside = [
        bool(_BESIDE.search(text, end, start)) for end, start in zip(ends[:-1], starts, strict=True)
    ]
    sizes = range(1, TARGET_WORDS + 1)
    every = {(given, target) for given in sizes for target in sizes}
    lengths = sorted(every if shapes is None else shapes)
    for at, parted in enumerate(beside):
        rights = [at + 1] if parted else []
        if words[at + 1] in _LABELS and at + 1 < len(beside) and beside[at + 1]:
            rights.append(at + 2)
        for right in rights:
            for given, target in lengths:
                if at + 1 >= given and right + target <= len(words):
                    yield (
                        tuple(words[at + 1 - given : at + 1]),
                        tuple(words[right : right + target]),
                    )
