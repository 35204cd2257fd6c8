"""Who is at work on a journal: searches take turns on it, from whatever home they are run.

In a folder `locks` beside a SQLite file stand lock files, a PostgreSQL server holds advisory locks
of a session. The system, or the server, lets go of one when its holder ends, however it ends.
"""

from __future__ import annotations

import glob
import json
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol, Self

import sqlalchemy as sa
from filelock import FileLock, Timeout

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal.address import database_file, parse_location, shown
from autoprompt_assets.engine.journal.schema import failure, postgresql_engine

POLL_S = 0.1
"""How often who waits for a search looks whether it is free."""
PATIENCE_S = 2.0
"""For how long a search that begins may hold up pruning, or the next that begins."""
_PRUNING = "prune"
_NAMESPACE = 0x4150 << 48  # the upper bits of our advisory locks; a search's id has 48 bits


@dataclass(frozen=True)
class SearchAtWork:
    """A search that a process is at work on, and who that is, in words."""

    search: str
    who: str


class _Locks(Protocol):
    """The locks of one journal; a name is a search's id or `_PRUNING`."""

    def take(self, name: str) -> bool:
        """Whether it was free, and is this process's now."""

    def release(self, name: str) -> None:
        """Let go of it."""

    def held(self) -> list[SearchAtWork]:
        """What other processes hold."""


