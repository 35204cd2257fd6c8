"""The durable record of every completion, keyed by the content of its request.

A call is acknowledged after its commit. Nothing that was committed is asked again, by any process.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal.address import shown
from autoprompt_assets.engine.journal.forms import JournalForms
from autoprompt_assets.engine.journal.groups import Groups
from autoprompt_assets.engine.journal.limits import JournalLimits
from autoprompt_assets.engine.journal.readings import register
from autoprompt_assets.engine.journal.rows import Rows, storable
from autoprompt_assets.engine.journal.schema import failure, open_database
from autoprompt_assets.engine.journal.spill import Spill, take_in
from autoprompt_assets.engine.journal.turn import SearchTurn
from autoprompt_assets.engine.llm import Completion, Request
from autoprompt_assets.engine.statistics import Reading


class Journal:
    """Reads and writes in groups, each on a thread of its own; used inside a running event loop.

    `experiment` and `search` say whose calls these are: who paid, and whose replays to count.
    `notice` is told of answers that are damaged, and of those that could not be written. These are
    kept in a file beside the journal, or in the first of the `spare` folders that takes it, and the
    next opening takes them in. Once something has failed nothing more is to be asked for, see
    `refuse_failed`; once a write has, what still comes is kept without waiting for the journal.

    Raises:
        JournalError: it cannot be opened.
    """

    def __init__(
        self,
        url: str,
        experiment: str = "",
        search: str = "",
        notice: Callable[[str], None] = lambda text: None,
        spare: Sequence[Path] = (),
    ) -> None:
        self._engine = open_database(url, notice)
        take_in(self._engine, spare, notice)
        self._notice, self._noticed = notice, 0
        self._rows = Rows(self._engine, experiment, search)
        self._owner = experiment, search
        self._replayed: Counter[str] = Counter()
        self._counting = threading.Lock()
        self._closed = False
        self.turn = SearchTurn()
        """Of the search that this is the door of, where it has to wait for its turn."""
        self._spill = Spill(self._engine.url, self._owner, spare)
        self._failed: JournalError | None = None
        self._unwritable: JournalError | None = None
        self._reader, self._writer = (
            ThreadPoolExecutor(1, thread_name_prefix=f"journal-{use}") for use in ("read", "write")
        )
        self._reads = Groups(self._reader, self._read_group, self._failure)
        self._writes = Groups(self._writer, self._write_group, self._failure)
        self.forms = JournalForms(self._engine, self._reader, self._writer, self._failure)
        """The forms that endpoints take requests in."""
        self.limits = JournalLimits(
            self._engine, self._reader, self._writer, lambda: self._failed is not None
        )
        """What was learned of endpoints' limits."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._reads.drained()
        await self._writes.drained()
        await self.forms.drained()
        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def close(self) -> None:
        """Wait for what was handed over, then let go of the database."""
        self.limits.close()
        self._reader.shutdown(wait=True)
        self._writer.shutdown(wait=True)
        self._closed = True
        try:
            if self._replayed:
                self._write_group(())
        except (sa.exc.SQLAlchemyError, JournalError):
            pass  # statistics alone are lost, and the work that they count is done
        finally:
            self._engine.dispose()
        for line in self._spill.notices():
            self._notice(line)

    def refuse_failed(self) -> None:
        """Raise where something has failed: what was answered now might not be written.

        Raises:
            JournalError: as it was raised first, or the turn was lost.
        """
        self.turn.refuse()
        if self._failed is not None:
            raise JournalError(str(self._failed))

    async def look_up(self, request: Request) -> Completion | None:
        """The stored answer to `request`, or `None`. Those of one turn of the loop are read
        together.

        One that is not what was written is none either: it is said, and to be asked again.

        Raises:
            JournalError: it cannot be read.
        """
        found = await self._reads.submit(request.key)
        if found is not None:
            self._count_replayed(request.role)
        self._tell_damaged()
        return found

    def shared(self, request: Request) -> None:
        """Count as replayed a request that an equal one in flight has answered."""
        self._count_replayed(request.role)

    async def record(self, request: Request, completion: Completion) -> Completion:
        """Store an answer; it is durable when this returns.

        Returns the journal's answer: an earlier one, where another process was faster.

        Raises:
            JournalError: it was not stored.
        """
        return await self._writes.submit((request, completion))

    async def register(self, reading: Reading) -> int:
        """The reading's number, for good; see `readings.Readings`.

        Raises:
            JournalError: it could not be stored.
        """
        loop, arguments = asyncio.get_running_loop(), (self._engine, reading, *self._owner)
        try:
            return await loop.run_in_executor(self._writer, register, *arguments)
        except (sa.exc.SQLAlchemyError, RuntimeError) as error:
            raise self._failure(error) from None

    def _failure(self, error: BaseException) -> JournalError:
        if isinstance(error, JournalError):
            return JournalError(str(error))
        if self._closed:
            return JournalError("the journal failed: it is closed; run again")
        self._failed = failed = failure(f"the journal failed: {shown(self._engine.url)}", error)
        return failed

    def _tell_damaged(self) -> None:
        count = len(self._rows.damaged)
        if count > self._noticed:
            self._notice(
                f"{shown(self._engine.url)}: {count} of its answers are not what was written, and "
                "are asked again; is the disk at fault?"
            )
        self._noticed = count

    def _count_replayed(self, role: str, calls: int = 1) -> None:
        with self._counting:
            self._replayed[role] += calls

    def _read_group(self, keys: Sequence[str]) -> list[Completion | None]:
        with self._engine.connect() as connection:
            found = self._rows.read(connection, list(dict.fromkeys(keys)))
        return [found.get(key) for key in keys]

    def _write_group(self, group: Sequence[tuple[Request, Completion]]) -> list[Completion]:
        group = [(request, storable(completion)) for request, completion in group]
        if self._unwritable is None:
            try:
                return self._written(group)
            except Exception as error:  # whatever it is, the answers were paid for
                self._unwritable = self._failure(error)
        self._spill.write(group)
        raise self._unwritable

    def _written(self, group: Sequence[tuple[Request, Completion]]) -> list[Completion]:
        with self._counting:
            replayed, self._replayed = self._replayed, Counter()
        try:
            with self._engine.begin() as connection:
                earlier = self._rows.insert(connection, group, time.time())
                self._rows.count(connection, group, replayed)
        except Exception:
            for role, calls in replayed.items():
                self._count_replayed(role, calls)
            raise
        return [earlier.get(request.key, completion) for request, completion in group]
