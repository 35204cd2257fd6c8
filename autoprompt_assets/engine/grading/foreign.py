"""A grader of an installed package: what it does wrong leaves a row unmeasured, and says why."""

from __future__ import annotations

import math

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import Grade, unreviewed
from autoprompt_assets.engine.grading.protocol import (
    Ask,
    AskingGrader,
    Grader,
    NoReview,
    PlainGrader,
    asking,
    plain,
)


def guarded(grader: Grader, kind: str) -> Grader:
    """`grader`, whose own errors, and what is no grade, leave a row `unreviewed`."""
    simple, other = plain(grader), asking(grader)
    if simple is not None:
        return _Plain(simple, kind)
    assert other is not None
    return _Asking(other, kind)


class _Plain:
    def __init__(self, grader: PlainGrader, kind: str) -> None:
        self._grader, self._kind = grader, kind

    def grade(self, example: Example, answer: str) -> Grade:
        try:
            grade = self._grader.grade(example, answer)
        except Exception as error:  # whatever somebody else's module does
            return unreviewed(f"the grader {failure(self._kind, error)}", fault=True)
        return checked(grade, self._kind)


class _Asking:
    def __init__(self, grader: AskingGrader, kind: str) -> None:
        self._grader, self._kind = grader, kind

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        try:
            grade = await self._grader.grade(example, answer, ask)
        except NoReview:
            raise
        except Exception as error:  # of `ask`, too: who asks knows that it failed
            return unreviewed(f"the grader {failure(self._kind, error)}", fault=True)
        return checked(grade, self._kind)


def checked(grade: object, kind: str) -> Grade:
    """`grade`, where it is one: a value from 0 to 1 or none, and metrics that are numbers."""
    if not isinstance(grade, Grade):
        return unreviewed(
            f"the grader {kind!r} gave {str(grade)[:100]!r}, which is no Grade", fault=True
        )
    if grade.value is not None and not 0 <= grade.value <= 1:
        return unreviewed(
            f"the grader {kind!r} gave {grade.value!r}, which is not from 0 to 1", fault=True
        )
    for name, value in grade.metrics.items():
        if not math.isfinite(value):
            return unreviewed(f"the grader {kind!r} gave the metric {name} = {value!r}", fault=True)
    return grade


def failure(kind: str, error: Exception) -> str:
    """`kind` and its error, in one line."""
    said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
    return f"{kind!r} failed ({said})"
