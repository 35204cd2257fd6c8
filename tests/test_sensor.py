"""The dataset sensor: an experiment is run again, once and whole, when its rows have changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path

import dagster as dg
import pytest

from tests.dagster_support import ALL, BROKEN, ROWS, SPEC, Graph, change_a_target, opened
from tests.support import Project, csv_of

UNTOUCHED = "no dataset has changed"
WHOLE = {(asset, "alpha") for asset in ALL if asset != "optimizer_iterations"} | {
    ("optimizer_iterations", f"alpha|00{number}") for number in (1, 2, 3)
}
PATIENCE_S = 270.0


def touch(project: Project, name: str) -> None:
    """Another modification time, whatever the file system's resolution."""
    path = project.experiments / name / "rows.csv"
    later = path.stat().st_mtime_ns + 10_000_000
    os.utime(path, ns=(later, later))


def test_the_first_tick_notes_and_starts_nothing(graph: Graph) -> None:
    said, cursor = graph.tick()
    alpha, beta, broken = said.split("; ", 2)
    assert alpha == "alpha: unchanged"
    assert beta == "beta: never materialized, so nothing is started"
    assert broken.startswith("broken: skipped, ")
    assert "guess" in broken
    assert graph.tick(cursor) == (UNTOUCHED, cursor)
    assert graph.backfills() == {}


def test_it_is_on_from_the_start_where_the_environment_says_so(finished: Project) -> None:
    for said, wanted in (("", "STOPPED"), ("1", "RUNNING")):
        finished.environ["AUTOPROMPT_WATCH_DATASETS"] = said
        with opened(finished) as graph:
            sensor = graph.repository.get_sensor_def("dataset_changed")
            assert sensor.default_status.value == wanted
    del finished.environ["AUTOPROMPT_WATCH_DATASETS"]


def test_an_experiment_that_was_never_materialized_is_only_noted(graph: Graph) -> None:
    _, cursor = graph.tick()
    graph.project.add("beta", SPEC, rows_csv=csv_of({**ROWS, "Which shape is new?": "(A)"}))
    said, cursor = graph.tick(cursor)
    assert said == "beta: never materialized, so nothing is started"
    assert graph.tick(cursor)[0] == UNTOUCHED
    assert graph.backfills() == {}


def test_a_file_that_was_touched_or_written_again_with_equal_rows_starts_nothing(
    graph: Graph,
) -> None:
    _, cursor = graph.tick()
    touch(graph.project, "alpha")
    said, cursor = graph.tick(cursor)
    assert said == "alpha: unchanged"
    rows = csv_of([*reversed(ROWS.items()), *list(ROWS.items())[:5]])
    graph.project.add("alpha", SPEC, rows_csv=rows)
    said, cursor = graph.tick(cursor)
    assert said == "alpha: unchanged"
    assert graph.backfills() == {}


def test_a_changed_file_starts_one_backfill_of_all_five_assets_of_that_experiment_only(
    graph: Graph,
) -> None:
    _, cursor = graph.tick()
    change_a_target(graph.project, "alpha")
    said, cursor = graph.tick(cursor)
    ((backfill, covered),) = graph.backfills().items()
    assert said == f"alpha: its content has changed; started {backfill}"
    assert covered == WHOLE
    assert graph.tick(cursor) == (UNTOUCHED, cursor)
    # A sensor that has lost its cursor, or is evaluated twice, cannot start it again either.
    said, _ = graph.tick()
    assert said.startswith(f"alpha: run {backfill} has been started for this content")
    assert list(graph.backfills()) == [backfill]


def test_a_change_that_is_taken_back_before_it_was_run_starts_nothing_more(graph: Graph) -> None:
    _, cursor = graph.tick()
    change_a_target(graph.project, "alpha")
    _, cursor = graph.tick(cursor)
    graph.project.add("alpha", SPEC, rows_csv=csv_of(ROWS))
    touch(graph.project, "alpha")
    said, cursor = graph.tick(cursor)
    assert said == "alpha: unchanged"
    change_a_target(graph.project, "alpha")
    touch(graph.project, "alpha")
    said, cursor = graph.tick(cursor)
    assert "has been started for this content" in said
    assert len(graph.backfills()) == 1


def test_a_change_that_is_taken_back_after_it_was_run_is_a_change_each_time(graph: Graph) -> None:
    """Content that was seen before starts again: what was materialized last is what counts."""
    _, cursor = graph.tick()
    for number in (1, 2, 3):
        if number % 2:
            change_a_target(graph.project, "alpha")
        else:
            graph.project.add("alpha", SPEC, rows_csv=csv_of(ROWS))
        touch(graph.project, "alpha")
        said, cursor = graph.tick(cursor)
        assert "its content has changed" in said
        assert len(graph.backfills()) == number
        assert graph.materialize(("dataset",), "alpha").success
        assert graph.tick(cursor) == (UNTOUCHED, cursor)


