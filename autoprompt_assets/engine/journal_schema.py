"""How the journal's database is opened: SQLite (WAL) or PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal_tables import SCHEMA_VERSION, metadata, schema

BUSY_TIMEOUT_S = 30.0
"""How long a write waits for other programs that hold the database."""

_CREATION_LOCK = 7_236_001_117  # any number of the journal's own
_POSTGRESQL = {"postgresql", "postgres", "postgresql+psycopg"}

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


def open_database(url: str) -> sa.Engine:
    """The journal's database, with its tables, which are made where there are none.

    Raises:
        JournalError: it cannot be opened or written, or another version of this program made it.
    """
    engine, version = _connected(_location(url), _made_version)
    _refuse_other(engine, version)
    return engine


def open_existing(url: str) -> sa.Engine | None:
    """The journal's database where there is one; `None`, and nothing is made, where there is none.

    Raises:
        JournalError: it cannot be opened, or another version of this program made it.
    """
    location = _location(url)
    if location.get_backend_name() == "sqlite" and not _file(location).exists():
        return None
    engine, version = _connected(location, _found_version)
    if version is None:
        engine.dispose()
        return None
    _refuse_other(engine, version)
    return engine


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
            engine = _postgresql(location)
        return engine, read_version(engine)
    except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
        if engine is not None:
            engine.dispose()
        raise failure(f"the journal cannot be opened: {shown(location)}", error) from None


def _refuse_other(engine: sa.Engine, version: int | None) -> None:
    if version is None:
        engine.dispose()
        raise JournalError(
            f"the journal cannot be opened: {shown(engine.url)}: is a database of another program; "
            "name a file of its own in AUTOPROMPT_JOURNAL"
        )
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


def shown(location: sa.URL) -> str:
    """The address without what may be secret: the password, and PostgreSQL's parameters."""
    if location.get_backend_name() != "sqlite":
        location = location.set(query={})
    return location.render_as_string(hide_password=True)


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


def _location(url: str) -> sa.URL:
    forms = "write sqlite:////folder/journal.db or postgresql://user@host/database"
    try:
        location = sa.make_url(url)
        backend = location.get_backend_name()
    except (sa.exc.ArgumentError, ValueError):
        # It may hold a password, and so may what the parser says of it.
        raise JournalError(
            f"the journal cannot be opened: what AUTOPROMPT_JOURNAL says is no URL; {forms}"
        ) from None
    if location.drivername in _POSTGRESQL:
        return location.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or location.database in (None, "", ":memory:"):
        raise JournalError(
            f"the journal cannot be opened: {shown(location)}: is no database that keeps a "
            f"journal; {forms}"
        )
    return location


def _file(location: sa.URL) -> Path:
    """A SQLite database's file, which its address may name as a URI."""
    assert location.database is not None
    name = location.database
    return Path(unquote(name[5:].partition("?")[0]) if name.startswith("file:") else name)


def _sqlite(location: sa.URL) -> sa.Engine:
    _file(location).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(location, pool_size=2, max_overflow=0)
    sa.event.listen(engine, "connect", _configure_sqlite)
    return engine


def _configure_sqlite(connection: sqlite3.Connection, _: object) -> None:
    connection.execute(f"PRAGMA busy_timeout={round(BUSY_TIMEOUT_S * 1000)}")
    _write_ahead(connection)
    connection.execute("PRAGMA synchronous=FULL")


def _write_ahead(connection: sqlite3.Connection) -> None:
    """Set the journal mode, which does not wait for a writer whatever the busy timeout says."""
    deadline = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _postgresql(location: sa.URL) -> sa.Engine:
    # A server that went away without a word must not be waited for.
    reach = {
        "connect_timeout": 10,
        "tcp_user_timeout": 30_000,
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
    sa.event.listen(engine, "connect", _configure_postgresql)
    return engine


def _configure_postgresql(connection: Any, _: object) -> None:
    encoding = connection.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        # One answer that it cannot hold would take those along that are written beside it.
        raise JournalError(
            f"the journal cannot be opened: PostgreSQL's database {connection.info.dbname!r} has "
            f"the encoding {encoding}, which cannot hold every answer; name one in "
            "AUTOPROMPT_JOURNAL that was made with ENCODING 'UTF8'"
        )
    for setting in ("lock_timeout", "statement_timeout"):
        connection.execute(f"SET {setting} = '{round(BUSY_TIMEOUT_S * 1000)}ms'")
    connection.commit()


def _made_version(engine: sa.Engine) -> int | None:
    """The schema's version, made where there is none; several processes may do so at once."""
    with exclusive(engine, _CREATION_LOCK) as connection:
        tables = sa.inspect(connection)
        if not tables.has_table(schema.name):
            if engine.dialect.name == "sqlite" and tables.get_table_names():
                return None  # somebody else's: nothing of ours is put into it
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
