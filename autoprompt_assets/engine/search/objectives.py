"""What is maximized, and by whom it must be beaten: nothing else in a search compares scores.

* The *incumbent* is what a candidate must beat, by evidence on the rows that both saw: the one that
  was accepted last, at first the baseline.
* The *best* is what would be tested now: the highest score on all validation rows.
* An iteration's *leader* is the one of its candidates that stands for it where one must.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from autoprompt_assets.engine.search.records import Best, Iteration, Scored


def incumbents(baseline: Scored, scored: Iterable[Scored]) -> Iterator[tuple[Scored, Scored]]:
    """Each of `scored`, in the order of the search, with the incumbent that it was to beat."""
    incumbent = baseline
    for one in scored:
        yield one, incumbent
        if is_accepted(one):
            incumbent = one


def is_accepted(scored: Scored) -> bool:
    """Whether it is the incumbent from then on."""
    return scored.decision == "accepted"


def incumbent_after(baseline: Scored, iterations: Iterable[Iteration]) -> Scored:
    """The incumbent once `iterations` have ended."""
    accepted = [one for step in iterations for one in step.scored if is_accepted(one)]
    return accepted[-1] if accepted else baseline


def select(baseline: Scored, iterations: Iterable[Iteration]) -> Best:
    """The candidate with the highest score on all validation rows; of equals the earliest.

    One that was not accepted may be it: no evidence is needed to be tried on the sealed rows, which
    alone say whether it is better. (Simulated, it is the better choice of the two.)
    """
    best = Best(0, baseline)
    for step in iterations:
        for scored in step.scored:
            whole = scored.selectable and scored.decision != "dropped"
            if whole and scored.summary.score > best.scored.summary.score:
                best = Best(step.iteration, scored)
    return best


def leader(scored: Sequence[Scored]) -> Scored | None:
    """The candidate of an iteration that was accepted last, or else the one that came closest."""
    able = [one for one in scored if one.selectable]
    accepted = [one for one in able if is_accepted(one)]
    if accepted:
        return accepted[-1]
    return max(able, key=lambda one: one.estimate) if able else None
