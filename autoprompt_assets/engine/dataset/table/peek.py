"""The columns that a table has, before anybody has said which of them are meant."""

from __future__ import annotations

import io
from pathlib import Path

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.columns import visible
from autoprompt_assets.engine.dataset.table.content import decoded, fetched, unpacked
from autoprompt_assets.engine.dataset.table.delimited import header_of
from autoprompt_assets.engine.dataset.table.json_table import keys_of
from autoprompt_assets.engine.dataset.table.parquet import MAGIC
from autoprompt_assets.engine.dataset.table.workbook import sheet_header
from autoprompt_assets.engine.dataset.table.workbook_files import is_workbook


def column_names(spec: DatasetSpec, folder: Path) -> list[str]:
    """The names as a person sees them, in the table's order; none where no header is found.

    What `spec` says of columns is not looked at.

    Raises:
        InputError: nothing can be read there, or it is no table.
        Unreachable: a store gave no answer.
    """
    content = unpacked(spec, fetched(spec, folder))
    if is_workbook(content):
        names = sheet_header(spec, content)
    elif content.startswith(MAGIC):
        names = _parquet_names(content)
    else:
        text = decoded(spec, content)
        names = keys_of(text) if text.lstrip().startswith(("{", "[")) else header_of(spec, text)
    return [visible(name) for name in names if visible(name)]


def _parquet_names(content: bytes) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return list(pq.ParquetFile(io.BytesIO(content)).schema_arrow.names)
    except (pa.ArrowException, OSError):
        return []