def test_a_changed_split_of_unchanged_rows_is_a_change(graph: Graph) -> None:
    _, cursor = graph.tick()
    graph.project.add("alpha", SPEC.replace("train: 8", "train: 10"))
    said, cursor = graph.tick(cursor)
    assert "its content has changed" in said


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ("question,target\nWhich?,(A)\n", "has no column 'input'"),
        ("", "the file is empty"),
        (None, "cannot be read"),
    ],
)
def test_a_file_that_breaks_is_skipped_with_the_reason_until_it_changes(
    graph: Graph, rows: str | None, reason: str
) -> None:
    _, cursor = graph.tick()
    before = graph.data_version("test_comparison", "alpha")
    path = graph.project.experiments / "alpha" / "rows.csv"
    if rows is None:
        path.unlink()
    else:
        path.write_text(rows, encoding="utf-8")
    said, cursor = graph.tick(cursor)
    assert said.startswith("alpha: skipped, ")
    assert reason in said
    assert graph.tick(cursor) == (UNTOUCHED, cursor)
    assert graph.backfills() == {}
    assert graph.data_version("test_comparison", "alpha") == before

    change_a_target(graph.project, "alpha")
    said, cursor = graph.tick(cursor)
    assert "alpha: its content has changed" in said
    assert list(graph.backfills().values()) == [WHOLE]


def test_a_spec_that_breaks_is_skipped_until_it_is_mended(graph: Graph) -> None:
    _, cursor = graph.tick()
    graph.project.add("alpha", BROKEN)
    said, cursor = graph.tick(cursor)
    assert said.startswith("alpha: skipped, ")
    assert graph.tick(cursor)[0] == UNTOUCHED
    graph.project.add("alpha", SPEC)
    said, cursor = graph.tick(cursor)
    assert said == "alpha: unchanged"
    assert graph.backfills() == {}


@contextmanager
def daemon(project: Project, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """`dagster-daemon run` on the project's home, in a process group of its own."""
    programs = Path(sys.executable).parent
    (project.folder / "workspace.yaml").write_text(
        "load_from:\n  - python_module:\n      module_name: autoprompt_assets.definitions\n"
        "      location_name: autoprompt\n",
        encoding="utf-8",
    )
    with log.open("wb") as file:
        command = [str(programs / "dagster"), "sensor", "start", "-w", "workspace.yaml"]
        subprocess.run(
            [*command, "dataset_changed"],
            cwd=project.folder,
            env=project.variables(),
            stdout=file,
            stderr=file,
            timeout=120,
            check=True,
        )
        process = subprocess.Popen(
            [str(programs / "dagster-daemon"), "run", "-w", "workspace.yaml"],
            cwd=project.folder,
            env=project.variables(),
            stdout=file,
            stderr=file,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
                if process.poll() is not None:
                    break
                process.send_signal(number)
                try:
                    process.wait(timeout=30)
                except subprocess.TimeoutExpired:
                    continue
            # Code servers and runs that outlived it are in its group, and in no other.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def until(process: subprocess.Popen[bytes], log: Path, done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not done():
        going = process.poll() is None and time.monotonic() < deadline
        assert going, log.read_text(errors="replace")[-6000:]
        time.sleep(1)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_real_daemon_runs_a_changed_experiment_again_in_three_runs(
    graph: Graph, tmp_path: Path
) -> None:
    """And a second backfill of the same experiment, asked for meanwhile, waits its turn."""
    from autoprompt_assets.sensors import start_backfill

    instance, log = graph.instance, tmp_path / "daemon.log"
    before = graph.data_version("dataset", "alpha")
    earlier = {run.run_id for run in instance.get_runs()}
    change_a_target(graph.project, "alpha")
    with daemon(graph.project, log) as process:
        until(process, log, lambda: bool(instance.get_backfills()))
        (backfill,) = graph.backfills()
        with dg.build_sensor_context(instance, definitions=graph.defs) as context:
            start_backfill(context, "alpha", "by-hand")
        ended = {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}

        def all_ended() -> bool:
            found = instance.get_backfills()
            assert {each.backfill_id for each in found} == {backfill, "by-hand"}
            return all(each.status.value.startswith(("COMPLETED", "FAILED")) for each in found)

        until(process, log, all_ended)
    records = [r for r in instance.get_run_records() if r.dagster_run.run_id not in earlier]
    runs = [record.dagster_run for record in records]
    assert [run.status in ended for run in runs] == [True] * 6
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}, log.read_text()[-6000:]
    assert sorted(run.tags["dagster/backfill"] for run in runs) == ["by-hand"] * 3 + [backfill] * 3
    assert {run.tags["autoprompt/experiment"] for run in runs} == {"alpha"}

    version = graph.session("alpha").dataset.version
    assert before != version == graph.data_version("dataset", "alpha")
    search = graph.session("alpha").search_id
    for asset in ALL[1:]:
        for key in graph.partitions(asset, "alpha"):
            assert graph.last(asset, key).metadata["search"].value == search
    assert {status.value for found in graph.statuses("alpha").values() for status in found} == {
        "FRESH"
    }
    spans = sorted((record.start_time or 0.0, record.end_time or 0.0) for record in records)
    assert all(end <= start for (_, end), (start, _) in pairwise(spans)), spans
    cursors = [state.instigator_data for state in instance.all_instigator_state()]
    assert "alpha" in json.loads(getattr(cursors[0], "cursor", None) or "{}")
