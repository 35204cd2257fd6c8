"""Locks on a SQLite journal: files in a folder beside it."""

from __future__ import annotations

import glob
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Self

import sqlalchemy as sa
from filelock import FileLock, Timeout

from autoprompt_assets.engine.journal.address import shown
from autoprompt_assets.engine.journal.lock_holders import (
    PRUNING,
    RUN,
    AtWork,
    holder_note,
    in_words,
    lockable,
)


class LockFiles:
    """Lock files in a folder beside a SQLite file, and beside each a note of who holds it.

    A run has a file of its own; what a killed one left goes when the next begins, or somebody
    prunes.
    """

    breakable: ClassVar[bool] = False

    def __init__(self, location: sa.URL, file: Path) -> None:
        self._address = shown(location)
        self._folder, self._prefix = file.parent / "locks", f"{file.name}-"
        self._held: dict[str, FileLock] = {}
        self._mode, self._own = 0o644, os.urandom(6).hex()

    def __enter__(self) -> Self:
        with lockable(self._address):
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            # Whoever may write beside the journal may lock it.
            mode = self._folder.parent.stat().st_mode & 0o7777
            self._mode = mode & 0o666
            if not self._folder.is_dir():
                self._folder.mkdir(exist_ok=True)
                self._folder.chmod(mode)
        return self

    def __exit__(self, *_: object) -> None:
        for stem in list(self._held):
            self.release(_name_of(stem))

    def take(self, name: str) -> bool:
        """See `Locks`."""
        if name.startswith(RUN):
            self.held()  # clears away what killed runs left
        stem = self._stem(name)
        lock = self._lock(stem)
        if lock is None:
            return False
        self._held[stem] = lock
        if name != PRUNING:
            with suppress(OSError):  # it only says who
                self._note(stem).unlink(missing_ok=True)
                self._note(stem).write_text(json.dumps(holder_note()), encoding="utf-8")
        return True

    def holds(self, name: str) -> bool:
        """See `Locks`."""
        return self._stem(name) in self._held

    def release(self, name: str) -> None:
        """See `Locks`."""
        stem = self._stem(name)
        with suppress(OSError):
            self._note(stem).unlink(missing_ok=True)
        self._let_go(stem, self._held.pop(stem))

    def held(self) -> list[AtWork]:
        """See `Locks`."""
        paths = sorted(self._folder.glob(f"{glob.escape(self._prefix)}*.lock"))
        stems = [path.stem.removeprefix(self._prefix) for path in paths]
        return [AtWork(_name_of(one), self._holder(one)) for one in stems if self._is_held(one)]

    def _stem(self, name: str) -> str:
        return f"{name}-{self._own}" if name.startswith(RUN) else name

    def _lock(self, stem: str) -> FileLock | None:
        """The lock in that file, held; `None` where another holds it."""
        lock = FileLock(self._path(stem, "lock"), mode=self._mode)
        with lockable(self._address):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return None
        return lock

    def _let_go(self, stem: str, lock: FileLock) -> None:
        if stem.startswith(RUN):  # nobody waits for it, so nobody has it open
            with suppress(OSError):
                self._note(stem).unlink(missing_ok=True)
                self._path(stem, "lock").unlink(missing_ok=True)
        lock.release()

    def _is_held(self, stem: str) -> bool:
        if stem in self._held:
            return False
        lock = self._lock(stem)
        if lock is not None:
            self._let_go(stem, lock)
        return lock is None

    def _holder(self, stem: str) -> str:
        try:
            note = json.loads(self._note(stem).read_text(encoding="utf-8"))
            return in_words(note["process"], note["host"], note["since"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _note(self, stem: str) -> Path:
        return self._path(stem, "json")

    def _path(self, stem: str, suffix: str) -> Path:
        return self._folder / f"{self._prefix}{stem}.{suffix}"


def _name_of(stem: str) -> str:
    return stem.rpartition("-")[0] if stem.startswith(RUN) else stem
