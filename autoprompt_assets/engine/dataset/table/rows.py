"""From cells to rows: which are used, what each is called, which targets it accepts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.cells import DECODER, cell_text
from autoprompt_assets.engine.dataset.table.records import Record, RecordSet, listed, raise_any
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.example import Row
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.engine.text import quantity

CellReaders = Mapping[str, Callable[[str], str]]
"""By column, what makes of a cell the value that a row keeps. Each raises a `ValueError`, "trouble;
mend", at a cell that it cannot use."""
NO_READERS: CellReaders = MappingProxyType({})
MOST_VALUES = 8
"""Values of a column that are told, where none of them is wanted."""


def chosen(spec: DatasetSpec, found: RecordSet) -> RecordSet:
    """The records that `dataset.where` asks for.

    Raises:
        InputError: there is none.
    """
    if not spec.where:
        return found
    names = list(spec.fields)
    wanted = {names.index(name): values for name, values in spec.where.items()}
    rows = [
        record
        for record in found.rows
        if all(_is_one(record.cells[at], values) for at, values in wanted.items())
    ]
    if not rows and found.rows:
        raise InputError(_none_left(spec, found.rows))
    out = len(found.rows) - len(rows)
    note = (f"{quantity(out, 'row')} left out by dataset.where",) if out else ()
    return replace(found, rows=rows, notes=(*found.notes, *note))


def read_cells(spec: DatasetSpec, found: RecordSet, readers: CellReaders) -> RecordSet:
    """The records with the cells of some columns as their readers have them.

    Raises:
        InputError: a reader cannot use a cell; each is named.
    """
    at = {place: readers[name] for place, name in enumerate(spec.inputs) if name in readers}
    if not at:
        return found
    problems, rows = list[str](), list[Record]()
    for record in found.rows:
        cells = list(record.cells)
        for place, read in at.items():
            try:
                cells[place] = read(cells[place])
            except ValueError as error:
                column = f"column {spec.inputs[place]!r}"
                problems.append(f"{spec.file}: {record.place}, {column} {error}")
        rows.append(replace(record, cells=tuple(cells)))
    raise_any(spec, problems)
    return replace(found, rows=rows)


def rows_of(spec: DatasetSpec, records: Sequence[Record]) -> list[Row]:
    """The rows, in the file's order.

    Raises:
        InputError: two have one id, or a cell of accepted targets is no list.
    """
    at = {name: place for place, name in enumerate(spec.fields)}
    _refuse_doubled(spec, records, at)
    return (
        [_row(spec, record, at) for record in records]
        if spec.targets == "one"
        else [*_with_lists(spec, records, at)]
    )


def _row(
    spec: DatasetSpec, record: Record, at: Mapping[str, int], targets: Sequence[str] | None = None
) -> Row:
    cells = record.cells

    def cell(name: str | None) -> str:
        return str(cells[at[name]]) if name is not None else ""

    target, *others = [cell(spec.target)] if targets is None else targets
    deciding = tuple(str(cells[at[name]]) for name in spec.split_by or ())
    inputs = Inputs(spec.inputs, cells[: len(spec.inputs)])
    return Row(inputs, target, tuple(others), cell(spec.id), deciding, cell(spec.group))


def _with_lists(spec: DatasetSpec, records: Sequence[Record], at: Mapping[str, int]) -> list[Row]:
    assert spec.target is not None
    rows, bad = [], []
    for record in records:
        targets = _accepted(record.cells[at[spec.target]])
        if targets:
            rows.append(_row(spec, record, at, targets))
        else:
            bad.append(record)
    if bad:
        example = shown(bad[0].cells[at[spec.target]], 40)
        raise InputError(
            f"{spec.file}: column {spec.target!r} holds no JSON list of targets in "
            f"{quantity(len(bad), 'row')} ({listed([one.place for one in bad])}), such as "
            f'{example}; write ["a", "b"], or take dataset.targets out'
        )
    return rows


def _accepted(cell: str) -> list[str]:
    """The targets of a cell, each once; none where it is no list of them."""
    try:
        value = DECODER.decode(cell.strip())
        texts = [cell_text(one) for one in value] if isinstance(value, list) else []
    except (ValueError, RecursionError):
        return []
    return list(dict.fromkeys(map(str, texts))) if all(text.strip() for text in texts) else []


def _is_one(cell: str, values: Sequence[str]) -> bool:
    return any(cell.strip() == one.strip() or _equal(cell, one) for one in values)


def _equal(cell: str, value: str) -> bool:
    """Whether both are the same number: 1 and 1.0; or the same of true and false."""
    if value in ("true", "false"):
        return cell.strip().casefold() == value
    try:
        return float(cell) == float(value)
    except ValueError:
        return False


def _none_left(spec: DatasetSpec, records: Sequence[Record]) -> str:
    names = list(spec.fields)
    said = []
    for name in spec.where:
        held = list(dict.fromkeys(one.cells[names.index(name)].strip() for one in records))
        values = ", ".join(shown(value, 30) for value in held[:MOST_VALUES])
        said.append(f"column {name!r} holds {values}{', …' if len(held) > MOST_VALUES else ''}")
    return (
        f"{spec.file}: dataset.where leaves none of {quantity(len(records), 'row')} "
        f"({'; '.join(said)}); mend its values"
    )


def _refuse_doubled(spec: DatasetSpec, records: Sequence[Record], at: Mapping[str, int]) -> None:
    if spec.id is None:
        return
    seen: dict[str, str] = {}
    problems = []
    for record in records:
        name = record.cells[at[spec.id]].strip()
        first = seen.setdefault(name, record.place)
        if first != record.place:
            problems.append(
                f"{spec.file}: column {spec.id!r} (dataset.id) holds {shown(name, 40)} in {first} "
                f"and in {record.place}; give each row its own"
            )
    raise_any(spec, problems)
