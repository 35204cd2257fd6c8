"""Targets that no answer could ever match: a mistake in the table or the experiment file.

Each target is graded as if it were the answer, in the form that its grader wants:

| rule | the answer that is tried |
| --- | --- |
| exact, contains, number, choice | the target |
| json | the target, which must be JSON; with `field`, an object that holds it there |
| regex | a text that the pattern's first group (without one, the pattern) matches as a whole |
| labels, ordinal, similarity, tool_calls | none: the target is read |
| sql | none: the target is run |
| code | none: the row's tests are read |
| any, with `choices` | each choice |
| another that has to be waited for | none |

A target that is right in this way may still be a mistake: a list of alternatives, a value as Python
writes it, a whole object where one field is compared. These are named too, unless the first prompt
speaks of such a form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache

from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.protocol import GraderSettings, plain
from autoprompt_assets.engine.grading.registry import make_grader, target_problem
from autoprompt_assets.engine.inputs import Inputs

MOST_LINES = 10
SHARE = 0.05
"""The share of rows with such targets above which an experiment is refused."""


def check_targets(
    grader: GraderSettings,
    examples: Sequence[Example],
    prompt: str,
    choices: Sequence[str],
    source: str,
    unmeasured: float,
) -> tuple[str, ...]:
    """One line per target that cannot be met, at most ten, and one that counts the rest.

    `prompt` is the first one, `choices` are the target role's, `source` is where the rows are from,
    `unmeasured` is the share of a split's rows that may stay without a grade.

    Raises:
        InputError: more than SHARE of the rows have such a target; its lines are these. Or no
            answer could be graded in more of a scored split's rows than `unmeasured` allows.
    """
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
    bad = [example for found in rows.values() for example in found]
    over = _ungradable(grader, bad, examples, choices, unmeasured)
    if over:
        raise InputError([f"{source}: {line}" for line in (*over, *lines)])
    return tuple(lines)


def _ungradable(
    grader: GraderSettings,
    bad: Sequence[Example],
    examples: Sequence[Example],
    choices: Sequence[str],
    unmeasured: float,
) -> list[str]:
    """One line per scored split that could only end a run, for too many of its rows get no grade
    whatever is answered.
    """
    judge, rows, without = plain(make_grader(grader)), Counter[str](), Counter[str]()
    if judge is None and not grader.bad_target_ungraded:
        return []
    for example in examples:
        rows[example.split] += 1
    for example in bad:
        answers = choices or (example.target,)
        if judge is None or all(judge.grade(example, one).value is None for one in answers):
            without[example.split] += 1
    return [
        f"{without[split]} of {rows[split]} {split} rows can get no grade, more than the "
        f"{unmeasured:.1%} that `unmeasured` allows; mend their targets, or raise it"
        for split in ("validation", "test")
        if without[split] > unmeasured * rows[split]
    ]


def _line(target: str, problem: str, rows: Sequence[Example]) -> str:
    trouble, _, mend = problem.partition("; ")
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    given = shown(rows[0].inputs.text, 50)
    return f"the target {shown(target)} {trouble} (input {given}{more}); {mend}"


def _problem_finder(
    grader: GraderSettings, prompt: str, choices: Sequence[str]
) -> Callable[[Example], str]:
    """What is wrong with an example's target, or nothing; found once for equal targets."""
    judge = plain(make_grader(grader))

    def problem(example: Example) -> str:
        if not choices or judge is None:
            return target_problem(grader, example, prompt)
        if any(judge.grade(example, one).value for one in choices):
            return ""
        return "is none of roles.target.choices; mend the rows or add it"

    if grader.reads_input:
        return problem
    by_target = lru_cache(maxsize=10_000)(
        lambda target: problem(Example("", "", Inputs.single(""), target, "train"))
    )
    return lambda example: by_target(example.target)
