"""The simulated optimizer model: one rule for all strategies and peers.

It sees only the text of the request. It takes the last prompt that stands there, changes one
feature of it, and does so more often rightly where the request shows rows that went wrong. It may
also copy rows into the prompt, as models do, and drops such copies as one change more it can make.
A request to merge two prompts gets both's features.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from autoprompt_assets.engine.identity import content_hash, uniform
from tests.benchmarks.simulated.landscape import Landscape
from tests.benchmarks.simulated.reading import content_of
from tests.benchmarks.simulated.words import LABELS, ROW, ROWS, normalise

RIGHT_BLIND, RIGHT_WITH_FEEDBACK = 0.25, 0.75
"""How often its move raises the true score, where any can; with feedback, a failing category's."""
COPY_ROWS, COPY_FAILURES = 0.1, 0.2
"""How often it copies rows that stand in the request with their targets."""
GAP = 80
"""Characters between two sentences of one prompt, at most."""
WINDOW = 400
"""Characters after a row that can be about it, at most."""

_LABEL = rf"\b({'|'.join(LABELS)})\b"
_LABELS = re.compile(_LABEL, re.IGNORECASE)
_MARK = r"expected|target|should (?:be|have been)|correct answer|right answer|ground truth"
_TRUTH = re.compile(rf"(?:{_MARK})\W+(?:\w+\W+){{0,2}}?{_LABEL}", re.IGNORECASE)
_MARKED = re.compile(_MARK, re.IGNORECASE)
_WRONG = re.compile(
    r"\b(?:wrong|incorrect|not (?:correct|right)|mistaken)\b|score\W{1,4}0(?:\.0+)?\b(?![.\d])",
    re.IGNORECASE,
)
_MERGE = re.compile(r"\b(?:merge|combine|recombine|crossover)", re.IGNORECASE)
_COPY = re.compile(rf"Known case: ({ROW}) => ({'|'.join(LABELS)})\.")


Identity = tuple[frozenset[int], frozenset[str]]


@dataclass(frozen=True)
class Block:
    """A prompt that stands in a request, from `start` to `end`."""

    start: int
    end: int
    features: tuple[int, ...] = ()
    """In the order in which they stand."""
    copies: tuple[str, ...] = ()
    """Sentences that copy a row, as this proposer writes them."""

    @property
    def identity(self) -> Identity:
        """Equal for prompts that say the same."""
        return frozenset(self.features), frozenset(self.copies)


@dataclass(frozen=True)
class Seen:
    """A row that stands in a request outside a prompt."""

    row: str
    target: str | None
    """As the request tells it."""
    failed: bool


def propose(landscape: Landscape, messages: Sequence[Mapping[str, Any]], sample: int = 0) -> str:
    """The new prompt. A pure function of the messages; `sample` tells repeated draws apart."""
    texts = [content_of(message) for message in messages]
    roles = [message.get("role") for message in messages]
    # What the model itself answered before is not what it is asked to improve.
    asked = "\n".join(t for t, role in zip(texts, roles, strict=True) if role != "assistant")
    key = (landscape.seed, content_hash(texts, 16), sample)
    blocks = find_blocks(landscape, asked)
    tried = {block.identity for block in find_blocks(landscape, "\n".join(texts))}
    # Of two that say the same, nothing can be merged, whatever was answered before.
    if len(tried) == len({b.identity for b in blocks}) == 2 and _MERGE.search(asked):
        return _write(landscape, _union(*_last_two(blocks)))
    base = blocks[-1] if blocks else Block(0, 0)
    seen = find_rows(landscape, asked, blocks)
    made = _change(landscape, base, tried, seen, key)
    if made.features != base.features:
        made = replace(made, copies=(*made.copies, *_copied(base, seen, key)))
    return _write(landscape, made)


def find_blocks(landscape: Landscape, text: str) -> list[Block]:
    """The prompts in a text, in order: known sentences in a row, each starting with the core's."""
    made: list[Block] = []
    for match in _sentences(landscape).finditer(text):
        found = normalise(match[0]).rstrip(".")
        number = _numbers(landscape).get(found)
        copies = (match[0],) if match.lastgroup == "copy" else ()
        features = () if number is None else (number,)
        last = made[-1] if made else None
        if last is None or match.lastgroup == "core" or match.start() - last.end > GAP:
            made.append(Block(match.start(), match.end(), features, copies))
        else:
            features = tuple(dict.fromkeys((*last.features, *features)))
            made[-1] = Block(last.start, match.end(), features, (*last.copies, *copies))
    return made


