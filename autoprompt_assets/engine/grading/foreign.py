"""A grader of an installed package: what it does wrong leaves a row unmeasured, and says why."""

from __future__ import annotations

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import Grade
from autoprompt_assets.engine.grading.protocol import Grader
from autoprompt_assets.engine.message import Message


class ForeignGrader:
    """Asks `grader`; an error of its own, or a value outside 0 to 1, is taken for no grade."""

    def __init__(self, grader: Grader, kind: str) -> None:
        self._grader, self._kind = grader, kind

    def review(self, example: Example, answer: str) -> tuple[Message, ...] | None:
        """What the review model must be asked.

        Raises:
            InputError: it failed, so that the row cannot be judged; the run ends.
        """
        try:
            return self._grader.review(example, answer)
        except Exception as error:
            raise InputError(f"grader.kind = {failure(self._kind, error)}; mend it") from error

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """Its grade, or an unmeasured one."""
        try:
            grade = self._grader.grade(example, answer, verdict)
        except Exception as error:  # whatever somebody else's module does
            return Grade(None, "unreviewed", f"the grader {failure(self._kind, error)}")
        if grade.value is not None and not 0 <= grade.value <= 1:
            problem = f"the grader {self._kind!r} gave {grade.value!r}, which is not from 0 to 1"
            return Grade(None, "unreviewed", problem)
        return grade


def failure(kind: str, error: Exception) -> str:
    """`kind` and its error, in one line."""
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return f"{kind!r} failed ({said})"
