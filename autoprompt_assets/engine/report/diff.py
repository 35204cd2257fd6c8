"""What changed between two candidates, for people to read. Pure; time and size are bounded."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.texts import Texts

Kind = Literal["same", "added", "removed"]

MOST_PARTS = 2_000
"""Words, or lines, that are compared; see `_matched`."""
MOST_PAIRS = 40_000
"""Equal pairs of them: texts that repeat themselves would take minutes."""
ALIKE = 0.25
"""A text that keeps less than this share of the other is new: a diff of it would be confetti."""
CONTEXT = 60
"""Characters of an equal run that are shown on each side of a change."""
LONGEST = 1_600
"""Characters of a changed run that are shown."""
MOST_UNIFIED = 20_000
"""Characters of a line diff that are kept."""

_WORD = re.compile(r"(?:\w+|[^\w\s])\s*|\s+")
"""With the white space that follows: a match of blanks alone says nothing."""
_IN_WORD = re.compile(r"\w\w")
_LINE = re.compile(r"[^\n]*\n+|[^\n]+")


@dataclass(frozen=True)
class Piece:
    """A run of text on one side or on both. Where `left_out`, so many characters are not shown."""

    kind: Kind
    text: str
    left_out: int = 0


@dataclass(frozen=True)
class DemoChange:
    """A demo that came, went or moved. Places count from 1; `was` is a moved one's old place."""

    kind: Literal["added", "removed", "moved"]
    place: int
    demo: Demo
    was: int = 0


@dataclass(frozen=True)
class ParameterChange:
    """A request parameter that came, went or changed; values are JSON, `None` where it is not."""

    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class Change:
    """All that differs between two candidates; each part is empty where nothing does."""

    texts: Mapping[str, tuple[Piece, ...]]
    """What differs in each text that is not the same, by its name; of `PROMPT` for one alone."""
    demos: tuple[DemoChange, ...]
    parameters: tuple[ParameterChange, ...]

    def __bool__(self) -> bool:
        """Whether anything differs."""
        return bool(self.texts or self.demos or self.parameters)


@dataclass
class _Hunk:
    """An equal run, and the change that follows it."""

    same: str
    removed: str
    added: str

    @property
    def size(self) -> int:
        return max(len(self.removed), len(self.added))


def change(before: Candidate, after: Candidate) -> Change:
    """What must be done to `before` to have `after`."""
    return Change(
        {name: pieces for name, pieces in _texts(before.texts, after.texts) if pieces},
        tuple(_demos(before.demos, after.demos)),
        tuple(_parameters(before.parameters, after.parameters)),
    )


def _texts(before: Texts, after: Texts) -> Iterator[tuple[str, tuple[Piece, ...]]]:
    for name in dict.fromkeys((*before, *after)):
        yield name, text_diff(before.get(name, ""), after.get(name, ""))


def text_diff(before: str, after: str) -> tuple[Piece, ...]:
    """The pieces of both texts in reading order, long equal runs cut short; none where equal.

    Words are compared, and white space between them. Where those that differ are too many, lines
    are, and words within the lines that changed; where lines are too many as well, or too little
    is kept, the one text is a removal and the other an addition.
    """
    if before == after:
        return ()
    hunks = _folded(map(_sharpened, _hunks(before, after)))
    kept = sum(len(hunk.same) for hunk in hunks)
    if kept < ALIKE * min(len(before), len(after)):
        hunks = [_Hunk("", before, after)]
    return tuple(_pieces(hunks))


def unified(before: Candidate, after: Candidate) -> str:
    """The lines that differ, as `diff -u` shows them; empty where none does."""
    old, new = _lines(before), _lines(after)
    if max(len(old), len(new)) > MOST_PARTS:
        return f"-{len(old):,} lines\n+{len(new):,} lines"
    found = "\n".join(difflib.unified_diff(old, new, before.id, after.id, lineterm=""))
    over = len(found) - MOST_UNIFIED
    return found if over <= 0 else f"{found[:MOST_UNIFIED]}\n… {over:,} characters more"


def _lines(candidate: Candidate) -> list[str]:
    """As lines; not `splitlines`, which also splits where an editor does not."""
    named = [f"{name}: {_json(value)}" for name, value in sorted(candidate.parameters.items())]
    return [*candidate.text().split("\n"), *named]


def _hunks(before: str, after: str) -> list[_Hunk]:
    old, new = _WORD.findall(before), _WORD.findall(after)
    head = _shared(old, new)
    tail = _shared(old[head:][::-1], new[head:][::-1])
    hunks = [_Hunk("".join(old[:head]), "", "")]
    hunks += _compared(old[head : len(old) - tail], new[head : len(new) - tail])
    hunks.append(_Hunk("".join(old[len(old) - tail :]), "", ""))
    return hunks


def _shared(old: Sequence[str], new: Sequence[str]) -> int:
    for place, (one, other) in enumerate(zip(old, new, strict=False)):
        if one != other:
            return place
    return min(len(old), len(new))


def _compared(old: Sequence[str], new: Sequence[str]) -> list[_Hunk]:
    words = _matched(old, new)
    if words is not None:
        return words
    removed, added = "".join(old), "".join(new)
    lines = _matched(_LINE.findall(removed), _LINE.findall(added))
    if lines is None:
        return [_Hunk("", removed, added)]
    found = []
    for hunk in lines:
        within = _matched(_WORD.findall(hunk.removed), _WORD.findall(hunk.added))
        found += [hunk] if within is None else [_Hunk(hunk.same, "", ""), *within]
    return found


