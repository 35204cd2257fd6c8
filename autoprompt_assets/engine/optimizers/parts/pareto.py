"""Which candidates a reflective evolution goes on from: the best of each validation row.

Source: Agrawal et al., "GEPA", arXiv 2507.19457, algorithm 2. For each row, its front are the
trials with the highest value there. A trial is pruned when others hold each of its fronts; the
rest are drawn in proportion to the rows on whose front they stand.

Where it differs, as rows are few and the race drops trials on the way:

* Only the rows that a trial saw count. A row on which all that saw it do the same tells nothing
  and has no weight.
* The weight is multiplied by 2 ** (lead / HALF_LEAD), the lead being that of the trial's score over
  the best. On few rows a poor trial stands on nearly as many fronts as a good one (all that got a
  row right share it), while what the race lets pass is mostly several small gains on top of each
  other. Measured on three simulated landscapes, 150 validation rows, 20 steps, 48 searches each: of
  the way from the first prompt to the optimum, 35 % with the paper's weights, 60 % with these
  (a standard error is 3 %); always the highest score, 58 %; always the candidate to beat, 23 %.
* The score of a dropped trial is an estimate from the rows it saw, which shrinks towards the score
  of the candidate to beat as they are fewer (`shrunk`). So those dropped early are hardly drawn.
* The trial with the highest score of those that saw all rows is never pruned: on few rows, two
  lucky ones can hold all its fronts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoprompt_assets.engine.optimizers.protocol import Trial, incumbent

HALF_LEAD = 0.25
"""A trial whose score is lower by this, over the root of the number of rows, is drawn half as
often: half the standard error of the difference between two trials that differ on a quarter."""
PRIOR_ROWS = 50
"""Rows that a trial must have seen for half of its lead to be believed."""


@dataclass(frozen=True)
class Member:
    """A trial that is not pruned, and its weight in the draw."""

    trial: Trial
    weight: float


def front(trials: Sequence[Trial]) -> list[Member]:
    """The trials worth going on from, in the order given; those without a score are not."""
    able = [trial for trial in trials if trial.score is not None]
    bits = {row: 1 << place for place, row in enumerate(_rows(able))}
    best, least = _extremes(able)
    held = [
        sum(bits[row] for row, value in one.values.items() if value == best[row]) for one in able
    ]
    kept = _unpruned(able, held)
    telling = sum(bit for row, bit in bits.items() if best[row] > least[row])
    fronts = {place: (held[place] & telling).bit_count() for place in kept}
    # Without a telling row, only the scores are left to tell.
    silent = not any(fronts.values())
    scores = shrunk(able, incumbent(trials))
    top = max((scores[place] for place in kept), default=0.0)
    half = HALF_LEAD / math.sqrt(max(1, len(bits)))
    return [
        Member(able[place], (silent or fronts[place]) * 2 ** ((scores[place] - top) / half))
        for place in kept
    ]


def shrunk(trials: Sequence[Trial], beaten: Trial | None) -> list[float]:
    """The trials' scores, each nearer to that of `beaten` the fewer rows it rests on."""
    centre = (beaten.score if beaten else None) or 0.0
    return [
        centre + ((one.score or 0.0) - centre) * len(one.values) / (len(one.values) + PRIOR_ROWS)
        for one in trials
    ]


def drawn(members: Sequence[Member], draw: float) -> Trial | None:
    """The member that `draw`, in [0, 1), falls on; `None` of none."""
    left = draw * sum(member.weight for member in members)
    for member in members:
        left -= member.weight
        if left < 0:
            return member.trial
    return members[-1].trial if members else None


def merits(one: Trial, other: Trial) -> tuple[int, int, float]:
    """Rows on which each is the better, and the mean of the better values; of rows both saw."""
    both = [(value, other.values[row]) for row, value in one.values.items() if row in other.values]
    won = sum(mine > theirs for mine, theirs in both)
    lost = sum(mine < theirs for mine, theirs in both)
    return won, lost, sum(map(max, both)) / len(both) if both else 0.0


def _rows(trials: Sequence[Trial]) -> list[str]:
    return list(dict.fromkeys(row for trial in trials for row in trial.values))


def _extremes(trials: Sequence[Trial]) -> tuple[dict[str, float], dict[str, float]]:
    best: dict[str, float] = {}
    least: dict[str, float] = {}
    for trial in trials:
        for row, value in trial.values.items():
            best[row] = max(value, best.get(row, value))
            least[row] = min(value, least.get(row, value))
    return best, least


def _unpruned(trials: Sequence[Trial], held: Sequence[int]) -> list[int]:
    """Places of the trials that are left when, the worst first, each held by others is taken out.

    `held` has a bit for each row on whose front the trial stands.
    """
    order = sorted(range(len(trials)), key=lambda place: _rank(trials[place]))
    above = [0]
    for place in reversed(order):
        above.append(above[-1] | held[place])
    above.pop()
    kept, covered = [], 0
    for place, higher in zip(order, reversed(above), strict=True):
        if place == order[-1] or held[place] & ~(covered | higher):
            kept.append(place)
            covered |= held[place]
    return sorted(kept)


def _rank(trial: Trial) -> tuple[bool, float]:
    return not trial.dropped, trial.score or 0.0
