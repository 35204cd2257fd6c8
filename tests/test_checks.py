"""The four checks: each passes on a good search, and fails once what it reads has been altered."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.dagster_support import SPEC, Graph, failures

SEALED = ("dataset", "test_rows_are_sealed")
MEASURED = ("best_prompt", "few_rows_unmeasured")
BUDGET = ("test_comparison", "spend_within_budget")
BETTER = ("test_comparison", "best_is_better")
CHECKS = (SEALED, MEASURED, BUDGET, BETTER)
ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN


def check(graph: Graph, which: tuple[str, str]) -> dg.AssetCheckEvaluation:
    """The check alone, as "Execute" beside it in the UI."""
    key = dg.AssetCheckKey(dg.AssetKey(which[0]), which[1])
    result = graph.materialize(dg.AssetSelection.checks(key), "alpha")
    assert result.success, failures(result)
    assert result.get_asset_materialization_events() == []
    (evaluation,) = result.get_asset_check_evaluations()
    return evaluation


def said(evaluation: dg.AssetCheckEvaluation) -> dict[str, Any]:
    return {name: value.value for name, value in evaluation.metadata.items()}


def rewrite(path: Path, alter: Callable[[list[dict[str, Any]]], None]) -> None:
    table = pq.read_table(path)
    rows = table.to_pylist()
    alter(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)


def folder(graph: Graph) -> Path:
    return Path(str(graph.session("alpha").records.folder))


def test_all_four_pass_on_a_good_search_whenever_its_assets_are_materialized(graph: Graph) -> None:
    passed: dict[tuple[str, str], bool] = {}
    for assets in (("dataset", "baseline_score"), ("best_prompt", "test_comparison")):
        result = graph.materialize(assets, "alpha")
        for one in result.get_asset_check_evaluations():
            passed[one.asset_key.to_user_string(), one.check_name] = one.passed
    assert passed == dict.fromkeys(CHECKS, True)


@pytest.mark.parametrize("which", CHECKS)
def test_each_runs_alone_for_one_partition(graph: Graph, which: tuple[str, str]) -> None:
    evaluation = check(graph, which)
    assert evaluation.passed
    assert evaluation.partition == "alpha"
    assert said(evaluation)
    assert not evaluation.description


def test_a_test_row_among_the_training_rows_fails_however_it_is_spelled(graph: Graph) -> None:
    session = graph.session("alpha")
    path = folder(graph).parent.parent / "datasets" / session.dataset.version / "rows.parquet"

    def leak(rows: list[dict[str, Any]]) -> None:
        sealed = next(row for row in rows if row["split"] == "test")
        spelled = "  " + sealed["input.input"].upper()
        rows.append({**sealed, "split": "train", "input.input": spelled})

    rewrite(path, leak)
    evaluation = check(graph, SEALED)
    assert (evaluation.passed, evaluation.severity) == (False, ERROR)
    assert evaluation.description == "1 test inputs stand in train or validation"
    assert said(evaluation) == {"test rows": 30, "leaked": 1}


def test_an_evaluation_with_too_many_rows_without_a_grade_fails(graph: Graph) -> None:
    path = sorted((folder(graph) / "evaluations").glob("validation-*.parquet"))[0]
    assert "timings" not in path.name

    def forget(rows: list[dict[str, Any]]) -> None:
        for row in rows[:3]:
            row["value"] = None

    rewrite(path, forget)
    evaluation = check(graph, MEASURED)
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert evaluation.description == "1 evaluation above 2.0%"
    assert said(evaluation) == {"evaluations": 6, "largest share": 3 / 20}


def test_rows_without_a_grade_are_a_share_of_the_split_however_few_were_asked(
    graph: Graph,
) -> None:
    graph.project.add("alpha", SPEC + "unmeasured: 0.06\n")
    graph.search("alpha")
    path = sorted((folder(graph) / "evaluations").glob("validation-*.parquet"))[0]

    def drop(rows: list[dict[str, Any]]) -> None:
        del rows[5:]
        rows[0]["value"] = None

    rewrite(path, drop)
    evaluation = check(graph, MEASURED)
    assert evaluation.passed
    assert said(evaluation) == {"evaluations": 6, "largest share": 1 / 20}


def test_charges_beyond_the_budget_fail(graph: Graph) -> None:
    name = "alpha"
    graph.project.add(name, SPEC + "budget: {calls: 149}\n")
    # A budget is part of the spec, so this is a search of its own, paid for by the journal.
    graph.search(name)
    within = check(graph, BUDGET)
    assert within.passed
    assert said(within)["calls"] == 144
    path = Path(str(graph.session(name).records.folder)) / "iterations" / "001.json"
    step = json.loads(path.read_text(encoding="utf-8"))
    step["spend"]["calls"] += 6
    path.write_text(json.dumps(step), encoding="utf-8")
    evaluation = check(graph, BUDGET)
    assert (evaluation.passed, evaluation.severity) == (False, ERROR)
    assert evaluation.description == "the search took 150 calls of 149"
    assert said(evaluation)["calls"] == 150


def test_a_verdict_that_is_not_shown_warns(graph: Graph) -> None:
    path = folder(graph) / "comparison.json"
    stored = json.loads(path.read_text(encoding="utf-8"))
    stored["comparison"]["verdict"] = "not shown"
    path.write_text(json.dumps(stored), encoding="utf-8")
    evaluation = check(graph, BETTER)
    assert (evaluation.passed, evaluation.severity) == (False, WARN)
    assert evaluation.description == (
        "the verdict is 'not shown', the first verdict on these rows: judged at .05, 95% interval"
    )
    assert said(evaluation)["verdict"] == "not shown"


def test_a_check_that_fails_reports_on_its_run_and_does_not_fail_it(graph: Graph) -> None:
    useless = {"optimizer.wordings": "[]"}
    for assets, partition in (
        (("dataset", "baseline_score"), "beta"),
        (("optimizer_iterations",), "beta|001...beta|003"),
        (("best_prompt", "test_comparison"), "beta"),
    ):
        result = graph.materialize(assets, partition, overrides=useless)
        assert result.success
    passed = {one.check_name: one.passed for one in result.get_asset_check_evaluations()}
    assert passed == {
        "few_rows_unmeasured": True,
        "spend_within_budget": True,
        "best_is_better": False,
    }


@pytest.mark.parametrize("which", CHECKS)
def test_a_check_of_what_was_never_made_names_what_to_materialize(
    graph: Graph, which: tuple[str, str]
) -> None:
    key = dg.AssetCheckKey(dg.AssetKey(which[0]), which[1])
    result = graph.materialize(dg.AssetSelection.checks(key), "beta")
    assert failures(result) == [
        "this search has no dataset: materialize dataset for partition 'beta' first"
    ]
