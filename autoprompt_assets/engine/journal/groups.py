"""Collects what coroutines hand over for a moment and works it off as one group, on a thread."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from typing import Generic, TypeVar

GROUP_LIMIT = 500

Item = TypeVar("Item")
Result = TypeVar("Result")


class Groups(Generic[Item, Result]):
    """One group at a time; the next gathers meanwhile, and else for one tick of the loop.

    To wait longer would make groups larger and fewer, but those who wait hold their calls' places.
    `run` is given a group in the order of its arrival and returns a result for each item; what it
    raises reaches each who waits for the group, as `failed` puts it.
    """

    def __init__(
        self,
        executor: Executor,
        run: Callable[[Sequence[Item]], Sequence[Result]],
        failed: Callable[[BaseException], Exception],
    ) -> None:
        self._executor, self._run, self._failed = executor, run, failed
        self._pending: list[tuple[Item, asyncio.Future[Result]]] = []
        self._drain: asyncio.Task[None] | None = None

    def submit(self, item: Item) -> asyncio.Future[Result]:
        """Has the result for `item`, which is worked off even if nobody waits any more."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._pending.append((item, future))
        if self._drain is None:
            self._drain = loop.create_task(self._run_groups())
        return future

    async def drained(self) -> None:
        """Wait for what was submitted, wanted still or not: answers that came were paid for."""
        if self._drain is not None:
            await asyncio.wait({self._drain})

    async def _run_groups(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending:
            await asyncio.sleep(0)
            group, self._pending = self._pending[:GROUP_LIMIT], self._pending[GROUP_LIMIT:]
            try:
                items = [item for item, _ in group]
                results = await loop.run_in_executor(self._executor, self._run, items)
            except Exception as error:  # whatever it is, nobody may wait for ever
                for _, future in group:
                    if not future.done():
                        future.set_exception(self._failed(error))
                continue
            for (_, future), result in zip(group, results, strict=True):
                if not future.done():
                    future.set_result(result)
        self._drain = None
