"""Small graders: each reads one answer and one target, and knows nothing else.

A grader that needs a judge returns the request for it from `review`; the evaluation asks.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Literal, Protocol, assert_never

from autoprompt_assets.engine.candidate import Message, fill
from autoprompt_assets.engine.choice import bare, chosen_letter, fold, read_options, wanted_letter
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spec_graders import (
    ChoiceGrader,
    ContainsGrader,
    ExactGrader,
    GraderSpec,
    JsonGrader,
    ModelGrader,
    NumberGrader,
    RegexGrader,
)

Outcome = Literal[
    "correct", "wrong", "unparsable", "truncated", "empty", "refused", "unreviewed", "error"
]

# A dash between two figures is none of the second's sign.
_SIGN = r"(?:(?<![\w.)])[-+]\$?)?"
_NUMBER = re.compile(
    rf"{_SIGN}(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|{_SIGN}\.\d+"
)
_NEGATED = re.compile(r"(?:\bnot|n['’]t)\s+(?:\w+\s+)?(true|false|correct|incorrect)\b", re.I)
_LEADING_VERDICT = re.compile(r"(?:true|false|correct|incorrect|yes|no)\b\W*[.,:;!—-]", re.I)
_VERDICT = re.compile(r"\b(true|false|correct|incorrect|yes|no)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Grade:
    """A verdict on one completion: `value` is 0 or 1, or `None` where it is unmeasured."""

    value: float | None
    outcome: Outcome
    reason: str = ""


CORRECT, WRONG = Grade(1.0, "correct"), Grade(0.0, "wrong")


def unparsable(reason: str) -> Grade:
    """The target model answered, but not in a form that can be read: measured, worth 0."""
    return Grade(0.0, "unparsable", reason)


class Grader(Protocol):
    """Grades one answer of the target model."""

    def review(self, example: Example, answer: str) -> tuple[Message, ...] | None:
        """The messages the review model must be asked, or `None` when no judge is needed."""

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """The grade of `answer`; `verdict` is the review model's text."""


class Rule:
    """A grader that needs no judge."""

    def __init__(self, spec: GraderSpec) -> None:
        self._spec = spec

    def review(self, example: Example, answer: str) -> None:
        """No judge is needed."""
        return

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """Compare `answer` with the example's target as the spec says."""
        rule = self._spec
        match rule:
            case ExactGrader():
                return _of(fold(answer, rule.ignore_case) == fold(example.target, rule.ignore_case))
            case ChoiceGrader():
                return grade_choice(example, answer)
            case ContainsGrader():
                text, target = (fold(part, rule.ignore_case) for part in (answer, example.target))
                return _of(re.search(rf"(?<!\w){re.escape(target)}(?!\w)", text) is not None)
            case NumberGrader():
                return grade_number(example.target, answer, rule.tolerance)
            case RegexGrader():
                return _grade_regex(rule, example.target, answer)
            case JsonGrader():
                return _grade_json(rule.field, example.target, answer)
            case ModelGrader():
                raise TypeError("the model grader is a Judge")
            case _:
                assert_never(rule)


