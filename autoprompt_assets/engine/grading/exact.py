"""The grader `exact`: the whole answer against the target."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.answer_form import AnswerMark, answer_marks, common_marks
from autoprompt_assets.engine.grading.grade import Grade, right_or_wrong
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.text import fold


class ExactGrader(Rule):
    """Right when the whole answer equals the target, white space at the ends aside."""

    kind: Literal["exact"]
    ignore_case: bool = False
    reads_input: ClassVar[bool] = False
    compares_whole: ClassVar[bool] = True

    def grade(self, example: Example, answer: str) -> Grade:
        """Compare `answer` with the target."""
        return right_or_wrong(
            fold(answer, self.ignore_case) == fold(example.target, self.ignore_case)
        )

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """The answers, too, where the first prompt names them all."""
        yield from common_marks(first)
        yield from answer_marks(first, targets)
