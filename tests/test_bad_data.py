"""What is wrong with data files: one line per error, with file, place and mend, all at once."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoprompt_assets.engine.dataset import DatasetSpec, build_dataset, read_table
from autoprompt_assets.engine.errors import InputError
from tests.row_support import text_row


def parquet(**columns: list[Any]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


WHOLE = parquet(input=["a"] * 999, target=["b"] * 999)

FILES: dict[str, tuple[str, str | bytes, list[str]]] = {
    "no input column": ("a.csv", "question,target\na,b\n", ["has no column 'input'; it has"]),
    "neither column": ("a.csv", "q,a\nx,y\n", ["'input'", "'target'", "mend dataset.target"]),
    "headers that look the same": (
        "a.csv",
        "input,target,target \na,b,c\n",
        ["the columns 'target' and 'target ' differ in white space", "; rename one"],
    ),
    "another case": ("a.csv", "Input,target\na,b\n", ["it has 'Input'; name it in dataset.inputs"]),
    "a short line of semicolons": (
        "a.csv",
        "input;target\na\n",
        ["line 2 has 1 cells where the header has 2; quote cells that hold semicolons"],
    ),
    "a column twice": ("a.csv", "input,input,target\na,b,c\n", ["'input' stands twice; rename"]),
    "empty cells": (
        "a.csv",
        "input,target\na,\n ,b\nc,\n",
        ["column 'target' is empty in 2 rows (line 2, line 4); fill", "'input' is empty in 1 row"],
    ),
    "a short line": ("a.csv", "input,target\na\n", ["line 2 has 1 cells where the header has 2;"]),
    "long lines": ("a.csv", "input,target\na,b\nc,d,e\nf,g,h,i\n", ["line 3 has 3", "line 4 has"]),
    "a long line below a tall one": ("a.csv", 'input,target\n"a\nb",c\nd,e,f\n', ["line 4 has 3"]),
    "an open quote": ("a.csv", 'input,target\na,b\n"c,d\ne,f\n', ["line 3: a quote is opened and"]),
    "text after a quote": ("a.csv", 'input,target\n"a"b,c\n', ["line 2: ", "; mend the CSV"]),
    "cp1252": ("a.csv", b"input,target\na,b\ncaf\xe9,c\n", ["line 3 is not utf-8; save", "cp1252"]),
    "half of UTF-16": ("a.csv", "input,ta".encode("utf-16")[:-1], ["line 1 is not utf-16; save"]),
    "UTF-16 without mark": ("a.csv", "input,target\na,b\n".encode("utf-16-le"), ["NUL bytes; set"]),
    "NUL bytes": ("a.jsonl", b'{"input": "a\x00"}', ["holds NUL bytes; set dataset.encoding"]),
    "header only": ("a.csv", "input,target\n", ["the file has no rows; give it some"]),
    "wrong header only": ("a.csv", "q,target\n", ["has no column 'input'"]),
    "an empty file": ("a.csv", "", ["the file is empty; give it rows"]),
    "an empty Parquet file": ("a.parquet", "", ["the file is empty; give it rows"]),
    "white space only": ("a.csv", " \n\n\t\n", ["the file is empty; give it rows"]),
    "a byte order mark only": ("a.csv", b"\xef\xbb\xbf", ["the file is empty; give it rows"]),
    "an unknown ending": ("a.dat", "a,b", ["the ending does not say what it is; set dataset.form"]),
    "no ending": ("rows", "a,b", ["the ending does not say what it is; set dataset.format"]),
    "bad JSON lines": (
        "a.jsonl",
        '{"input": "a", "target": "b"}\n{"input": a}\n\n[1]\n',
        ["line 2 is not JSON (Expecting value); mend it", "line 4 is '[1]', not an object"],
    ),
    "a JSON array of texts": (
        "a.json",
        '["input", "target"]',
        ["row 1 is 'input', not an object; write an array of objects", "row 2 is 'target'"],
    ),
    "a JSON array that lacks a column": ("a.json", '[{"input": "a"}]', ["no column 'target'; it"]),
    "JSON nested too deeply": ("a.jsonl", '{"input": ' + "[" * 99999, ["line 1 is not JSON"]),
    "a JSON target nested too deeply": (
        "a.jsonl",
        '{"input": "a", "target": ' + "[" * 500 + "]" * 500 + "}",
        ["line 1 is nested more than 100 levels deep; make it flatter"],
    ),
    "a JSON key missing": (
        "a.jsonl",
        '{"input": "a", "target": "b"}\n\n{"input": "c"}\n',
        ["column 'target' is empty in 1 row (line 3); fill them in"],
    ),
    "null": ("a.jsonl", '{"input": "a", "target": null}', ["'target' is empty in 1 row (line 1)"]),
    "NaN": ("a.jsonl", '{"input": "a", "target": NaN}', ["'target' is empty in 1 row (line 1)"]),
    "half a character": ("a.jsonl", '{"input": "\\ud83d", "target": "b"}', ["half a character"]),
    "no Parquet": ("a.parquet", "input,target\na,b\n", ["is no Parquet file (", "; mend it"]),
    "a cut Parquet file": ("a.parquet", WHOLE[:-99], ["is no Parquet file (", "; mend it"]),
    "a scratched Parquet file": (
        "a.parquet",
        WHOLE[:4] + b"\xff" * 40 + WHOLE[44:],
        ["is no Parquet file (", "; mend it"],
    ),
    "Parquet lacking a column": ("a.parquet", parquet(input=["a"]), ["no column 'target'; it has"]),
    "Parquet without rows": (
        "a.parquet",
        parquet(input=pa.array([], pa.string()), target=pa.array([], pa.string())),
        ["the file has no rows; give it some"],
    ),
    "null in Parquet": ("a.parquet", parquet(input=["a"], target=[None]), ["in 1 row (row 1)"]),
}  # fmt: skip


def check(caught: pytest.ExceptionInfo[InputError], name: str, expected: list[str]) -> None:
    text = str(caught.value)
    assert not [part for part in expected if part not in text], text
    for line in caught.value.lines:
        assert line.isprintable(), line
        assert name in line, line
        assert ";" in line, f"says not what to do: {line}"
        assert not any(tone in line for tone in ("None", "Error", "Traceback")), line


@pytest.mark.parametrize("case", FILES)
def test_error_in_data_is_one_line_with_place_and_mend(case: str, tmp_path: Path) -> None:
    name, content, expected = FILES[case]
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path=name), tmp_path)
    check(caught, name, expected)


@pytest.mark.parametrize("path", ["no.csv", "../no/such.csv", "/no/such.csv", "~nobody-here/a.csv"])
def test_path_that_leads_nowhere_is_named(path: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path=path), tmp_path)
    check(caught, path, ["cannot be read", f"mend dataset.path = '{path}'"])


def test_folder_is_no_data_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path="rows.csv"), tmp_path)
    check(caught, "rows.csv", ["cannot be read (Is a directory); mend dataset.path"])


@pytest.mark.parametrize("encoding", ["latin-9000", "base64", ""])
def test_unknown_encoding_is_named(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("input,target\na,b\n")
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path="a.csv", encoding=encoding), tmp_path)
    check(caught, "a.csv", [f"dataset.encoding = {encoding!r} is not known; try utf-8"])


class _NotThere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_error(404 if "missing" in self.path else 500)

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), _NotThere) as serving:
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()


@pytest.mark.parametrize(("file", "problem"), [("missing.csv", "404"), ("broken.csv", "500")])
def test_address_that_cannot_be_fetched_is_named(
    server: str, file: str, problem: str, tmp_path: Path
) -> None:
    url = f"{server}/{file}"
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path=url), tmp_path)
    check(caught, url, ["cannot be fetched", problem, "mend dataset.path"])
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path=f"{url}?X-Amz-Signature=hunter%2F2&b"), tmp_path)
    check(caught, f"{url}?X-Amz-Signature=***&***", ["cannot be fetched ("])
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/a.csv", "gopher://host/a.csv", "file:///no/a.csv"]
)
def test_address_that_cannot_be_reached_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path=url), tmp_path)
    check(caught, url, ["cannot be fetched (", "mend dataset.path"])


def test_many_bad_lines_are_summed_up(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text("no\n" * 1000)
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path="a.jsonl"), tmp_path)
    assert len(caught.value.lines) == 11
    assert "and 990 more" in caught.value.lines[-1]


def test_nothing_left_after_conflicts_says_so() -> None:
    rows = [text_row("same", "a"), text_row("same", "b")]
    with pytest.raises(InputError) as caught:
        build_dataset(rows, DatasetSpec(path="a.csv"))
    check(
        caught,
        "a.csv",
        [
            "no row can be used: the input of each stands there with another target, too, such as "
            "'same' with 'a' and 'b'; keep one target for each input, or name other columns "
            "(dataset.inputs, dataset.target)"
        ],
    )
    assert len(caught.value.lines) == 1


def test_an_empty_split_counts_what_is_left_of_the_rows() -> None:
    rows = [
        text_row("same", "a"),
        text_row("same", "b"),
        text_row("other", "a"),
        text_row("other", "a"),
    ]
    with pytest.raises(InputError) as caught:
        build_dataset(rows, DatasetSpec(path="a.csv"))
    left = "split is empty (1 usable row; dropped: 1 duplicate, 2 conflicting); add rows, or raise"
    check(caught, "a.csv", [left])
    assert len(caught.value.lines) == 2


def test_a_split_that_those_before_it_leave_nothing_is_told_of_them() -> None:
    """A higher count of its own would give it no row."""
    rows = [text_row(f"question {number}", "a") for number in range(12)]
    counts = {"train": 12, "validation": 8, "test": 50}
    with pytest.raises(InputError) as caught:
        build_dataset(rows, DatasetSpec.model_validate({"path": "a.csv", "split": counts}))
    lines = caught.value.lines
    assert "; dataset.split.train = 12 takes them all; add rows, or lower it" in lines[0]
    assert "train = 12 and dataset.split.validation = 8 take them all" in lines[1]


def test_empty_split_names_its_field() -> None:
    rows = [text_row(f"question {number}", "a") for number in range(12)]
    spec = DatasetSpec.model_validate(
        {"path": "a.csv", "split": {"train": 4, "validation": 8, "test": 50}}
    )
    with pytest.raises(InputError) as caught:
        build_dataset(rows, spec)
    taken = "dataset.split.train = 4 and dataset.split.validation = 8 take them all; add rows, or"
    check(caught, "a.csv", [f"the test split is empty (12 usable rows); {taken} lower these"])
    assert len(caught.value.lines) == 1
