"""What is wrong with the first rows of a table in which the columns were not found."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from itertools import islice

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.columns import (
    find_columns,
    missing_columns,
    similar_columns,
    visible,
)
from autoprompt_assets.engine.errors import shown

LONGEST_NAME = 60
_ROWS_SEEN = 30
_NUMBER = re.compile(r"[-+]?[0-9][0-9.,]* ?%?")


def header_problems(
    spec: DatasetSpec, lines: Sequence[str], delimiters: Sequence[str]
) -> list[str]:
    """One line per problem, each with its mend; `delimiters` are those that the header allows."""
    tables = [_rows(lines, delimiter) for delimiter in delimiters]
    for rows in tables:
        if below := _header_below(spec, rows, "line"):
            return below
    rows = max(tables, key=lambda rows: _likeness(spec, rows[0][1]))
    header = rows[0][1]
    begin = "".join(lines[:1]).lstrip()
    if begin.startswith(("{", "[")):
        return [f"{spec.file}: looks like JSON, not CSV; set dataset.format to json"]
    if len(header) == 1 and any(find_columns(spec, row) for row in _inner(header[0], delimiters)):
        return [f"{spec.file}: each line stands in quotes as a whole; take these quotes off"]
    return _named_problems(spec, rows)


def sheet_problems(spec: DatasetSpec, rows: Sequence[tuple[int, list[str]]]) -> list[str]:
    """The same of a workbook's sheet: `rows` are its first that hold text, with their numbers."""
    return _header_below(spec, rows, "row") or _named_problems(spec, rows)


def _header_below(
    spec: DatasetSpec, rows: Sequence[tuple[int, list[str]]], place: str
) -> list[str]:
    for number, row in rows[1:]:
        if find_columns(spec, row):
            return [
                f"{spec.file}: the header stands in {place} {number}; delete the {place}s above it"
            ]
    return []


def _named_problems(spec: DatasetSpec, rows: Sequence[tuple[int, list[str]]]) -> list[str]:
    header = rows[0][1]
    if not _likeness(spec, header)[0] and _is_data(rows):
        wanted = list(map(repr, spec.fields))
        listed = ", ".join(wanted[:-1]) + " and " * (len(wanted) > 1) + wanted[-1]
        return [
            f"{spec.file}: has no header, the first row is {shown(', '.join(header))}; add a first "
            f"line that names the columns, among them {listed}"
        ]
    sample = dict(zip(header, rows[1][1], strict=False)) if len(rows) > 1 else {}
    return missing_columns(spec, header, sample)


def _rows(lines: Sequence[str], delimiter: str) -> list[tuple[int, list[str]]]:
    """The first rows that hold text, each with its line; read as far as their quotes pair."""
    rows = []
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
    first = 1
    for row in islice(reader, _ROWS_SEEN):
        if any(cell.strip() for cell in row):
            rows.append((first, row))
        first = reader.line_num + 1
    return rows or [(1, [])]


def _likeness(spec: DatasetSpec, header: Sequence[str]) -> tuple[int, int]:
    """How many of the columns have a name like those in `header`, and its count of cells."""
    near = [column for column in spec.fields if similar_columns(column, header)]
    return len(near), len(header)


def _inner(cell: str, delimiters: Sequence[str]) -> list[list[str]]:
    return [next(csv.reader([cell], delimiter=delimiter), []) for delimiter in delimiters]


def _is_data(rows: Sequence[tuple[int, list[str]]]) -> bool:
    """Whether the first row is none of names: numbers, sentences, or a label met again below."""
    header = rows[0][1]
    later = [{row[column] for _, row in rows[1:] if column < len(row)} for column, _ in
             enumerate(header)]  # fmt: skip
    return any(
        len(visible(cell)) > LONGEST_NAME
        or _NUMBER.fullmatch(visible(cell))
        or cell.rstrip().endswith((".", "?", "!"))
        or (cell.strip() and cell in later[column])
        for column, cell in enumerate(header)
    )
