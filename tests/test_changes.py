"""A spec or a table that is changed under a run: the run says so, and what to do."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autoprompt_assets.changes import deciding
from autoprompt_assets.engine.spec import load_spec
from autoprompt_assets.loading import load_dataset
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS
from autoprompt_assets.resources.storage import StoreResource
from tests.loopback import Behaviour, LoopbackServer
from tests.program import Program
from tests.support import ANSWERS, TOY, Project, csv_of, ended, toy_project
from tests.test_deadlines import spec_of

OTHER = ANSWERS | {"Which shape is path 31?": "(A)", "Which shape is path 32?": "(B)"}
AGAIN = "run again: what was answered is in the journal and is not paid again"


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=OTHER, delay=0.02, optimizer_delay=1.0)) as server:
        yield server


@pytest.fixture
def project(tmp_path: Path, server: LoopbackServer) -> Project:
    project = toy_project(tmp_path, server.base_url)
    project.add("toy", TOY.replace("iterations: 2", "iterations: 1"), rows_csv=csv_of(ANSWERS))
    return project


def changed_meanwhile(
    project: Project, server: LoopbackServer, role: str, change: Callable[[], object]
) -> subprocess.CompletedProcess[str]:
    """A run under which `change` is made as soon as `role` is asked."""
    begin = len(server.ledger)
    process = project.start("run", "toy")
    deadline = time.monotonic() + 60
    while not any(entry["role"] == role for entry in server.ledger[begin:]):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    change()
    return ended(process, timeout=60)


def write_spec(project: Project, text: str) -> Path:
    path = project.experiments / "toy" / "experiment.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("role", ["target", "optimizer"])
def test_a_spec_that_is_changed_in_mid_run_ends_it_in_a_line_that_names_the_field(
    project: Project, server: LoopbackServer, role: str
) -> None:
    path = project.experiments / "toy" / "experiment.yaml"
    start, before = len(server.ledger), path.read_text(encoding="utf-8")
    after = before.replace("Name the shape.", "Say its shape.")
    result = changed_meanwhile(project, server, role, lambda: write_spec(project, after))
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        f"{path} has changed since this run began (roles.target.prompt); {AGAIN}"
    )
    write_spec(project, before)
    begin = len(server.ledger)
    assert project.run("run", "toy").returncode == 0
    made = [entry["body"] for entry in server.ledger[start:begin]]
    assert not [entry for entry in server.ledger[begin:] if entry["body"] in made]


def test_a_spec_that_can_no_longer_be_read_is_said_to_have_changed(
    project: Project, server: LoopbackServer
) -> None:
    path = project.experiments / "toy" / "experiment.yaml"
    half = path.read_text(encoding="utf-8")[:200] + '\n  "'
    result = changed_meanwhile(project, server, "optimizer", lambda: write_spec(project, half))
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith(f"{path} has changed since this run began and cannot be used: line ")
    assert line.endswith(f"run again once it can be{AGAIN.removeprefix('run again')}")
    assert "materialize" not in line


@pytest.mark.slow
def test_what_decides_nothing_may_be_changed(project: Project, server: LoopbackServer) -> None:
    path = project.experiments / "toy" / "experiment.yaml"
    other = path.read_text(encoding="utf-8").replace("concurrency: 4", "concurrency: 3  # less")
    result = changed_meanwhile(project, server, "optimizer", lambda: write_spec(project, other))
    assert result.returncode == 0, result.stderr
    assert "has changed" not in result.stderr


def test_how_fast_an_endpoint_may_be_asked_decides_nothing() -> None:
    spec = spec_of("http://here/v1")
    limits = {"concurrency": 3, "requests_per_minute": 60}
    here = spec.endpoints["here"].model_copy(update=limits)
    assert deciding(spec) == deciding(spec.model_copy(update={"endpoints": {"here": here}}))
    assert not limits.keys() & deciding(spec)["endpoints"]["here"].keys()


def write_rows(project: Project, rows: dict[str, str]) -> Path:
    path = project.experiments / "toy" / "rows.csv"
    path.write_text(csv_of(rows), encoding="utf-8")
    return path


@pytest.mark.slow
def test_a_table_that_is_changed_in_mid_run_is_said_and_the_rows_stay_as_they_were_read(
    project: Project, server: LoopbackServer
) -> None:
    path = project.experiments / "toy" / "rows.csv"
    result = changed_meanwhile(project, server, "target", lambda: write_rows(project, OTHER))
    assert result.returncode == 0, result.stderr
    said = [line for line in result.stderr.splitlines() if "has changed" in line]
    assert said == [
        f"{path} has changed since this run began: the run goes on with the rows as they were "
        "read; run again for those that it holds now"
    ]


@pytest.mark.slow
def test_the_same_rows_written_again_are_no_change(
    project: Project, server: LoopbackServer
) -> None:
    rows = dict(reversed(ANSWERS.items()))
    result = changed_meanwhile(project, server, "target", lambda: write_rows(project, rows))
    assert result.returncode == 0, result.stderr
    assert "has changed" not in result.stderr


def test_rows_that_another_run_has_read_anew_end_it_in_one_line(
    project: Project, server: LoopbackServer
) -> None:
    def read_anew() -> None:
        folder = write_rows(project, OTHER).parent
        spec = load_spec(folder / "experiment.yaml", ENDPOINT_WORDS)
        files = StoreResource(str(project.home), "").experiment("toy")
        files.write_dataset(spec.dataset, load_dataset(spec, folder, files))

    result = changed_meanwhile(project, server, "optimizer", read_anew)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1] == (
        "the rows of rows.csv have changed since this run began: another run has read them anew; "
        f"{AGAIN}"
    )


@pytest.mark.slow
def test_assets_that_are_materialized_one_by_one_say_what_was_changed_between_them(
    project: Project,
) -> None:
    """As in Dagster's UI."""

    def failed(asset: str, partition: str, **settings: str) -> list[str]:
        step = {"asset": asset, "partition": partition, "set": settings}
        stages = Program("tests.stages", [json.dumps([step])], project.variables(), project.folder)
        (found,) = json.loads(ended(stages, timeout=60).stdout)
        assert not found["crashed"]
        lines: list[str] = found["failed"]
        return lines

    project.home.mkdir()
    assert failed("dataset", "toy") == failed("baseline_score", "toy") == []
    (search,) = (path.name for path in (project.home / "results/toy/searches").iterdir())
    path = project.experiments / "toy" / "experiment.yaml"
    before = path.read_text(encoding="utf-8")

    write_spec(project, before.replace("Name the shape.", "Say its shape."))
    first = "materialize baseline_score for partition 'toy' first, or put back what was changed"
    assert failed("optimizer_iterations", "toy|001") == [
        "this search has no baseline_score, for toy/experiment.yaml (roles.target.prompt) is not "
        f"as in the last search, {search}: {first}"
    ]
    write_spec(project, before.replace("rows.csv", "rows.csv\n  seed: 7"))
    assert failed("baseline_score", "toy") == [
        "this search has no dataset, for toy/experiment.yaml (dataset.seed) is not as in the last "
        f"search, {search}: materialize dataset for partition 'toy' first, or put back what was "
        "changed"
    ]
    write_spec(project, before)
    write_rows(project, OTHER)
    assert failed("dataset", "toy") == []
    assert failed("best_prompt", "toy") == [
        f"this search has no baseline_score, for the rows of rows.csv are not as in the last "
        f"search, {search}: {first}"
    ]
