"""Which prompt came from which: the candidates of a search as a tree. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoprompt_assets.engine.report.diff import Change, change
from autoprompt_assets.engine.search import Best, Iteration, Scored, incumbents

DEEPEST = 12
"""Levels that are indented: what lies deeper stands below its parent at the same level."""


@dataclass(frozen=True)
class Entry:
    """One evaluated candidate and where it came from (iteration 0 is the baseline).

    `gain` is the difference from the incumbent on the rows that both saw, where the candidate
    was dropped; `rows` is how many it would have seen.
    """

    iteration: int
    strategy: str
    scored: Scored
    chosen: bool
    rows: int
    gain: float | None = None

    @property
    def bound(self) -> str:
        """An estimate at the end of the scale is cut off there: the gain may lie beyond."""
        if self.gain is None:
            return ""
        return {0.0: " or less", 1.0: " or more"}.get(self.scored.estimate, "")


@dataclass(frozen=True)
class Node:
    """An entry in its place in the tree.

    `opens` a level below the node before; `closes` so many items after itself. `others` are its
    parents beside the one that it hangs below, `change` is what differs from that one. Not `known`:
    it names parents, and none of them is here.
    """

    entry: Entry
    parent: str
    others: tuple[str, ...]
    known: bool
    change: Change | None
    on_path: bool
    depth: int
    opens: bool
    closes: int


def entries(baseline: Scored, iterations: Sequence[Iteration], best: Best) -> list[Entry]:
    """All candidates that were evaluated, in the order of the search, the baseline first."""
    rows = baseline.summary.rows
    tried = [(step, scored) for step in iterations for scored in step.scored]
    beaten = incumbents(baseline, (scored for _, scored in tried))
    chosen = (best.iteration, best.scored.candidate.id)
    found = [Entry(0, "", baseline, chosen[0] == 0, rows)]
    for (step, _), (scored, incumbent) in zip(tried, beaten, strict=True):
        dropped = scored.decision == "dropped"
        gain = scored.estimate - incumbent.summary.score if dropped else None
        picked = (step.iteration, scored.candidate.id) == chosen
        found.append(Entry(step.iteration, step.strategy, scored, picked, rows, gain))
    return found


def tree(tried: Sequence[Entry]) -> list[Node]:
    """`tried` from the root down, each below its first parent and in its order among siblings.

    A candidate that names no parent that was evaluated before it hangs below the baseline, so
    there is no cycle whatever the records say. Of equal ids the first has the children.
    """
    above = _above(tried)
    below: list[list[int]] = [[] for _ in tried]
    for place, parent in enumerate(above[1:], 1):
        below[parent].append(place)
    walk: list[tuple[int, int]] = []
    waiting = [(0, 0)]
    while waiting:
        place, depth = waiting.pop()
        walk.append((place, depth))
        deeper = min(depth + 1, DEEPEST)
        waiting += [(child, deeper) for child in reversed(below[place])]
    path = _path(tried, above)
    depths = [depth for _, depth in walk]
    return [
        _node(tried, above, place, place in path, around)
        for (place, _), around in zip(
            walk, zip([-1, *depths], depths, [*depths[1:], 0], strict=False), strict=True
        )
    ]


def _node(
    tried: Sequence[Entry],
    above: Sequence[int],
    place: int,
    on_path: bool,
    around: tuple[int, int, int],
) -> Node:
    """`around` are the depths of the node before, of this one and of the one after."""
    before, depth, after = around
    entry, parent = tried[place], tried[above[place]].scored.candidate
    parents = entry.scored.proposal.parents
    return Node(
        entry=entry,
        parent=parent.id if place else "",
        others=tuple(one for one in parents if one != parent.id),
        known=not parents or parent.id in parents,
        change=change(parent, entry.scored.candidate) if place else None,
        on_path=on_path,
        depth=depth,
        opens=depth > before >= 0,
        closes=max(0, depth - after + 1),
    )


def _above(tried: Sequence[Entry]) -> list[int]:
    """The place of each entry's first parent that is known before it; the root's is its own."""
    first: dict[str, int] = {}
    above = []
    for place, entry in enumerate(tried):
        known = (first[parent] for parent in entry.scored.proposal.parents if parent in first)
        above.append(next(known, 0))
        first.setdefault(entry.scored.candidate.id, place)
    return above


def _path(tried: Sequence[Entry], above: Sequence[int]) -> set[int]:
    """From the chosen candidate up to the root."""
    place = next((place for place, entry in enumerate(tried) if entry.chosen), 0)
    path = {place}
    while place:
        place = above[place]
        path.add(place)
    return path
