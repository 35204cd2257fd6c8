"""The grader `number`: the figure that an answer gives, against the figure that the target is.

Of an answer counts what is marked as it: `\\boxed{…}`, then what follows "answer:" or "####", then
a bold figure that ends its sentence, then the last figure.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Number
from autoprompt_assets.engine.grading.figures import Figure, figures, numbers_of, written
from autoprompt_assets.engine.grading.grade import (
    WRONG,
    Grade,
    reason_alone,
    right_or_wrong,
    unparsable,
)
from autoprompt_assets.engine.grading.markup import ANSWER_WORDS, boxed, tags_as_leads
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.grading.target_form import structure

_LEAD = re.compile(
    rf"####|(?<![^\W_])(?:{'|'.join(ANSWER_WORDS)})(?![a-z])"
    r"[^.\n:=]{0,40}?(?::|=|\b(?:is|are|es|ist|est|è|é|был|равен)\b|[是为はは는은])",
    re.IGNORECASE,
)
_BOLD = re.compile(r"\*\*([^*\n]+)\*\*")
_BOLD_FIGURE = re.compile(r"(?!\d+[.)]\s+\S)\W*(?:[A-Za-z]\w{0,20} ?= ?\W*)?\d")
_SENTENCE_ENDS = re.compile(r"[^\d.!?\n]*(?:[.!?](?!\d)|\n|\Z)")
_SENTENCE = re.compile(r"[.!?]\s|\n")
_OPERATOR = re.compile(r"\s?[-+*/×÷x]\s?[\d(]")
_BETWEEN = re.compile(r"(?:[\s,;()\[\]{}&|.]|\band\b|\bund\b|\bet\b|\by\b)*", re.IGNORECASE)
_TO = re.compile(r"(?<=\d) ?(?:to|and|until|bis) ?(?=\d)")


class NumberGrader(Rule):
    """Right when the number (date, time, range) that the answer gives is the target.

    `tolerance` is how far a number may be off.
    """

    kind: Literal["number"]
    tolerance: Number = Field(0.0, ge=0)
    reads_input: ClassVar[bool] = False

    def grade(self, example: Example, answer: str) -> Grade:
        """Compare the figure of `answer` with the target's."""
        return grade_number(example.target, answer, self.tolerance)

    def target_problem(self, example: Example, prompt: str) -> str:
        """A list or an object, or no one figure."""
        found, _ = structure(example.target)
        if found is not None and not _is_numbers(found):
            return "is a list or an object; write one number in each row"
        grade = self.grade(example, example.target)
        if grade.outcome == "correct":
            return ""
        return (
            f"{reason_alone(grade) or 'is no finite number'} for the grader 'number'; mend the "
            "rows or choose another grader"
        )


@dataclass(frozen=True)
class Part:
    """The figures of the part of a text that counts; `chosen` is the index of the answer's."""

    figures: list[Figure]
    chosen: int
    marked: bool
    text: str


def grade_number(target: str, answer: str, tolerance: float) -> Grade:
    """Compare what the answer gives with the target, as the kind of figure that the target is."""
    wanted = read_target(target)
    if isinstance(wanted, str):
        return Grade(None, "unreviewed", f"the target {target[:60]!r} {wanted}")
    text = tags_as_leads(answer)
    if wanted[-1].kind == "range":
        text = _TO.sub("-", text)
    part = _part(text)
    if not part.figures:
        return unparsable("the answer holds no number")
    if len(wanted) > 1:
        given = part.figures[-len(wanted) :]
        alike = len(given) == len(wanted) and all(
            _same(one, other, tolerance) for one, other in zip(given, wanted, strict=True)
        )
        return right_or_wrong(alike)
    of_kind = [figure for figure in part.figures if _is_kind(figure, wanted[0])]
    return right_or_wrong(_same(of_kind[part.chosen], wanted[0], tolerance)) if of_kind else WRONG


def read_target(target: str) -> list[Figure] | str:
    """The figure that a target is, or its list of figures; else what is wrong with it."""
    part = _part(tags_as_leads(target))
    if not part.figures:
        return "holds no number"
    if part.marked:
        return [part.figures[part.chosen]]
    if len(part.figures) == 1:
        return part.figures
    text, at, rest = part.text, 0, []
    for figure in part.figures:
        rest.append(text[at : figure.start])
        at = max(at, figure.end)
    rest.append(text[at:])
    if _BETWEEN.fullmatch(" ".join(rest)):
        return part.figures
    return "holds several numbers and does not say which of them counts"


def read_number(text: str) -> float | None:
    """The number that a text gives, where it gives one."""
    part = _part(tags_as_leads(text))
    of_kind = [numbers_of(figure) for figure in part.figures if numbers_of(figure)]
    return of_kind[part.chosen][-1] if of_kind else None


def _is_numbers(found: Any) -> bool:
    return isinstance(found, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in found
    )


def _part(text: str) -> Part:
    box = boxed(text)
    if box is not None:
        found = figures(written(box))
        if found:
            return Part(found, -1, True, box)
    text = written(text)
    return _after_lead(text) or _in_bold(text) or Part(figures(text), -1, False, text)


def _after_lead(text: str) -> Part | None:
    *_, lead = (None, *_LEAD.finditer(text))
    if lead is None:
        return None
    rest = text[lead.end() :].lstrip(" \t\n*_`:")
    said = _SENTENCE.split(rest, maxsplit=1)[0].rpartition("=")[2]
    found = figures(said)
    if not found:
        return None
    first = found[0]
    goes_on = _OPERATOR.match(said, first.end) or re.search(r"\bnot\b", said[: first.start])
    return Part(found, -1 if goes_on else 0, True, said)


def _in_bold(text: str) -> Part | None:
    """The last bold figure, where no other figure follows it in its sentence."""
    last = None
    for bold in _BOLD.finditer(text):
        if _BOLD_FIGURE.match(bold[1]):
            last = bold
    if last is None or not _SENTENCE_ENDS.match(text, last.end()):
        return None
    found = figures(last[1].rpartition("=")[2])
    return Part(found, -1, True, last[1]) if found else None


def _is_kind(figure: Figure, wanted: Figure) -> bool:
    return bool(numbers_of(figure)) if wanted.kind == "number" else figure.kind == wanted.kind


def _same(given: Figure, wanted: Figure, tolerance: float) -> bool:
    if given.unit and wanted.unit and given.unit != wanted.unit:
        return False
    if wanted.kind == "number":
        return bool(numbers_of(given)) and _near(numbers_of(given)[-1:], wanted.parts, tolerance)
    if given.kind != wanted.kind:
        return False
    return _near(given.parts, wanted.parts, tolerance if wanted.kind == "range" else 0.0)


def _near(given: Sequence[float], wanted: Sequence[float], tolerance: float) -> bool:
    if len(given) != len(wanted):
        return False
    for one, other in zip(given, wanted, strict=True):
        difference = abs(one - other)
        if not (math.isfinite(difference) and difference <= tolerance + 1e-9 * abs(other)):
            return False
    return True
