"""The calls of one search: answered from the journal where they can be, made where they must."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from autoprompt_assets.engine.completion import Completion
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.engine.llm import LLM, CallError, Request


@dataclass
class CallCounts:
    """What happened to the calls of this process; `usd` was paid now, not replayed.

    `cached` are the prompt tokens of the calls made that came from the provider's cache.
    """

    made: int = 0
    replayed: int = 0
    failed: int = 0
    usd: float = 0.0
    cached: int = 0

    def since(self, before: CallCounts) -> CallCounts:
        """What has happened since the counts were `before`."""
        return CallCounts(
            self.made - before.made,
            self.replayed - before.replayed,
            self.failed - before.failed,
            self.usd - before.usd,
            self.cached - before.cached,
        )


class Calls:
    """Equal requests in flight are made once; every completion is durable before it is returned.

    Leaving its context gives up what is still in flight, as when a fatal error has ended the rest.
    """

    def __init__(self, llm: LLM, journal: Journal) -> None:
        self._llm, self._journal = llm, journal
        self._in_flight: dict[str, asyncio.Task[Completion]] = {}
        self.counts = CallCounts()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = list(self._in_flight.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def replay(self, requests: Sequence[Request]) -> list[Completion | None]:
        """The journal's answers to `requests`, read at once; `None` where it has none."""
        stored = await self._journal.replay(requests)
        self.counts.replayed += sum(completion is not None for completion in stored)
        return stored

    async def complete(self, request: Request, *, looked_up: bool = False) -> Completion:
        """The journal's answer to `request`, or the endpoint's, stored.

        `looked_up`: the journal was asked just now, and had none.

        Raises:
            CallError: no answer was to be had; nothing was stored.
            JournalError: the answer could not be stored.
        """
        task = self._in_flight.get(request.key)
        if task is not None:
            self.counts.replayed += 1
            self._journal.shared(request)
        else:
            make = self._make if looked_up else self._replay_or_make
            task = asyncio.create_task(make(request))
            self._in_flight[request.key] = task
            task.add_done_callback(lambda task: self._ended(request.key, task))
        return await asyncio.shield(task)

    def _ended(self, key: str, task: asyncio.Task[Completion]) -> None:
        self._in_flight.pop(key, None)
        if not task.cancelled():
            task.exception()  # who waited for it may be gone, and then nobody else looks at it

    async def _replay_or_make(self, request: Request) -> Completion:
        (stored,) = await self.replay((request,))
        return stored if stored is not None else await self._make(request)

    async def _make(self, request: Request) -> Completion:
        async def keep(completion: Completion) -> Completion:
            self.counts.made += 1
            self.counts.usd += completion.usd or 0.0
            self.counts.cached += completion.cache_tokens[0]
            return await self._journal.record(request, completion)

        try:
            return await self._llm.complete(request, keep)
        except CallError:
            self.counts.failed += 1
            raise
