"""The grader `ordinal`: how near an answer comes to the target on a scale."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, Self

from pydantic import model_validator

from autoprompt_assets.engine.choices import read_choice
from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Number
from autoprompt_assets.engine.grading.answer_form import AnswerMark, answer_marks, common_marks
from autoprompt_assets.engine.grading.grade import Grade, graded, unparsable, unreviewed
from autoprompt_assets.engine.grading.numbers import read_number
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.json_text import json_values
from autoprompt_assets.engine.text import fold

LONGEST_SCALE = 100
NAMES = ("answer", "score", "rating", "grade", "value", "level")
"""Keys of an object of several numbers that hold the answer."""
_MOST = 1e300


class OrdinalGrader(Rule):
    """A number on a scale, or one of labels in their order: worth 1 less the distance to the
    target, as a share of the whole range.
    """

    kind: Literal["ordinal"]
    scale: tuple[Number, Number] | None = None
    """The least and the greatest number."""
    labels: tuple[str, ...] = ()
    """From one end to the other."""
    reads_input: ClassVar[bool] = False
    compares_whole: ClassVar[bool] = True

    @model_validator(mode="after")
    def _is_a_scale(self) -> Self:
        if (self.scale is None) == (not self.labels):
            raise ValueError("needs either scale: [1, 5] or labels: [low, medium, high]; give one")
        if self.scale is not None and self.scale[0] >= self.scale[1]:
            raise ValueError(f"scale = {list(self.scale)} does not ascend; write the least first")
        if self.labels and not len({fold(one, True) for one in self.labels}) >= 2:
            raise ValueError(
                f"labels = {shown(list(self.labels))}: fewer than two differ; give more"
            )
        if len({fold(one, True) for one in self.labels}) < len(self.labels):
            raise ValueError(f"labels = {shown(list(self.labels))}: two are the same; take one out")
        if len(self.labels) > LONGEST_SCALE:
            raise ValueError(f"labels: are more than {LONGEST_SCALE}; give fewer")
        return self

    def grade(self, example: Example, answer: str) -> Grade:
        """Place the answer on the scale, and measure how far it is from the target."""
        wanted, given = self._place(example.target), self._place(answer)
        if wanted is None:
            return unreviewed(f"the target {shown(example.target, 60)} is not {self._range}")
        if given is None:
            return unparsable(f"the answer is not {self._range}", {"exact": 0.0})
        distance = abs(given - wanted)
        feedback = f"{self._word(given)}, want {self._word(wanted)}" if distance else ""
        metrics = {"distance": distance, "exact": float(not distance)}
        return graded(1 - distance / self._length, feedback=feedback, metrics=metrics)

    def target_problem(self, example: Example, prompt: str) -> str:
        """It is not on the scale."""
        if self._place(example.target) is not None:
            return ""
        field = "labels" if self.labels else "scale"
        return f"is not {self._range}; mend the rows or grader.{field}"

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """The labels, too, where the first prompt names all that are in use."""
        yield from common_marks(first)
        if self.labels:
            yield from answer_marks(first, targets)

    @property
    def _range(self) -> str:
        if self.scale is None:
            return f"one of {', '.join(self.labels[:20])}"
        return f"a number from {self.scale[0]:g} to {self.scale[1]:g}"

    @property
    def _length(self) -> float:
        return len(self.labels) - 1 if self.scale is None else self.scale[1] - self.scale[0]

    def _place(self, text: str) -> float | None:
        if self.scale is None:
            label = read_choice(text, self.labels)
            return None if label is None else float(self.labels.index(label))
        least, most = self.scale
        place = _number_of_json(text)
        if place is None:
            out_of = rf"(?<=\d) ?(?:/|out of|of|von|sur) ?{re.escape(f'{most:g}')}(?![\d.])"
            place = read_number(re.sub(out_of, "", text, flags=re.IGNORECASE))
        return place if place is not None and least <= place <= most else None

    def _word(self, place: float) -> str:
        return f"{place:g}" if self.scale is not None else repr(self.labels[int(place)])


def _number_of_json(text: str) -> float | None:
    """The only number in an object, or the one that a word of NAMES says is it."""
    found = next((value for value in json_values(text) if isinstance(value, dict)), {})
    numbers = {
        key.casefold(): float(value)
        for key, value in found.items()
        if isinstance(value, int | float) and not isinstance(value, bool) and _is_small(value)
    }
    if len(numbers) == 1:
        return next(iter(numbers.values()))
    return next((numbers[name] for name in NAMES if name in numbers), None)


def _is_small(number: float) -> bool:
    return -_MOST <= number <= _MOST
