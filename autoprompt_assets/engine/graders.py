"""Small graders: each reads one answer and one target, and knows nothing else.

A grader that needs a judge returns the request for it from `review`; the evaluation asks.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Literal, Protocol, assert_never

from autoprompt_assets.engine import spec
from autoprompt_assets.engine.candidate import Message, fill
from autoprompt_assets.engine.dataset import Example

Outcome = Literal[
    "correct", "wrong", "unparsable", "truncated", "empty", "refused", "unreviewed", "error"
]

_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+]?\.\d+")
_OPTION_LINE = re.compile(r"^\s*[\(\[]?([A-Za-z])[\)\].:]\s*(\S.*?)\s*$", re.MULTILINE)
_LABEL = (
    r"(?:\(([A-Za-z])\)|\[([A-Za-z])\]|\*\*\(?([A-Za-z])\)?[.:]?\*\*|\\boxed\{\(?([A-Za-z])\)?\})"
)
_ANNOUNCED = re.compile(
    r"(?:answer|option|choice)\b[^A-Za-z0-9(\[\\*]*(?:\b(?:is|would be|must be|option|choice)\b"
    r"[^A-Za-z0-9(\[\\*]*)*"
    rf"(?:{_LABEL}|([A-Z])\b(?!['’]))",
    re.IGNORECASE,
)
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

    def __init__(self, spec: spec.GraderSpec) -> None:
        self._spec = spec

    def review(self, example: Example, answer: str) -> None:
        """No judge is needed."""
        return

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """Compare `answer` with the example's target as the spec says."""
        rule = self._spec
        match rule:
            case spec.ExactGrader():
                return _of(
                    _fold(answer, rule.ignore_case) == _fold(example.target, rule.ignore_case)
                )
            case spec.ChoiceGrader():
                return grade_choice(example, answer)
            case spec.ContainsGrader():
                text, target = (_fold(part, rule.ignore_case) for part in (answer, example.target))
                return _of(re.search(rf"(?<!\w){re.escape(target)}(?!\w)", text) is not None)
            case spec.NumberGrader():
                return grade_number(example.target, answer, rule.tolerance)
            case spec.RegexGrader():
                return _grade_regex(rule, example.target, answer)
            case spec.JsonGrader():
                return _grade_json(rule.field, example.target, answer)
            case spec.ModelGrader():
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


def make_grader(experiment: spec.ExperimentSpec) -> Grader:
    """The grader that `experiment` asks for."""
    if isinstance(experiment.grader, spec.ModelGrader) and experiment.roles.review is not None:
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
    if re.search(r"\b(not|n't)\s+(\w+\s+)?(true|false|correct|incorrect)\b", text, re.IGNORECASE):
        return None
    said = {_is_yes(word) for word in _VERDICT.findall(text)}
    return said.pop() if len(said) == 1 else None


def _is_yes(word: str) -> bool:
    return word.lower() in ("true", "correct", "yes")


def grade_choice(example: Example, answer: str) -> Grade:
    """Compare by letter: the target's, and the one the answer settles on, however wrapped."""
    options = {letter.upper(): text for letter, text in _OPTION_LINE.findall(example.input)}
    wanted = _letter_alone(example.target) or _letter_of(example.target, options)
    if wanted is None:
        return _of(_fold(_bare(answer), True) == _fold(_bare(example.target), True))
    given = chosen_letter(answer, options)
    if given is None:
        return unparsable("the answer names no option")
    return _of(given == wanted)


def chosen_letter(answer: str, options: dict[str, str]) -> str | None:
    """The letter of the option that `answer` settles on, upper case; `None` when it names none."""
    alone = _letter_alone(answer)
    if alone:
        return alone
    announced = [next(filter(None, match.groups())) for match in _ANNOUNCED.finditer(answer)]
    if announced:
        return announced[-1].upper()
    by_text = _letter_of(answer, options)
    if by_text:
        return by_text
    lines = [line for line in answer.strip().splitlines() if line.strip()]
    for line in (*lines[-1:], *lines[:1]):
        lead = re.match(r"^[\s*_]*[\(\[]?([A-Za-z])[\)\].:](?:\s|\*|$)", line)
        if lead:
            return lead[1].upper()
    labels = {next(filter(None, groups)).upper() for groups in re.findall(_LABEL, answer)}
    if len(labels) == 1:
        return labels.pop()
    named = [key for key, text in options.items() if _names(answer, text)]
    return named[0] if len(named) == 1 else None


def _letter_alone(text: str) -> str | None:
    match = re.fullmatch(r"[\s*_`'\"]*[\(\[]?([A-Za-z])[\)\]]?[.:,]?[\s*_`'\"]*", text)
    return match[1].upper() if match else None


def _letter_of(text: str, options: dict[str, str]) -> str | None:
    bare = _fold(_bare(text), True)
    bare = re.sub(r"^[\(\[]?[a-z][\)\].:]\s+", "", bare)
    found = [letter for letter, option in options.items() if _fold(option, True) == bare]
    return found[0] if len(found) == 1 else None


def _names(answer: str, option: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(option)}(?!\w)", answer, re.IGNORECASE) is not None


def _bare(text: str) -> str:
    return text.strip().strip("*_`'\".!").strip()


def grade_number(target: str, answer: str, tolerance: float) -> Grade:
    """Compare the last number of the answer with the target's."""
    wanted, given = _NUMBER.findall(target), _NUMBER.findall(answer)
    if not wanted:
        return Grade(None, "unreviewed", f"the target {target[:60]!r} holds no number")
    if not given:
        return unparsable("the answer holds no number")
    difference = abs(_number(given[-1]) - _number(wanted[-1]))
    slack = max(tolerance, 1e-9 * abs(_number(wanted[-1])))
    return _of(math.isfinite(difference) and difference <= slack)


def _number(text: str) -> float:
    return float(text.replace(",", ""))


def _grade_regex(rule: spec.RegexGrader, target: str, answer: str) -> Grade:
    flags = re.IGNORECASE if rule.ignore_case else 0
    matches = list(re.finditer(rule.pattern, answer, flags))
    if not matches:
        return unparsable("the pattern is not found in the answer")
    last = matches[-1]
    found = (last[1] if last.re.groups else last[0]) or ""
    return _of(_fold(found, rule.ignore_case) == _fold(target, rule.ignore_case))


def _grade_json(field: str | None, target: str, answer: str) -> Grade:
    fenced = re.search(r"```(?:json)?\s*\n(.*?)```", answer, re.DOTALL)
    try:
        given = json.loads(fenced[1] if fenced else answer)
    except ValueError:
        return unparsable("the answer is not JSON")
    if field is not None:
        if not isinstance(given, dict) or field not in given:
            return unparsable(f"the answer's JSON lacks {field!r}")
        given = given[field]
    try:
        wanted = json.loads(target)
    except ValueError:
        wanted = target
    return _of(given == wanted or (isinstance(given, str) and given.strip() == target.strip()))


def _fold(text: str, ignore_case: bool) -> str:
    text = " ".join(text.split())
    return text.casefold() if ignore_case else text


def _of(right: bool) -> Grade:
    return CORRECT if right else WRONG
