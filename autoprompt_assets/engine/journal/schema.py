"""How the journal's database is opened: SQLite (WAL) or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import address as journal_address
from autoprompt_assets.engine.journal.address import (
    database_file,
    parse_location,
    patience_s,
    shown,
)
from autoprompt_assets.engine.journal.tables import SCHEMA_VERSION, metadata, schema

_EMPTY = "is an empty file, as one that was cut off"
_MARKS = ("application_id", "user_version")

_CREATION_LOCK = 7_236_001_117  # any number of the journal's own


_ANEW = "move it away to start a new one, which pays for its answers again and counts verdicts anew"
# Markers are beginnings of SQLite's error names and of PostgreSQL's error codes.
_MENDS = (
    (("SQLITE_FULL", "53100"), "free some space, then run again"),
    (("SQLITE_READONLY", "SQLITE_PERM", "SQLITE_CANTOPEN", "25006", "42501"), "make it writable"),
    (
        ("SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PROTOCOL", "55P03", "57014", "40", "53"),
        "another program holds it: let that end, then run again",
    ),
    (
        ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_FORMAT", "XX"),
        f"put back a copy of it, or {_ANEW}",
    ),
    (("SQLITE_IOERR",), "mend the disk, or free some space on it, then run again"),
    (("PSYCOPG", "08", "57P", "28", "3D"), "start its server, or correct AUTOPROMPT_JOURNAL"),
)


class _ForeignDatabase(Exception):
    """A file that another program made."""


def open_database(url: str, notice: Callable[[str], None] | None = None) -> sa.Engine:
    """The journal's database, with its tables, which are made where there are none.

    A file that is there and empty may be one that lost all: `notice` is told so, and without one it
    is refused.

    Raises:
        JournalError: it cannot be opened or written, or another program, or another version of this
            one, made it.
    """
    location = parse_location(url)
    file = database_file(location)
    empty = file is not None and file.is_file() and file.stat().st_size == 0
    if empty and notice is None:
        raise JournalError(
            f"the journal cannot be opened: {shown(location)}: {_EMPTY}; put back a copy of it, or "
            "run an experiment: that begins a new one in it"
        )
    made = _Made()
    engine, version = _connected(location, made)
    _refuse_other(engine, version)
    if empty and made.anew and notice is not None:
        notice(
            f"{shown(location)}: {_EMPTY}: a new journal is begun in it. If it held answers, stop "
            "and put back a copy of it: they are paid for again else"
        )
    return engine


def open_existing(url: str) -> sa.Engine | None:
    """The journal's database where there is one; `None`, and nothing is made, where there is none.

    Raises:
        JournalError: it cannot be opened, or another version of this program made it.
    """
    location = parse_location(url)
    file = database_file(location)
    if file is not None and not file.exists():
        return None
    engine, version = _connected(location, _found_version)
    if version is None:
        engine.dispose()
        return None
    _refuse_other(engine, version)
    return engine


def open_for_reading(url: str) -> sa.Engine:
    """As `open_database`; where there is a journal, nothing is written and no writer waited for.

    Raises:
        JournalError: as that does.
    """
    file = database_file(parse_location(url))
    empty = file is not None and file.is_file() and file.stat().st_size == 0
    return (None if empty else open_existing(url)) or open_database(url)


@contextmanager
def exclusive(engine: sa.Engine, lock: int) -> Iterator[sa.Connection]:
    """A transaction that no other process's under the same `lock` overlaps."""
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(lock)))
        yield connection


def _connected(
    location: sa.URL, read_version: Callable[[sa.Engine], int | None]
) -> tuple[sa.Engine, int | None]:
    engine = None
    try:
        if location.get_backend_name() == "sqlite":
            engine = _sqlite(location)
        else:
            engine = postgresql_engine(location)
        return engine, read_version(engine)
    except _ForeignDatabase:
        raise JournalError(
            f"the journal cannot be opened: {shown(location)}: is a database of another program; "
            "name a file of its own in AUTOPROMPT_JOURNAL"
        ) from None
    except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
        if engine is not None:
            engine.dispose()
        raise failure(f"the journal cannot be opened: {shown(location)}", error) from None


def _refuse_other(engine: sa.Engine, version: int | None) -> None:
    if version != SCHEMA_VERSION:
        engine.dispose()
        raise JournalError(
            f"the journal cannot be opened: {shown(engine.url)}: it has schema {version}, this "
            f"program writes {SCHEMA_VERSION}; use the version of this program that made it, or "
            f"{_ANEW}"
        )


