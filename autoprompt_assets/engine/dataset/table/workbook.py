"""Workbooks (.xlsx, .xlsm, .xlsb, .xls, .ods): the columns of one sheet, cell by cell.

A cell is the text that one sees in it, as far as the file tells: text as it is, numbers as their
value with at most 15 digits (which is what Excel keeps), TRUE and FALSE, days and moments as ISO
text, durations as hours, and of a formula what it came to when the file was saved. How a number is
dressed (percent, currency, digits) is not seen, and is noted where it may matter.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.columns import CellPath, find_columns
from autoprompt_assets.engine.dataset.table.content import first_line
from autoprompt_assets.engine.dataset.table.headers import sheet_problems
from autoprompt_assets.engine.dataset.table.records import Record, RecordSet, listed, raise_any
from autoprompt_assets.engine.dataset.table.workbook_files import (
    dresses_numbers,
    refuse_unreadable,
)
from autoprompt_assets.engine.errors import InputError, shown

if TYPE_CHECKING:
    import pandas as pd

HEADER_SEEN = 30
"""Rows among which a header is looked for, to say where it stands."""
_MIDNIGHT = time()
_HINT = (
    ": an error such as #N/A is none, nor is a formula whose result the file does not hold (open "
    "and save it in Excel), and of merged cells the first alone has it"
)


def read_workbook(spec: DatasetSpec, content: bytes) -> RecordSet:
    """The rows of the sheet that the spec names, or of the only one that holds something.

    Rows that are empty in every column are skipped. A place is the row's number in the sheet.

    Raises:
        InputError: it is damaged, locked or too large, the sheet is not clear, there are no such
            columns, or cells without text.
    """
    refuse_unreadable(spec, content)
    with _book(spec, content) as book:
        rows = _filled(_rows(spec, book, _sheet(spec, book)))
        if not rows:
            return RecordSet([])
        header = [cell_text(cell).strip() for cell in rows[0][1]]
        columns = find_columns(spec, header)
        if columns is None:
            seen = [(n, [cell_text(cell) for cell in row]) for n, row in rows[:HEADER_SEEN]]
            raise InputError(sheet_problems(spec, seen))
    names = columns.names
    cells = [[row[header.index(name)] for _, row in rows[1:]] for name in names]
    numbers = [f"row {number}" for number, _ in rows[1:]]
    held = dict(zip(names, map(column_texts, cells), strict=True))
    texts = [_inner(spec, place, numbers, held[place.column]) for place in columns.places]
    blank = rows[-1][0] - rows[0][0] + 1 - len(rows)
    notes = [
        f"column {name!r} holds numbers, which are read as their values: the workbook may show "
        "them otherwise (percent, currency, digits)"
        for name, column in zip(names, cells, strict=True)
        if any(isinstance(cell, int | float) and not isinstance(cell, bool) for cell in column)
        and dresses_numbers(content)
    ]
    rows_of = zip(numbers, zip(*texts, strict=True), strict=True)
    records = [Record(number, held) for number, held in rows_of]
    return RecordSet(records, blank, tuple(notes), "has no text", _HINT)


def sheet_header(spec: DatasetSpec, content: bytes) -> list[str]:
    """The texts of the first row that holds some.

    Raises:
        InputError: as `read_workbook`, where no sheet can be read.
    """
    refuse_unreadable(spec, content)
    with _book(spec, content) as book:
        rows = _filled(_rows(spec, book, _sheet(spec, book)))
    return [cell_text(cell).strip() for cell in rows[0][1]] if rows else []


def _book(spec: DatasetSpec, content: bytes) -> pd.ExcelFile:
    import pandas as pd

    try:
        return pd.ExcelFile(io.BytesIO(content), engine="calamine")
    except BaseException as error:
        raise _unreadable(spec, error) from None


def _rows(spec: DatasetSpec, book: pd.ExcelFile, sheet: str) -> list[list[Any]]:
    """All rows of a sheet from its first on, each of the same length, cells as their values."""
    import pandas as pd

    try:
        frame = pd.read_excel(book, sheet_name=sheet, header=None, dtype=object, na_filter=False)
    except BaseException as error:
        raise _unreadable(spec, error) from None
    rows: list[list[Any]] = frame.to_numpy().tolist()
    return rows


def _unreadable(spec: DatasetSpec, error: BaseException) -> BaseException:
    """What to raise for `error`: an interrupt itself, but a panic of the reader's in words."""
    panic = type(error).__name__ == "PanicException"
    if isinstance(error, MemoryError) or not (panic or isinstance(error, Exception)):
        return error
    if type(error).__name__ == "PasswordError":
        return InputError(f"{spec.file}: is locked with a password; save it without one")
    return InputError(
        f"{spec.file}: is a damaged workbook ({first_line(error)}); open it and save it again, or "
        "save its table as CSV"
    )


