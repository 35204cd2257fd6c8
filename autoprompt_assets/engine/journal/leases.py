"""Which processes ask an endpoint, and what share of its limits each uses, on a PostgreSQL journal.

A process renews its lease about once a second, and no call waits for that. A lease that is not
renewed ends by the server's clock, whatever became of the process.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.journal.address import shown
from autoprompt_assets.engine.journal.schema import failure, postgresql_engine
from autoprompt_assets.engine.journal.shares import Claim, Lease, Share, share_of
from autoprompt_assets.engine.journal.tables import endpoint_leases

T = TypeVar("T")
LEASE_S = 6.0
"""How long a lease lasts that is not renewed: a few renewals may be late."""
PATIENCE_S = 3
"""How long a renewal waits for the server, or for the others' renewals."""

# Beside those of `lock_server`; an endpoint's hash has 48 bits, and none is the table's own.
_NAMESPACE = 0x4152 << 48
_FIELDS = ("most", "wants", "whole", "per_second", "rate")


class JournalLeases:
    """This process's leases; on a thread and a connection of their own, which the first one opens.

    Used inside a running event loop.
    """

    def __init__(self, location: sa.URL) -> None:
        self._location, self._holder = location, os.urandom(8).hex()
        self._engine: sa.Engine | None = None
        # Until when a share must not rise, by endpoint: the others may not have come back yet.
        self._resting: dict[str, float] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal-lease")

    async def renew(self, endpoint: str, claim: Claim, using: tuple[int, float]) -> Share:
        """The share of `endpoint` for the next seconds, of a process that is `using` so many calls
        and such a part of its rate.

        Raises:
            JournalError: the database is out of reach.
        """
        mine = Lease(self._holder, claim, *using)
        return await self._done(lambda: self._renewed(endpoint, mine))

    async def release(self, endpoint: str) -> None:
        """End the lease of `endpoint`: the others may use it at once.

        Raises:
            JournalError: the database is out of reach; the lease ends by itself.
        """
        await self._done(lambda: self._released(endpoint))

    def close(self) -> None:
        """Let go of the database."""
        self._thread.shutdown(wait=True)
        if self._engine is not None:
            self._engine.dispose()

    async def _done(self, work: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        except (sa.exc.SQLAlchemyError, OSError, RuntimeError) as error:
            raise failure(f"the journal failed: {shown(self._location)}", error) from None

    def _renewed(self, endpoint: str, mine: Lease) -> Share:
        with self._connected().begin() as connection:
            _lock(connection, endpoint)
            live, expired = _leases(connection, endpoint)
            if expired:
                columns = endpoint_leases.c
                gone = columns.endpoint == endpoint, columns.holder.in_(expired)
                connection.execute(endpoint_leases.delete().where(*gone))
            if mine.calls and all(one.holder != mine.holder for one in live):
                self._resting[endpoint] = time.monotonic() + LEASE_S
            share = share_of(mine, [one for one in live if one.holder != mine.holder])
            if time.monotonic() < self._resting.get(endpoint, 0.0):
                held = min(share.calls, mine.calls), min(share.part, mine.part)
                share = replace(share, calls=held[0], part=held[1])
            # A call that has started before a share fell is in flight until it ends.
            used = {"calls": max(share.calls, mine.calls), "part": share.part}
            _write(connection, endpoint, mine, used)
            return share

    def _released(self, endpoint: str) -> None:
        columns = endpoint_leases.c
        mine = columns.endpoint == endpoint, columns.holder == self._holder
        with self._connected().begin() as connection:
            connection.execute(endpoint_leases.delete().where(*mine))

    def _connected(self) -> sa.Engine:
        if self._engine is None:
            engine = postgresql_engine(self._location, silent_s=PATIENCE_S)
            try:
                with engine.begin() as connection:
                    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_NAMESPACE)))
                    endpoint_leases.create(connection, checkfirst=True)
            except BaseException:
                engine.dispose()
                raise
            self._engine = engine
        return self._engine


def _lock(connection: sa.Connection, endpoint: str) -> None:
    """Until the transaction's end: what one reads the next must not change."""
    number = _NAMESPACE | int(content_hash(endpoint, 12), 16)
    connection.execute(sa.select(sa.func.pg_advisory_xact_lock(number)))


def _leases(connection: sa.Connection, endpoint: str) -> tuple[list[Lease], Sequence[str]]:
    """Those that last, and whose have ended."""
    columns = endpoint_leases.c
    live = (columns.expires_at > sa.func.clock_timestamp()).label("live")
    query = sa.select(endpoint_leases, live).where(columns.endpoint == endpoint)
    rows = connection.execute(query).all()
    leases = [
        Lease(row.holder, Claim(*(getattr(row, name) for name in _FIELDS)), row.calls, row.part)
        for row in rows
        if row.live
    ]
    return leases, [row.holder for row in rows if not row.live]


def _write(connection: sa.Connection, endpoint: str, mine: Lease, used: dict[str, float]) -> None:
    new: dict[str, Any] = {name: getattr(mine.claim, name) for name in _FIELDS} | used
    new["expires_at"] = sa.func.clock_timestamp() + sa.func.make_interval(0, 0, 0, 0, 0, 0, LEASE_S)
    row = insert(endpoint_leases).values(endpoint=endpoint, holder=mine.holder, **new)
    connection.execute(row.on_conflict_do_update(index_elements=["endpoint", "holder"], set_=new))
