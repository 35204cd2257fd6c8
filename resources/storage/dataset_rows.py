"""The rows of a dataset version as Parquet: a column for each input, streamed back by split."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from upath import UPath

from autoprompt_assets.engine.example import Example, Split
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.resources.storage.files import parquet_writer, read_columns

if TYPE_CHECKING:
    import pyarrow as pa

OWN = ("id", "input_id", "target", "split", "others", "name", "kinds")
"""Columns beside those of the inputs. `others` is a JSON list, empty where there are none."""


def write_rows(path: UPath, columns: Sequence[str], rows: Sequence[Example]) -> None:
    """Write all rows; `columns` are the names of their inputs."""
    held: dict[str, list[str]] = {
        "id": [row.id for row in rows],
        "input_id": [row.input_id for row in rows],
        "target": [row.target for row in rows],
        "split": [row.split for row in rows],
        "others": [json.dumps(row.others) if row.others else "" for row in rows],
        "name": [row.name for row in rows],
        "kinds": [row.inputs.kinds for row in rows],
    }
    held |= {_stored(name): [row.inputs[name] for row in rows] for name in columns}
    with parquet_writer(path, _schema(held)) as writer:
        writer.add(held)


def read_rows(path: UPath, columns: Sequence[str], split: Split) -> Iterator[Example]:
    """The rows of one split in their order, some thousand at a time."""
    names = tuple(columns)
    stored = [*OWN, *map(_stored, names)]
    for batch in read_columns(path, stored, where=("split", split)):
        values = zip(*(batch[_stored(name)] for name in names), strict=True)
        own = zip(*(batch[name] for name in OWN), strict=True)
        for (row, input_id, target, _, others, name, kinds), held in zip(own, values, strict=True):
            accepted = tuple(json.loads(others)) if others else ()
            inputs = Inputs.restore(names, held, kinds)
            yield Example(row, input_id, inputs, target, split, accepted, name)


def _stored(name: str) -> str:
    return f"input.{name}"


def _schema(names: Iterable[str]) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in names])
