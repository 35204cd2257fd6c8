"""Targets that no answer could match are refused before a call is paid."""

from __future__ import annotations

from typing import Any

import pytest

from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.targets import refuse_unanswerable


def spec_of(grader: dict[str, Any], *choices: str) -> ExperimentSpec:
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "cases.csv"},
            "roles": {"target": {"prompt": "Answer.", "choices": choices}},
            "grader": grader,
            "optimizer": {"strategy": "demos"},
        }
    )


def examples(*targets: str) -> list[Example]:
    return [Example(str(n), str(n), f"in {n}", target, "test") for n, target in enumerate(targets)]


def test_a_target_that_is_no_choice_is_named() -> None:
    spec = spec_of({"kind": "exact"}, "yes", "no")
    refuse_unanswerable(spec, examples("yes", "no", " yes "))
    with pytest.raises(InputError, match=r"cases\.csv: the target 'Yes' is none of roles\.target"):
        refuse_unanswerable(spec, examples("yes", "Yes"))


def test_case_is_ignored_where_the_grader_ignores_it() -> None:
    refuse_unanswerable(
        spec_of({"kind": "exact", "ignore_case": True}, "yes", "no"), examples("Yes")
    )


def test_a_target_without_a_number_is_named() -> None:
    spec = spec_of({"kind": "number"})
    refuse_unanswerable(spec, examples("7", "−3", "$1,000"))
    with pytest.raises(InputError, match="'seven' holds no number"):
        refuse_unanswerable(spec, examples("7", "seven"))


def test_many_such_targets_are_counted() -> None:
    with pytest.raises(InputError) as caught:
        refuse_unanswerable(
            spec_of({"kind": "number"}), examples(*(chr(97 + n) for n in range(15)))
        )
    assert len(caught.value.lines) == 11
    assert "5 more" in caught.value.lines[-1]
