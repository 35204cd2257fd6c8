"""Tables behind a URL: what is read is one version of the object, and every fault is one line."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from pydantic import ValidationError

from autoprompt_assets.engine.dataset import DatasetSpec, object_mark, read_table
from autoprompt_assets.engine.dataset.table import objects
from autoprompt_assets.engine.errors import InputError, Unreachable
from tests.bucket_support import MemoryBucket
from tests.dagster_support import ROWS, SPEC, Graph
from tests.file_server import serving
from tests.row_support import text_row
from tests.support import csv_of
from tests.test_sensor import UNTOUCHED

TABLE = b"input,target\na,b\n"
HERE = Path()


def line_of(url: str, kind: type[InputError] = InputError) -> str:
    """The one line for a URL that cannot be read, without the URL itself."""
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path=url), HERE)
    assert type(caught.value) is kind
    (line,) = caught.value.lines
    assert line.startswith(f"{url}: ")
    return line.removeprefix(f"{url}: ")


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("s3://", "names no bucket or host; write dataset.path as s3://PLACE/FILE"),
        ("gs:///a.csv", "names no bucket or host; write dataset.path as gs://PLACE/FILE"),
        ("memory://data/none.csv", "cannot be fetched (nothing is there); mend dataset.path"),
        ("memory://data", "is a folder; name a file in it as dataset.path"),
        (
            "gs://data/a.csv",
            "cannot be fetched (it takes the package gcsfs); pip install gcsfs",
        ),
        (
            "az://data/a.csv",
            "cannot be fetched (it takes the package adlfs); pip install adlfs",
        ),
        (
            "gopher://host/a.csv",
            "cannot be fetched (no library reaches such a place); mend dataset.path: s3://, gs://, "
            "az:// or https://",
        ),
    ],
)
def test_a_url_that_gives_no_table_is_told_in_one_line(url: str, line: str) -> None:
    MemoryBucket().put("rows.csv", TABLE)
    assert line_of(url) == line


@pytest.mark.parametrize(
    "url",
    [
        "s3://key:secret@data/a.csv",
        "abfs://box:secret@mine.dfs.core.windows.net/a.csv",
        "abfs://box@mine.dfs.core.windows.net@secret/a.csv",
        "simplecache::s3://key:secret@data/a.csv",
    ],
)
def test_credentials_in_a_url_are_refused_unread(url: str) -> None:
    with pytest.raises(ValidationError, match="holds credentials") as caught:
        DatasetSpec(path=url)
    assert "secret" not in caught.value.errors()[0]["msg"]


def test_a_container_of_azures_is_no_user() -> None:
    line = line_of("abfs://box@mine.dfs.core.windows.net/a.csv")
    assert line == "cannot be fetched (it takes the package adlfs); pip install adlfs"


def test_a_store_that_never_answers_is_given_up_in_bounded_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(objects, "LOOK_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        line = line_of(f"http://127.0.0.1:{silent.getsockname()[1]}/rows.csv", Unreachable)
    assert line.startswith("cannot be fetched (the store does not answer in time); run again")


@pytest.mark.parametrize("is_sized", [True, False])
def test_an_object_without_an_end_is_left(is_sized: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "LARGEST", 2**20)
    with serving(b"a" * (2**20 + 1)) as file:
        file.is_sized = is_sized
        assert line_of(file.url) == ("holds more than 1 MiB; give a smaller table as dataset.path")


def test_an_object_that_is_replaced_while_it_is_read_is_not_used() -> None:
    with serving(TABLE) as file:
        spec = DatasetSpec(path=file.url)
        file.etags = ["one"]
        assert read_table(spec, HERE) == [text_row("a", "b")]
        asked = len(file.requests)
        file.etags = ["one"] * (asked - 1) + ["two"]
        assert line_of(file.url) == ("was replaced while it was read; run again once it is written")


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [
        (404, InputError, "cannot be fetched (HTTP status 404); mend dataset.path"),
        (
            403,
            InputError,
            "cannot be fetched (HTTP status 403: no permission to read it); mend dataset.path",
        ),
        (
            503,
            Unreachable,
            "cannot be fetched (HTTP status 503); run again when the store answers, or mend "
            "dataset.path",
        ),
    ],
)
def test_a_web_servers_status_is_told(status: int, kind: type[InputError], said: str) -> None:
    with serving(TABLE) as file:
        file.status = status
        assert line_of(file.url, kind) == said


def test_a_mark_follows_the_etag_alone_and_is_none_where_nothing_tells() -> None:
    with serving(TABLE) as file:
        spec = DatasetSpec(path=file.url)
        assert object_mark(spec) is None
        file.etags = ["one"]
        first = object_mark(spec)
        assert first == object_mark(spec)
        file.etags = ["two"]
        assert object_mark(spec) not in (None, first)
        assert set(file.requests) == {"HEAD"}


def test_the_sensor_asks_for_the_content_only_where_the_etag_is_another(graph: Graph) -> None:
    with serving(csv_of(ROWS).encode()) as file:
        file.etags = ["one"]
        graph.project.add("alpha", SPEC.replace("path: rows.csv", f"path: {file.url}"))
        _, cursor = graph.tick()
        file.requests.clear()
        assert graph.tick(cursor) == (UNTOUCHED, cursor)
        assert file.requests == ["HEAD"]
        file.etags = ["two"]
        said, cursor = graph.tick(cursor)
        assert said == "alpha: unchanged"
        assert "GET" in file.requests
        file.status = 503
        said, down = graph.tick(cursor)
        assert said.startswith(f"alpha: skipped, {file.url}: cannot be fetched (HTTP status 503)")
        assert down == cursor


def test_a_table_that_cannot_be_had_does_not_keep_the_host_s_others_from_being_looked_at(
    graph: Graph,
) -> None:
    with serving(csv_of(ROWS).encode()) as file:
        file.etags = ["one"]
        for name, url in (
            ("a-one", f"{file.host}/broken/1.csv"),
            ("a-two", f"{file.host}/broken/2.csv"),
            ("alpha", file.url),
        ):
            graph.project.add(name, SPEC.replace("path: rows.csv", f"path: {url}"))
        said, _ = graph.tick()
        assert "alpha: unchanged" in said
        assert said.count("HTTP status 503") == 2


def test_a_silent_host_is_waited_for_twice_whatever_it_has(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "LOOK_S", 1.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        host = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for number in range(20):
            path = f"path: {host}/{number}.csv"
            graph.project.add(f"a-{number:02}", SPEC.replace("path: rows.csv", path))
        said, cursor = graph.tick()
    assert f"a-00: skipped, {host}/0.csv: cannot be fetched (the store does not answer" in said
    # The others are told by the second's line: none of them was asked.
    assert f", a-19: skipped, {host}/1.csv: " in said
    assert "a-00" not in json.loads(cursor)


def test_where_nothing_tells_of_a_change_the_content_is_read_at_each_tick(graph: Graph) -> None:
    with serving(csv_of(ROWS).encode()) as file:
        graph.project.add("alpha", SPEC.replace("path: rows.csv", f"path: {file.url}"))
        _, cursor = graph.tick()
        said, cursor = graph.tick(cursor)
        assert said == "alpha: unchanged"
        first, *_ = ROWS
        file.content = csv_of({**ROWS, first: "(B)"}).encode()
        assert "alpha: its content has changed" in graph.tick(cursor)[0]
