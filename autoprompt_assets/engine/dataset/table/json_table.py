"""JSON: one object per line, an array of objects, or one object that holds either by column."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.cells import DECODER, cell_text
from autoprompt_assets.engine.dataset.table.columns import find_columns, require_columns
from autoprompt_assets.engine.dataset.table.foreign_tables import is_message, recognise
from autoprompt_assets.engine.dataset.table.records import Record, RecordSet, raise_any
from autoprompt_assets.engine.errors import InputError, shown

_LINE = re.compile(r"\r\n|\r|\n")
_SPACE = re.compile(r"[ \t\r\n]*")
_WRITE = 'write an array of objects, [{"input": …, "target": …}, …]'
Placed = tuple[str, object]
_KEYS_SEEN = 100
"""Objects that are looked at for the names of a table's columns."""


def read_json(spec: DatasetSpec, text: str) -> RecordSet:
    """The rows of a JSON text; numbers keep the spelling that they have in it.

    One object per line is told from one value over many lines by the first line. Of a single
    object, the one array of objects in it is read ({"data": […]}), arrays by column
    ({"input": […], "target": […]}), and what pandas writes in each of its orients.

    Raises:
        InputError: text that is not JSON, no objects, or no such columns.
    """
    values = _values(spec, text)
    if len(values) == 1:
        values = _unwrapped(spec, *values[0])
    problems, rows = [], []
    for place, value in values:
        if isinstance(value, dict):
            rows.append((place, value))
        elif isinstance(value, Exception):
            problems.append(_not_json(spec, place, value))
        else:
            problems.append(
                f"{spec.file}: {place} is {shown(_short(value))}, not an object; {_WRITE}"
            )
    raise_any(spec, problems)
    return _records(spec, rows)


def keys_of(text: str) -> list[str]:
    """The keys of the first objects of a JSON text that may hold a table; none where it is none."""
    begin = next((line.strip() for line in _LINE.split(text) if line.strip()), "")
    try:
        values: list[object] = [DECODER.decode(begin)]
        lines = [line for line in _LINE.split(text) if line.strip()][:_KEYS_SEEN]
        values = [DECODER.decode(line) for line in lines]
    except (ValueError, RecursionError):
        try:
            values = [value for _, value in _whole(text)]
        except (ValueError, RecursionError):
            values = []
    if len(values) == 1 and isinstance(values[0], list):
        values = values[0]
    elif len(values) == 1 and isinstance(values[0], dict):
        held = values[0].values()
        tables = [one for one in held if isinstance(one, list) and _all_objects(one)]
        values = tables[0] if len(tables) == 1 else values
    rows = [value for value in values[:_KEYS_SEEN] if isinstance(value, dict)]
    return list(dict.fromkeys(key for row in rows for key in row))


def _all_objects(values: Sequence[object]) -> bool:
    return bool(values) and all(isinstance(value, dict) for value in values)


def _records(spec: DatasetSpec, rows: Sequence[tuple[str, dict[str, object]]]) -> RecordSet:
    filled = [(place, row) for place, row in rows if any(value not in ("", None) for value in
              row.values())]  # fmt: skip
    if not filled:
        return RecordSet([], len(rows))
    names = list(dict.fromkeys(name for _, row in filled for name in row))
    columns = require_columns(spec, names, filled[0][1])
    records, problems = [], []
    for place, row in filled:
        try:
            cells = tuple(one.text(row.get(one.column)) for one in columns.places)
            records.append(Record(place, cells))
        except ValueError as error:
            problems.append(f"{spec.file}: {place} {error}")
    raise_any(spec, problems)
    return RecordSet(records, len(rows) - len(filled))


def _values(spec: DatasetSpec, text: str) -> list[Placed]:
    """Each JSON value of the text and where it stands; a line that is none is its error."""
    filled = [(f"line {n}", line) for n, line in enumerate(_LINE.split(text), 1) if line.strip()]
    begin = filled[0][1].strip()
    spread = begin[:1] in ("{", "[") and isinstance(_parsed(begin), Exception)
    problem = ""
    if spread:
        try:
            return _whole(text)
        except (ValueError, RecursionError) as error:
            problem = _not_json(spec, f"line {getattr(error, 'lineno', 1)}", error)
    values = [(place, _parsed(line)) for place, line in filled]
    if spread and (begin[0] == "[" or not any(isinstance(value, dict) for _, value in values)):
        raise InputError(problem)
    return values