class Judge:
    """The review model says whether an answer is right; its verdict is read robustly."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt

    def review(self, example: Example, answer: str) -> tuple[Message, ...]:
        """The review prompt, filled: {input}, {response} and {answer} (the target)."""
        content = fill(self._prompt, input=example.input, response=answer, answer=example.target)
        return ({"role": "system", "content": content},)

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """`unreviewed`, so unmeasured, unless the verdict settles on one of true and false."""
        reading = read_verdict(verdict or "")
        if reading is None:
            return Grade(None, "unreviewed", f"the review model said {(verdict or '')[:200]!r}")
        return CORRECT if reading else WRONG


def make_grader(experiment: ExperimentSpec) -> Grader:
    """The grader that `experiment` asks for."""
    if isinstance(experiment.grader, ModelGrader) and experiment.roles.review is not None:
        return Judge(experiment.roles.review.prompt)
    return Rule(experiment.grader)


def read_verdict(text: str) -> bool | None:
    """True, False, or `None` when a review says neither or both.

    A verdict alone on its first or last line wins over words in the reasoning around it.
    """
    lines = [line.strip(" \t*_`'\".:!()[]") for line in text.strip().splitlines() if line.strip()]
    for line in (*lines[-1:], *lines[:1]):
        alone = re.fullmatch(
            r"(?:(?:final\s+)?(?:verdict|answer|judg[e]?ment)\W+(?:is\W+)?)?(\w+)",
            line,
            re.IGNORECASE,
        )
        if alone and _VERDICT.fullmatch(alone[1]):
            return _is_yes(alone[1])
    negated = {not _is_yes(match[1]) for match in _NEGATED.finditer(text)}
    said = {_is_yes(word) for word in _VERDICT.findall(_NEGATED.sub(" ", text))}
    # "Not true" alone may belong to anything; after a leading "False." it only repeats it.
    if negated and not (lines and _LEADING_VERDICT.match(lines[0])):
        return None
    return said.pop() if len(said) == 1 and negated <= said else None


def _is_yes(word: str) -> bool:
    return word.lower() in ("true", "correct", "yes")


def grade_choice(example: Example, answer: str) -> Grade:
    """Compare by letter: the target's, and the one the answer settles on, however wrapped."""
    options = read_options(example.input)
    wanted = wanted_letter(example.target, options)
    if wanted is None:
        return _of(fold(bare(answer), True) == fold(bare(example.target), True))
    given = chosen_letter(answer, options)
    if given is None:
        return unparsable("the answer settles on no option")
    return _of(given == wanted)


def grade_number(target: str, answer: str, tolerance: float) -> Grade:
    """Compare the last number of the answer with the target's."""
    wanted, given = (_NUMBER.findall(text.replace("−", "-")) for text in (target, answer))
    if not wanted:
        return Grade(None, "unreviewed", f"the target {target[:60]!r} holds no number")
    if not given:
        return unparsable("the answer holds no number")
    difference = abs(_number(given[-1]) - _number(wanted[-1]))
    slack = tolerance + 1e-9 * abs(_number(wanted[-1]))
    return _of(math.isfinite(difference) and difference <= slack)


def holds_number(text: str) -> bool:
    """True when the grader `number` finds something to compare with."""
    return _NUMBER.search(text.replace("−", "-")) is not None


def _number(text: str) -> float:
    return float(re.sub(r"[,$]", "", text))


def _grade_regex(rule: RegexGrader, target: str, answer: str) -> Grade:
    flags = re.IGNORECASE if rule.ignore_case else 0
    matches = list(re.finditer(rule.pattern, answer, flags))
    if not matches:
        return unparsable("the pattern is not found in the answer")
    last = matches[-1]
    found = (last[1] if last.re.groups else last[0]) or ""
    return _of(fold(found, rule.ignore_case) == fold(target, rule.ignore_case))


def _grade_json(field: str | None, target: str, answer: str) -> Grade:
    fenced = re.search(r"```(?:json)?\s*(.*?)```", answer, re.DOTALL | re.IGNORECASE)
    try:
        given = json.loads(fenced[1] if fenced else answer)
    except (ValueError, RecursionError):
        return unparsable("the answer is not JSON")
    if field is not None:
        if not isinstance(given, dict) or field not in given:
            return unparsable(f"the answer's JSON lacks {field!r}")
        given = given[field]
    try:
        wanted = json.loads(target)
    except (ValueError, RecursionError):
        wanted = target
    as_text = isinstance(given, str) and given.strip() == target.strip()
    return _of(as_text or _same(given, wanted))


def _same(given: object, wanted: object) -> bool:
    """Equal as JSON: 7 is 7.0, but true is not 1."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(_same(given[k], wanted[k]) for k in given)
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(_same, given, wanted))
    return given == wanted and isinstance(given, bool) == isinstance(wanted, bool)


def _of(right: bool) -> Grade:
    return CORRECT if right else WRONG