def failure(what: str, error: BaseException) -> JournalError:
    """`error` in one line that says what to do about it; `what` names the journal."""
    cause = getattr(error, "orig", None) or error
    problem = " ".join(str(cause).split()) or type(cause).__name__
    return JournalError(f"{what}: {problem[:300]}; {_mend(cause)}")


def _mend(cause: BaseException) -> str:
    code = getattr(cause, "sqlite_errorname", None) or getattr(cause, "sqlstate", None)
    if code is None:
        code = "PSYCOPG" if type(cause).__module__.startswith("psycopg") else ""
    if isinstance(cause, OSError):
        code = "SQLITE_CANTOPEN"
    for markers, mend in _MENDS:
        if code.startswith(markers):
            return mend
    return f"mend it, or {_ANEW}"


def _sqlite(location: sa.URL) -> sa.Engine:
    file, patience = database_file(location), patience_s(location)
    assert file is not None
    file.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(location, pool_size=2, max_overflow=0)

    def configure(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA busy_timeout={round(patience * 1000)}")
        if _is_foreign(connection):
            raise _ForeignDatabase
        _write_ahead(connection, patience)
        connection.execute("PRAGMA synchronous=FULL")

    sa.event.listen(engine, "connect", configure)
    return engine


def _is_foreign(connection: sqlite3.Connection) -> bool:
    """Whether another program made it: then not a byte of it is changed."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    if (schema.name,) in found:
        columns = connection.execute(f"PRAGMA table_info({schema.name})").fetchall()
        return [column[1] for column in columns] != [schema.c.version.name]
    marks = [connection.execute(f"PRAGMA {one}").fetchone()[0] for one in _MARKS]
    return bool(found) or any(marks)


def _write_ahead(connection: sqlite3.Connection, patience: float) -> None:
    """Set the journal mode, which does not wait for a writer whatever the busy timeout says.

    To ask for it needs no lock, and it stays in the file.
    """
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    deadline = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def postgresql_engine(location: sa.URL, silent_s: int = 30) -> sa.Engine:
    """An engine for a PostgreSQL server, which is waited for, silent or busy, no longer than
    `silent_s`; nothing is connected yet.

    Raises:
        ImportError: there is no driver.
    """
    # A server that went away without a word must not be waited for.
    reach = {
        "connect_timeout": min(10, silent_s),
        "tcp_user_timeout": 1000 * silent_s,
        "keepalives_idle": 20,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "client_encoding": "utf8",
    }
    engine = sa.create_engine(
        location,
        pool_size=2,
        max_overflow=0,
        pool_pre_ping=True,
        paramstyle="format",
        connect_args=reach,
    )
    sa.event.listen(
        engine, "connect", lambda connection, _: _configure_postgresql(connection, silent_s)
    )
    return engine


def _configure_postgresql(connection: Any, silent_s: float) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        # One answer that it cannot hold would take those along that are written beside it.
        raise JournalError(
            f"the journal cannot be opened: PostgreSQL's database {connection.info.dbname!r} has "
            f"the encoding {encoding}, which cannot hold every answer; name one in "
            "AUTOPROMPT_JOURNAL that was made with ENCODING 'UTF8'"
        )
    patience_ms = round(min(journal_address.BUSY_TIMEOUT_S, silent_s) * 1000)
    for setting in ("lock_timeout", "statement_timeout"):
        connection.execute(f"SET {setting} = '{patience_ms}ms'")
    connection.commit()


@dataclass
class _Made:
    """Reads the schema's version, made where there is none; several processes may do so at once.

    `anew`: it was made.
    """

    anew: bool = False

    def __call__(self, engine: sa.Engine) -> int | None:
        with exclusive(engine, _CREATION_LOCK) as connection:
            self.anew = not sa.inspect(connection).has_table(schema.name)
            if self.anew:
                metadata.create_all(connection)
                connection.execute(schema.insert().values(version=SCHEMA_VERSION))
            # Changes nothing, and fails where nothing can be written: before a call is paid for.
            connection.execute(schema.delete().where(schema.c.version < 0))
            return _version(connection)


def _found_version(engine: sa.Engine) -> int | None:
    """The schema's version; `None` where there is none."""
    with engine.connect() as connection:
        made = sa.inspect(connection).has_table(schema.name)
        return _version(connection) if made else None


def _version(connection: sa.Connection) -> int | None:
    found: int | None = connection.execute(sa.select(sa.func.max(schema.c.version))).scalar()
    return found
