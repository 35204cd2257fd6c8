"""What is no table, or another program's, is named; beside each stands one like it that is read."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import pickle
import sqlite3
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.feather
import pytest

from autoprompt_assets.engine.dataset import DatasetSpec, read_table
from autoprompt_assets.engine.errors import InputError

CSV = b"input,target\na,b\n"
CHAT = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "2+2?"}]
PNG = "data:image/png;base64,iVBORw0KGgo="


def lines(*records: dict[str, Any]) -> bytes:
    return "\n".join(map(json.dumps, records)).encode()


def refusal(folder: Path, name: str, content: bytes, **fields: Any) -> str:
    (folder / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_table(DatasetSpec(path=name, **fields), folder)
    (line,) = caught.value.lines
    assert line.startswith(f"{name}: ")
    assert line.isprintable()
    assert ";" in line, f"says not what to do: {line}"
    return line


def zipped(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "a")
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a.csv"))
    return buffer.getvalue()


def feather(version: int) -> bytes:
    buffer = io.BytesIO()
    pyarrow.feather.write_feather(
        pa.table({"input": ["a"]}), buffer, version=version, compression="uncompressed"
    )
    return buffer.getvalue()


FILES: dict[str, tuple[str, bytes, str]] = {
    "xlsx of no sheets": ("a.xlsx", zipped("xl/workbook.xml"), "is a damaged workbook ("),
    "half an xlsx": ("a.csv", zipped("xl/styles.xml"), "is a damaged workbook; copy it again"),
    "no xlsx": ("a.xlsx", CSV, "is called .xlsx and is no workbook; call it what it is, or set"),
    "no real xlsx": ("a.xlsx", b"PK", "is called .xlsx and is no workbook; call it what it is"),
    "no ods": ("a.ods", CSV, "is called .ods and is no workbook; call it what it is, or set"),
    "an empty xlsx": ("a.xlsx", b"", "the file is empty; give it rows"),
    "doc": ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 99, "is an old Office"),
    "odt": ("a.odt", zipped("mimetype", "content.xml"), "an OpenDocument file that is no"),
    "zip": ("a.csv.zip", zipped("a.csv"), "is a zip archive; unpack it"),
    "half a zip": ("a.zip", zipped("a.csv")[:20], "is a damaged zip archive or workbook; copy it"),
    "bz2": ("a.csv.bz2", bz2.compress(CSV), "is packed with bzip2; unpack it, or pack it"),
    "xz": ("a.csv.xz", lzma.compress(CSV), "is packed with xz; unpack it"),
    "zstd": ("a.csv.zst", pa.compress(CSV, "zstd", asbytes=True), "is packed with zstd; unpack it"),
    "tar.gz": ("a.tar.gz", gzip.compress(tarred()), "is a tar archive; unpack it"),
    "feather": ("a.feather", feather(2), "is an Arrow (Feather) file; save it as Parquet"),
    "pickle": ("a.pkl", pickle.dumps([("a", "b")]), "is a Python pickle; save its table as CSV"),
    "PDF": ("a.pdf", b"%PDF-1.7\n", "is a PDF document; save its table as CSV"),
    "web page": ("a.csv", b"\n<!DOCTYPE html><html>", "is a web page (HTML); give the address of"),
    "web page called Excel": ("a.json", b"<html><table>", "is a web page (HTML); give the address"),
    "XML": ("a.csv", b"<?xml version='1.0'?><Workbook/>", "is an XML document; save its table as"),
    "Git LFS": ("a.jsonl", b"version https://git-lfs.github.com/spec/v1\noid", "run git lfs pull"),
    "YAML": ("promptfooconfig.yaml", b"tests:\n- vars: {}\n", "is YAML (promptfoo keeps its tests"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_file_that_is_no_table_is_named(case: str, tmp_path: Path) -> None:
    name, content, said = FILES[case]
    assert said in refusal(tmp_path, name, content)


def test_database_is_named(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "b.db") as database:
        database.execute("create table a (b)")
    content = (tmp_path / "b.db").read_bytes()
    assert "is an SQLite database; save its table as" in refusal(tmp_path, "a.db", content)


@pytest.mark.parametrize(
    "begin", [b"PKinput,", b"ORC,", b"%,PDF,", b"FEA,", b"GIF,", b"<ht,ml,", b"BZh9,"]
)
def test_text_that_begins_like_another_file_is_read(begin: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(
        begin + b"input,target\n" + b"x," * begin.count(b",") + b"a,b\n"
    )
    assert [row.target for row in read_table(DatasetSpec(path="a.csv"), tmp_path)] == ["b"]


TABLES: dict[str, tuple[str, bytes, str]] = {
    "promptfoo": ("a.csv", b"q,__expected\n2+2?,equals: 4\n", "promptfoo table ('__expected');"),
    "promptfoo, several": ("a.csv", b"q,__expected1,__expected2\na,b,c\n", "('__expected1'); set"),
    "promptfoo tests": ("a.json", b'[{"vars": {"q": "a"}, "assert": []}]', "a promptfoo test file"),
    "promptfoo config": ("a.json", b'{"prompts": ["a"], "tests": [{"vars": {}, "assert": [1]}]}',
        "a promptfoo test file"),
    "evals": ("a.jsonl", lines({"input": CHAT, "ideal": "4"}), "an OpenAI Evals file ('input'"),
    "evals with text": ("a.jsonl", lines({"input": "2+2?", "ideal": "4"}), "set dataset.target to"),
    "evals items": ("a.jsonl", lines({"item": {"q": "a"}}), "holds objects in 'item'; write the"),
    "fine-tuning": ("a.jsonl", lines({"messages": CHAT}), "is a chat file as fine-tuning takes it"),
    "ShareGPT": ("a.json", b'[{"conversations": [{"from": "human"}]}]', "is a chat file ('"),
    "batch": ("a.jsonl", lines({"custom_id": "1", "method": "POST", "body": {}}), "batch requests"),
    "Alpaca": ("a.json", lines({"instruction": "a", "input": "b", "output": "c"}),
        "is an instruction table ("),
    "MLflow": ("a.jsonl", lines({"inputs": {"q": "a"}, "expectations": {"a": "b"}}),
        "holds objects in 'inputs' and 'expectations'; write"),
    "LangSmith": ("a.jsonl", lines({"inputs": {"q": "a"}, "outputs": {"a": "b"}}), "holds objects"),
    "Label Studio": ("a.json", b'[{"data": {"text": "a"}, "annotations": [{}]}]', "Label S"),
    "Argilla": ("a.jsonl", lines({"fields": {"q": "a"}, "suggestions": {}}), "an Argilla export"),
    "dataset server": ("a.json", b'{"features": [{"b": 1}], "rows": [{"row_idx": 0, "row": {}}]}',
        "is a reply of the Hugging Face dataset server"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_table_of_another_program_is_named(case: str, tmp_path: Path) -> None:
    name, content, said = TABLES[case]
    assert said in refusal(tmp_path, name, content)


@pytest.mark.parametrize(
    ("name", "content", "columns", "target"),
    [
        ("a.csv", b"q,__expected\n2+2?,4\nq,positive\n", ("q", "__expected"), "4"),
        ("a.csv", b"input,target,__expected\na,b,equals: c\n", ("input", "target"), "b"),
        (
            "a.csv",
            b"input,target\na,contains: nuts\nb,none\n",
            ("input", "target"),
            "contains: nuts",
        ),
        ("a.csv", b"input,target\na,fn://x\nb,file://y\n", ("input", "target"), "fn://x"),
        ("a.jsonl", lines({"input": "2+2?", "ideal": "4"}), ("input", "ideal"), "4"),
        (
            "a.jsonl",
            lines({"input": "a", "target": "b", "messages": CHAT}),
            ("input", "target"),
            "b",
        ),
        ("a.jsonl", lines({"inputs": "a", "outputs": "b"}), ("inputs", "outputs"), "b"),
        ("a.jsonl", lines({"instruction": "a", "output": "b"}), ("instruction", "output"), "b"),
    ],
)
def test_table_like_another_program_s_is_read(
    name: str, content: bytes, columns: tuple[str, str], target: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    spec = DatasetSpec(path=name, inputs=columns[:1], target=columns[1])
    assert read_table(spec, tmp_path)[0].target == target


@pytest.mark.parametrize(
    "cells",
    [
        ["equals: 4", "5"],
        ["llm-rubric: is polite", "x"],
        ["similar(0.8): hi", "x"],
        ["is-json", "x"],
    ],
)
def test_assertions_in_promptfoo_s_column_are_named(cells: list[str], tmp_path: Path) -> None:
    rows = "".join(f"q{number},{cell}\n" for number, cell in enumerate(cells))
    content = f"q,__expected\n{rows}".encode()
    line = refusal(tmp_path, "a.csv", content, inputs="q", target="__expected")
    assert "column '__expected' holds promptfoo assertions in 1 row (line 2); write bare" in line


def test_assertions_in_every_row_are_named_in_any_column(tmp_path: Path) -> None:
    content = b"input,target\na,contains: x\nb,not-equals: y\n"
    assert "'target' holds promptfoo assertions in 2 rows (line 2, line 3)" in refusal(
        tmp_path, "a.csv", content
    )


MESSAGES = "name the column as a history of roles.target.messages, or write"
IMAGES = "name the column in roles.target.images, or leave these rows out"
INPUTS: dict[str, tuple[object, str]] = {
    "messages": (CHAT, MESSAGES),
    "messages as text": (json.dumps(CHAT, indent=1), MESSAGES),
    "messages as Python writes them": (repr(CHAT), MESSAGES),
    "an array as NumPy writes it": (f"array({CHAT!r}, dtype=object)", MESSAGES),
    "one message": (CHAT[1], MESSAGES),
    "messages in an object": ({"messages": CHAT}, MESSAGES),
    "human and gpt": ([{"from": "human", "value": "hi"}], MESSAGES),
    "parts": ([{"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://a/b.png"}}], MESSAGES),
    "tool calls": ([{"role": "assistant", "tool_calls": []}], MESSAGES),
    "a data URL": (PNG, IMAGES),
    "another data URL": (" DATA:image/svg+xml;utf8,<svg/>", IMAGES),
    "a picture in Markdown": (f"What is it? ![]({PNG[:-1]}{'A' * 99})", IMAGES),
    "bare base64": ("/9j/" + "A" * 300, IMAGES),
}  # fmt: skip


@pytest.mark.parametrize("case", INPUTS)
def test_input_that_is_more_than_text_is_named(case: str, tmp_path: Path) -> None:
    cell, said = INPUTS[case]
    content = lines({"input": "plain", "target": "x"}, {"input": cell, "target": "x"})
    line = refusal(tmp_path, "a.jsonl", content)
    assert said in line
    assert "column 'input' holds " in line
    assert "in 1 row (line 2)" in line


@pytest.mark.parametrize(
    "cell",
    [
        '[{"name": "a", "role": "admin"}]',
        '{"type": "text", "value": 1}',
        "[1, 2]",
        "[]",
        f"Is this chat polite? {json.dumps(CHAT)}",
        f"What does {PNG} mean?",
        "data: image of a cat, base64",
        "The role of 'content' [{'role'",
        "/9j/" + "A" * 40,
        "https://example.org/a.png",
    ],
)
def test_input_that_only_looks_like_more_than_text_is_read(cell: str, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(lines({"input": cell, "target": PNG}))
    assert read_table(DatasetSpec(path="a.jsonl"), tmp_path)[0].inputs.text == cell
