"""Small graders: each reads one answer and one target, and knows nothing else."""

from __future__ import annotations

import json
import math
import re
from typing import assert_never

from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.grading.grade import Grade, right_or_wrong, unparsable
from autoprompt_assets.engine.grading.multiple_choice import (
    bare,
    chosen_letter,
    fold,
    read_options,
    wanted_letter,
)
from autoprompt_assets.engine.grading.settings import (
    ChoiceGrader,
    ContainsGrader,
    ExactGrader,
    GraderSpec,
    JsonGrader,
    ModelGrader,
    NumberGrader,
    RegexGrader,
)

# A dash between two figures is none of the second's sign.
_SIGN = r"(?:(?<![\w.)])[-+]\$?)?"
_NUMBER = re.compile(
    rf"{_SIGN}(?:\d{{1,3}}(?:,\d{{3}})+(?!\d)|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|{_SIGN}\.\d+"
)


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
                return right_or_wrong(
                    fold(answer, rule.ignore_case) == fold(example.target, rule.ignore_case)
                )
            case ChoiceGrader():
                return grade_choice(example, answer)
            case ContainsGrader():
                text, target = (fold(part, rule.ignore_case) for part in (answer, example.target))
                return right_or_wrong(
                    re.search(rf"(?<!\w){re.escape(target)}(?!\w)", text) is not None
                )
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


def grade_choice(example: Example, answer: str) -> Grade:
    """Compare by letter: the target's, and the one the answer settles on, however wrapped."""
    options = read_options(example.input)
    wanted = wanted_letter(example.target, options)
    if wanted is None:
        return right_or_wrong(fold(bare(answer), True) == fold(bare(example.target), True))
    given = chosen_letter(answer, options)
    if given is None:
        return unparsable("the answer settles on no option")
    return right_or_wrong(given == wanted)


def grade_number(target: str, answer: str, tolerance: float) -> Grade:
    """Compare the last number of the answer with the target's."""
    wanted, given = (_NUMBER.findall(text.replace("−", "-")) for text in (target, answer))
    if not wanted:
        return Grade(None, "unreviewed", f"the target {target[:60]!r} holds no number")
    if not given:
        return unparsable("the answer holds no number")
    difference = abs(_number(given[-1]) - _number(wanted[-1]))
    slack = tolerance + 1e-9 * abs(_number(wanted[-1]))
    return right_or_wrong(math.isfinite(difference) and difference <= slack)


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
    return right_or_wrong(fold(found, rule.ignore_case) == fold(target, rule.ignore_case))


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
    return right_or_wrong(as_text or _same(given, wanted))


def _same(given: object, wanted: object) -> bool:
    """Equal as JSON: 7 is 7.0, but true is not 1."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(_same(given[k], wanted[k]) for k in given)
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(_same, given, wanted))
    return given == wanted and isinstance(given, bool) == isinstance(wanted, bool)
