"""CSV and its relatives: the delimiter is the one under which the header has the columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.columns import find_columns
from autoprompt_assets.engine.dataset.table.headers import header_problems
from autoprompt_assets.engine.dataset.table.records import Record, RecordSet, raise_any
from autoprompt_assets.engine.errors import InputError, shown

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_DECLARED = re.compile(r"\"?sep=([^\"\r\n])\"?(?:\r\n|\r|\n)", re.IGNORECASE)
_RULE = re.compile(r"\s*:?-+:?\s*")


@dataclass(frozen=True)
class _Sheet:
    """The lines of a text."""

    lines: Sequence[str]

    def rows(self, delimiter: str, spaced: bool) -> Iterator[tuple[int, int, list[str]]]:
        """Each row's first line, its last line, and its cells; rows without text included.

        Raises:
            csv.Error: the quotes do not pair.
        """
        first = 1
        reader = csv.reader(self.lines, delimiter=delimiter, skipinitialspace=spaced, strict=True)
        for row in reader:
            yield first, reader.line_num, row
            first = reader.line_num + 1

    def text(self, first: int, last: int) -> str:
        """The lines from `first` to `last`, counted from 1, as they stand in the file."""
        return "".join(self.lines[first - 1 : last])


@dataclass(frozen=True)
class _Dialect:
    delimiter: str
    spaced: bool
    header: list[str]

    @property
    def word(self) -> str:
        return DELIMITERS.get(self.delimiter, f"the sign {self.delimiter!r}")


def read_delimited(spec: DatasetSpec, text: str, *, tabs: bool = False) -> RecordSet:
    """The rows of a CSV text; rows whose cells are all empty are skipped.

    Commas, semicolons, tabs and bars are tried in this order (`tabs` first where the file is said
    to be TSV), unless Excel's first line `sep=;` says which it is.

    Raises:
        InputError: no header with the columns, a wrong count of cells, quotes that do not pair.
    """
    csv.field_size_limit(2**31 - 1)
    declared = _DECLARED.match(text)
    lines = list(io.StringIO(text, newline=""))
    sheet = _Sheet(["\n", *lines[1:]] if declared else lines)
    order = sorted(DELIMITERS, key=lambda sign: sign != "\t") if tabs else list(DELIMITERS)
    dialects = list(_dialects(spec, sheet, declared[1] if declared else "".join(order)))
    dialect = next((one for one in dialects if find_columns(spec, one.header)), None)
    if dialect is None:
        raise InputError(header_problems(spec, sheet.lines, [one.delimiter for one in dialects]))
    return _records(spec, sheet, dialect)


def header_of(spec: DatasetSpec, text: str) -> list[str]:
    """The first row with text in it, by the delimiter that makes the most cells of it.

    Raises:
        InputError: its quotes pair under no delimiter.
    """
    declared = _DECLARED.match(text)
    lines = list(io.StringIO(text, newline=""))
    sheet = _Sheet(["\n", *lines[1:]] if declared else lines)
    dialects = _dialects(spec, sheet, declared[1] if declared else "".join(DELIMITERS))
    return max((one.header for one in dialects), key=len)


def _dialects(spec: DatasetSpec, sheet: _Sheet, delimiters: str) -> Iterator[_Dialect]:
    """The delimiters under which the quotes of the header pair.

    Raises:
        InputError: there is none.
    """
    problem, allowed = "", 0
    for delimiter in delimiters:
        try:
            header = _header(sheet, delimiter, spaced=False)
            # The space in `input, target` is no part of a cell, and hides no quote after it.
            spaced = any(cell.startswith(" ") for cell in header)
            if spaced:
                header = _header(sheet, delimiter, spaced=True)
        except csv.Error as error:
            problem = problem or f"{spec.file}: line 1: {_said(error)}; mend the CSV"
        else:
            allowed += 1
            yield _Dialect(delimiter, spaced, header)
    if not allowed:
        raise InputError(problem)


def _header(sheet: _Sheet, delimiter: str, spaced: bool) -> list[str]:
    """The first row with text in it, without the empty cells at its end."""
    for _, _, row in sheet.rows(delimiter, spaced):
        if any(cell.strip() for cell in row):
            return _cut(row, 0)
    return []


def _cut(row: list[str], least: int) -> list[str]:
    """The row without empty cells at its end, but not shorter than `least`."""
    length = len(row)
    while length > least and not row[length - 1].strip():
        length -= 1
    return row[:length]


def _records(spec: DatasetSpec, sheet: _Sheet, dialect: _Dialect) -> RecordSet:
    columns = find_columns(spec, dialect.header)
    assert columns
    places = [(dialect.header.index(place.column), place) for place in columns.places]
    records: list[Record] = []
    problems, blank, line, is_header = [], 0, 0, True
    try:
        for first, last, cells in sheet.rows(dialect.delimiter, dialect.spaced):
            line = last
            if not any(cell.strip() for cell in cells):
                blank += bool(cells)
                continue
            if is_header:
                is_header = False
                continue
            row = _cut(cells, len(dialect.header))
            problem = _misfit(sheet.text(first, last), row, dialect, first=not records)
            if problem:
                problems.append(f"{spec.file}: line {first} {problem}")
                continue
            try:
                texts = tuple(place.text(row[at]) for at, place in places)
                records.append(Record(f"line {first}", texts))
            except ValueError as error:
                problems.append(f"{spec.file}: line {first} {error}")
    except csv.Error as error:
        problems.append(f"{spec.file}: line {line + 1}: {_said(error)}; mend the CSV")
    raise_any(spec, problems)
    return RecordSet(records, blank)


def _misfit(text: str, row: list[str], dialect: _Dialect, first: bool) -> str | None:
    """Why the cells of `row` cannot be what was meant."""
    if first and len(row) > 1 and all(not cell or _RULE.fullmatch(cell) for cell in row):
        return "is the rule of a Markdown table; save the table as CSV"
    split = _split_apart(text, row, dialect.delimiter)
    if split:
        return f"holds {split} without quotes around it; quote cells that hold {dialect.word}"
    if len(row) != len(dialect.header):
        return (
            f"has {len(row)} cells where the header has {len(dialect.header)}; quote cells that "
            f"hold {dialect.word} or line breaks"
        )
    return None


def _split_apart(text: str, row: list[str], delimiter: str) -> str | None:
    """JSON or the like that stood without quotes and was cut at its delimiters."""
    for pair in ("{}", "[]"):
        if pair[0] not in text:
            continue
        depths = [cell.count(pair[0]) - cell.count(pair[1]) for cell in row]
        opens = (index for index, cell in enumerate(row) if cell.lstrip().startswith(pair[0]))
        begin = next((index for index in opens if depths[index] > 0), len(row))
        sums = accumulate(depths[begin:])
        end = next((at for at, depth in enumerate(sums, start=begin + 1) if depth <= 0), None)
        # In quoted cells the same brackets have quotes between them.
        if end and _tight(delimiter.join(row[begin:end])) in _tight(text):
            return shown(delimiter.join(row[begin:end]))
    return None


def _tight(text: str) -> str:
    return text.replace(" ", "")


def _said(error: csv.Error) -> str:
    if "end of data" in str(error):
        return "a quote is opened and never closed"
    return f"{error}, so a cell with quotes is not quoted as a whole"
