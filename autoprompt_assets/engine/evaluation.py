"""What an evaluation leaves: a result per row, and the numbers that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from autoprompt_assets.engine.compare import DECIMALS, score_interval
from autoprompt_assets.engine.completion import Completion
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.grading.grade import Grade, Outcome
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.llm import RequestRefused

MOST_REASONS = 100


@dataclass(frozen=True)
class RowResult:
    """One row of an evaluation: what was answered, and what it was worth."""

    example: Example
    completion: Completion | None
    grade: Grade
    review: Completion | None = None
    transient: bool = False
    """True where the row failed in a way that may pass when asked again."""
    refused: RequestRefused | None = None
    """Why the request to the target model, or beside an answer to the review model, was refused."""


@dataclass(frozen=True)
class Summary:
    """An evaluation in numbers. `total` is the sum of the measured values, `score` their mean."""

    rows: int
    measured: int
    total: float
    score: float
    ci95: tuple[float, float]
    outcomes: dict[Outcome, int]
    spend: Spend

    @classmethod
    def of(cls, outcomes: dict[Outcome, int], total: float, spend: Spend) -> Summary:
        """The summary that follows from the outcomes' counts and the sum of the values."""
        rows = sum(outcomes.values())
        measured = rows - outcomes.get("error", 0) - outcomes.get("unreviewed", 0)
        total = round(total, DECIMALS)
        score = total / measured if measured else 0.0
        interval = score_interval(total, measured)
        return cls(rows, measured, total, score, interval, outcomes, spend)

    @property
    def unmeasured_share(self) -> float:
        """Rows without a grade / rows."""
        return 1 - self.measured / self.rows if self.rows else 0.0


@dataclass
class Totals:
    """An evaluation's counts as its rows come in, in their fixed order. No row is kept."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why rows have no grade."""
    total: float = 0.0
    """The measured rows' values, added up."""
    transient: bool = False
    """True where a row without a grade may have one when it is asked again."""
    spend: Spend = field(default_factory=Spend)

    def add(self, rows: Iterable[RowResult]) -> None:
        """Count `rows`."""
        spend = self.spend
        calls, prompt, completion = spend.calls, spend.prompt_tokens, spend.completion_tokens
        usd, unpriced = spend.usd, spend.unpriced
        for row in rows:
            self.outcomes[row.grade.outcome] += 1
            for answer in (row.completion, row.review):
                if answer is not None:
                    calls += 1
                    prompt += answer.prompt_tokens
                    completion += answer.completion_tokens
                    usd += answer.usd or 0.0
                    unpriced += answer.usd is None
            if row.grade.value is None:
                self._unmeasured(row)
            else:
                self.total += row.grade.value
        self.spend = Spend(calls, prompt, completion, usd, unpriced)

    def _unmeasured(self, row: RowResult) -> None:
        self.transient = self.transient or row.transient
        reason = f"{row.grade.outcome}: {row.grade.reason[:200]}"
        known = reason in self.reasons or len(self.reasons) < MOST_REASONS
        self.reasons[reason if known else "other reasons"] += 1

    def summary(self) -> Summary:
        """The numbers so far."""
        return Summary.of(dict(sorted(self.outcomes.items())), self.total, self.spend)

    def unmeasured_line(self, label: str, allowed: float) -> str:
        """One line that says how many rows have no grade, and why."""
        (reason, count), others = self.reasons.most_common(1)[0], len(self.reasons) - 1
        more = f" and {others} other reasons" if others else ""
        return (
            f"{label}: {self.reasons.total()} of {self.outcomes.total()} rows have no grade, more "
            f"than the {allowed:.1%} that `unmeasured` allows; {count} times {reason}{more}. What "
            "was answered is kept: mend the cause and run again"
        )


def charged(completion: Completion) -> Spend:
    """What one completion costs, made now or replayed."""
    return Spend(
        1,
        completion.prompt_tokens,
        completion.completion_tokens,
        completion.usd or 0.0,
        int(completion.usd is None),
    )
