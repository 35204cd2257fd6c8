"""What a search has done so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.optimizers import Step, Trial
from autoprompt_assets.engine.search.objectives import incumbent_after, select
from autoprompt_assets.engine.search.records import Best, Iteration, Scored, TestOutcome
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import Headroom


@dataclass(frozen=True)
class History:
    """Baseline, headroom, and the iterations that ended, in order.

    `repeats` is what it took to measure the headroom.
    """

    baseline: Scored
    headroom: Headroom
    repeats: Spend = field(default_factory=Spend)
    iterations: tuple[Iteration, ...] = ()

    def then(self, iteration: Iteration) -> History:
        """With one iteration more."""
        return replace(self, iterations=(*self.iterations, iteration))

    @property
    def best(self) -> Best:
        """The candidate that would be tested now."""
        return select(self.baseline, self.iterations)

    @property
    def incumbent(self) -> Scored:
        """The candidate that is to be beaten: the one accepted last."""
        return incumbent_after(self.baseline, self.iterations)

    @property
    def tried(self) -> list[Candidate]:
        """The candidates that were evaluated, the baseline first."""
        scored = [one for step in self.iterations for one in step.scored]
        return [one.candidate for one in (self.baseline, *scored)]

    @property
    def spend(self) -> Spend:
        """What all of it is charged."""
        spend = self.baseline.summary.spend.plus(self.repeats)
        for step in self.iterations:
            spend = spend.plus(step.spend)
        return spend

    def total(self, outcome: TestOutcome | None = None) -> Spend:
        """What the search's path is charged, every call on it, made now or replayed; with the
        sealed test where that has been made.
        """
        if outcome is None:
            return self.spend
        spend = self.spend.plus(outcome.baseline.spend)
        same = self.best.scored.candidate.id == self.baseline.candidate.id
        return spend if same else spend.plus(outcome.best.spend)

    def steps(self, values: Callable[[Candidate], Mapping[str, float]]) -> list[Step]:
        """What a strategy is told, the baseline first; `values` are grades by example id."""

        def told(scored: Scored) -> Trial:
            return scored.trial(values(scored.candidate))

        first = Step((told(self.baseline),), "", self.baseline.summary.spend.calls)
        return [first] + [
            Step(tuple(told(scored) for scored in step.scored), step.strategy, step.spend.calls)
            for step in self.iterations
        ]


def ended(steps: Sequence[Iteration]) -> int:
    """How many came to an end of their own: scored, or without a candidate that could be."""
    return sum(step.status != "stopped" for step in steps)


def reached(steps: Sequence[Iteration], limit: int) -> list[Iteration]:
    """The iterations that a search of at most `limit` came to; what stopped it is the last.

    A search stores as many as the longest experiment asks for. That it asks for fewer itself is no
    stop.
    """
    stops = (place for place, step in enumerate(steps) if step.status == "stopped")
    return [step for step in steps[: next(stops, len(steps)) + 1] if step.iteration <= limit]