def find_rows(landscape: Landscape, text: str, blocks: Sequence[Block]) -> list[Seen]:
    """The rows outside prompts, with what the text behind each says of it."""
    outside = [
        match
        for match in ROWS.finditer(text)
        if not any(block.start <= match.start() < block.end for block in blocks)
    ]
    stops = sorted([match.start() for match in outside] + [block.start for block in blocks])
    made = []
    for match in outside:
        end = next((stop for stop in stops if stop > match.start()), len(text))
        window = text[match.end() : min(end, match.end() + WINDOW)]
        labels = [label.casefold() for label in _LABELS.findall(window)]
        truth = _TRUTH.search(window)
        target = truth[1].casefold() if truth else labels[-1] if labels else None
        contradicted = _MARKED.search(window) is not None and len(set(labels)) > 1
        made.append(Seen(match[0], target, contradicted or _WRONG.search(window) is not None))
    return made


def _change(
    landscape: Landscape,
    base: Block,
    tried: set[Identity],
    seen: Sequence[Seen],
    key: tuple[object, ...],
) -> Block:
    """`base` with one feature added or taken away, or its copies; none of the prompts shown."""
    moves = [_toggled(base, number) for number in range(len(landscape.features))]
    moves += [replace(base, copies=())] if base.copies else []
    moves = [move for move in moves if move.identity not in tried] or moves
    now = landscape.true_score(_write(landscape, base))
    right = [m for m in moves if landscape.true_score(_write(landscape, m)) > now + 1e-9]
    failing = {landscape.category(row.row) for row in seen if row.failed}
    # A fix has the number of its category. Copies do harm whatever fails.
    cures = [m for m in right if (set(m.features) - set(base.features)) & failing]
    cures += [m for m in right if cures and m.features == base.features]
    chance = RIGHT_WITH_FEEDBACK if failing else RIGHT_BLIND
    # Were the other moves drawn from all, a landscape of many helpful features would be easy blind.
    rest = [move for move in moves if move not in right] or moves
    chosen = (cures or right) if right and uniform("right", *key) < chance else rest
    return chosen[int(uniform("move", *key) * len(chosen))]


def _copied(base: Block, seen: Sequence[Seen], key: tuple[object, ...]) -> list[str]:
    """One or two rows of the request with their targets, failed ones first; mostly none."""
    known = [row for row in seen if row.target is not None]
    failed = [row for row in known if row.failed]
    if uniform("copy", *key) >= (COPY_FAILURES if failed else COPY_ROWS):
        return []
    count = 1 + int(uniform("copies", *key) * 2)
    made = [f"Known case: {row.row} => {row.target}." for row in failed or known]
    return [copy for copy in dict.fromkeys(made) if copy not in base.copies][:count]


def _toggled(base: Block, number: int) -> Block:
    if number in base.features:
        return replace(base, features=tuple(n for n in base.features if n != number))
    return replace(base, features=(*base.features, number))


def _last_two(blocks: Sequence[Block]) -> tuple[Block, Block]:
    """The last prompt and the last one that differs from it."""
    last = blocks[-1]
    other = next(b for b in reversed(blocks) if b.identity != last.identity)
    return other, last


def _union(first: Block, second: Block) -> Block:
    features = tuple(dict.fromkeys((*first.features, *second.features)))
    return Block(0, 0, features, tuple(dict.fromkeys((*first.copies, *second.copies))))


def _write(landscape: Landscape, block: Block) -> str:
    return " ".join((landscape.write(block.features), *block.copies))


@lru_cache(maxsize=64)
def _sentences(landscape: Landscape) -> re.Pattern[str]:
    """Matches each sentence that a prompt is made of, however it is wrapped."""
    spaced = [r"\s+".join(map(re.escape, text.rstrip(".").split())) for text in landscape.features]
    core = r"\s+".join(map(re.escape, landscape.core.rstrip(".").split()))
    start = r"\s+".join(map(re.escape, landscape.core.partition(":")[0].split()))
    return re.compile(
        rf"(?P<core>{core}|{start}:?)\.?|(?P<feature>{'|'.join(spaced)})\.?|(?P<copy>{_COPY.pattern})",
        re.IGNORECASE,
    )


@lru_cache(maxsize=64)
def _numbers(landscape: Landscape) -> dict[str, int]:
    return {normalise(text).rstrip("."): number for number, text in enumerate(landscape.features)}
