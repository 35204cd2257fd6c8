"""Experiments, and `--set` variants of one, never mix: each asset reads its own search alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.program import Program
from tests.support import ANSWERS, KEY, Project, ended

STAGES = ("dataset", "baseline_score", "optimizer_iterations", "best_prompt", "test_comparison")
A: dict[str, str] = {}
B = {"roles.target.prompt": "Which shape is it? Count."}
Step = dict[str, Any]


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        yield server


def project_at(folder: Path, base_url: str) -> Project:
    project = Project(folder, {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": KEY})
    project.add_toy("alpha")
    project.add_toy("beta")
    project.home.mkdir()
    return project


@pytest.fixture
def project(tmp_path: Path, server: LoopbackServer) -> Project:
    return project_at(tmp_path / "project", server.base_url)


def step(asset: str, experiment: str, settings: dict[str, str] | None = None) -> Step:
    """One asset of one experiment; of the iterations, all that the toys have."""
    ranged = asset == "optimizer_iterations"
    partition = [f"{experiment}|001", f"{experiment}|002"] if ranged else experiment
    return {"asset": asset, "partition": partition, "set": settings or {}}


def materialize(project: Project, *steps: Step) -> list[Step]:
    stages = Program("tests.stages", [json.dumps(steps)], project.variables(), project.folder)
    result = ended(stages, timeout=120)
    assert result.returncode == 0, result.stderr
    found: list[Step] = json.loads(result.stdout)
    assert not any(one["crashed"] for one in found), found
    return found


@pytest.mark.slow
def test_variants_and_experiments_interleaved_by_stage_are_each_as_if_alone(
    tmp_path: Path, server: LoopbackServer
) -> None:
    paths = [("alpha", A), ("alpha", B), ("beta", A)]
    alone = project_at(tmp_path / "alone", server.base_url)
    (search,) = _searches(materialize(alone, *(step(stage, "alpha", A) for stage in STAGES)))
    records = []
    for folder, order in (("forwards", paths), ("backwards", paths[::-1])):
        project = project_at(tmp_path / folder, server.base_url)
        done = materialize(project, *(step(stage, *path) for stage in STAGES for path in order))
        assert not [one for one in done if one["failed"]], folder
        # Every third step is of one path, and every asset of a path names one and the same search.
        by_path = {str(path): _searches(done[index::3]) for index, path in enumerate(order)}
        assert [len(found) for found in by_path.values()] == [1, 1, 1], folder
        assert by_path[str(paths[0])] == {search}, folder
        assert by_path[str(paths[1])] != {search}, folder
        records.append([project.records("alpha"), project.records("beta")])
    assert records[0] == records[1]
    assert [sum("comparison" in path for path in files) for files in records[0]] == [2, 1]
    for path, content in alone.records("alpha").items():
        assert records[0][0][path] == content, path


def _searches(done: list[Step]) -> set[str]:
    return {search for one in done for search in one["searches"]}


@pytest.mark.slow
def test_an_asset_of_another_variant_is_no_input_and_the_line_names_what_to_materialize(
    project: Project, server: LoopbackServer
) -> None:
    begin = len(server.ledger)
    done = materialize(
        project,
        step("baseline_score", "alpha", A),
        step("dataset", "alpha", A),
        step("best_prompt", "alpha", A),
        step("baseline_score", "alpha", A),
        step("optimizer_iterations", "alpha", B),
        step("best_prompt", "alpha", B),
        step("test_comparison", "alpha", B),
        step("best_prompt", "alpha", A),
        step("optimizer_iterations", "alpha", A),
        step("test_comparison", "alpha", A),
        step("best_prompt", "alpha", A),
        step("baseline_score", "alpha", B),
        step("best_prompt", "alpha", B),
        step("test_comparison", "alpha", B),
        step("dataset", "beta", A),
        step("best_prompt", "beta", A),
    )
    says = [one["failed"][0] if one["failed"] else "" for one in done]
    missing = "this search has no {0}: materialize {0} for partition '{1}' first"
    baseline = missing.format("baseline_score", "alpha")
    best = missing.format("best_prompt", "alpha")
    iteration = "iteration 001 has not been materialized; run: autoprompt run alpha"
    (last,) = done[3]["searches"]
    other = (
        "this search has no baseline_score, for alpha/experiment.yaml (roles.target.prompt) is not "
        f"as in the last search, {last}: materialize baseline_score for partition 'alpha' first, "
        "or put back what was changed"
    )
    assert says == [
        missing.format("dataset", "alpha"),
        "",
        baseline,
        "",
        other,
        other,
        other,
        iteration,
        "",
        best,
        "",
        "",
        iteration,
        best,
        "",
        missing.format("baseline_score", "beta"),
    ]
    # What could not begin asked nobody: two baselines and two iterations, and no test row.
    questions = {entry["body"]["messages"][-1]["content"] for entry in server.ledger[begin:]}
    assert len(questions & set(ANSWERS)) == 12


@pytest.mark.slow
def test_an_iteration_whose_predecessor_is_missing_names_the_command_that_makes_it(
    project: Project,
) -> None:
    alone = {"asset": "optimizer_iterations", "partition": "alpha|002"}
    *_, failed, both, again = materialize(
        project,
        step("dataset", "alpha"),
        step("baseline_score", "alpha"),
        alone,
        step("optimizer_iterations", "alpha"),
        alone,
    )
    assert failed["failed"] == [
        "iteration 001 has not been materialized; run: dg launch "
        "--assets optimizer_iterations "
        "--partition-range 'alpha|001...alpha|002'"
    ]
    assert failed["made"] == []
    assert [one["made"] for one in (both, again)] == [["alpha|001", "alpha|002"], ["alpha|002"]]


@pytest.mark.parametrize(
    ("ready", "failing"),
    [("beta", "alpha"), pytest.param("alpha", "beta", marks=pytest.mark.slow)],
)
def test_the_failure_of_one_experiment_in_a_range_does_not_lose_the_iterations_of_another(
    project: Project, ready: str, failing: str
) -> None:
    across = {"asset": "optimizer_iterations", "partition": ["alpha|001", "beta|002"]}
    own = project.copy(project.folder.parent / ready)
    *_, one = materialize(own, step("dataset", ready), step("baseline_score", ready), across)
    assert one["made"] == [f"{ready}|001", f"{ready}|002"]
    assert one["failed"] == [
        f"{failing}: this search has no dataset: materialize dataset for partition "
        f"'{failing}' first"
    ]
    assert sorted(own.records(ready))
    assert not own.records(failing)


def test_nothing_downstream_of_a_failed_baseline_starts(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, unauthorized=True)) as closed:
        project = project_at(tmp_path / "project", closed.base_url)
        result = project.run("run", "alpha")
        asked = len(closed.ledger)
        done = materialize(project, *(step(stage, "alpha") for stage in STAGES[2:]))

        assert result.returncode == 1
        assert result.stderr.splitlines()[-1].startswith("baseline_score: openai: HTTP 401")
        baseline = "this search has no baseline_score: materialize baseline_score for partition"
        assert [one["failed"] for one in done] == [[f"{baseline} 'alpha' first"]] * 3
        assert 1 <= asked <= 4
        assert len(closed.ledger) == asked
    assert [path.split("/")[1] for path in project.records("alpha")] == ["prices.json", "spec.json"]


@pytest.mark.slow
def test_a_budget_too_small_is_refused_by_the_asset_too_before_a_call(
    project: Project, server: LoopbackServer
) -> None:
    small = {"budget": "{calls: 79}"}
    begin = len(server.ledger)
    made, refused = materialize(
        project, step("dataset", "alpha", small), step("baseline_score", "alpha", small)
    )
    assert made["failed"] == []
    (line,) = refused["failed"]
    assert line.startswith("budget: baseline and test comparison alone may take 80 calls of 79;")
    assert len(server.ledger) == begin
