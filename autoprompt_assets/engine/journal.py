"""The durable record of every completion, keyed by the content of its request.

A call is acknowledged after its commit. Nothing that was committed is asked again, by any process.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.llm import Completion, Request

SCHEMA_VERSION = 1
GROUP_WINDOW_S = 0.005
GROUP_LIMIT = 500

metadata = sa.MetaData()
completions = sa.Table(
    "completions",
    metadata,
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("endpoint", sa.Text, nullable=False),
    sa.Column("model", sa.Text, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("text", sa.Text),
    sa.Column("finish_reason", sa.Text, nullable=False),
    sa.Column("reasoning", sa.Text),
    sa.Column("refusal", sa.Text),
    sa.Column("prompt_tokens", sa.Integer, nullable=False),
    sa.Column("completion_tokens", sa.Integer, nullable=False),
    sa.Column("usd", sa.Float),
    sa.Column("latency_s", sa.Float, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
)
charges = sa.Table(
    "charges",
    metadata,
    sa.Column("search", sa.String(12), primary_key=True),
    sa.Column("key", sa.String(64), primary_key=True),
    sa.Column("role", sa.Text, nullable=False),
)
schema = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))

_ANSWER = [completions.c[name] for name in Completion.__dataclass_fields__]


@dataclass(frozen=True)
class Spend:
    """What a search has been charged; `usd` counts the calls whose price is known."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def plus(self, other: Spend) -> Spend:
        """Both together."""
        mine, theirs = asdict(self), asdict(other)
        return Spend(**{name: mine[name] + theirs[name] for name in mine})


class Journal:
    """Reads and writes in groups, on one thread; open it inside a running event loop."""

    def __init__(self, url: str) -> None:
        self._engine = _open(url)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._reads = _Groups(self._executor, self._read_group, 0.0)
        self._writes = _Groups(self._executor, self._write_group, GROUP_WINDOW_S)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reads.drained()
        await self._writes.drained()
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def close(self) -> None:
        """Wait for what was handed over, then let go of the database."""
        self._executor.shutdown(wait=True)
        self._engine.dispose()

    async def replay(self, request: Request, search: str) -> Completion | None:
        """The stored answer to `request`, charged to `search`; `None` when there is none."""
        found: Completion | None = await self._reads.submit((request, search))
        return found

    async def record(self, request: Request, completion: Completion, search: str) -> Completion:
        """Store an answer; it is durable when this returns.

        Returns the journal's answer: an earlier one, where another process was faster.
        """
        stored: Completion = await self._writes.submit((request, completion, search))
        return stored

    def spend(self, search: str) -> Spend:
        """What `search` has been charged: each different call on its path once."""
        query = sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(completions.c.prompt_tokens), 0),
            sa.func.coalesce(sa.func.sum(completions.c.completion_tokens), 0),
            sa.func.coalesce(sa.func.sum(completions.c.usd), 0.0),
            sa.func.count() - sa.func.count(completions.c.usd),
        ).select_from(charges.join(completions, charges.c.key == completions.c.key))
        with self._engine.connect() as connection:
            row = connection.execute(query.where(charges.c.search == search)).one()
        return Spend(*row)

    def _read_group(self, group: Sequence[tuple[Request, str]]) -> list[Completion | None]:
        keys = {request.key for request, _ in group}
        with self._engine.begin() as connection:
            query = sa.select(completions.c.key, *_ANSWER).where(completions.c.key.in_(keys))
            found = {row[0]: Completion(*row[1:]) for row in connection.execute(query)}
            self._charge(connection, [item for item in group if item[0].key in found])
        return [found.get(request.key) for request, _ in group]

    def _write_group(self, group: Sequence[tuple[Request, Completion, str]]) -> list[Completion]:
        now = time.time()
        rows = [
            {
                **_storable(completion),
                "key": request.key,
                "endpoint": request.endpoint,
                "model": request.model,
                "body": json.dumps(request.body()),
                "created_at": now,
            }
            for request, completion, _ in group
        ]
        with self._engine.begin() as connection:
            connection.execute(_insert_new(self._engine, completions), rows)
            self._charge(connection, [(request, search) for request, _, search in group])
            keys = [row["key"] for row in rows]
            query = sa.select(completions.c.key, *_ANSWER).where(completions.c.key.in_(keys))
            stored = {row[0]: Completion(*row[1:]) for row in connection.execute(query)}
        return [stored[request.key] for request, _, _ in group]

    def _charge(self, connection: sa.Connection, calls: Sequence[tuple[Request, str]]) -> None:
        if calls:
            rows = [
                {"search": search, "key": request.key, "role": request.role}
                for request, search in calls
            ]
            connection.execute(_insert_new(self._engine, charges), rows)


