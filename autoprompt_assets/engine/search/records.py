"""What a search leaves behind, as plain JSON: scores, iterations, the best, the test's outcome.

Nothing here depends on when or how fast a call was made, or whether it was replayed, so equal
searches leave equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import RowResult, Summary
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.grading import Outcome
from autoprompt_assets.engine.optimizers import Proposal, Rejected, Trial
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import Comparison, Headroom

Status = Literal["scored", "unusable", "stopped"]
Decision = Literal["baseline", "accepted", "survived", "dropped"]
"""`accepted`: better than the best so far, by evidence, and the best from then on. `survived`: seen
on all validation rows without that. `dropped`: the race ended it before."""


@dataclass(frozen=True)
class Scored:
    """A proposal with its evaluation on the validation rows that it saw, and what was decided.

    Not `selectable`: too many unmeasured rows. `estimate` is the score, or where the candidate was
    dropped, that of the best so far plus their difference on the rows that both saw.
    """

    proposal: Proposal
    summary: Summary
    selectable: bool
    decision: Decision
    why: str
    estimate: float

    @property
    def candidate(self) -> Candidate:
        """The candidate that was scored."""
        return self.proposal.candidate

    def trial(self, values: Mapping[str, float]) -> Trial:
        """What the optimizer is told; `values` are its grades by example id."""
        return Trial(
            self.proposal,
            self.estimate if self.selectable else None,
            values,
            accepted=self.decision in ("baseline", "accepted"),
            dropped=self.decision == "dropped",
        )


@dataclass(frozen=True)
class Iteration:
    """One ask-and-tell step of `strategy`. `answers` are the optimizer model's own words;
    `rejected` are candidates that no call was spent on.
    """

    iteration: int
    status: Status
    reason: str
    scored: tuple[Scored, ...] = ()
    answers: tuple[str, ...] = ()
    spend: Spend = field(default_factory=Spend)
    strategy: str = ""
    rejected: tuple[Rejected, ...] = ()


@dataclass(frozen=True)
class Best:
    """The selected candidate, and where it came from (iteration 0 is the baseline)."""

    iteration: int
    scored: Scored


@dataclass(frozen=True)
class TestOutcome:
    """Baseline and best on the sealed test rows.

    `reading` says which verdict on these rows this is, from 1; see `readings`.
    """

    __test__ = False

    baseline: Summary
    best: Summary
    comparison: Comparison
    reading: int


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

    def read_values(self, candidate: Candidate, split: Split) -> Iterator[tuple[str, float | None]]:
        """A stored evaluation's example ids and values, row by row."""

    def read_pairs(
        self, first: Candidate, second: Candidate, split: Split
    ) -> Iterator[tuple[float | None, float | None]]:
        """Two stored evaluations' values, row by row."""

    def read_outcomes(self, candidate: Candidate, split: Split) -> Iterator[Outcome]:
        """A stored evaluation's outcomes, row by row."""

    def read_headroom(self) -> tuple[Headroom, Spend] | None:
        """What could be won and shown, and what measuring that was charged; or `None`."""

    def write_headroom(self, found: Headroom, spend: Spend) -> None:
        """Store that."""

    def read_iteration(self, iteration: int) -> Iteration | None:
        """A stored iteration, or `None`."""

    def write_iteration(self, iteration: Iteration) -> None:
        """Store an iteration that ended."""


def summary_json(summary: Summary) -> dict[str, Any]:
    """Plain JSON that `read_summary` reads back."""
    return {**asdict(summary), "ci95": list(summary.ci95)}


def read_summary(data: Mapping[str, Any]) -> Summary:
    """The summary that `summary_json` gave."""
    spend, answers = Spend(**data["spend"]), Spend(**data["answers"])
    outcomes, metrics = dict(data["outcomes"]), data["metrics"]
    return Summary.of(outcomes, data["total"], spend, answers, metrics)


def proposal_json(proposal: Proposal) -> dict[str, Any]:
    """Plain JSON that `read_proposal` reads back."""
    return {
        "id": proposal.candidate.id,
        "candidate": proposal.candidate.as_json(),
        "parents": list(proposal.parents),
        "note": proposal.note,
    }


def read_proposal(data: Mapping[str, Any]) -> Proposal:
    """The proposal that `proposal_json` gave."""
    candidate = Candidate.from_json(data["candidate"])
    return Proposal(candidate, tuple(data["parents"]), data["note"])


def scored_json(scored: Scored) -> dict[str, Any]:
    """Plain JSON that `read_scored` reads back."""
    return {
        **proposal_json(scored.proposal),
        "validation": summary_json(scored.summary),
        "selectable": scored.selectable,
        "decision": scored.decision,
        "why": scored.why,
        "estimate": scored.estimate,
    }


def read_scored(data: Mapping[str, Any]) -> Scored:
    """The scored proposal that `scored_json` gave."""
    return Scored(
        read_proposal(data),
        read_summary(data["validation"]),
        data["selectable"],
        data["decision"],
        data["why"],
        data["estimate"],
    )


def iteration_json(iteration: Iteration) -> dict[str, Any]:
    """Plain JSON that `read_iteration` reads back."""
    return {
        "iteration": iteration.iteration,
        "status": iteration.status,
        "reason": iteration.reason,
        "strategy": iteration.strategy,
        "candidates": [scored_json(scored) for scored in iteration.scored],
        "rejected": [
            {**proposal_json(one.proposal), "reason": one.reason} for one in iteration.rejected
        ],
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
        data["strategy"],
        tuple(Rejected(read_proposal(one), one["reason"]) for one in data["rejected"]),
    )
