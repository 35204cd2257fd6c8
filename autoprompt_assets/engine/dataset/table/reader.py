"""From a dataset's path to its rows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.checks import refuse_unusable
from autoprompt_assets.engine.dataset.table.content import decoded, fetched, unpacked
from autoprompt_assets.engine.dataset.table.delimited import read_delimited
from autoprompt_assets.engine.dataset.table.foreign_files import (
    refuse_foreign_bytes,
    refuse_foreign_text,
    unknown_ending,
)
from autoprompt_assets.engine.dataset.table.json_table import read_json
from autoprompt_assets.engine.dataset.table.parquet import MAGIC, read_parquet
from autoprompt_assets.engine.dataset.table.records import RecordSet
from autoprompt_assets.engine.dataset.table.rows import (
    NO_READERS,
    CellReaders,
    chosen,
    read_cells,
    rows_of,
)
from autoprompt_assets.engine.dataset.table.workbook import read_workbook
from autoprompt_assets.engine.dataset.table.workbook_files import is_workbook
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.example import Row
from autoprompt_assets.engine.text import were

ENDINGS = {
    "csv": "csv", "psv": "csv", "tsv": "tsv", "tab": "tsv", "json": "json", "jsonl": "jsonl",
    "ndjson": "jsonl", "parquet": "parquet", "pq": "parquet",
}  # fmt: skip
PACKED = ("gz", "gzip")


@dataclass(frozen=True)
class Table:
    """The rows of a file in its order, and what was noticed in reading them."""

    rows: list[Row]
    notes: tuple[str, ...] = ()


def read_table(spec: DatasetSpec, folder: Path) -> list[Row]:
    """The rows of the dataset's file, cells as text; a relative path starts at `folder`.

    Raises:
        InputError: no such file or column, a wrong encoding, an empty file or cell, a bad line, a
            format that is not read, images or message lists as inputs.
    """
    return open_table(spec, folder).rows


def open_table(spec: DatasetSpec, folder: Path, readers: CellReaders = NO_READERS) -> Table:
    """The rows as `read_table` has them, and the notes: blank rows that were skipped, for one.

    `readers` are those of columns that hold other than text.

    Raises:
        InputError: as `read_table` does.
    """
    records = _records(spec, unpacked(spec, fetched(spec, folder)))
    if not records.rows:
        raise InputError(f"{spec.file}: the file has no rows; give it some")
    records = chosen(spec, records)
    refuse_unusable(spec, records, readers)
    records = read_cells(spec, records, readers)
    blank = (f"{were(records.blank, 'blank row')} skipped",) if records.blank else ()
    return Table(rows_of(spec, records.rows), (*blank, *records.notes))


def _records(spec: DatasetSpec, content: bytes) -> RecordSet:
    if is_workbook(content):
        return read_workbook(spec, content)
    if spec.sheet is not None:
        raise InputError(
            f"{spec.file}: dataset.sheet = {shown(spec.sheet)} names a sheet, and this is no "
            "workbook; take it out"
        )
    refuse_foreign_bytes(spec, content)
    if content.startswith(MAGIC) and content.endswith(MAGIC):
        return read_parquet(spec, content)
    ending = _ending(spec.path)
    kind = spec.format or ENDINGS.get(ending)
    if kind is None and not content.strip():
        raise InputError(f"{spec.file}: the file is empty; give it rows")
    if kind is None:
        raise unknown_ending(spec, ending)
    if kind == "parquet" and content.strip():
        return read_parquet(spec, content)
    text = decoded(spec, content)
    if not text.strip():
        raise InputError(f"{spec.file}: the file is empty; give it rows")
    refuse_foreign_text(spec, text)
    if kind in ("json", "jsonl"):
        return read_json(spec, text)
    return read_delimited(spec, text, tabs=kind == "tsv")


def _ending(path: str) -> str:
    """The path's ending in lower case, without that of gzip, a query and a fragment."""
    if "://" in path:
        path = re.split("[?#]", path, maxsplit=1)[0]
    parts = path.lower().rsplit("/", 1)[-1].split(".")
    if len(parts) > 2 and parts[-1] in PACKED:
        parts.pop()
    return parts[-1] if len(parts) > 1 else ""
