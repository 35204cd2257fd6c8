"""A file on this machine that appears whole or not at all, whenever the power goes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """An empty file beside `path`, which takes its place when the block ends, or is gone when it
    fails.

    It is on the disk before it has its name, so that a power loss leaves the old or the new. Who
    may read it follows the umask, until the block says otherwise.
    """
    beside = path.with_name(f".{uuid4().hex[:8]}{path.name}")
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield beside
        _sync(beside)
        beside.replace(path)
        _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    """Have the file or folder written to the disk, where the platform can."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError:
        pass  # some file systems cannot, folders above all
    finally:
        os.close(handle)
