"""The limiters of this process, one per endpoint: each begins where an earlier run's ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Self

from autoprompt_assets.engine.journal import Share
from autoprompt_assets.resources.endpoints.endpoint import Endpoint, identity_of
from autoprompt_assets.resources.endpoints.learned import Learned, LimitStore
from autoprompt_assets.resources.endpoints.leasing import Leasing
from autoprompt_assets.resources.endpoints.limiter import Limiter
from autoprompt_assets.resources.endpoints.registry import base_url

KEEP_EVERY_S = 60.0
"""How much of what was learned a kill may lose."""

# What was learned of an endpoint outlives a client: the next asset starts where this one ended.
_LIMITERS: dict[str, Limiter] = {}


class Limiters:
    """Hands a client its endpoints' limiters, and keeps what they learn in `store`, if any, which
    may also divide the endpoints among processes.

    Open it inside a running event loop. `notice` is told where they cannot be divided.
    """

    def __init__(
        self,
        most: int,
        store: LimitStore | None,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._most, self._store, self._notice = most, store, notice
        self._leasing: dict[str, Leasing] = {}
        self._started: dict[str, int] = {}
        self._keeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._store is not None:
            self._keeper = asyncio.create_task(self._keep_on())
        for leasing in self._leasing.values():
            leasing.start(self._notice)
        return self

    async def __aexit__(self, *_: object) -> None:
        for leasing in self._leasing.values():
            await leasing.stop()
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.gather(self._keeper, return_exceptions=True)
            await self._keep()

    async def of(self, endpoint: Endpoint) -> Limiter:
        """The limiter of an endpoint, with as many calls at most as the client and the endpoint may
        have.

        Two keys of one address share it, as they share a record: nothing of a key is written.
        """
        place = _place(endpoint)
        if place not in _LIMITERS:
            learned = await self._recall(place)
            _LIMITERS.setdefault(place, Limiter(self._most, learned))
        limiter = _LIMITERS[place]
        self._divide(place, endpoint, limiter)
        self._started.setdefault(place, limiter.started)
        return limiter

    def _divide(self, place: str, endpoint: Endpoint, limiter: Limiter) -> None:
        if place in self._leasing:
            return
        per_minute, stated = endpoint.requests_per_minute, endpoint.concurrency
        most = self._most if stated is None else min(self._most, stated)
        alone = Share(most, per_second=None if per_minute is None else per_minute / 60.0)
        leases = None if self._store is None else self._store.leases
        # Nobody else asks the embedded model: each process serves its own.
        if leases is None or endpoint.base_url is None:
            limiter.lend(alone)
        else:
            self._leasing[place] = Leasing(place, limiter, alone, stated, leases)

    async def _recall(self, place: str) -> Learned | None:
        found = None if self._store is None else await self._store.read(place)
        return None if found is None else Learned.recalled(*found)

    async def _keep_on(self) -> None:
        while True:
            await asyncio.sleep(KEEP_EVERY_S)
            await self._keep()

    async def _keep(self) -> None:
        """Write what was learned from calls that started since the last time."""
        assert self._store is not None
        for place, before in self._started.items():
            limiter = _LIMITERS[place]
            learned = limiter.learned
            if learned is not None and limiter.started > before:
                self._started[place] = limiter.started
                await self._store.write(place, learned.model_dump_json())


def _place(endpoint: Endpoint) -> str:
    """What has limits of its own: an address, and what a gateway is told there in plain sight."""
    if endpoint.base_url is None:
        return endpoint.identity  # the embedded model has another address in each process
    return identity_of(base_url(endpoint), endpoint.headers, endpoint.query)
