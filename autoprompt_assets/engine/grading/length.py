"""The grader `length`: whether an answer is as long as it may be. It reads no target."""

from __future__ import annotations

import re
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Whole
from autoprompt_assets.engine.grading.grade import Grade, graded
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.text import SPACELESS, visible

_WORD = re.compile(rf"[{SPACELESS}]|[^\s{SPACELESS}]+")


class LengthGrader(Rule):
    """Right where the answer has at most, and at least, so many characters or words.

    White space at the ends and between words counts as one character at most; a Chinese or
    Japanese character is a word.
    """

    kind: Literal["length"]
    at_most: Whole | None = Field(None, ge=1)
    at_least: Whole | None = Field(None, ge=1)
    unit: Literal["characters", "words"] = "characters"
    credit: Literal["whole", "near"] = "whole"
    """`near`: worth less the further it is off, nothing from twice `at_most` on."""
    reads_input: ClassVar[bool] = False

    @model_validator(mode="after")
    def _is_a_range(self) -> Self:
        if self.at_most is None and self.at_least is None:
            raise ValueError("needs at_most, at_least or both; give one")
        if self.at_most is not None and self.at_least is not None and self.at_least > self.at_most:
            raise ValueError(
                f"at_least = {self.at_least} is above at_most = {self.at_most}; mend one of them"
            )
        return self

    @property
    def needs_target(self) -> bool:
        """No."""
        return False

    def grade(self, example: Example, answer: str) -> Grade:
        """Count, and compare."""
        count = self._count(answer)
        value, wanted = 1.0, ""
        if self.at_most is not None and count > self.at_most:
            value = max(0.0, 2 - count / self.at_most)
            wanted = f"at most {self.at_most:,}"
        elif self.at_least is not None and count < self.at_least:
            value, wanted = count / self.at_least, f"at least {self.at_least:,}"
        if wanted and self.credit == "whole":
            value = 0.0
        feedback = f"{count:,} {self.unit}, want {wanted}" if wanted else ""
        return graded(value, feedback=feedback, metrics={self.unit: float(count)})

    def target_problem(self, example: Example, prompt: str) -> str:
        """None: it is not read."""
        return ""

    def _count(self, answer: str) -> int:
        text = " ".join(visible(answer).split())
        if self.unit == "characters":
            return len(text)
        return sum(any(map(str.isalnum, word)) for word in _WORD.findall(text))
