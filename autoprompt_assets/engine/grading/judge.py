"""The review model as a grader: what it is asked, and what its verdict is worth."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from functools import cached_property
from statistics import median
from typing import Any, Literal

from pydantic import Field, field_validator

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Number, Whole
from autoprompt_assets.engine.grading.grade import NO_METRICS, Grade, graded, unreviewed
from autoprompt_assets.engine.grading.protocol import Ask, GraderSettings, NoReview
from autoprompt_assets.engine.grading.score import Scale, plain_key, read_criteria, read_score
from autoprompt_assets.engine.grading.verdict import VERDICT_WORDS_SHOWN, read_verdict
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.tags import fill_apart
from autoprompt_assets.engine.text import size_of

MOST_CHOICES = 20
"""Numbers of a scale that a form names one by one."""


class ModelGrader(GraderSettings):
    """The review model judges. Its prompt may hold the columns, {response} and {answer}."""

    kind: Literal["model"]
    scale: tuple[Whole, Whole] | None = None
    """The worst and the best score: `[1, 5]`. Without it an answer is right or wrong."""
    criteria: dict[str, Number] = Field(default_factory=dict)
    """What is judged one by one, with weights: `{accurate: 2, polite: 1}`; each right or wrong, or
    on the scale. The prompt says what they mean."""
    votes: Whole = Field(1, ge=1, le=25)
    """How often it is asked about one answer; the median counts."""

    @field_validator("scale")
    @classmethod
    def _ascends(cls, scale: Scale | None) -> Scale | None:
        if scale is not None and scale[0] >= scale[1]:
            raise ValueError("does not ascend; write the worst score first: [1, 5]")
        return scale

    @field_validator("criteria")
    @classmethod
    def _told_apart(cls, criteria: dict[str, float]) -> dict[str, float]:
        keys = [plain_key(name) for name in criteria]
        if "" in keys or "reason" in keys or len(set(keys)) < len(keys):
            raise ValueError("has a name that is empty, `reason`, or another one's; rename it")
        if not all(weight > 0 for weight in criteria.values()):
            raise ValueError("has a weight that is not above 0; raise it, or take it out")
        return criteria

    @property
    def needs_target(self) -> bool:
        """False."""
        return False

    @property
    def most_reviews(self) -> int:
        """One for each vote."""
        return self.votes

    @property
    def review_bytes(self) -> int:
        """The form that the verdict is asked in."""
        return size_of(canonical_json(verdict_format(self.scale, tuple(self.criteria))))

    def review_problems(self, prompt: str) -> Iterator[str]:
        """No place for the answer, or a criterion that is not spoken of."""
        yield from super().review_problems(prompt)
        for name in self.criteria:
            if plain_key(name) not in plain_key(prompt):
                yield f"lacks the criterion {name!r}; say what it asks, or take it out of criteria"

    def make(self, review_prompt: str = "", layout: Layout = SINGLE) -> Judge:
        """The judge that asks `review_prompt`."""
        return Judge(review_prompt, layout, self)


class Judge:
    """The review model says what an answer is worth, as `settings` say."""

    def __init__(
        self, prompt: str, layout: Layout = SINGLE, settings: ModelGrader | None = None
    ) -> None:
        self._prompt, self._layout = prompt, layout
        self._settings = settings or ModelGrader(kind="model")

    @cached_property
    def _form(self) -> dict[str, Any]:
        return verdict_format(self._settings.scale, tuple(self._settings.criteria))

    def messages(self, example: Example, answer: str) -> tuple[Message, ...]:
        """The review prompt, filled: {response}, {answer} (the target) and the columns.

        None of them closes a tag that the prompt puts around it.
        """
        values = self._layout.values(example.inputs)
        values |= {"response": answer, "answer": example.target_text}
        content = fill_apart(self._prompt, **values)
        # Several servers refuse a system turn that stands alone.
        return ({"role": "user", "content": content},)

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        """Worth the median of the votes; `unreviewed`, so unmeasured, unless most can be read."""
        messages = self.messages(example, answer)
        if self._settings.votes == 1:
            return self._read(await ask(*messages, form=self._form))
        asked = (
            ask(*messages, form=self._form, replicate=vote) for vote in range(self._settings.votes)
        )
        votes = await asyncio.gather(*asked, return_exceptions=True)
        grades = [self._voted(vote) for vote in votes]
        read = [grade for grade in grades if grade.value is not None]
        if 2 * len(read) <= len(grades):
            lost = next(grade for grade in grades if grade.value is None)
            return unreviewed(f"{len(read)} of {len(grades)} votes can be read; {lost.reason}")
        return self._median(read)

    def _voted(self, vote: str | BaseException) -> Grade:
        if isinstance(vote, NoReview):
            return unreviewed(str(vote))
        if isinstance(vote, BaseException):
            raise vote
        return self._read(vote)

    def _median(self, grades: list[Grade]) -> Grade:
        weights = self._settings.criteria
        if not weights:
            value = median(grade.value or 0.0 for grade in grades)
            return graded(value, feedback=_nearest(grades, value).feedback)
        shares = {name: median(one.metrics[name] for one in grades) for name in weights}
        value = _mean(shares, weights)
        return graded(value, feedback=_nearest(grades, value).feedback, metrics=shares)

    def _read(self, text: str) -> Grade:
        settings, metrics = self._settings, NO_METRICS
        value: float | bool | None
        if settings.criteria:
            shares = read_criteria(text, settings.criteria, settings.scale)
            value = None if shares is None else _mean(shares, settings.criteria)
            metrics = shares or NO_METRICS
        elif settings.scale is not None:
            value = read_score(text, settings.scale)
        else:
            value = read_verdict(text)
        if value is None:
            return unreviewed(f"the review model said {text[:200]!r}; {self._wanted}")
        return graded(value, feedback=text, metrics=metrics)

    @property
    def _wanted(self) -> str:
        settings = self._settings
        said = f"one of {VERDICT_WORDS_SHOWN}"
        if settings.scale is not None:
            said = "a number from {} to {}".format(*settings.scale)
        if settings.criteria:
            return f"a verdict says {said} for each of {', '.join(settings.criteria)}, as JSON"
        return f"a verdict is {said} alone on the first or last line"


def _nearest(grades: list[Grade], value: float) -> Grade:
    return min(grades, key=lambda grade: abs((grade.value or 0.0) - value))


def _mean(shares: Mapping[str, float], weights: Mapping[str, float]) -> float:
    return sum(shares[name] * weight for name, weight in weights.items()) / sum(weights.values())


def verdict_format(scale: Scale | None, criteria: tuple[str, ...] = ()) -> dict[str, Any]:
    """The response format of a review, where the endpoint heeds JSON schemas."""
    one: dict[str, Any] = {"type": "boolean"}
    if scale is not None:
        low, high = scale
        one = {"type": "integer"}
        one |= (
            {"enum": [*range(low, high + 1)]}
            if high - low < MOST_CHOICES
            else {"minimum": low, "maximum": high}
        )
    names = criteria or (("correct",) if scale is None else ("score",))
    # In this order: a judge that must decide before it says why judges worse.
    properties = {"reason": {"type": "string"}, **dict.fromkeys(names, one)}
    return {
        "type": "json_schema",
        "json_schema": {
            "name": "verdict",
            "strict": True,
            "schema": {
                "type": "object",
                "properties": properties,
                "required": [*properties],
                "additionalProperties": False,
            },
        },
    }
