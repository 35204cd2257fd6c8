"""The grader `contains`: the target anywhere in the answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.answer_form import AnswerMark, answer_marks, common_marks
from autoprompt_assets.engine.grading.grade import Grade, right_or_wrong
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.text import fold, holds_words


class ContainsGrader(Rule):
    """Right when the target stands anywhere in the answer as a word, words or a whole figure."""

    kind: Literal["contains"]
    ignore_case: bool = True
    reads_input: ClassVar[bool] = False

    def grade(self, example: Example, answer: str) -> Grade:
        """Look for the target in `answer`."""
        text, target = fold(answer, self.ignore_case), fold(example.target, self.ignore_case)
        return right_or_wrong(holds_words(text, target))

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """The answers, too, where the first prompt names them all."""
        yield from common_marks(first)
        yield from answer_marks(first, targets)
