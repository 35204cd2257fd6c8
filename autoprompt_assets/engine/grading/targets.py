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

from collections.abc import Callable, Sequence
from functools import lru_cache

from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.protocol import GraderSettings
from autoprompt_assets.engine.grading.registry import make_grader, target_problem

MOST_LINES = 10
SHARE = 0.05
"""The share of rows with such targets above which an experiment is refused."""


def check_targets(
    grader: GraderSettings,
    examples: Sequence[Example],
    prompt: str,
    choices: Sequence[str],
    source: str,
) -> tuple[str, ...]:
    """One line per target that cannot be met, at most ten, and one that counts the rest.

    `prompt` is the first one, `choices` are the target role's, `source` is where the rows are from.

    Raises:
        InputError: more than SHARE of the rows have such a target; its lines are these.
    """
    if grader.asks_review:
        return ()
    problem_of = _problem_finder(grader, prompt, choices)
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
        raise InputError([f"{source}: {line}" for line in lines])
    return tuple(lines)


def _line(target: str, problem: str, rows: Sequence[Example]) -> str:
    trouble, _, mend = problem.partition("; ")
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"the target {shown(target)} {trouble} (input {shown(rows[0].input, 50)}{more}); {mend}"


def _problem_finder(
    grader: GraderSettings, prompt: str, choices: Sequence[str]
) -> Callable[[Example], str]:
    """What is wrong with an example's target, or nothing; found once for equal targets."""
    judge = make_grader(grader)

    def problem(example: Example) -> str:
        if not choices:
            return target_problem(grader, example, prompt)
        if any(judge.grade(example, one, None).outcome == "correct" for one in choices):
            return ""
        return "is none of roles.target.choices; mend the rows or add it"

    if grader.reads_input:
        return problem
    by_target = lru_cache(maxsize=10_000)(
        lambda target: problem(Example("", "", "", target, "train"))
    )
    return lambda example: by_target(example.target)
