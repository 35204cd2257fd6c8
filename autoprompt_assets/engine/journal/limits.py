"""What was learned of endpoints' limits, kept beside the answers: of use, and never needed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from autoprompt_assets.engine.journal.leases import JournalLeases
from autoprompt_assets.engine.journal.tables import endpoint_limits

T = TypeVar("T")
PATIENCE_MS = 500
"""How long a write waits for other programs: answers, and the end of a run, wait behind it."""


class JournalLimits:
    """Reads and writes on the journal's own threads; used inside a running event loop.

    A journal that was made before there was this table gets it. What fails is not told, and what is
    read may be anything. Of two runs at once the last to write wins. Nothing is written where the
    journal has `failed`: it would be waited for once more.
    """

    def __init__(
        self, engine: sa.Engine, reader: Executor, writer: Executor, failed: Callable[[], bool]
    ) -> None:
        self._engine, self._reader, self._writer = engine, reader, writer
        self._failed = failed
        server = engine.dialect.name == "postgresql"
        self.leases = JournalLeases(engine.url) if server else None
        """Shares of endpoints' limits; `None` where each process has the whole."""

    def close(self) -> None:
        """Let go of the database."""
        if self.leases is not None:
            self.leases.close()

    async def read(self, endpoint: str) -> tuple[str, float] | None:
        """The record of an endpoint and its age in seconds; `None` where there is none."""
        return await _tried(self._reader, lambda: self._stored(endpoint))

    async def write(self, endpoint: str, record: str) -> None:
        """Put a record in the place of the one before."""
        await _tried(self._writer, lambda: self._store(endpoint, record))

    def _stored(self, endpoint: str) -> tuple[str, float] | None:
        columns = endpoint_limits.c
        query = sa.select(columns.record, columns.written_at).where(columns.endpoint == endpoint)
        with self._engine.connect() as connection:
            found = connection.execute(query).one_or_none()
            return None if found is None else (str(found[0]), time.time() - float(found[1]))

    def _store(self, endpoint: str, record: str) -> None:
        if self._failed():
            return
        dialect = postgresql if self._engine.dialect.name == "postgresql" else sqlite
        new = {"record": record, "written_at": time.time()}
        insert = dialect.insert(endpoint_limits).values(endpoint=endpoint, **new)
        with self._engine.begin() as connection, _impatient(connection):
            endpoint_limits.create(connection, checkfirst=True)
            connection.execute(insert.on_conflict_do_update(index_elements=["endpoint"], set_=new))


@contextmanager
def _impatient(connection: sa.Connection) -> Iterator[None]:
    if connection.dialect.name == "postgresql":
        for setting in ("lock_timeout", "statement_timeout"):
            connection.exec_driver_sql(f"SET LOCAL {setting} = '{PATIENCE_MS}ms'")
        yield
        return
    before = connection.exec_driver_sql("PRAGMA busy_timeout").scalar_one()
    connection.exec_driver_sql(f"PRAGMA busy_timeout={PATIENCE_MS}")
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA busy_timeout={before}")


async def _tried(threads: Executor, work: Callable[[], T]) -> T | None:
    try:
        return await asyncio.get_running_loop().run_in_executor(threads, work)
    except (sa.exc.SQLAlchemyError, RuntimeError, ValueError, TypeError):
        return None  # the table is missing, or the journal closed, full or out of reach
