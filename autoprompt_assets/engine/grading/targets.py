"""Targets that no answer could ever match: a mistake in the table or the experiment file.

Each target is graded as if it were the answer, in the form that its grader wants:

| rule | the answer that is tried |
| --- | --- |
| exact, contains, number, choice | the target |
| json | the target, which must be JSON; with `field`, an object that holds it there |
| regex | a text that the pattern's first group (without one, the pattern) matches as a whole |
| any, with `choices` | each choice |

A target that is right in this way may still be a mistake: a list of alternatives, a value as Python
writes it, a whole object where one field is compared. These are named too, unless the first prompt
speaks of such a form.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import Grade
from autoprompt_assets.engine.grading.json_answers import at_path
from autoprompt_assets.engine.grading.options import read_options
from autoprompt_assets.engine.grading.patterns import first_group
from autoprompt_assets.engine.grading.regex_search import PatternTooSlow, matches_whole
from autoprompt_assets.engine.grading.rules import Rule
from autoprompt_assets.engine.grading.settings import (
    ChoiceGrader,
    JsonGrader,
    ModelGrader,
    NumberGrader,
    RegexGrader,
)
from autoprompt_assets.engine.json_text import MOST_LEVELS, parse_json
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.text import fold

MOST_LINES = 10
SHARE = 0.05
"""The share of rows with such targets above which an experiment is refused."""

_MISSING = frozenset(["None", "nan", "NaN", "NaT", "<NA>"])
_SPEAKS_OF_FORM = re.compile(
    r"\b(?:json|brackets|braces|python)\b"
    r"|\b(?:as|in|with|return|give|output|write|answer|reply|respond|produce|list)\b[^.\n]{0,30}"
    r"\b(?:lists?|arrays?|dict(?:ionary)?|objects?|tuples?|all)\b"
    r"|[\[{]\s*[\"']",
    re.IGNORECASE,
)
_OBJECT = re.compile(
    r"[\[({].*\barray\(.*|(?:array|Timestamp|Decimal|datetime(?:\.\w+)?)\(.*\)|b(?:'.*'|\".*\")"
    r"|<\w+(?:\.\w+)+: .*>",
    re.DOTALL,
)
"""How Python shows objects that no literal can be: arrays, dates, bytes, members of an Enum."""


def check_targets(spec: ExperimentSpec, examples: Sequence[Example]) -> tuple[str, ...]:
    """One line per target that cannot be met, at most ten, and one that counts the rest.

    Raises:
        InputError: more than SHARE of the rows have such a target; its lines are these.
    """
    problem_of = _problem_finder(spec)
    rows: dict[tuple[str, str], list[Example]] = {}
    for example in examples:
        problem = problem_of(example)
        if problem:
            rows.setdefault((example.target, problem), []).append(example)
    lines = [_line(*key, found) for key, found in sorted(rows.items(), key=lambda item: item[0])]
    count = sum(map(len, rows.values()))
    if len(lines) > MOST_LINES:
        lines[MOST_LINES:] = [f"and {len(lines) - MOST_LINES} more such targets; mend them too"]
    if count > SHARE * len(examples):
        raise InputError([f"{spec.dataset.path}: {line}" for line in lines])
    return tuple(lines)


def _line(target: str, problem: str, rows: Sequence[Example]) -> str:
    trouble, _, mend = problem.partition("; ")
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"the target {shown(target)} {trouble} (input {shown(rows[0].input, 50)}{more}); {mend}"


def _problem_finder(spec: ExperimentSpec) -> Callable[[Example], str]:
    """What is wrong with an example's target, or nothing; found once for equal targets."""
    by_target = lru_cache(maxsize=10_000)(
        lambda target: _problem(spec, Example("", "", "", target, "train"))
    )
    if isinstance(spec.grader, ChoiceGrader):
        return lambda example: _problem(spec, example)
    return lambda example: by_target(example.target)


def _problem(spec: ExperimentSpec, example: Example) -> str:
    rule, choices = spec.grader, spec.roles.target.choices
    if isinstance(rule, ModelGrader):
        return ""
    if choices:
        if any(_is_right(spec, example, choice) for choice in choices):
            return ""
        return "is none of roles.target.choices; mend the rows or add it"
    return _form_problem(spec, example) or _rule_problem(spec, example)


