"""Several graders at once: an answer is worth the weighted mean of what they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import SerializeAsAny

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.answer_form import AnswerMark
from autoprompt_assets.engine.grading.best_target import BestTarget
from autoprompt_assets.engine.grading.grade import Grade, graded
from autoprompt_assets.engine.grading.protocol import (
    Ask,
    AskingGrader,
    Grader,
    GraderSettings,
    PlainGrader,
    asking,
    plain,
)
from autoprompt_assets.engine.grading.registry import make_grader, target_problem
from autoprompt_assets.engine.inputs import SINGLE, Layout


class WeightedGraders(GraderSettings):
    """The graders of `graders:` by name; each one's value is a metric of that name.

    A row that one of them leaves without a value has none.
    """

    kind: Literal["weighted"] = "weighted"
    parts: dict[str, SerializeAsAny[GraderSettings]]

    @property
    def needs_target(self) -> bool:
        """Where one of them does."""
        return any(one.needs_target for one in self.parts.values())

    @property
    def most_reviews(self) -> int:
        """Of all together."""
        return sum(one.most_reviews for one in self.parts.values())

    @property
    def review_bytes(self) -> int:
        """Of the one that asks with the most."""
        return max((one.review_bytes for one in self.parts.values()), default=0)

    def review_problems(self, prompt: str) -> Iterator[str]:
        """Those of each."""
        found = (line for one in self.parts.values() for line in one.review_problems(prompt))
        yield from dict.fromkeys(found)

    def located(self, folder: Path, place: str) -> Self:
        """The same with every part's files."""
        parts = {name: one.located(folder, f"graders.{name}") for name, one in self.parts.items()}
        return self.model_copy(update={"parts": parts})

    def problems(self, place: str) -> Sequence[str]:
        """Those of each."""
        return [
            line for name, one in self.parts.items() for line in one.problems(f"graders.{name}")
        ]

    def column_problems(self, layout: Layout, place: str) -> Iterator[str]:
        """Those of each."""
        for name, one in self.parts.items():
            yield from one.column_problems(layout, f"graders.{name}")

    def target_problem(self, example: Example, prompt: str) -> str:
        """That of the first that has one."""
        found = (target_problem(one, example, prompt) for one in self.parts.values())
        return next(filter(None, found), "")

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """Those of each."""
        for one in self.parts.values():
            yield from one.marks(first, targets)

    def identity(self) -> dict[str, Any]:
        """Each one's, with its weight."""
        return {
            "kind": self.kind,
            "graders": {
                name: {**one.identity(), "weight": one.weight} for name, one in self.parts.items()
            },
        }

    def make(self, review_prompt: str = "", layout: Layout = SINGLE) -> Grader:
        """A grader that waits where one of the parts does."""
        made = {name: make_grader(one, review_prompt, layout) for name, one in self.parts.items()}
        weights = {name: one.weight for name, one in self.parts.items()}
        simple = {name: found for name, one in made.items() if (found := plain(one)) is not None}
        others = {name: wait for name, one in made.items() if (wait := asking(one)) is not None}
        return WeightedWaiting(weights, simple, others) if others else Weighted(weights, simple)


class Weighted:
    """Graders that look at the answer alone."""

    def __init__(self, weights: Mapping[str, float], parts: Mapping[str, PlainGrader]) -> None:
        self._weights, self._parts = weights, parts

    def grade(self, example: Example, answer: str) -> Grade:
        """Their weighted mean."""
        grades = {name: one.grade(example, answer) for name, one in self._parts.items()}
        return weighted(grades, self._weights)


class WeightedWaiting:
    """Graders of which some have to be waited for: those are asked after the others, in order."""

    def __init__(
        self,
        weights: Mapping[str, float],
        simple: Mapping[str, PlainGrader],
        others: Mapping[str, AskingGrader],
    ) -> None:
        self._weights, self._others = weights, others
        self._simple = {name: BestTarget(one) for name, one in simple.items()}

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        """Their weighted mean. Nobody is asked about a row that has none already."""
        grades = {name: one.grade(example, answer) for name, one in self._simple.items()}
        for name, one in self._others.items():
            if any(grade.value is None for grade in grades.values()):
                break
            grades[name] = await one.grade(example, answer, ask)
        return weighted(grades, self._weights)


def weighted(grades: Mapping[str, Grade], weights: Mapping[str, float]) -> Grade:
    """One grade of several: each part's value and metrics by its name, and its feedback."""
    for name, grade in grades.items():
        if grade.value is None:
            return Grade(None, grade.outcome, f"{name}: {grade.reason}", fault=grade.fault)
    names = [name for name in weights if name in grades]
    total = sum(weights[name] * (grades[name].value or 0.0) for name in names)
    value = total / sum(weights[name] for name in names)
    metrics, said = {}, []
    for name in names:
        grade = grades[name]
        metrics[name] = grade.value or 0.0
        metrics |= {f"{name}.{inner}": one for inner, one in grade.metrics.items()}
        more = grade.feedback or grade.reason
        if more or metrics[name] < 1:
            said.append(f"{name}: {metrics[name]:.2f}{f', {more}' if more else ''}")
    lost = next((name for name in names if grades[name].outcome == "unparsable"), None)
    whole = graded(value, feedback="\n".join(said), metrics=metrics)
    if lost is None or value > 0:
        return whole
    return Grade(0.0, "unparsable", grades[lost].reason, whole.feedback, metrics)
