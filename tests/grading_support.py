"""What tests of graders share: an answer graded, and a review model that says what it is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import Grade, Grader, asking, plain
from autoprompt_assets.engine.message import Message


class Told:
    """A review model that gives `answers` one after another, the last one again and again."""

    def __init__(self, *answers: str) -> None:
        self._answers = list(answers)
        self.questions: list[tuple[Message, ...]] = []
        self.forms: list[Mapping[str, Any] | None] = []
        self.replicates: list[int] = []

    async def __call__(
        self, *messages: Message, form: Mapping[str, Any] | None = None, replicate: int = 0
    ) -> str:
        self.questions.append(messages)
        self.forms.append(form)
        self.replicates.append(replicate)
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def grade_of(grader: Grader, example: Example, answer: str, ask: Told | None = None) -> Grade:
    """The grade that `grader` gives an answer."""
    simple = plain(grader)
    if simple is not None:
        return simple.grade(example, answer)
    other = asking(grader)
    assert other is not None
    return asyncio.run(other.grade(example, answer, ask or Told("True")))
