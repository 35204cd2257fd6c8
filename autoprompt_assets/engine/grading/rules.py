"""The graders that need no judge: each reads one answer and one target, nothing else."""

from __future__ import annotations

from typing import assert_never

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import Grade, right_or_wrong, unparsable
from autoprompt_assets.engine.grading.json_answers import grade_json
from autoprompt_assets.engine.grading.multiple_choice import grade_choice
from autoprompt_assets.engine.grading.numbers import grade_number
from autoprompt_assets.engine.grading.pattern_worker import CPU_S
from autoprompt_assets.engine.grading.regex_search import PatternTooSlow, last_match
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
from autoprompt_assets.engine.text import fold, holds_words


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
                return grade_choice(example.input, example.target, answer)
            case ContainsGrader():
                text, target = (fold(part, rule.ignore_case) for part in (answer, example.target))
                return right_or_wrong(holds_words(text, target))
            case NumberGrader():
                return grade_number(example.target, answer, rule.tolerance)
            case RegexGrader():
                return _grade_regex(rule, example.target, answer)
            case JsonGrader():
                return grade_json(rule.field, example.target, answer)
            case ModelGrader():
                raise TypeError("the model grader is a Judge")
            case _:
                assert_never(rule)


def _grade_regex(rule: RegexGrader, target: str, answer: str) -> Grade:
    try:
        found = last_match(rule.pattern, rule.ignore_case, answer)
    except PatternTooSlow:
        return unparsable(
            f"grader.pattern took more than {CPU_S:g} s of CPU time on the answer; write it "
            "without nested repeats"
        )
    if found is None:
        return unparsable("the pattern is not found in the answer")
    return right_or_wrong(fold(found, rule.ignore_case) == fold(target, rule.ignore_case))
