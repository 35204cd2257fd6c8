"""The dataset sensor on object stores: no change is lost and none is run twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bucket_support import MemoryBucket, S3Bucket, forget_connections, s3_bucket
from tests.dagster_support import ROWS, SPEC, Graph
from tests.support import csv_of
from tests.test_sensor import UNTOUCHED, WHOLE, daemon, until

Bucket = MemoryBucket | S3Bucket
FIRST = next(iter(ROWS))
OLD = csv_of(ROWS).encode()
NEW = csv_of({**ROWS, FIRST: "(B)"}).encode()


@pytest.fixture(params=["memory", pytest.param("s3", marks=pytest.mark.slow)])
def bucket(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    if request.param == "memory":
        yield MemoryBucket()
        return
    with s3_bucket() as bucket:
        connect(bucket, monkeypatch)
        yield bucket


def connect(bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in bucket.environ.items():
        monkeypatch.setenv(name, value)
    forget_connections()


def watch(graph: Graph, bucket: Bucket, *names: str) -> str:
    """Let experiments read the bucket's `rows.csv`, which holds what alpha was run on; a cursor."""
    url = bucket.put("rows.csv", OLD)
    for name in names or ("alpha",):
        graph.project.add(name, SPEC.replace("path: rows.csv", f"path: {url}"))
    said, cursor = graph.tick()
    assert "alpha: unchanged" in said
    return cursor


def test_an_object_that_is_changed_runs_its_experiment_once(graph: Graph, bucket: Bucket) -> None:
    cursor = watch(graph, bucket)
    assert graph.tick(cursor) == (UNTOUCHED, cursor)
    bucket.put("rows.csv", NEW)
    said, cursor = graph.tick(cursor)
    ((backfill, covered),) = graph.backfills().items()
    assert said == f"alpha: its content has changed; started {backfill}"
    assert covered == WHOLE
    assert graph.tick(cursor) == (UNTOUCHED, cursor)
    # Nor where the cursor is lost, or the same content is uploaded anew.
    assert "has been started for this content" in graph.tick()[0]
    bucket.put("rows.csv", NEW)
    graph.tick(cursor)
    assert list(graph.backfills()) == [backfill]


def test_the_same_rows_uploaded_anew_and_a_change_taken_back_start_nothing(
    graph: Graph, bucket: Bucket
) -> None:
    cursor = watch(graph, bucket)
    bucket.put("rows.csv", csv_of(reversed(ROWS.items())).encode())
    said, cursor = graph.tick(cursor)
    assert said == "alpha: unchanged"
    bucket.put("rows.csv", NEW)
    bucket.put("rows.csv", OLD)
    graph.tick(cursor)
    assert graph.backfills() == {}


def test_an_object_that_is_gone_is_said_once_and_looked_at_when_it_is_back(
    graph: Graph, bucket: Bucket
) -> None:
    cursor = watch(graph, bucket)
    bucket.delete("rows.csv")
    said, cursor = graph.tick(cursor)
    line = "cannot be fetched (nothing is there); mend dataset.path"
    assert said == f"alpha: skipped, {bucket.url}/rows.csv: {line}"
    assert graph.tick(cursor) == (UNTOUCHED, cursor)
    bucket.put("rows.csv", NEW)
    assert "alpha: its content has changed" in graph.tick(cursor)[0]


def test_experiments_that_come_and_go_take_their_marks_along_and_leave_others_alone(
    graph: Graph, bucket: Bucket
) -> None:
    cursor = watch(graph, bucket, "alpha", "gamma")
    assert {"alpha", "gamma"} < json.loads(cursor).keys()
    (graph.project.experiments / "gamma" / "experiment.yaml").unlink()
    said, cursor = graph.tick(cursor)
    assert said == UNTOUCHED
    assert "gamma" not in json.loads(cursor)
    graph.project.add("gamma", SPEC.replace("path: rows.csv", f"path: {bucket.url}/rows.csv"))
    bucket.put("rows.csv", NEW)
    said, cursor = graph.tick(cursor)
    assert "gamma: never materialized" in said
    assert list(graph.backfills().values()) == [WHOLE]
    assert graph.tick(cursor) == (UNTOUCHED, cursor)


@pytest.mark.slow
def test_a_store_that_is_down_is_one_line_and_no_change_is_lost(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_bucket() as bucket:
        connect(bucket, monkeypatch)
        cursor = watch(graph, bucket, "alpha", "gamma")
        with bucket.down():
            said, down = graph.tick(cursor)
            assert said.startswith("alpha, gamma: skipped, s3://data/rows.csv: cannot be fetched (")
            assert "no connection" in said
            assert "\n" not in said
            assert graph.tick(down) == (said, cursor)
        assert graph.tick(down) == (UNTOUCHED, cursor)
        with bucket.down():
            _, down = graph.tick(cursor)
        bucket.put("rows.csv", NEW)
        said, cursor = graph.tick(down)
        assert "alpha: its content has changed" in said
        assert graph.tick(cursor) == (UNTOUCHED, cursor)
        assert len(graph.backfills()) == 1


@pytest.mark.slow
def test_an_upload_in_parts_is_another_etag_and_no_other_content(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_bucket() as bucket:
        connect(bucket, monkeypatch)
        cursor = watch(graph, bucket)
        bucket.put_in_parts("rows.csv", OLD)
        said, cursor = graph.tick(cursor)
        assert said == "alpha: unchanged"
        bucket.put_in_parts("rows.csv", NEW)
        assert "alpha: its content has changed" in graph.tick(cursor)[0]


def kept_cursor(graph: Graph) -> str | None:
    """What the daemon has kept in Dagster's storage."""
    states = graph.instance.all_instigator_state()
    found = [getattr(state.instigator_data, "cursor", None) for state in states]
    return next(iter(found), None)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_daemons_cursor_outlives_it_and_a_change_of_meanwhile_is_run_once(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "daemon.log"
    with s3_bucket() as bucket:
        connect(bucket, monkeypatch)
        graph.project.environ |= bucket.environ
        watch(graph, bucket)
        with daemon(graph.project, log) as process:
            until(process, log, lambda: kept_cursor(graph) is not None)
        first = kept_cursor(graph)
        assert graph.backfills() == {}
        bucket.put("rows.csv", NEW)
        with daemon(graph.project, log) as process:
            until(process, log, lambda: kept_cursor(graph) != first)
        second = kept_cursor(graph)
        assert list(graph.backfills().values()) == [WHOLE]
        assert json.loads(first or "")["beta"] == json.loads(second or "")["beta"]
        # What the daemon kept is what the next one goes on from.
        assert graph.tick(second) == (UNTOUCHED, second)