def _matched(old: Sequence[str], new: Sequence[str]) -> list[_Hunk] | None:
    """`None` where it would take long: a search for one match goes over all equal pairs.

    Not by `autojunk`: it takes what is frequent for noise, and finds one word where a sentence is.
    """
    counts = Counter(new)
    pairs = sum(counts[part] for part in old)
    if max(len(old), len(new)) > MOST_PARTS or pairs > MOST_PAIRS:
        return None
    found, same = [], ""
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, start, end, new_start, new_end in matcher.get_opcodes():
        if kind == "equal":
            same = "".join(old[start:end])
        else:
            found.append(_Hunk(same, "".join(old[start:end]), "".join(new[new_start:new_end])))
            same = ""
    return [*found, _Hunk(same, "", "")] if same else found


def _sharpened(hunk: _Hunk) -> _Hunk:
    """What both sides of a change begin with has not changed: words, but for their white space."""
    shared = 0
    for one, other in zip(hunk.removed, hunk.added, strict=False):
        if one != other:
            break
        shared += 1
    while shared and any(_IN_WORD.match(text, shared - 1) for text in (hunk.removed, hunk.added)):
        shared -= 1
    return _Hunk(hunk.same + hunk.removed[:shared], hunk.removed[shared:], hunk.added[shared:])


def _folded(hunks: Iterable[_Hunk]) -> list[_Hunk]:
    """Two changes with next to nothing between them are one."""
    found: list[_Hunk] = []
    for hunk in hunks:
        last = found[-1] if found else None
        if last and not last.size:
            found[-1] = _Hunk(last.same + hunk.same, hunk.removed, hunk.added)
        elif last and hunk.size and _thin(hunk.same, min(last.size, hunk.size)):
            found[-1] = _Hunk(
                last.same,
                last.removed + hunk.same + hunk.removed,
                last.added + hunk.same + hunk.added,
            )
        else:
            found.append(hunk)
    return found


def _thin(same: str, around: int) -> bool:
    words = same.split()
    return not words or (len(words) <= 2 and len(same) <= around)


def _pieces(hunks: Sequence[_Hunk]) -> Iterator[Piece]:
    for place, hunk in enumerate(hunks):
        ends = place == len(hunks) - 1 and not hunk.size
        before, after = 0 if place == 0 else CONTEXT, 0 if ends else CONTEXT
        yield from _cut("same", hunk.same, before, after)
        yield from _cut("removed", _seen(hunk.removed), LONGEST // 2, LONGEST // 2)
        yield from _cut("added", _seen(hunk.added), LONGEST // 2, LONGEST // 2)


def _cut(kind: Kind, text: str, first: int, last: int) -> Iterator[Piece]:
    """`text`, or so many characters of its ends, to the nearest white space."""
    if len(text) <= first + last + CONTEXT:
        if text:
            yield Piece(kind, text)
        return
    start = _space_before(text, first) if first else 0
    end = len(text) - (_space_before(text[::-1], last) if last else 0)
    if start:
        yield Piece(kind, text[:start])
    yield Piece(kind, "", end - start)
    if end < len(text):
        yield Piece(kind, text[end:])


def _space_before(text: str, place: int) -> int:
    """Where to cut near `place`: after the last white space before it, if that is not far."""
    while_back = re.search(r"\s\S{0,20}$", text[:place])
    return while_back.start() + 1 if while_back else place


def _seen(changed: str) -> str:
    """White space alone cannot be seen to change: its line ends are drawn."""
    return changed.replace("\n", "↵\n") if changed.isspace() else changed


def _demos(before: Sequence[Demo], after: Sequence[Demo]) -> Iterator[DemoChange]:
    both = Counter(before) & Counter(after)
    old, removed = _parted(before, both)
    new, added = _parted(after, both)
    yield from (DemoChange("removed", place, demo) for place, demo in removed)
    yield from (DemoChange("added", place, demo) for place, demo in added)
    matcher = difflib.SequenceMatcher(
        None, [demo for _, demo in old], [demo for _, demo in new], autojunk=False
    )
    stay = {b + i for _, b, size in matcher.get_matching_blocks() for i in range(size)}
    for place, demo in (pair for i, pair in enumerate(new) if i not in stay):
        yield DemoChange("moved", place, demo, next(was for was, one in old if one == demo))


def _parted(
    demos: Sequence[Demo], both: Mapping[Demo, int]
) -> tuple[list[tuple[int, Demo]], list[tuple[int, Demo]]]:
    """Those that the other side has too, and those that it has not, with their places."""
    left, kept, alone = dict(both), [], []
    for place, demo in enumerate(demos, 1):
        if left.get(demo, 0):
            left[demo] -= 1
            kept.append((place, demo))
        else:
            alone.append((place, demo))
    return kept, alone


def _parameters(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[ParameterChange]:
    for name in sorted({*before, *after}):
        old = _json(before[name]) if name in before else None
        new = _json(after[name]) if name in after else None
        if old != new:
            yield ParameterChange(name, old, new)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
