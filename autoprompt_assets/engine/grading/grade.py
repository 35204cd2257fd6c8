"""What a grader says of one answer, and what is asked of a grader."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.message import Message

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


@dataclass(frozen=True)
class Grade:
    """A verdict on one completion: `value` is from 0 to 1, or `None` where it is unmeasured."""

    value: float | None
    outcome: Outcome
    reason: str = ""


CORRECT, WRONG = Grade(1.0, "correct"), Grade(0.0, "wrong")


def unparsable(reason: str) -> Grade:
    """The target model answered, but not in a form that can be read: measured, worth 0."""
    return Grade(0.0, "unparsable", reason)


class Grader(Protocol):
    """Grades one answer of the target model."""

    def review(self, example: Example, answer: str) -> tuple[Message, ...] | None:
        """The messages the review model must be asked, or `None` when no judge is needed."""

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """The grade of `answer`; `verdict` is the review model's text."""


def right_or_wrong(right: bool) -> Grade:
    """The grade of an answer that is one or the other."""
    return CORRECT if right else WRONG
