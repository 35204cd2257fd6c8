"""What a grader says of one answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Outcome = Literal[
    "correct",
    "partial",
    "wrong",
    "unparsable",
    "truncated",
    "empty",
    "refused",
    "unreviewed",
    "error",
]
"""`partial` is between right and wrong. `unparsable`, `truncated`, `empty` and `refused` are
answers that hold none to grade, worth 0. `unreviewed` (no verdict: the review model gave none, or
the target cannot be compared with) and `error` (the call failed) are unmeasured.
"""


DECIMALS = 12
NO_METRICS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Grade:
    """A verdict on one completion: `value` is from 0 to 1, or `None` where it is unmeasured.

    A value between the two is `partial`. A target that cannot be compared with is `unreviewed`,
    with the reason: the row counts for neither side.
    """

    value: float | None
    outcome: Outcome
    reason: str = ""
    """Why it is that outcome, in a few words; empty where the outcome says it."""
    feedback: str = ""
    """What was good or bad of the answer, for who writes the next prompt."""
    metrics: Mapping[str, float] = field(default_factory=lambda: NO_METRICS, hash=False)
    """Finite numbers by name, shown beside the value; they decide nothing."""
    fault: bool = False
    """The grader itself failed: more of these than may be unmeasured end the run."""


CORRECT, WRONG = Grade(1.0, "correct"), Grade(0.0, "wrong")


def graded(
    value: float,
    reason: str = "",
    feedback: str = "",
    metrics: Mapping[str, float] = NO_METRICS,
) -> Grade:
    """The grade of an answer that is worth `value`, from 0 to 1: all, nothing, or `partial`.

    Twelve decimals are kept, so that equal sums in another order are equal values.
    """
    value = round(float(value), DECIMALS)
    outcome: Outcome = "correct" if value >= 1 else "partial" if value > 0 else "wrong"
    return Grade(value, outcome, reason, feedback, metrics)


def unreviewed(reason: str, *, fault: bool = False) -> Grade:
    """No verdict was to be had: the row is unmeasured. `fault` is the grader's own."""
    return Grade(None, "unreviewed", reason, fault=fault)


def unparsable(reason: str, metrics: Mapping[str, float] = NO_METRICS) -> Grade:
    """The target model answered, but not in a form that can be read: measured, worth 0.

    A metric's mean is over the rows that have it, so that one which is 0 here is given.
    """
    return Grade(0.0, "unparsable", reason, metrics=metrics)


def right_or_wrong(right: bool) -> Grade:
    """The grade of an answer that is one or the other."""
    return CORRECT if right else WRONG


def reason_alone(grade: Grade) -> str:
    """Why a grader could not use a target, without the target that it quotes first."""
    return grade.reason.partition("' ")[2] or grade.reason.partition('" ')[2]
