"""Targets that no answer could ever match: a mistake in the table or the experiment file."""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.grading.multiple_choice import fold
from autoprompt_assets.engine.grading.rules import holds_number
from autoprompt_assets.engine.grading.settings import ExactGrader, NumberGrader
from autoprompt_assets.engine.spec import ExperimentSpec


def refuse_unanswerable(spec: ExperimentSpec, examples: Sequence[Example]) -> None:
    """Check every target against the grader and the choices.

    Raises:
        InputError: one line per target that cannot be matched, at most ten.
    """
    choices, path = spec.roles.target.choices, spec.dataset.path
    targets = sorted({example.target for example in examples})
    problems = []
    if choices and isinstance(spec.grader, ExactGrader):
        known = {fold(choice, spec.grader.ignore_case) for choice in choices}
        problems = [
            f"{path}: the target {shown(target)} is none of roles.target.choices; mend the rows "
            "or add it"
            for target in targets
            if fold(target, spec.grader.ignore_case) not in known
        ]
    elif isinstance(spec.grader, NumberGrader):
        problems = [
            f"{path}: the target {shown(target)} holds no number for the grader 'number'; mend "
            "the rows or choose another grader"
            for target in targets
            if not holds_number(target)
        ]
    if problems:
        more = [f"{path}: and {len(problems) - 10} more such targets"] if len(problems) > 10 else []
        raise InputError([*problems[:10], *more])
