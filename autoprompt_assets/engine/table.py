"""Reads a table of inputs and targets: CSV, JSON Lines or Parquet, from a path or a URL."""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from autoprompt_assets.engine.dataset import Row
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.spec import DatasetSpec

ENDINGS = {
    "csv": "csv", "jsonl": "jsonl", "ndjson": "jsonl", "parquet": "parquet", "pq": "parquet"
}  # fmt: skip
MOST_PROBLEMS = 10
SEPARATORS = {";": "semicolons", "\t": "tabs", "|": "bars"}


class _Record(NamedTuple):
    """One row and where it stands: "line 3" of a text, "row 3" of a Parquet file."""

    place: str
    cells: Mapping[str, object]


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
    if kind == "parquet" and content.strip():
        records = _parquet(spec, content)
    else:
        text = _decoded(spec, content)
        if not text.strip():
            raise InputError(f"{spec.path}: the file is empty; give it rows")
        records = _csv(spec, text) if kind == "csv" else _json_lines(spec, text)
    if not records:
        raise InputError(f"{spec.path}: the file has no rows; give it some")
    return _rows(spec, records)


def _content(spec: DatasetSpec, folder: Path) -> bytes:
    if "://" not in spec.path:
        try:
            path = folder / Path(spec.path).expanduser()
            return path.read_bytes()
        except (OSError, ValueError, RuntimeError) as error:  # the last for ~ of no user
            problem = getattr(error, "strerror", None) or "there can be no such path"
            raise InputError(
                f"{folder / spec.path}: cannot be read ({problem}); mend dataset.path = "
                f"{shown(spec.path)}"
            ) from None
    import fsspec

    try:
        with fsspec.open(spec.path, "rb") as file:
            return bytes(file.read())
    except FileNotFoundError as error:
        status = getattr(error.__cause__, "status", None)
        problem = f"HTTP status {status}" if status else "nothing is there"
    except Exception as error:  # every protocol raises its own
        problem = _first_line(error)
    raise InputError(f"{spec.path}: cannot be fetched ({problem}); mend dataset.path")


def _first_line(error: Exception) -> str:
    line = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return "".join(char for char in line if char.isprintable())


def _decoded(spec: DatasetSpec, content: bytes) -> str:
    try:
        encoding = codecs.lookup(spec.encoding).name
        text = content.decode("utf-8-sig" if encoding == "utf-8" else encoding)
    except UnicodeError as error:
        line = content[: getattr(error, "start", 0)].count(b"\n") + 1
        utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        guess = "utf-16 is what it looks like" if utf16 else "cp1252 is what Excel writes"
        raise InputError(
            f"{spec.path}: line {line} is not {spec.encoding}; save the file as UTF-8, or set "
            f"dataset.encoding ({guess})"
        ) from None
    except (LookupError, ValueError):
        raise InputError(
            f"{spec.path}: dataset.encoding = {spec.encoding!r} is not known; try utf-8 or cp1252"
        ) from None
    if "\0" in text:
        raise InputError(f"{spec.path}: holds NUL bytes; set dataset.encoding (utf-16?)")
    return text


def _csv(spec: DatasetSpec, text: str) -> list[_Record]:
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] = []
    records, problems, first = [], [], 1
    try:
        for row in reader:
            line, first = first, reader.line_num + 1
            if not row:
                continue
            if not header:
                header = _checked_header(spec, row)
            elif len(row) != len(header):
                problems.append(
                    f"{spec.path}: line {line} has {len(row)} cells where the header has "
                    f"{len(header)}; quote cells that hold commas or line breaks"
                )
            else:
                cells = dict(zip(header, row, strict=True))
                records.append(_Record(f"line {line}", cells))
    except csv.Error as error:
        said = "a quote is opened and never closed" if "end of data" in str(error) else str(error)
        problems.append(f"{spec.path}: line {first}: {said}; mend the CSV")
    _raise_any(spec, problems)
    return records


def _checked_header(spec: DatasetSpec, header: list[str]) -> list[str]:
    _require_columns(spec, header)
    for name in (spec.input, spec.target):
        if header.count(name) > 1:
            raise InputError(f"{spec.path}: column {name!r} stands twice; rename one")
    return header


def _json_lines(spec: DatasetSpec, text: str) -> list[_Record]:
    records, problems = [], []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError) as error:
            said = getattr(error, "msg", "it cannot be read")
            problems.append(f"{spec.path}: line {number} is not JSON ({said}); mend it")
            continue
        if isinstance(record, dict):
            records.append(_Record(f"line {number}", record))
        else:
            problems.append(
                f"{spec.path}: line {number} is {shown(line.strip())}, not an object; write one "
                "{…} per line"
            )
    _raise_any(spec, problems)
    return records


def _no_number(name: str) -> None:
    """NaN and Infinity, which are no JSON, are empty cells."""


def _parquet(spec: DatasetSpec, content: bytes) -> list[_Record]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        _checked_header(spec, file.schema_arrow.names)
        table = file.read(columns=[spec.input, spec.target])
    except (pa.ArrowException, OSError) as error:
        problem = _first_line(error)
        raise InputError(f"{spec.path}: is no Parquet file ({problem}); mend it") from None
    return [_Record(f"row {number}", row) for number, row in enumerate(table.to_pylist(), 1)]


def _require_columns(spec: DatasetSpec, names: Sequence[str]) -> None:
    has = shown(", ".join(names), 200)
    problems = [
        f"{spec.path}: has no column {column!r}; it has {has}; mend dataset.{role}"
        for role, column in (("input", spec.input), ("target", spec.target))
        if column not in names
    ]
    for separator, word in SEPARATORS.items():
        if problems and len(names) == 1 and separator in names[0]:
            problems = [f"{spec.path}: its cells are set apart by {word}; save it with commas"]
    if problems:
        raise InputError(problems)


def _rows(spec: DatasetSpec, records: Sequence[_Record]) -> list[Row]:
    _require_columns(spec, list(dict.fromkeys(key for record in records for key in record.cells)))
    problems = []
    for column in (spec.input, spec.target):
        places = [place for place, cells in records if not _text(cells.get(column)).strip()]
        if places:
            problems.append(
                f"{spec.path}: column {column!r} is empty in {len(places)} rows "
                f"({_listed(places)}); fill them in or delete them"
            )
        places = [place for place, cells in records if not _encodable(_text(cells.get(column)))]
        if places:
            problems.append(
                f"{spec.path}: column {column!r} holds half a character (a lone surrogate) in "
                f"{_listed(places)}; write it again"
            )
    if problems:
        raise InputError(problems)
    return [Row(_text(cells[spec.input]), _text(cells[spec.target])) for _, cells in records]


def _listed(places: Sequence[str]) -> str:
    return ", ".join(places[:5]) + (", …" if len(places) > 5 else "")


def _raise_any(spec: DatasetSpec, problems: list[str]) -> None:
    if len(problems) > MOST_PROBLEMS:
        more = len(problems) - MOST_PROBLEMS
        problems = [*problems[:MOST_PROBLEMS], f"{spec.path}: and {more} more lines like these"]
    if problems:
        raise InputError(problems)


def _encodable(text: str) -> bool:
    return not any("\ud800" <= char <= "\udfff" for char in text)


def _text(value: object) -> str:
    """A cell as text: numeric targets are text, and nested values their JSON."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, dict | list):
        plain = json.dumps(value, default=str)
        return canonical_json(json.loads(plain, parse_constant=_no_number))
    return str(value)
