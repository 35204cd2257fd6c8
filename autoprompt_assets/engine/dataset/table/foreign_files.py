"""Files that hold no table this project reads, recognised by content or ending, and named."""

from __future__ import annotations

import io
import re
import zipfile

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.errors import InputError

SAVE = "save its table as CSV, JSON or Parquet"
_UNPACK = "unpack it, or pack it with gzip"
_WORKBOOKS = ("xlsx", "xlsm", "xlsb", "xls", "ods")
_PARTS = (
    ("xl/", "a damaged workbook; copy it again, or save its table as CSV"),
    ("word/", f"a Word document; {SAVE}"),
    ("ppt/", f"a PowerPoint document; {SAVE}"),
    ("content.xml", f"an OpenDocument file that is no spreadsheet; {SAVE}"),
    ("", "a zip archive; unpack it"),
)
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", f"an old Office file without a workbook in it; {SAVE}"),
    (b"\x28\xb5\x2f\xfd", f"packed with zstd; {_UNPACK}"),
    (b"\xfd7zXZ\x00", f"packed with xz; {_UNPACK}"),
    (b"\x04\x22\x4d\x18", f"packed with lz4; {_UNPACK}"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive; unpack it"),
    (b"Rar!\x1a\x07", "a RAR archive; unpack it"),
    (b"ARROW1\x00\x00", "an Arrow (Feather) file; save it as Parquet"),
    (b"\xff\xff\xff\xff", "an Arrow stream; save it as Parquet"),
    (b"SQLite format 3\x00", f"an SQLite database; {SAVE}"),
    (b"\x89HDF\r\n\x1a\n", f"an HDF5 file; {SAVE}"),
    (b"\x93NUMPY", f"a NumPy array; {SAVE}"),
    (b"Obj\x01", f"an Avro file; {SAVE}"),
    (b"FEA1", "a Feather file; save it as Parquet"),
    (b"ORC\x08", "an ORC file; save it as Parquet"),
    (b"ORC\x0a", "an ORC file; save it as Parquet"),
    (b"PARE", "an encrypted Parquet file; decrypt it"),
    (b"%PDF-", f"a PDF document; {SAVE}"),
    (b"{\\rtf", f"an RTF document; {SAVE}"),
    (b"\x89PNG\r\n\x1a\n", f"an image; {SAVE}"),
    (b"\xff\xd8\xff", f"an image; {SAVE}"),
    (b"GIF8", f"an image; {SAVE}"),
)  # fmt: skip
_PATTERNS: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"BZh[1-9]1AY&SY"), f"packed with bzip2; {_UNPACK}"),
    (re.compile(rb"\x80[\x02-\x05][\x00-\xff]*\.\Z"), f"a Python pickle; {SAVE}"),
    (re.compile(rb"[\x00-\xff]{257}ustar"), "a tar archive; unpack it"),
)
_PAGE = re.compile(r"(?:<!--.{0,2000}?-->\s*)?<(?:!doctype html|html|head|body)\b", re.I | re.S)


def refuse_foreign_bytes(spec: DatasetSpec, content: bytes) -> None:
    """Look at the first bytes of a file that has been unpacked.

    Raises:
        InputError: they are those of a workbook, an archive, a database or a document.
    """
    said = _named(content)
    if said:
        raise InputError(f"{spec.file}: is {said}")


def _named(content: bytes) -> str | None:
    if content.startswith(b"PK\x03\x04"):
        return _zipped(content)
    for magic, said in _MAGIC:
        if content.startswith(magic):
            return said
    for pattern, said in _PATTERNS:
        if pattern.match(content):
            return said
    return None


def _zipped(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        names = []
    found = (said for part, said in _PARTS if any(name.startswith(part) for name in names))
    return next(found, "a damaged zip archive or workbook; copy it again")


def refuse_foreign_text(spec: DatasetSpec, text: str) -> None:
    """Look at the begin of a text.

    Raises:
        InputError: it is a web page, XML, or the pointer that Git LFS leaves for a file.
    """
    begin = text[:4000].lstrip()
    said = None
    if _PAGE.match(begin):
        said = "a web page (HTML); give the address of the raw file"
    elif begin.startswith("<?xml"):
        said = f"an XML document; {SAVE}"
    elif begin.startswith("version https://git-lfs.github.com/spec/"):
        said = "a pointer of Git LFS, not the file; run git lfs pull"
    if said:
        raise InputError(f"{spec.file}: is {said}")


def unknown_ending(spec: DatasetSpec, ending: str) -> InputError:
    """What to say of a file whose ending is that of no table."""
    if ending in _WORKBOOKS:
        return InputError(
            f"{spec.file}: is called .{ending} and is no workbook; call it what it is, or set "
            "dataset.format to csv, tsv, json or jsonl"
        )
    if ending in ("yaml", "yml"):
        return InputError(
            f"{spec.file}: is YAML (promptfoo keeps its tests so), which is not read; save its "
            "cases as CSV or JSON, with the question and the bare answer as columns"
        )
    return InputError(
        f"{spec.file}: the ending does not say what it is; set dataset.format to csv, tsv, json, "
        "jsonl or parquet"
    )
