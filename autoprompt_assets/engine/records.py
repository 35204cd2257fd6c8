"""What a search leaves behind, as plain JSON: scores, iterations, the best, the test's outcome.

Nothing here depends on when or how fast a call was made, or whether it was replayed, so equal
searches leave equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any, Literal, Protocol

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.compare import Comparison
from autoprompt_assets.engine.dataset import Split
from autoprompt_assets.engine.evaluation import RowResult, Summary
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.optimizers import Proposal, Trial

Status = Literal["scored", "unusable", "stopped"]


@dataclass(frozen=True)
class Scored:
    """A proposal with its evaluation on validation. Not `selectable`: too many unmeasured rows."""

    proposal: Proposal
    summary: Summary
    selectable: bool

    @property
    def candidate(self) -> Candidate:
        """The candidate that was scored."""
        return self.proposal.candidate

    def trial(self) -> Trial:
        """What the optimizer is told."""
        return Trial(self.proposal, self.summary.score if self.selectable else None)


@dataclass(frozen=True)
class Iteration:
    """One ask-and-tell step. `answers` are the optimizer model's own words."""

    iteration: int
    status: Status
    reason: str
    scored: tuple[Scored, ...]
    answers: tuple[str, ...]
    spend: Spend

    @property
    def best(self) -> Scored | None:
        """The step's best selectable candidate."""
        able = [scored for scored in self.scored if scored.selectable]
        return max(able, key=lambda scored: scored.summary.score) if able else None


@dataclass(frozen=True)
class Best:
    """The selected candidate, and where it came from (iteration 0 is the baseline)."""

    iteration: int
    scored: Scored


@dataclass(frozen=True)
class TestOutcome:
    """Baseline and best on the sealed test rows."""

    __test__ = False

    baseline: Summary
    best: Summary
    comparison: Comparison


class Sink(Protocol):
    """Takes an evaluation's rows as they come in."""

    def add(self, rows: Sequence[RowResult]) -> None:
        """The next rows, in their fixed order."""

    def finish(self, summary: Summary) -> None:
        """The evaluation has ended: store it as it ended. Without this nothing is stored."""


class Records(Protocol):
    """Where a search's evaluations and iterations are kept."""

    def read_summary(self, candidate: Candidate, split: Split) -> Summary | None:
        """The stored evaluation's numbers, or `None` when it has not ended."""

    def open_evaluation(self, candidate: Candidate, split: Split) -> AbstractContextManager[Sink]:
        """A place for an evaluation that begins."""

    def read_pairs(
        self, first: Candidate, second: Candidate, split: Split
    ) -> Iterator[tuple[float | None, float | None]]:
        """Two stored evaluations' values, row by row."""

    def read_iteration(self, iteration: int) -> Iteration | None:
        """A stored iteration, or `None`."""

    def write_iteration(self, iteration: Iteration) -> None:
        """Store an iteration that ended."""


def summary_json(summary: Summary) -> dict[str, Any]:
    """Plain JSON that `read_summary` reads back."""
    return {**asdict(summary), "ci95": list(summary.ci95)}


def read_summary(data: Mapping[str, Any]) -> Summary:
    """The summary that `summary_json` gave."""
    return Summary.of(dict(data["outcomes"]), Spend(**data["spend"]))


def scored_json(scored: Scored) -> dict[str, Any]:
    """Plain JSON that `read_scored` reads back."""
    return {
        "id": scored.candidate.id,
        "candidate": scored.candidate.as_json(),
        "parents": list(scored.proposal.parents),
        "note": scored.proposal.note,
        "validation": summary_json(scored.summary),
        "selectable": scored.selectable,
    }


def read_scored(data: Mapping[str, Any]) -> Scored:
    """The scored proposal that `scored_json` gave."""
    candidate = Candidate.from_json(data["candidate"])
    proposal = Proposal(candidate, tuple(data["parents"]), data["note"])
    return Scored(proposal, read_summary(data["validation"]), data["selectable"])


def iteration_json(iteration: Iteration) -> dict[str, Any]:
    """Plain JSON that `read_iteration` reads back."""
    return {
        "iteration": iteration.iteration,
        "status": iteration.status,
        "reason": iteration.reason,
        "candidates": [scored_json(scored) for scored in iteration.scored],
        "answers": list(iteration.answers),
        "spend": asdict(iteration.spend),
    }


def read_iteration(data: Mapping[str, Any]) -> Iteration:
    """The iteration that `iteration_json` gave."""
    return Iteration(
        data["iteration"],
        data["status"],
        data["reason"],
        tuple(read_scored(scored) for scored in data["candidates"]),
        tuple(data["answers"]),
        Spend(**data["spend"]),
    )


def select(baseline: Scored, iterations: Sequence[Iteration]) -> Best:
    """The best selectable candidate on validation; of equals the earliest, baseline first."""
    best = Best(0, baseline)
    for step in iterations:
        for scored in step.scored:
            if scored.selectable and scored.summary.score > best.scored.summary.score:
                best = Best(step.iteration, scored)
    return best
