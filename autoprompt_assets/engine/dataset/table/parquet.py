"""Parquet: the columns as the texts that a person sees in them."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.columns import CellPath, require_columns
from autoprompt_assets.engine.dataset.table.content import first_line
from autoprompt_assets.engine.dataset.table.records import Record, RecordSet, raise_any
from autoprompt_assets.engine.dataset.table.scalars import Labels, plain, shown_day
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.inputs import Spelled

if TYPE_CHECKING:
    import pyarrow as pa

MAGIC = b"PAR1"
WHOLE = 2.0**53
"""Below it a float holds every whole number exactly."""


def read_parquet(spec: DatasetSpec, content: bytes) -> RecordSet:
    """The rows of a Parquet file; rows that are null in every column are skipped.

    A column of floats that are all whole numbers holds integers: pandas makes floats of integers
    beside nulls, and nothing in the file tells. One fraction in the column, and all keep their
    points. Timestamps without zone that are all midnight are dates. The numbers of a Hugging Face
    ClassLabel are the names that stand in the file's metadata.

    Raises:
        InputError: no Parquet file, no such columns, or values that are no text.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(io.BytesIO(content))
        columns = require_columns(spec, file.schema_arrow.names, {})
        table = file.read(columns=columns.names)
        blank = _blank(file, table)
    except (pa.ArrowException, OSError) as error:
        raise InputError(
            f"{spec.file}: is no Parquet file ({first_line(error)}); mend it"
        ) from None
    features = _features(file.schema_arrow.metadata)
    texts, problems, notes = [], [], []
    for place in columns.places:
        name = place.column
        labels = _labels(features.get(name))
        if labels:
            notes.append(f"column {name!r} holds class labels, read as their names in the metadata")
        column, wrong = _texts(table[name], labels, place)
        problems += [f"{spec.file}: row {row}, column {name!r}: {why}" for row, why in wrong]
        texts.append(column)
    raise_any(spec, problems)
    rows = [
        Record(f"row {number}", cells)
        for number, cells in enumerate(zip(*texts, strict=True), 1)
        if number not in blank
    ]
    return RecordSet(rows, len(blank), tuple(notes))


def _blank(file: Any, table: pa.Table) -> set[int]:
    """The numbers of the rows that are null in every column of the file."""
    empty = _nulls(table)
    if empty:
        empty &= _nulls(file.read())
    return empty


def _nulls(table: pa.Table) -> set[int]:
    import pyarrow.compute as pc

    empty = set(range(1, table.num_rows + 1))
    for column in table.columns:
        floats = str(column.type) in ("float", "double")
        null = pc.is_null(column, nan_is_null=floats).to_pylist()
        empty &= {number for number, is_null in enumerate(null, 1) if is_null}
    return empty


def _features(metadata: dict[bytes, bytes] | None) -> dict[str, object]:
    """The features that the `datasets` library wrote into a file's metadata, by column."""
    try:
        described = json.loads((metadata or {}).get(b"huggingface", b"{}"))
        features = described["info"]["features"]
    except (ValueError, KeyError, TypeError):
        return {}
    return features if isinstance(features, dict) else {}


def _labels(feature: object) -> Labels:
    """The class names of a ClassLabel, or of a list of them."""
    if isinstance(feature, list) and len(feature) == 1:
        return _labels(feature[0])
    if not isinstance(feature, dict):
        return ()
    if feature.get("_type") == "ClassLabel":
        return tuple(map(str, feature.get("names") or ()))
    return _labels(feature.get("feature"))


def _texts(
    column: pa.ChunkedArray, labels: Labels, place: CellPath
) -> tuple[list[str], list[tuple[int, str]]]:
    """The texts of a place in a column, and the rows that have none with the reason."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_floating(kind) and not place.path and _all_whole(column):
        values = column.to_pylist()
        return ["" if _missing(value) else Spelled(int(value)) for value in values], []
    texts, problems = [], []
    for number, scalar in enumerate(column, 1):
        try:
            texts.append(place.text(plain(scalar, labels)))
        except (ValueError, OverflowError, RecursionError, pa.ArrowException) as error:
            problems.append((number, _reason(error)))
            texts.append("")
    if pa.types.is_timestamp(kind) and kind.tz is None:
        texts = shown_day(texts)
    return texts, problems


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "holds bytes that are no UTF-8 text; images and files are not supported yet"
    line = first_line(error)
    return line if "; " in line else f"{line}; mend it"


def _missing(value: float | None) -> bool:
    return value is None or not math.isfinite(value)


def _all_whole(column: Sequence[Any]) -> bool:
    values = [scalar.as_py() for scalar in column]
    return all(_missing(value) or (value.is_integer() and abs(value) < WHOLE) for value in values)
