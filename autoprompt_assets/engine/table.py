"""Reads a table of inputs and targets: CSV, JSON Lines or Parquet, from a path or a URL."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from autoprompt_assets.engine.dataset import Row
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.spec import DatasetSpec

ENDINGS = {
    "csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet", "pq": "parquet"
}  # fmt: skip


def read_table(spec: DatasetSpec, folder: Path) -> list[Row]:
    """The rows of the dataset's file, both cells as text; a relative path starts at `folder`.

    Raises:
        InputError: no such file or column, a wrong encoding, an empty file or cell, a bad line.
    """
    content = _content(spec, folder)
    kind = spec.format or ENDINGS.get(spec.path.split("?")[0].rsplit(".", 1)[-1].lower(), "")
    if not kind:
        raise InputError(
            f"{spec.path}: the ending does not say what it is; set dataset.format to csv, jsonl "
            "or parquet"
        )
    if not content.strip():
        raise InputError(f"{spec.path}: the file is empty; give it rows")
    if kind == "parquet":
        records = _parquet(spec, content)
    elif kind == "csv":
        records = _csv(spec, _decoded(spec, content))
    else:
        records = _json_lines(spec, _decoded(spec, content))
    if not records:
        raise InputError(f"{spec.path}: the file has no rows; give it some")
    return _rows(spec, records)


def _content(spec: DatasetSpec, folder: Path) -> bytes:
    if "://" not in spec.path:
        path = folder / Path(spec.path).expanduser()
        try:
            return path.read_bytes()
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror}); mend dataset.path = {spec.path!r}"
            ) from None
    import fsspec

    try:
        with fsspec.open(spec.path, "rb") as file:
            return bytes(file.read())
    except Exception as error:  # every protocol raises its own
        raise InputError(
            f"{spec.path}: cannot be fetched ({type(error).__name__}); mend dataset.path"
        ) from None


def _decoded(spec: DatasetSpec, content: bytes) -> str:
    encoding = "utf-8-sig" if spec.encoding.lower() in ("utf-8", "utf8") else spec.encoding
    try:
        text = content.decode(encoding)
    except LookupError:
        raise InputError(
            f"{spec.path}: dataset.encoding = {spec.encoding!r} is not known; try utf-8 or cp1252"
        ) from None
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(
            f"{spec.path}: line {line} is not {spec.encoding}; save the file as UTF-8, or set "
            "dataset.encoding (cp1252 is what Excel writes)"
        ) from None
    if "\0" in text:
        raise InputError(f"{spec.path}: holds NUL bytes; set dataset.encoding (utf-16?)")
    return text


def _csv(spec: DatasetSpec, text: str) -> list[Mapping[str, object]]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader)
        if len(set(header)) != len(header):
            twice = next(name for name in header if header.count(name) > 1)
            raise InputError(f"{spec.path}: column {twice!r} stands twice; rename one")
        records: list[Mapping[str, object]] = []
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise InputError(
                    f"{spec.path}: line {reader.line_num} has {len(row)} cells where the header "
                    f"has {len(header)}; quote cells that hold commas or line breaks"
                )
            records.append(dict(zip(header, row, strict=True)))
    except csv.Error as error:
        raise InputError(f"{spec.path}: line {reader.line_num}: {error}; mend the CSV") from None
    return records or _no_rows(spec, header)


def _no_rows(spec: DatasetSpec, header: Sequence[str]) -> list[Mapping[str, object]]:
    _require_columns(spec, header)
    return []


def _json_lines(spec: DatasetSpec, text: str) -> list[Mapping[str, object]]:
    records: list[Mapping[str, object]] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise InputError(f"{spec.path}: line {number} is not JSON ({error}); mend it") from None
        if not isinstance(record, dict):
            raise InputError(
                f"{spec.path}: line {number} is {shown(record)}, not an object; write one per line"
            )
        records.append(record)
    return records


def _parquet(spec: DatasetSpec, content: bytes) -> list[Mapping[str, object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        _require_columns(spec, file.schema_arrow.names)
        table = file.read(columns=[spec.input, spec.target])
    except pa.ArrowException as error:
        problem = str(error).splitlines()[0]
        raise InputError(f"{spec.path}: is no Parquet file ({problem}); mend it") from None
    return list(table.to_pylist())


def _require_columns(spec: DatasetSpec, names: Sequence[str]) -> None:
    for role, column in (("input", spec.input), ("target", spec.target)):
        if column not in names:
            raise InputError(
                f"{spec.path}: has no column {column!r} for dataset.{role}; it has "
                f"{', '.join(map(repr, names))}"
            )


def _rows(spec: DatasetSpec, records: Sequence[Mapping[str, object]]) -> list[Row]:
    _require_columns(spec, list(dict.fromkeys(key for record in records for key in record)))
    problems = []
    for role, column in (("input", spec.input), ("target", spec.target)):
        empty = [i for i, record in enumerate(records, 1) if not _text(record.get(column)).strip()]
        if empty:
            first = ", ".join(map(str, empty[:5])) + (", …" if len(empty) > 5 else "")
            problems.append(
                f"{spec.path}: column {column!r} (dataset.{role}) is empty in {len(empty)} rows "
                f"(row {first}, counted below the header); fill them in or delete them"
            )
    if problems:
        raise InputError(problems)
    return [Row(_text(record[spec.input]), _text(record[spec.target])) for record in records]


def _text(value: object) -> str:
    """A cell as text: numeric targets are text, and nested values their JSON."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict | list):
        return canonical_json(value)
    return str(value)
