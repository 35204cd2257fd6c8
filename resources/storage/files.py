"""Files that appear whole or not at all: each is written beside its place and moved there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from upath import UPath

from autoprompt_assets.engine.controls import for_terminal, json_text
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.resources.whole_file import replacing

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
ROWS_IN_GROUP = 5_000
"""Rows of a Parquet file that are held at once, in writing and in reading."""


@contextmanager
def staged(path: UPath) -> Iterator[Path]:
    """A local file to write to; it becomes `path` when the block ends, or is gone when it fails."""
    if path.protocol in ("", "file"):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(Path(str(path))) as beside:
            yield beside
        return
    handle, name = tempfile.mkstemp(prefix=".", suffix=path.name)
    os.close(handle)
    try:
        yield Path(name)
        path.fs.put_file(name, path.path)  # object stores show a file when its upload ends
    finally:
        Path(name).unlink(missing_ok=True)


def sweep(folder: UPath) -> None:
    """Delete what killed runs left half written; nobody else may be writing into `folder`."""
    if folder.protocol in ("", "file") and folder.exists():
        for left in folder.glob(".*"):
            if left.is_file():
                left.unlink(missing_ok=True)


def write_text(path: UPath, text: str) -> None:
    """`text` as UTF-8; half characters, which it cannot hold, are escaped."""
    with staged(path) as file:
        file.write_bytes(text.encode("utf-8", "backslashreplace"))


def write_json(path: UPath, data: Mapping[str, Any]) -> None:
    """`data` as indented JSON."""
    write_text(path, json_text(data, indent=2) + "\n")


def read_json(path: UPath) -> Any:
    """What the file holds, or `None` where there is none.

    Raises:
        InputError: it is damaged; the line says what to do.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError:
        raise damaged(path) from None


def read_metadata(path: UPath, key: str) -> Any:
    """The JSON that a Parquet file carries beside its rows under `key`."""
    with _opened(path) as file:
        return json.loads(file.schema_arrow.metadata[key.encode()])


def read_record(path: UPath, read: Callable[[Any], T]) -> T | None:
    """What `read` makes of the file's JSON, or `None` where there is no file.

    Raises:
        InputError: it is damaged, or is not as this version writes it.
    """
    data = read_json(path)
    if data is None:
        return None
    try:
        return read(data)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise damaged(path) from None


def read_columns(
    path: UPath, columns: Sequence[str], where: tuple[str, str] | None = None
) -> Iterator[dict[str, list[Any]]]:
    """A Parquet file's columns as lists, some thousand rows at a time.

    `where` names a column and the value that rows must have there.

    Raises:
        InputError: it is missing or damaged; the line says what to do.
    """
    for batch in read_batches(path, columns):
        yield _having(batch, *where).to_pydict() if where else batch.to_pydict()


def read_batches(path: UPath, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """A Parquet file's columns, some thousand rows at a time.

    Raises:
        InputError: it is missing, damaged or lacks a column; the line says what to do.
    """
    with _opened(path) as file:
        if not set(columns) <= set(file.schema_arrow.names):
            raise damaged(path)
        yield from file.iter_batches(batch_size=ROWS_IN_GROUP, columns=list(columns))


def _having(batch: pa.RecordBatch, column: str, value: str) -> pa.RecordBatch:
    import pyarrow.compute as pc

    return batch.filter(pc.equal(batch.column(column), value))


@contextmanager
def _opened(path: UPath) -> Iterator[Any]:
    import pyarrow.parquet as pq

    try:
        local = path.protocol in ("", "file")
        with pq.ParquetFile(path.path if local else path.open("rb")) as file:
            yield file
    except PermissionError:
        raise  # it may well be whole
    except (OSError, ValueError, KeyError, TypeError):
        raise damaged(path) from None


def damaged(path: UPath) -> InputError:
    """The one line for a file that cannot be read as what it is."""
    return InputError(
        f"{path}: is missing, damaged or another version's; delete its folder and run again from "
        "the dataset on: what was answered is in the journal and costs nothing"
    )


def plainly(error: Exception) -> str:
    """What a user is told of `error`; of the system's own, which file, why and what to do."""
    if not isinstance(error, OSError):
        return for_terminal(str(error))
    reason = error.strerror or next(iter(str(error).splitlines()), "") or type(error).__name__
    return for_terminal(
        f"{error.filename or 'the home'}: cannot be read or written ({reason}); make room, or mend "
        "the folder, and run again: what was answered is in the journal"
    )


@contextmanager
def parquet_writer(path: UPath, schema: pa.Schema) -> Iterator[ParquetWriter]:
    """Writes rows as they come in; the file appears when the block ends."""
    import pyarrow.parquet as pq

    with staged(path) as file, pq.ParquetWriter(file, schema) as writer:
        rows = ParquetWriter(writer, schema)
        yield rows
        rows.flush()


class ParquetWriter:
    """Gathers rows into groups of one size, so that equal rows make equal files."""

    def __init__(self, writer: Any, schema: pa.Schema) -> None:
        self._writer, self._schema = writer, schema
        self._columns: dict[str, list[Any]] = {name: [] for name in schema.names}

    def add(self, columns: Mapping[str, Sequence[Any]]) -> None:
        """Some rows more, column by column."""
        for name, values in columns.items():
            self._columns[name].extend(values)
        while self._held() >= ROWS_IN_GROUP:
            self._write(ROWS_IN_GROUP)

    def flush(self) -> None:
        """Write what is still held."""
        if self._held():
            self._write(self._held())

    def _held(self) -> int:
        return len(next(iter(self._columns.values())))

    def _write(self, count: int) -> None:
        import pyarrow as pa

        rows = {name: values[:count] for name, values in self._columns.items()}
        for values in self._columns.values():
            del values[:count]
        self._writer.write_table(pa.table(rows, schema=self._schema), row_group_size=count)