class _Groups:
    """Collects what coroutines submit for a moment and runs it as one group on the thread."""

    def __init__(
        self,
        executor: ThreadPoolExecutor,
        run: Callable[[Sequence[Any]], Sequence[Any]],
        window_s: float,
    ) -> None:
        self._executor, self._run, self._window_s = executor, run, window_s
        self._pending: list[tuple[Any, asyncio.Future[Any]]] = []
        self._drain: asyncio.Task[None] | None = None

    async def submit(self, item: Any) -> Any:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._pending.append((item, future))
        if self._drain is None:
            self._drain = loop.create_task(self._run_groups())
        return await future

    async def drained(self) -> None:
        """Wait for what was submitted, wanted still or not: answers that came were paid for."""
        if self._drain is not None:
            await asyncio.wait({self._drain})

    async def _run_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            await asyncio.sleep(self._window_s)
            group, self._pending = self._pending[:GROUP_LIMIT], self._pending[GROUP_LIMIT:]
            try:
                items = [item for item, _ in group]
                results = await loop.run_in_executor(self._executor, self._run, items)
            except Exception as error:  # whatever it is, nobody may wait for ever
                failure = JournalError(
                    f"the journal failed ({_first_line(error)}); what was acknowledged is in it: "
                    "mend the disk or the file and run again"
                )
                for _, future in group:
                    if not future.done():
                        future.set_exception(failure)
                continue
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)
        self._drain = None


def _storable(completion: Completion) -> dict[str, Any]:
    """Its fields; half characters and NULs, which databases refuse, become U+FFFD."""
    return {
        name: re.sub("[\0\ud800-\udfff]", "\ufffd", value) if isinstance(value, str) else value
        for name, value in asdict(completion).items()
    }


def _insert_new(engine: sa.Engine, table: sa.Table) -> Any:
    from sqlalchemy.dialects import postgresql, sqlite

    dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
    return dialect.insert(table).on_conflict_do_nothing()


def _open(url: str) -> sa.Engine:
    try:
        location = sa.make_url(url)
        if location.get_backend_name() == "sqlite" and location.database:
            Path(location.database).parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(location)
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _configure_sqlite)
        version = _schema_version(engine)
    except (sa.exc.SQLAlchemyError, OSError) as error:
        raise JournalError(
            f"the journal cannot be opened: {_shown(url)}: {_first_line(error)}; mend it, or move "
            "it away to start a new one, which pays for its answers again"
        ) from None
    if version != SCHEMA_VERSION:
        raise JournalError(
            f"the journal has schema {version}, this program writes {SCHEMA_VERSION}; "
            "use the version that made it, or another AUTOPROMPT_HOME"
        )
    return engine


def _schema_version(engine: sa.Engine) -> int:
    """The schema's version, made where there is none; several processes may do so at once."""
    mine = sa.select(sa.literal(SCHEMA_VERSION)).where(~sa.exists(sa.select(schema.c.version)))
    with engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(sa.schema.CreateTable(table, if_not_exists=True))
        connection.execute(schema.insert().from_select(["version"], mine))
        return int(connection.execute(sa.select(sa.func.max(schema.c.version))).scalar_one())


def _configure_sqlite(connection: Any, _: object) -> None:
    connection.execute("PRAGMA busy_timeout=30000")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")


def _shown(url: str) -> str:
    try:
        return sa.make_url(url).render_as_string(hide_password=True)
    except sa.exc.ArgumentError:
        return "at the address given"


def _first_line(error: BaseException) -> str:
    cause = getattr(error, "orig", None) or error
    return f"{type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"
