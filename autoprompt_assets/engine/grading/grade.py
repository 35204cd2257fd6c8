"""What a grader says of one answer."""

from __future__ import annotations

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Grade:
    """A verdict on one completion: `value` is from 0 to 1, or `None` where it is unmeasured.

    A value between the two is `partial`. A target that cannot be compared with is `unreviewed`,
    with the reason: the row counts for neither side.
    """

    value: float | None
    outcome: Outcome
    reason: str = ""


CORRECT, WRONG = Grade(1.0, "correct"), Grade(0.0, "wrong")


def unparsable(reason: str) -> Grade:
    """The target model answered, but not in a form that can be read: measured, worth 0."""
    return Grade(0.0, "unparsable", reason)


def right_or_wrong(right: bool) -> Grade:
    """The grade of an answer that is one or the other."""
    return CORRECT if right else WRONG


def reason_alone(grade: Grade) -> str:
    """Why a grader could not use a target, without the target that it quotes first."""
    return grade.reason.partition("' ")[2] or grade.reason.partition('" ')[2]
