"""Workbooks made here, and their rows as the project reads them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
from openpyxl.worksheet.worksheet import Worksheet

from autoprompt_assets.engine.dataset import DatasetSpec, Table, open_table

HEADER = ("input", "target")
HI = ("hi", "x")


def saved(book: openpyxl.Workbook) -> bytes:
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def workbook(*rows: Sequence[Any], change: Callable[[Worksheet], object] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    for row in rows:
        sheet.append(row)
    if change is not None:
        change(sheet)
    return saved(book)


def sheets(*hidden: str, **tables: Sequence[Sequence[Any]]) -> bytes:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in tables.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        if name in hidden:
            sheet.sheet_state = "hidden"
    return saved(book)


def ods(rows: str) -> bytes:
    """An OpenDocument spreadsheet with one table of these rows."""
    base = "urn:oasis:names:tc:opendocument:xmlns"
    spaces = " ".join(
        f'xmlns:{name}="{base}:{name}:1.0"' for name in ("office", "table", "text", "manifest")
    )
    kind = "application/vnd.oasis.opendocument.spreadsheet"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("mimetype", kind)
        archive.writestr(
            "META-INF/manifest.xml",
            f'<manifest:manifest {spaces}><manifest:file-entry manifest:full-path="/" '
            f'manifest:media-type="{kind}"/></manifest:manifest>',
        )
        archive.writestr(
            "content.xml",
            f"<office:document-content {spaces}><office:body><office:spreadsheet>"
            f'<table:table table:name="One">{rows}</table:table>'
            "</office:spreadsheet></office:body></office:document-content>",
        )
    return content.getvalue()


def cell(text: str, kind: str = 'office:value-type="string"') -> str:
    return f"<table:table-cell {kind}><text:p>{text}</text:p></table:table-cell>"


def opened(folder: Path, content: bytes, name: str = "a.xlsx", **fields: Any) -> Table:
    (folder / name).write_bytes(content)
    return open_table(DatasetSpec(path=name, **fields), folder)


def targets(folder: Path, *cells: Any, change: Callable[[Worksheet], object] | None = None) -> Any:
    rows = [(f"question {number}", one) for number, one in enumerate(cells)]
    return [row.target for row in opened(folder, workbook(HEADER, *rows, change=change)).rows]
