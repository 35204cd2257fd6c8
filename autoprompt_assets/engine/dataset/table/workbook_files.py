"""Workbooks as files: which bytes are one, and what must not be given to a reader.

The library that reads them lays a sheet out as a full rectangle, and ends the process where memory
lacks for that: what would be too large is refused before.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Iterator

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.content import LARGEST, first_line
from autoprompt_assets.engine.errors import InputError, shown

OLD_OFFICE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP = b"PK\x03\x04"
MOST_CELLS = 2**25
"""Cells of the rectangle that a sheet's content spans, empty ones included: 32 full columns."""
_ODS = b"application/vnd.oasis.opendocument.spreadsheet"
_LOCKED = "EncryptedPackage".encode("utf-16-le")
_OLD = ("Workbook".encode("utf-16-le"), "Book\0".encode("utf-16-le"))
_PIECE = 2**20
_ZIP_FAULTS = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)
_CELL = re.compile(rb"<(?:\w+:)?c\s(?:[^<>]*?\s)?r=[\"']([A-Z]{1,3})([0-9]{1,7})[\"'][^<>]*(?<!/)>")
_FORMATS = re.compile(r"<(?:\w+:)?cellXfs\b.*?</(?:\w+:)?cellXfs>", re.DOTALL)
_FORMAT_ID = re.compile(r"\bnumFmtId=[\"']([0-9]+)[\"']")
_OWN_FORMAT = re.compile(
    r"<(?:\w+:)?numFmt\s(?=[^>]*?\bnumFmtId=[\"']([0-9]+))[^>]*?\bformatCode=[\"']([^\"']*)"
)
_PLAIN = {"0", "49", *map(str, (*range(14, 23), *range(45, 48)))}
"""Excel's own formats that show a number as it is: General, text, and those of days and times."""


def is_workbook(content: bytes) -> bool:
    """Whether the bytes are those of a workbook, by what they hold."""
    if content.startswith(OLD_OFFICE):
        return _LOCKED in content or any(name in content for name in _OLD)
    if not content.startswith(ZIP):
        return False
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
            if any(name.startswith("xl/workbook") for name in names):
                return True
            return "mimetype" in names and archive.read("mimetype").startswith(_ODS)
    except _ZIP_FAULTS:
        return False


def refuse_unreadable(spec: DatasetSpec, content: bytes) -> None:
    """Look at a workbook's parts before it is read.

    Raises:
        InputError: it is locked, damaged or too large.
    """
    if content.startswith(OLD_OFFICE):
        if _LOCKED in content:
            raise InputError(f"{spec.file}: is locked with a password; save it without one")
        return
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if sum(part.file_size for part in archive.infolist()) > LARGEST:
                raise InputError(
                    f"{spec.file}: unpacks to more than {LARGEST // 2**20:,} MiB; save its table "
                    "as CSV"
                )
            for name in archive.namelist():
                _look_at(spec, archive, name)
    except _ZIP_FAULTS as error:
        raise InputError(
            f"{spec.file}: is a damaged workbook ({first_line(error)}); copy it again"
        ) from None


def _look_at(spec: DatasetSpec, archive: zipfile.ZipFile, name: str) -> None:
    """Read one part to its end: a size that it understates shows, and how far its cells reach."""
    is_xml = name.lower().endswith(".xml")
    columns: set[bytes] = set()
    rows, rest = 0, b""
    for piece in _pieces(archive, name):
        if name == "META-INF/manifest.xml" and b"encryption-data" in piece:
            raise InputError(f"{spec.file}: is locked with a password; save it without one")
        if is_xml:
            text = rest + piece
            cells = _CELL.findall(text)
            columns.update(column for column, _ in cells)
            rows = max(rows, *(int(row) for _, row in cells), 0)
            rest = _open_tag(text)
    last = max(columns, key=_number, default=b"")
    if rows * _number(last) > MOST_CELLS:
        raise InputError(
            f"{spec.file}: {shown(name)} reaches to row {rows:,} and column {last.decode()}, more "
            f"than {MOST_CELLS:,} cells; delete what stands far off, or save its table as CSV"
        )


def _open_tag(text: bytes) -> bytes:
    """The tag that `text` ends within; a tag of a cell is short."""
    begin = text.rfind(b"<")
    return text[begin:] if 0 <= len(text) - begin <= _PIECE and text.rfind(b">") < begin else b""


def _pieces(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(name) as part:
        while piece := part.read(_PIECE):
            yield piece


def _number(column: bytes) -> int:
    number = 0
    for letter in column:
        number = 26 * number + letter - 64
    return number


def dresses_numbers(content: bytes) -> bool:
    """Whether a workbook may show numbers otherwise than as their values.

    An .xlsx tells its formats; any other may.
    """
    if not content.startswith(ZIP):
        return True
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if "xl/styles.xml" not in archive.namelist():
            return True
        styles = archive.read("xl/styles.xml").decode("utf-8", "replace")
    used = {one for part in _FORMATS.findall(styles) for one in _FORMAT_ID.findall(part)}
    own = dict(_OWN_FORMAT.findall(styles))
    return any(one not in _PLAIN and re.search("[0#?]", own.get(one, "0")) for one in used)
