"""`autoprompt init`: from a table of any columns to a file that `check` passes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from autoprompt_assets.commands import NewTable, write_experiment
from autoprompt_assets.engine.budget import BudgetSpec
from autoprompt_assets.engine.dataset import DatasetSpec
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import TargetSpec
from autoprompt_assets.engine.optimizers import StrategySettings
from autoprompt_assets.engine.spec import ExperimentSpec, load_spec
from autoprompt_assets.loading import load_dataset
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS
from tests.support import toy_project
from tests.ticket_support import TICKETS, written

QUESTIONS: list[dict[str, object]] = [
    {"Question": f"Is {n} even?", "Answer": ("yes", "no")[n % 2]} for n in range(60)
]
FIELDS: list[dict[str, object]] = [
    {"mail": f"Order {n} of today", "answer": {"order": n}} for n in range(60)
]


def begun(folder: Path, table: NewTable, grader: str = "exact") -> ExperimentSpec:
    """The experiment that `init` writes, read back with its table as `check` reads it."""
    path, _ = write_experiment(folder, "new", table, grader=grader)
    spec = load_spec(path, ENDPOINT_WORDS)
    load_dataset(spec, path.parent, None)
    return spec


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl"])
@pytest.mark.parametrize(
    ("rows", "inputs", "target"),
    [
        (QUESTIONS, ("Question",), "Answer"),
        (TICKETS, ("ticket", "customer", "lang", "subject", "body", "meta"), "label"),
        ([{**row, "id": n} for n, row in enumerate(QUESTIONS)], ("Question",), "Answer"),
        ([{"input": f"{n}", "why": f"{n}", "target": "ab"[n % 2]} for n in range(60)],
         ("input",), "target"),
        ([{"lang": "de", **row} for row in QUESTIONS], ("lang", "Question"), "Answer"),
        ([{"a": f"{n}", "b": f"{n}"} for n in range(60)], ("a",), "b"),
    ],
)  # fmt: skip
def test_columns_that_are_not_named_are_looked_for(
    rows: Sequence[Mapping[str, object]],
    inputs: tuple[str, ...],
    target: str,
    name: str,
    tmp_path: Path,
) -> None:
    spec = begun(tmp_path, NewTable(str(tmp_path / written(tmp_path, rows, name))))
    assert (spec.dataset.inputs, spec.dataset.target) == (inputs, target)
    assert spec.dataset.layout.fields(spec.roles.target.prompt) == (
        [] if len(inputs) == 1 else [f"{{{name}}}" for name in inputs]
    )


@pytest.mark.parametrize(
    ("grader", "rows", "target"),
    [
        ("exact", QUESTIONS, ""),
        ("choice", [{"q": f"{n}? (A) a (B) b", "label": "AB"[n % 2]} for n in range(60)], ""),
        ("contains", QUESTIONS, ""),
        ("number", [{"q": f"{n}+1?", "answer": n + 1} for n in range(60)], ""),
        ("regex", QUESTIONS, ""),
        ("json", FIELDS, ""),
        ("model", QUESTIONS, ""),
        ("model", QUESTIONS, None),
        ("model", [{"text": f"Text {n}", "more": f"More {n}"} for n in range(60)], None),
    ],
)
def test_each_grader_s_file_passes(
    grader: str, rows: Sequence[Mapping[str, object]], target: str | None, tmp_path: Path
) -> None:
    table = NewTable(str(tmp_path / written(tmp_path, rows)), target=target)
    spec = begun(tmp_path, table, grader)
    assert spec.grading.kind == grader
    assert (spec.dataset.target is None) == (target is None)


def test_a_table_without_answers_needs_none_under_a_review(tmp_path: Path) -> None:
    rows = [{"text": f"Text {n}"} for n in range(60)]
    path = str(tmp_path / written(tmp_path, rows))
    assert begun(tmp_path / "judged", NewTable(path), "model").dataset.target is None
    lacking = "has no column.*; mend --target, or give --no-target where the grader needs none"
    with pytest.raises(InputError, match=lacking):
        begun(tmp_path / "exact", NewTable(path))


def test_every_option_stands_in_the_file(tmp_path: Path) -> None:
    path, _ = write_experiment(tmp_path, "new", NewTable(str(tmp_path / written(tmp_path, FIELDS))))
    text = path.read_text()
    settings: list[type[BaseModel]] = [ExperimentSpec, DatasetSpec, TargetSpec, BudgetSpec]
    fields = {name for one in settings for name in one.model_fields}
    fields |= StrategySettings.model_fields.keys()
    assert [name for name in sorted(fields) if f"{name}:" not in text] == []


def test_the_command_says_what_it_took_and_check_passes(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    rows = [{**row, "label": json.dumps({"team": row["label"]})} for row in TICKETS]
    written(tmp_path, rows)
    columns = ("--input", "subject", "--input", "meta.tier", "--grader", "json")
    made = project.run("init", "tickets", "--data", "t.jsonl", *columns)
    assert (made.returncode, made.stderr) == (0, "")
    assert "inputs: subject, meta.tier; target: label (dataset.inputs and" in made.stdout
    checked = project.run("check", "tickets")
    assert checked.returncode == 0, checked.stderr
    assert "tickets: 200 rows in " in checked.stdout
