"""Tables in S3, of moto's server: every format, every fault in one line, no key in anything."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoprompt_assets.engine.dataset import DatasetSpec, read_table
from autoprompt_assets.engine.errors import InputError, Unreachable
from tests.bucket_support import SECRET, S3Bucket, forget_connections, s3_bucket
from tests.loopback import Behaviour, LoopbackServer
from tests.row_support import text_row
from tests.support import ANSWERS, TOY, csv_of, toy_project, without_calls
from tests.test_object_sensor import connect

pytestmark = pytest.mark.slow
PAIRS = list(ANSWERS.items())
WRONG = "hunter2-of-another"


@pytest.fixture(scope="module")
def made() -> Iterator[S3Bucket]:
    with s3_bucket() as bucket:
        bucket.put("rows.csv", csv_of(ANSWERS).encode())
        bucket.put("folder/rows.csv", csv_of(ANSWERS).encode())
        yield bucket


@pytest.fixture
def bucket(made: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> S3Bucket:
    connect(made, monkeypatch)
    return made


def parquet() -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table({"input": list(ANSWERS), "target": list(ANSWERS.values())}), file)
    return file.getvalue()


def workbook() -> bytes:
    book, file = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for row in [("input", "target"), *PAIRS]:
        book.active.append(row)
    book.save(file)
    return file.getvalue()


def lines() -> bytes:
    return "".join(json.dumps({"input": a, "target": b}) + "\n" for a, b in PAIRS).encode()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("all.csv", csv_of(ANSWERS).encode()),
        ("all.jsonl", lines()),
        ("all.parquet", parquet()),
        ("all.xlsx", workbook()),
    ],
)
def test_every_format_is_read_from_s3(name: str, content: bytes, bucket: S3Bucket) -> None:
    url = bucket.put(name, content)
    assert read_table(DatasetSpec(path=url), Path()) == [text_row(*pair) for pair in PAIRS]
    forget_connections()


def line_of(url: str, kind: type[InputError] = InputError) -> str:
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path=url), Path())
    assert type(caught.value) is kind
    (line,) = caught.value.lines
    return line.removeprefix(f"{url}: ")


@pytest.mark.parametrize(
    ("url", "line"),
    [
        ("s3://data/none.csv", "cannot be fetched (nothing is there); mend dataset.path"),
        ("s3://none/rows.csv", "cannot be fetched (there is no such bucket); mend dataset.path"),
        ("s3://No_Bucket!/a", "cannot be fetched (no bucket can be called so); mend dataset.path"),
        ("s3://data", "is a folder; name a file in it as dataset.path"),
        ("s3://data/folder/", "is a folder; name a file in it as dataset.path"),
    ],
)
def test_what_is_not_there_is_told(url: str, line: str, bucket: S3Bucket) -> None:
    assert line_of(url) == line


def test_who_may_not_read_it_is_told_so(bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with bucket.refusing():
        line = line_of("s3://data/rows.csv")
    assert "no permission to read it" in line
    assert "AWS_ACCESS_KEY_ID" in line
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    forget_connections()
    line = line_of("s3://data/rows.csv", Unreachable)
    assert line.startswith("cannot be fetched (there are no credentials); check the credentials")


def test_a_password_in_the_address_of_the_store_is_not_repeated(
    bucket: S3Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://me:{WRONG}@127.0.0.1:9")
    forget_connections()
    assert WRONG not in line_of("s3://data/rows.csv", Unreachable)
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"nonsense://me:{WRONG}@x y")
    forget_connections()
    assert WRONG not in line_of("s3://data/rows.csv")


def test_a_table_in_s3_is_checked_run_and_begun_with_and_no_key_stays(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    url = bucket.put("toy.csv", csv_of(ANSWERS).encode())
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url, **bucket.environ)
        project.add("toy", TOY.replace("path: rows.csv", f"path: {url}"))
        checked = project.run("check", "toy")
        assert f"30 rows in {url}" in checked.stdout, checked.stderr
        done = project.run("run", "toy", "--set", "optimizer.iterations=1")
        assert done.returncode == 0, done.stderr
        begun = project.run("init", "mine", "--data", url)
        assert begun.returncode == 0, begun.stderr
    path = project.experiments / "mine" / "experiment.yaml"
    assert f'path: "{url}"' in path.read_text(encoding="utf-8")
    said = "".join(one.stdout + one.stderr for one in (checked, done, begun))
    project.assert_key_is_nowhere(said, SECRET)


def test_results_are_kept_in_s3_and_a_second_run_finds_them(
    bucket: S3Bucket, tmp_path: Path
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        store = {**bucket.environ, "AUTOPROMPT_STORE": "s3://data/kept"}
        project = toy_project(tmp_path, server.base_url, **store)
        first, second = (
            project.run_json("toy", "--set", "optimizer.iterations=1") for _ in range(2)
        )
    assert not (project.home / "results").exists()
    assert first["calls"]["made"] > 0
    assert second["calls"]["made"] == 0
    assert without_calls(first) == without_calls(second)
    project.assert_key_is_nowhere("", SECRET)


def test_a_program_is_refused_in_one_line(bucket: S3Bucket, tmp_path: Path) -> None:
    project = toy_project(tmp_path, **bucket.environ)
    for url, said in (
        ("s3://data/none.csv", "s3://data/none.csv: cannot be fetched (nothing is there); mend"),
        (f"s3://me:{WRONG}@data/rows.csv", "holds credentials"),
    ):
        project.add("toy", TOY.replace("path: rows.csv", f"path: {url}"))
        found = [
            project.refused("check", "toy"),
            project.refused("run", "toy"),
            project.refused("init", "mine", "--data", url),
        ]
        assert all(said in line for line in found), found
        assert WRONG not in "".join(found)
