"""Rows that accept several targets: an answer is worth what it is worth to the best of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import Grade
from autoprompt_assets.engine.grading.protocol import Grader
from autoprompt_assets.engine.message import Message


@dataclass(frozen=True)
class BestTarget:
    """A grader of one target, over all that a row accepts. A review is told them at once."""

    grader: Grader

    def review(self, example: Example, answer: str) -> tuple[Message, ...] | None:
        """See `Grader`."""
        return self.grader.review(example, answer)

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """The highest grade; of equal ones the first target's. Unmeasured only where all are."""
        if verdict is not None or not example.others:
            return self.grader.grade(example, answer, verdict)
        each = (replace(example, target=one, others=()) for one in example.targets)
        grades = [self.grader.grade(one, answer, None) for one in each]
        return max(grades, key=lambda grade: -1.0 if grade.value is None else grade.value)
