"""One call's turn at an endpoint."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from autoprompt_assets.resources.endpoints.limiter import Limiter


class Slot:
    """One call's turn: `async with` waits for it; say at most once how the call ended.

    The next call may start once that is said. Until the block ends the call counts among the
    `most` that are not done with: an answer may yet have to be stored.
    """

    __slots__ = (
        *("_first", "_in_flight", "_limiter", "_loop", "_within"),
        *("began", "beside", "pace", "serial"),
    )

    def __init__(self, limiter: Limiter, first: bool, within: float | None) -> None:
        self._limiter, self._first, self._within = limiter, first, within
        self._loop: asyncio.AbstractEventLoop | None = None
        self._in_flight = True
        self.serial = self.beside = 0
        self.began = self.pace = 0.0

    async def __aenter__(self) -> Self:
        if self._within is None:
            self._loop = await self._limiter._enter(self)
            return self
        async with asyncio.timeout(self._within):
            self._loop = await self._limiter._enter(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._limiter._leave(self._loop, self._in_flight)

    def answered(self) -> None:
        """A usable answer came."""
        self._limiter._answered(self)
        self._in_flight = False
        self._limiter._landed(self._loop)

    def refused(self, retry_after: float | None) -> None:
        """The server asked for fewer calls, and to wait `retry_after` seconds if not None."""
        self._limiter._refused(self, retry_after)

    def failed(self) -> None:
        """The call timed out, was cut off, or the server broke."""
        self._limiter._failed(self)
