"""What an evaluation leaves: a result per row, and the numbers that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import NO_METRICS, Grade, Outcome
from autoprompt_assets.engine.llm import Completion, Models, RequestRefused
from autoprompt_assets.engine.price import Price
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import DECIMALS, score_interval
from autoprompt_assets.engine.text import quantity

MOST_REASONS = 100


@dataclass(frozen=True)
class RowResult:
    """One row of an evaluation: what was answered, and what it was worth."""

    example: Example
    completion: Completion | None
    grade: Grade
    reviews: tuple[Completion, ...] = ()
    """What the review model answered, in the order in which it was asked."""
    failed: bool = False
    """A call, to the target or the review model, gave no answer."""
    transient: bool = False
    """True where the row failed in a way that may pass when asked again."""
    refused: RequestRefused | None = None
    """Why the request to the target model, or beside an answer to the review model, was refused."""


@dataclass(frozen=True)
class Summary:
    """An evaluation in numbers. `total` is the sum of the measured values, `score` their mean.

    `answers` is the part of `spend` that the target's answers took, without their reviews.
    """

    rows: int
    measured: int
    total: float
    score: float
    ci95: tuple[float, float]
    outcomes: dict[Outcome, int]
    spend: Spend
    answers: Spend = field(default_factory=Spend)
    metrics: dict[str, float] = field(default_factory=dict)
    """Means of the metrics that graders name, each over the rows that have it."""

    @classmethod
    def of(
        cls,
        outcomes: dict[Outcome, int],
        total: float,
        spend: Spend,
        answers: Spend | None = None,
        metrics: Mapping[str, float] = NO_METRICS,
    ) -> Summary:
        """The summary that follows from the outcomes' counts and the sum of the values."""
        rows = sum(outcomes.values())
        measured = rows - outcomes.get("error", 0) - outcomes.get("unreviewed", 0)
        total = round(total, DECIMALS)
        score = total / measured if measured else 0.0
        interval = score_interval(total, measured)
        numbers = (rows, measured, total, score, interval, outcomes, spend)
        return cls(*numbers, answers or Spend(), dict(metrics))

    @property
    def unmeasured_share(self) -> float:
        """Rows without a grade / rows."""
        return 1 - self.measured / self.rows if self.rows else 0.0


@dataclass
class Totals:
    """An evaluation's counts as its rows come in, in their fixed order. No row is kept.

    `models` are who was asked, at the prices that they are charged at.
    """

    models: Models
    outcomes: Counter[Outcome] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    """Why rows have no grade."""
    total: float = 0.0
    """The measured rows' values, added up."""
    faults: int = 0
    """Rows whose grader failed by a fault of its own."""
    transient: bool = False
    """True where a row without a grade may have one when it is asked again."""
    answers: Spend = field(default_factory=Spend)
    reviews: Spend = field(default_factory=Spend)
    metrics: dict[str, tuple[float, int]] = field(default_factory=dict)
    """Each metric's sum, and how many rows have it."""

    def add(self, rows: Sequence[RowResult]) -> None:
        """Count `rows`."""
        reviews: list[Completion] = []
        for row in rows:
            self.outcomes[row.grade.outcome] += 1
            if row.grade.value is None:
                self._unmeasured(row)
            else:
                self.total += row.grade.value
            if row.grade.metrics:
                self._measure(row.grade.metrics)
            reviews += row.reviews
        price = self.models.review.price if self.models.review else None
        answers = (row.completion for row in rows)
        self.answers = self.answers.plus(charged(answers, self.models.target.price))
        self.reviews = self.reviews.plus(charged(reviews, price))

    def _measure(self, metrics: Mapping[str, float]) -> None:
        for name, value in metrics.items():
            total, count = self.metrics.get(name, (0.0, 0))
            self.metrics[name] = (total + value, count + 1)

    @property
    def spend(self) -> Spend:
        """What the rows are charged, answers and reviews together."""
        return self.answers.plus(self.reviews)

    def _unmeasured(self, row: RowResult) -> None:
        self.transient = self.transient or row.transient
        self.faults += row.grade.fault
        reason = unmeasured_reason(row)
        known = reason in self.reasons or len(self.reasons) < MOST_REASONS
        self.reasons[reason if known else "other reasons"] += 1

    def summary(self) -> Summary:
        """The numbers so far."""
        outcomes = dict(sorted(self.outcomes.items()))
        means = {
            name: round(total / count, DECIMALS)
            for name, (total, count) in sorted(self.metrics.items())
        }
        return Summary.of(outcomes, self.total, self.spend, self.answers, means)

    def unmeasured_line(self, label: str, allowed: float) -> str:
        """One line that says how many rows have no grade, and why."""
        count = f"{label}: {self.reasons.total()}"
        return unmeasured_line(self.reasons, count, self.outcomes.total(), allowed)


def unmeasured_reason(row: RowResult) -> str:
    """Why a row has no grade, with its outcome."""
    return f"{row.grade.outcome}: {row.grade.reason[:200]}"


def unmeasured_line(reasons: Counter[str], count: str, rows: int, allowed: float) -> str:
    """One line that says that `count` of `rows` have no grade, too many, and why."""
    (reason, times), others = reasons.most_common(1)[0], len(reasons) - 1
    often = "once" if times == 1 else f"{times} times"
    more = f" and {quantity(others, 'other reason')}" if others else ""
    return (
        f"{count} of {rows} rows have no grade, more than the {allowed:.1%} that `unmeasured` "
        f"allows; {often} {reason}{more}. What was answered is kept: mend the cause and run "
        "again"
    )


def charged(completions: Iterable[Completion | None], price: Price | None) -> Spend:
    """What completions of one role are charged at its list price, made now or replayed."""
    calls = prompt = completion = 0
    usd = 0.0
    for one in completions:
        if one is None:
            continue
        calls += 1
        prompt += one.prompt_tokens
        completion += one.completion_tokens
        if price is not None:
            usd += price.list_usd(one.prompt_tokens, one.completion_tokens)
    return Spend(calls, prompt, completion, usd, calls if price is None else 0)
