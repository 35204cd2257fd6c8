"""Completions as the rows of the journal's tables, and back."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from autoprompt_assets.engine.journal.tables import completions, usage
from autoprompt_assets.engine.llm import Completion

READ_LIMIT = 500

_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_TEXTS = ("message", "finish_reason", "usage")
_COUNTS = [column for column in usage.c if not column.primary_key]
_READ = sa.select(
    completions.c.key,
    completions.c.checksum,
    *(completions.c[name] for name in Completion.__dataclass_fields__),
).where(completions.c.key.in_(sa.bindparam("keys", expanding=True)))


class Sent(Protocol):
    """What is kept of a request; see `llm.Request`."""

    @property
    def key(self) -> str:
        """See `llm.Request`."""

    @property
    def role(self) -> str:
        """See `llm.Request`."""

    @property
    def endpoint(self) -> str:
        """See `llm.Request`."""

    @property
    def model(self) -> str:
        """See `llm.Request`."""

    @property
    def payload(self) -> str:
        """See `llm.Request`."""


class Rows:
    """Reads and writes rows within a transaction of its caller's.

    `damaged` are the keys of answers that are not what was written. They are as good as missing,
    and the next answer under such a key takes the place.
    """

    def __init__(self, engine: sa.Engine, experiment: str, search: str) -> None:
        self._experiment, self._search = experiment, search
        self.damaged: set[str] = set()
        dialect = postgresql if engine.dialect.name == "postgresql" else sqlite
        new = dialect.insert(completions).on_conflict_do_nothing()
        counted = dialect.insert(usage)
        added = counted.on_conflict_do_update(
            index_elements=list(usage.primary_key),
            set_={column.name: column + counted.excluded[column.name] for column in _COUNTS},
        )
        # Compiled once and given tuples: Core's way from dictionaries to them costs half of all.
        self._insert = str(new.compile(dialect=engine.dialect))
        self._add = str(added.compile(dialect=engine.dialect))

    def read(self, connection: sa.Connection, keys: Sequence[str]) -> dict[str, Completion]:
        """The answers under `keys`, as far as there are any that are what was written."""
        found = {}
        for start in range(0, len(keys), READ_LIMIT):
            for row in self._fetched(connection, keys[start : start + READ_LIMIT]):
                key, completion = row[0], Completion(*row[2:])
                if row[1] == checksum(key, completion):
                    found[key] = completion
                else:
                    self.damaged.add(key)
        return found

    def _fetched(self, connection: sa.Connection, keys: Sequence[str]) -> Sequence[Any]:
        try:
            return connection.execute(_READ, {"keys": keys}).all()
        except sa.exc.OperationalError as error:
            # Python's module says so of damaged text; which of them it is, is found one by one.
            if not str(error.orig).startswith("Could not decode to UTF-8"):
                raise
            if len(keys) > 1:
                return [row for key in keys for row in self._fetched(connection, [key])]
            self.damaged.update(keys)
            return []

    def insert(
        self, connection: sa.Connection, group: Sequence[tuple[Sent, Completion]], now: float
    ) -> dict[str, Completion]:
        """Write the new answers of `group`; those that were there before, where any were."""
        if not group:
            return {}
        self._clear(connection, [request.key for request, _ in group])
        # In one order, so that no two processes wait for each other's rows.
        rows = sorted(self._rows(group, now), key=itemgetter(0))
        done = connection.exec_driver_sql(
            self._insert, rows, execution_options={"preserve_rowcount": True}
        )
        if done.rowcount == len(rows):
            return {}
        return self.read(connection, [row[0] for row in rows])

    def _clear(self, connection: sa.Connection, keys: Sequence[str]) -> None:
        """Delete what is damaged under `keys`, unless another process has mended it meanwhile."""
        damaged = self.damaged.intersection(keys)
        mended = self.read(connection, sorted(damaged))
        for key in sorted(damaged - mended.keys()):
            connection.execute(completions.delete().where(completions.c.key == key))

    def count(
        self,
        connection: sa.Connection,
        made: Sequence[tuple[Sent, Completion]],
        replayed: Mapping[str, int],
    ) -> None:
        """Add to what this search has paid for and replayed."""
        sums = {role: [0, count, 0, 0, 0.0, 0] for role, count in replayed.items()}
        for request, completion in made:
            row = sums.setdefault(request.role, [0, 0, 0, 0, 0.0, 0])
            row[0] += 1
            row[2] += completion.prompt_tokens
            row[3] += completion.completion_tokens
            row[4] += completion.usd or 0.0
            row[5] += completion.usd is None
        rows = [(self._experiment, self._search, role, *sums[role]) for role in sorted(sums)]
        connection.exec_driver_sql(self._add, rows)

    def _rows(
        self, group: Sequence[tuple[Sent, Completion]], now: float
    ) -> Iterator[tuple[Any, ...]]:
        for request, completion in group:
            yield (
                request.key,
                checksum(request.key, completion),
                completion.message,
                completion.finish_reason,
                completion.usage,
                completion.prompt_tokens,
                completion.completion_tokens,
                completion.usd,
                completion.latency_s,
                completion.attempts,
                now,
                self._experiment,
                request.endpoint,
                request.model,
                request.payload,
            )


def storable(completion: Completion) -> Completion:
    """With U+FFFD for half characters and NULs, which databases refuse, and dollars as a float."""
    changed: dict[str, Any] = {}
    if isinstance(completion.usd, int):
        changed["usd"] = float(completion.usd)
    for name in _TEXTS:
        text = getattr(completion, name)
        # Whatever is only ASCII is told at once, without a look at each character.
        if text is not None and not (text.isascii() and "\0" not in text):
            marked = _UNSTORABLE.sub("\ufffd", text)
            if marked != text:
                changed[name] = marked
    return replace(completion, **changed) if changed else completion


def checksum(key: str, answer: Completion) -> int:
    """A CRC-32 of all that decides a score: SQLite notices damage to a page's structure alone."""
    whole = (
        f"{key}\0{answer.message}\0{answer.finish_reason}\0{answer.usage}\0"
        f"{answer.prompt_tokens}\0{answer.completion_tokens}\0{answer.usd}"
    )
    return zlib.crc32(whole.encode())
