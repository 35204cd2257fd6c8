"""Rows that accept several targets: an answer is worth what it is worth to the best of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import Grade
from autoprompt_assets.engine.grading.protocol import Grader, PlainGrader, plain


def over_targets(grader: Grader) -> Grader:
    """`grader` over all targets that a row accepts. One that asks a model is told them at once."""
    simple = plain(grader)
    return grader if simple is None else BestTarget(simple)


@dataclass(frozen=True)
class BestTarget:
    """A grader of one target, over all that a row accepts."""

    grader: PlainGrader

    def grade(self, example: Example, answer: str) -> Grade:
        """The highest grade; of equal ones the first target's. Unmeasured only where all are."""
        if not example.others:
            return self.grader.grade(example, answer)
        each = (replace(example, target=one, others=()) for one in example.targets)
        grades = [self.grader.grade(one, answer) for one in each]
        return max(grades, key=lambda grade: -1.0 if grade.value is None else grade.value)