def _form_problem(spec: ExperimentSpec, example: Example) -> str:
    """A form that is graded as it stands, and that was hardly meant."""
    rule, target = spec.grader, example.target
    structure, is_json = _structure(target)
    if isinstance(rule, NumberGrader):
        odd = structure is not None and not _is_numbers(structure)
        return "is a list or an object; write one number in each row" if odd else ""
    problem = ""
    if isinstance(rule, JsonGrader):
        problem = _json_problem(rule, structure, is_json)
    elif structure is not None and not _is_spoken_of(spec.roles.target.prompt, is_json):
        form = "as JSON" if is_json else "as Python"
        problem = (
            f"is a list or an object written {form}, of which the prompt says nothing; write one "
            "answer in each row, or say the form in roles.target.prompt"
        )
    return problem or _missing_problem(spec, example)


def _json_problem(rule: JsonGrader, structure: Any, is_json: bool) -> str:
    if structure is not None and not is_json:
        return "is written as Python; write it as JSON"
    is_object = rule.field is not None and isinstance(structure, dict)
    held = at_path(structure, rule.field or "") if is_object else []
    if not held:
        return ""
    return (
        f"is a whole object where grader.field = {rule.field!r} is compared; keep only what "
        f"stands there, {shown(held[0], 40)}"
    )


def _missing_problem(spec: ExperimentSpec, example: Example) -> str:
    target, prompt = example.target.strip(), spec.roles.target.prompt
    listed = isinstance(spec.grader, ChoiceGrader) and read_options(example.input)
    if target not in _MISSING or listed or target.lower() in prompt.lower():
        return ""
    return (
        "stands for a value that is missing; fill in the answer or take out the row, or name it in "
        "roles.target.prompt"
    )


def _rule_problem(spec: ExperimentSpec, example: Example) -> str:
    """The target is no right answer to itself."""
    rule, target = spec.grader, example.target
    if isinstance(rule, RegexGrader):
        problem = "can never be what grader.pattern matches; mend the rows or the pattern"
        return "" if _can_match(rule, target) else problem
    grade = Rule(rule).grade(example, _ideal_answer(spec, target), None)
    if grade.outcome == "correct":
        return ""
    return {
        "json": f"is no JSON of at most {MOST_LEVELS} levels; write it as JSON, or set "
        "grader.field",
        "choice": f"{_reason(grade)}; write an option's letter, number or text",
        "number": f"{_reason(grade) or 'is no finite number'} for the grader 'number'; mend the "
        "rows or choose another grader",
    }.get(rule.kind, f"is not right for the grader {rule.kind!r}; mend it or choose another grader")


def _reason(grade: Grade) -> str:
    """Why a grader could not use a target, without the target."""
    return grade.reason.partition("' ")[2] or grade.reason.partition('" ')[2]


def _ideal_answer(spec: ExperimentSpec, target: str) -> str:
    rule = spec.grader
    if not isinstance(rule, JsonGrader) or rule.field is None:
        return target
    try:
        value = parse_json(target)
    except ValueError:
        value = target
    return json.dumps({rule.field: value})


def _is_right(spec: ExperimentSpec, example: Example, answer: str) -> bool:
    return Rule(spec.grader).grade(example, answer, None).outcome == "correct"


def _can_match(rule: RegexGrader, target: str) -> bool:
    group = first_group(rule.pattern)
    texts = (target, target.strip(), fold(target, False))
    if group is None:
        return True
    try:
        return any(matches_whole(group, rule.ignore_case, text) for text in texts)
    except PatternTooSlow:
        return True


def _structure(target: str) -> tuple[Any, bool]:
    """The list or object that a target is written as, and whether it is JSON; else `None`."""
    text = target.strip()
    if _OBJECT.fullmatch(text):
        return [text], False
    if not text.startswith(("[", "{", "(")) or not text.endswith(("]", "}", ")")):
        return None, False
    try:
        value, is_json = parse_json(text), True
    except ValueError:
        try:
            value, is_json = ast.literal_eval(text), False
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None, False
    if isinstance(value, tuple) and not any(isinstance(one, str) for one in value):
        return None, False  # (3, 4) is how people write a point, too
    return (value, is_json) if isinstance(value, list | dict | set | tuple) else (None, False)


def _is_numbers(structure: Any) -> bool:
    return isinstance(structure, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) for one in structure
    )


def _is_spoken_of(prompt: str, is_json: bool) -> bool:
    if not is_json and re.search(r"\bjson\b", prompt, re.IGNORECASE):
        return re.search(r"\bpython\b", prompt, re.IGNORECASE) is not None
    return _SPEAKS_OF_FORM.search(prompt) is not None