def _not_json(spec: DatasetSpec, place: str, error: Exception) -> str:
    return f"{spec.file}: {place} is not JSON ({getattr(error, 'msg', error)}); mend it"


def _parsed(text: str) -> object:
    """The value of a line, or the error that it is."""
    try:
        value: object = DECODER.decode(text)
    except (ValueError, RecursionError) as error:
        return error
    return value


def _whole(text: str) -> list[Placed]:
    """The values of a text in which each may take many lines."""
    values: list[Placed] = []
    at = _SPACE.match(text).end()  # type: ignore[union-attr]
    while at < len(text):
        value, end = DECODER.raw_decode(text, at)
        values.append((f"row {len(values) + 1}", value))
        at = _SPACE.match(text, end).end()  # type: ignore[union-attr]
    return values


def _unwrapped(spec: DatasetSpec, place: str, value: object) -> list[Placed]:
    """The rows in a single value."""
    if isinstance(value, list):
        return _numbered(value)
    if not isinstance(value, dict):
        return [(place, value)]
    columns = find_columns(spec, list(value))
    if columns:
        by_column = _by_column(spec, {name: value[name] for name in columns.names})
        return [(place, value)] if by_column is None else by_column
    if _is_split(value):
        return _split_orient(value)
    if value and all(isinstance(row, dict) and find_columns(spec, list(row)) for row in
                     value.values()):  # fmt: skip
        return [(f"row {name}", row) for name, row in value.items()]
    return _inner_array(spec, place, value)


def _numbered(values: Sequence[object]) -> list[Placed]:
    return [(f"row {number}", value) for number, value in enumerate(values, start=1)]


def _by_column(spec: DatasetSpec, columns: Mapping[str, object]) -> list[Placed] | None:
    """The rows of {"input": […], "target": […]}, or of pandas' {"input": {"0": …}, …}.

    Raises:
        InputError: one column is longer than another.
    """
    given = list(columns.values())
    first = given[0]
    indexed = [one for one in given if isinstance(one, dict) and one.keys() == _keys(first)]
    if indexed and len(indexed) == len(given):
        if not all(key.isdigit() for key in indexed[0]):
            return None
        given = [[one[key] for key in indexed[0]] for one in indexed]
    lists = [one for one in given if isinstance(one, list)]
    if len(lists) < len(given):
        return None
    if len(set(map(len, lists))) > 1:
        held = zip(columns, lists, strict=True)
        counts = " and ".join(f"{name!r} has {len(cells)}" for name, cells in held)
        raise InputError(f"{spec.file}: its columns differ in length ({counts}); {_WRITE}")
    return _numbered([dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)])


def _keys(value: object) -> object:
    return value.keys() if isinstance(value, dict) else None


def _is_split(value: Mapping[str, object]) -> bool:
    names, rows = value.get("columns"), value.get("data")
    return (
        isinstance(names, list)
        and isinstance(rows, list)
        and all(isinstance(name, str) for name in names)
        and all(isinstance(row, list) and len(row) == len(names) for row in rows)
    )


def _split_orient(value: Mapping[str, object]) -> list[Placed]:
    names, rows = value["columns"], value["data"]
    assert isinstance(names, list)
    assert isinstance(rows, list)
    return _numbered([dict(zip(names, row, strict=True)) for row in rows])


def _inner_array(spec: DatasetSpec, place: str, value: dict[str, object]) -> list[Placed]:
    """The rows of the one array of objects in `value`; itself, where there is none.

    Raises:
        InputError: there are several.
    """
    arrays = {
        name: inner
        for name, inner in value.items()
        if isinstance(inner, list) and inner and all(isinstance(row, dict) for row in inner)
        if not is_message(inner[0])
    }
    fitting = [
        name
        for name, (first, *_) in arrays.items()
        if find_columns(spec, list(first)) or recognise(list(first), first)
    ]
    chosen = fitting if len(fitting) == 1 else list(arrays)
    if len(chosen) > 1:
        listed = ", ".join(map(repr, chosen))
        raise InputError(
            f"{spec.file}: holds several tables ({shown(listed, 120)}); save the one that is meant "
            "as a file of its own"
        )
    return _numbered(arrays[chosen[0]]) if chosen else [(place, value)]


def _short(value: object) -> str:
    try:
        return cell_text(value)
    except ValueError:
        return "["