@contextmanager
def search_turn(url: str, search: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Held while a process works on a search of the journal at `url`; another waits for its end.

    `waiting` is told who is at work.

    Raises:
        JournalError: the journal's locks cannot be had.
    """
    with _opened(url) as locks:
        began, told = time.monotonic(), ""
        while not _begin(locks, search):
            held = {one.search: one.who for one in locks.held()}
            line = ""
            if search in held:
                line = f"another run{held[search]} is at work on search {search}; waiting for it"
            elif time.monotonic() - began > PATIENCE_S:
                line = "the journal is being pruned; waiting for the end of that"
            if line and not told:
                waiting(line)
                told = line
            time.sleep(POLL_S)
        try:
            yield
        finally:
            locks.release(search)


@contextmanager
def pruning(url: str) -> Iterator[list[SearchAtWork]]:
    """The searches at work on the journal at `url`; none begins until the block ends.

    Raises:
        JournalError: the journal's locks cannot be had, or another process is pruning.
    """
    with _opened(url) as locks:
        deadline = time.monotonic() + PATIENCE_S
        while not locks.take(_PRUNING):
            if time.monotonic() > deadline:
                raise JournalError(
                    "journal prune: another process prunes this journal; let that end, then run "
                    "again"
                )
            time.sleep(POLL_S)
        try:
            yield [one for one in locks.held() if one.search != _PRUNING]
        finally:
            locks.release(_PRUNING)


def _begin(locks: _Locks, search: str) -> bool:
    """Take the lock of a search, unless somebody prunes at this moment."""
    if not locks.take(_PRUNING):
        return False
    try:
        return locks.take(search)
    finally:
        locks.release(_PRUNING)


def _opened(url: str) -> AbstractContextManager[_Locks]:
    location = parse_location(url)
    file = database_file(location)
    return _Session(location) if file is None else _Files(location, file.resolve())


@contextmanager
def _lockable(address: str) -> Iterator[None]:
    try:
        yield
    except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
        raise failure(f"the journal cannot be opened: {address}", error) from None


class _Files:
    """Lock files in a folder beside a SQLite file, and beside each a note of who holds it."""

    def __init__(self, location: sa.URL, file: Path) -> None:
        self._address = shown(location)
        self._folder, self._prefix = file.parent / "locks", f"{file.name}-"
        self._held: dict[str, FileLock] = {}
        self._mode = 0o644

    def __enter__(self) -> Self:
        with _lockable(self._address):
            self._folder.parent.mkdir(parents=True, exist_ok=True)
            # Whoever may write beside the journal may lock it.
            mode = self._folder.parent.stat().st_mode & 0o7777
            self._mode = mode & 0o666
            if not self._folder.is_dir():
                self._folder.mkdir(exist_ok=True)
                self._folder.chmod(mode)
        return self

    def __exit__(self, *_: object) -> None:
        for name in list(self._held):
            self.release(name)

    def take(self, name: str) -> bool:
        lock = self._lock(name)
        if lock is None:
            return False
        self._held[name] = lock
        if name != _PRUNING:
            with suppress(OSError):  # it only says who
                self._note(name).unlink(missing_ok=True)
                self._note(name).write_text(json.dumps(_me()), encoding="utf-8")
        return True

    def release(self, name: str) -> None:
        with suppress(OSError):
            self._note(name).unlink(missing_ok=True)
        self._held.pop(name).release()

    def _lock(self, name: str) -> FileLock | None:
        """The lock of that name, held; `None` where another holds it."""
        lock = FileLock(self._path(name, "lock"), mode=self._mode)
        with _lockable(self._address):
            try:
                lock.acquire(timeout=0)
            except Timeout:
                return None
        return lock

    def held(self) -> list[SearchAtWork]:
        paths = sorted(self._folder.glob(f"{glob.escape(self._prefix)}*.lock"))
        names = [path.stem.removeprefix(self._prefix) for path in paths]
        return [SearchAtWork(name, self._holder(name)) for name in names if self._is_held(name)]

    def _is_held(self, name: str) -> bool:
        if name in self._held:
            return False
        lock = self._lock(name)
        if lock is not None:
            lock.release()
        return lock is None

    def _holder(self, name: str) -> str:
        try:
            note = json.loads(self._note(name).read_text(encoding="utf-8"))
            return _words(note["process"], note["host"], note["since"])
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def _note(self, name: str) -> Path:
        return self._path(name, "json")

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / f"{self._prefix}{name}.{suffix}"


class _Session:
    """Advisory locks that one connection to a PostgreSQL server holds."""

    def __init__(self, location: sa.URL) -> None:
        self._address = shown(location)
        with _lockable(self._address):
            self._engine = postgresql_engine(location)

    def __enter__(self) -> Self:
        me = _me()
        settings = {"application_name": f"autoprompt {me['process']} on {me['host']}"[:63]}
        # A lock is held idly for hours; servers before version 14 do not know the limit.
        limited = sa.text("SELECT 1 FROM pg_settings WHERE name = 'idle_session_timeout'")
        with _lockable(self._address):
            self._connection = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
            if self._connection.execute(limited).scalar():
                settings["idle_session_timeout"] = "0"
            for name, value in settings.items():
                self._connection.execute(sa.select(sa.func.set_config(name, value, False)))
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(sa.exc.SQLAlchemyError):
            self._connection.invalidate()  # its end lets go of what it holds
        self._engine.dispose()

    def take(self, name: str) -> bool:
        taken = sa.select(sa.func.pg_try_advisory_lock(_number(name)))
        with _lockable(self._address):
            return bool(self._connection.execute(taken).scalar())

    def release(self, name: str) -> None:
        with suppress(sa.exc.SQLAlchemyError):  # a connection that broke holds nothing any more
            self._connection.execute(sa.select(sa.func.pg_advisory_unlock(_number(name))))

    def held(self) -> list[SearchAtWork]:
        with _lockable(self._address):
            rows = self._connection.execute(_HELD, {"namespace": _NAMESPACE >> 48}).all()
        return [
            SearchAtWork(
                _PRUNING if number == _number(_PRUNING) else f"{number & (1 << 48) - 1:012x}", who
            )
            for number, who in ((row[0], _server_words(row[1], row[2])) for row in rows)
        ]


_HELD = sa.text(
    """
    SELECT (classid::bigint << 32) | objid::bigint, application_name, backend_start
    FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_backend_pid()
        AND classid::bigint >> 16 = :namespace
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY 1
    """
)


def _number(name: str) -> int:
    return _NAMESPACE if name == _PRUNING else _NAMESPACE | int(name, 16)


def _me() -> dict[str, str | int]:
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"process": os.getpid(), "host": socket.gethostname(), "since": since}


def _words(process: int, host: str, since: str) -> str:
    return f" (process {process} on {host}, since {since[:16].replace('T', ' ')} UTC)"


def _server_words(name: str | None, since: datetime | None) -> str:
    """From what the server tells of a connection, which is not everybody's to see."""
    if not name or not name.startswith("autoprompt ") or since is None:
        return ""
    process, _, host = name.removeprefix("autoprompt ").partition(" on ")
    return _words(int(process), host, since.astimezone(UTC).isoformat())