def _sheet(spec: DatasetSpec, book: pd.ExcelFile) -> str:
    """The name of the sheet that is meant. A number that is no name counts those shown, from 1.

    Raises:
        InputError: there is none such, or several that could be meant.
    """
    from python_calamine import SheetVisibleEnum

    known = [str(name) for name in book.sheet_names]
    sheets = book.book.sheets_metadata
    hidden = {one.name for one in sheets if one.visible != SheetVisibleEnum.Visible}
    seen = [name for name in known if name not in hidden]
    wanted = spec.sheet
    if wanted is not None and str(wanted) in known:  # a number can be a name: 2024
        return str(wanted)
    if isinstance(wanted, int) and wanted <= len(seen):
        return seen[wanted - 1]
    if wanted is not None:
        raise InputError(
            f"{spec.file}: dataset.sheet = {shown(wanted)}: it has no such sheet; there are "
            f"{_listed(known if isinstance(wanted, str) else seen)}"
        )
    filled = seen if len(seen) == 1 else [one for one in seen if _filled(_rows(spec, book, one))]
    if len(filled) > 1:
        raise InputError(
            f"{spec.file}: holds several sheets ({_listed(filled)}); set dataset.sheet to the one "
            "that is meant"
        )
    if not filled:
        raise InputError(
            f"{spec.file}: no sheet that is shown holds a row; fill one, or set dataset.sheet to "
            f"one of {_listed(known)}"
        )
    return filled[0]


def _listed(sheets: Sequence[str]) -> str:
    return listed([shown(name, 40) for name in sheets])


def _filled(rows: Sequence[Sequence[Any]]) -> list[tuple[int, Sequence[Any]]]:
    """The rows that hold something, each with its number in the sheet."""
    return [
        (number, row)
        for number, row in enumerate(rows, 1)
        if any(not isinstance(cell, str) or cell.strip() for cell in row)
    ]


def column_texts(cells: Sequence[Any]) -> list[str]:
    """The texts of a column: moments are days where every one of them is a midnight."""
    days = all(cell.time() == _MIDNIGHT for cell in cells if isinstance(cell, datetime))
    return [
        cell.date().isoformat() if days and isinstance(cell, datetime) else cell_text(cell)
        for cell in cells
    ]


def cell_text(cell: object) -> str:
    """The text of one cell's value."""
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, int | float):
        return f"{float(cell):.15g}".replace("e", "E")
    if isinstance(cell, timedelta):
        return _duration(cell)
    if isinstance(cell, datetime):
        return _trimmed(cell.isoformat(" "))
    return _trimmed(cell.isoformat()) if isinstance(cell, time) else str(cell)


def _duration(span: timedelta) -> str:
    """Hours, minutes and seconds, as [h]:mm:ss shows them."""
    seconds, fraction = divmod(abs(span), timedelta(seconds=1))
    text = f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    sign = "-" if span < timedelta() else ""
    return sign + _trimmed(f"{text}.{fraction.microseconds:06}")


def _trimmed(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def _inner(
    spec: DatasetSpec, place: CellPath, numbers: Sequence[str], texts: Sequence[str]
) -> list[str]:
    """The texts of a place in a column of texts."""
    found, problems = [], []
    for number, text in zip(numbers, texts, strict=True):
        try:
            found.append(place.text(text))
        except ValueError as error:
            problems.append(f"{spec.file}: {number} {error}")
    raise_any(spec, problems)
    return found
