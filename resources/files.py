"""Files that appear whole or not at all: each is written beside its place and moved there."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from typing import Any

import pandas as pd
from upath import UPath

from autoprompt_assets.engine.errors import InputError


def local(path: UPath) -> Any:
    """A local folder as a plain path, which readers open fastest; any other as it is."""
    return path.path if path.protocol in ("", "file") else path


def move_into(path: UPath, content: bytes) -> None:
    """Write `content` beside `path` and move it there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.protocol not in ("", "file"):
        path.write_bytes(content)  # object stores show a file when its upload ends
        return
    handle, beside = tempfile.mkstemp(dir=str(path.parent), prefix=".", suffix=path.name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.chmod(beside, 0o644)
        os.replace(beside, str(path))
    except BaseException:
        os.unlink(beside)
        raise


def write_text(path: UPath, text: str) -> None:
    """`text` as UTF-8; half characters, which it cannot hold, are escaped."""
    move_into(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: UPath, data: Mapping[str, Any]) -> None:
    """`data` as indented JSON."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")


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


def read_parquet(path: UPath, **options: Any) -> pd.DataFrame:
    """The file as a frame.

    Raises:
        InputError: it is missing or damaged; the line says what to do.
    """
    try:
        return pd.read_parquet(local(path), **options)
    except (OSError, ValueError):
        raise damaged(path) from None


def damaged(path: UPath) -> InputError:
    """The one line for a file that cannot be read as what it is."""
    return InputError(
        f"{path}: is missing or damaged; delete its folder and run again from the dataset on: "
        "what was answered is in the journal and costs nothing"
    )


def write_parquet(path: UPath, frame: pd.DataFrame) -> None:
    """`frame` as Parquet, without its index."""
    move_into(path, frame.to_parquet(index=False))
