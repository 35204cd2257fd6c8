"""Locks on a PostgreSQL journal: advisory ones, of a session."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from typing import ClassVar, Self

import sqlalchemy as sa

from autoprompt_assets.engine.journal.address import shown
from autoprompt_assets.engine.journal.lock_holders import (
    PRUNING,
    RUN,
    AtWork,
    holder_note,
    in_words,
    lockable,
)
from autoprompt_assets.engine.journal.schema import postgresql_engine

# The upper bits of our advisory locks; a search's id has 48 bits, and so has an experiment's hash.
_NAMESPACE, _RUNS = 0x4150 << 48, 0x4151 << 48
# A lock is held idly for hours, and the server, too, must notice that a machine went away without a
# word: by itself it would wait for hours. An older server does not know all of these.
_IDLE = {
    "idle_session_timeout": "0",
    "tcp_keepalives_idle": "20",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "30000",
}


class ServerLocks:
    """Advisory locks that one connection to a PostgreSQL server holds."""

    breakable: ClassVar[bool] = True

    def __init__(self, location: sa.URL) -> None:
        self._address = shown(location)
        with lockable(self._address):
            self._engine = postgresql_engine(location)

    def __enter__(self) -> Self:
        self._connect()
        return self

    def _connect(self) -> None:
        me = holder_note()
        name = f"autoprompt {me['process']} on {me['host']}"[:63]
        with lockable(self._address):
            self._connection = self._engine.connect().execution_options(
                isolation_level="AUTOCOMMIT"
            )
            settings = {"application_name": name, **_IDLE}
            for one in self._connection.execute(_KNOWN, {"names": [*settings]}).scalars().all():
                set_one = sa.func.set_config(one, settings[one], False)
                self._connection.execute(sa.select(set_one))

    def __exit__(self, *_: object) -> None:
        with suppress(sa.exc.SQLAlchemyError):
            self._connection.invalidate()  # its end lets go of what it holds
        self._engine.dispose()

    def take(self, name: str) -> bool:
        """See `Locks`."""
        shared = sa.func.pg_try_advisory_lock_shared
        take = shared if name.startswith(RUN) else sa.func.pg_try_advisory_lock
        taken = sa.select(take(_number(name)))
        with lockable(self._address):
            return bool(self._connection.execute(taken).scalar())

    def holds(self, name: str) -> bool:
        """See `Locks`. Where the connection broke there is a new one then, which holds nothing."""
        try:
            if not self._connection.invalidated:
                asked = {"number": _number(name)}
                return bool(self._connection.execute(_HOLDS, asked).scalar())
        except sa.exc.SQLAlchemyError:
            self._connection.invalidate()
        self._connect()
        return False

    def release(self, name: str) -> None:
        """See `Locks`."""
        with suppress(sa.exc.SQLAlchemyError):  # a connection that broke holds nothing any more
            shared = sa.func.pg_advisory_unlock_shared
            unlock = shared if name.startswith(RUN) else sa.func.pg_advisory_unlock
            self._connection.execute(sa.select(unlock(_number(name))))

    def held(self) -> list[AtWork]:
        """See `Locks`."""
        with lockable(self._address):
            spaces = {"searches": _NAMESPACE >> 48, "runs": _RUNS >> 48}
            rows = self._connection.execute(_HELD, spaces).all()
        return [AtWork(_name_numbered(row[0]), _server_words(row[1], row[2])) for row in rows]


_KNOWN = sa.text("SELECT name FROM pg_settings WHERE name IN :names").bindparams(
    sa.bindparam("names", expanding=True)
)
_HOLDS = sa.text(
    """
    SELECT count(*) FROM pg_locks
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid = pg_backend_pid()
        AND (classid::bigint << 32) | objid::bigint = :number
    """
)
_HELD = sa.text(
    """
    SELECT (classid::bigint << 32) | objid::bigint, application_name, backend_start
    FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_backend_pid()
        AND classid::bigint >> 16 IN (:searches, :runs)
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY 1
    """
)


def _number(name: str) -> int:
    if name.startswith(RUN):
        return _RUNS | int(name.removeprefix(RUN), 16)
    return _NAMESPACE if name == PRUNING else _NAMESPACE | int(name, 16)


def _name_numbered(number: int) -> str:
    """The other way round."""
    if number == _number(PRUNING):
        return PRUNING
    name = f"{number & (1 << 48) - 1:012x}"
    return f"{RUN}{name}" if number >> 48 == _RUNS >> 48 else name


def _server_words(name: str | None, since: datetime | None) -> str:
    """From what the server tells of a connection, which is not everybody's to see."""
    if not name or not name.startswith("autoprompt ") or since is None:
        return ""
    process, _, host = name.removeprefix("autoprompt ").partition(" on ")
    return in_words(int(process), host, since.astimezone(UTC).isoformat())
