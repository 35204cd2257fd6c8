"""This process's share of an endpoint, where several ask it: renewed beside the calls.

A process that has no call to make holds nothing. Its first call asks for a share, and waits until
there is one; from then on a task renews it, and the limiter goes by what it was told last.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import NOTHING, Claim, Share
from autoprompt_assets.resources.endpoints.learned import ShareStore
from autoprompt_assets.resources.endpoints.limiter import Limiter

RENEW_EVERY_S = 1.0
SOON_S = 0.2
"""The same where others wait for what this process lets go of, or it waits for them."""
REMEMBERED = 5
"""Renewals for which a process keeps what it had a use for: calls come in bursts."""


class Leasing:
    """Keeps `limiter` to this process's share of the endpoint at `place`, from `start` to `stop`.

    `alone` is what it has where nobody else asks. Where the store fails the last share is gone on
    with, or `alone` before the first one, and `notice` is told so, once until it works again.
    """

    def __init__(
        self, place: str, limiter: Limiter, alone: Share, whole: int | None, store: ShareStore
    ) -> None:
        self._place, self._limiter, self._alone, self._whole = place, limiter, alone, whole
        self._store = store
        self._asked = asyncio.Event()
        self._held, self._last = NOTHING, alone
        # Where the store fails before the others have made room.
        part, per_second = 1.0 / alone.calls, alone.per_second
        self._least = Share(1, part, None if per_second is None else part * per_second)
        self._used: deque[int] = deque(maxlen=REMEMBERED)
        self._task: asyncio.Task[None] | None = None

    def start(self, notice: Callable[[str], None]) -> None:
        """Begin to lease when the first call comes; a loop runs."""
        self._limiter.lend(NOTHING, self._asked.set)
        self._task = asyncio.create_task(self._lease_on(notice))

    async def stop(self) -> None:
        """Leave the endpoint to the others."""
        if self._task is None:
            return
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._held.calls:
            await self._release()

    async def _lease_on(self, notice: Callable[[str], None]) -> None:
        failing = False
        while True:
            if not self._held.calls:
                await self._asked.wait()
            before = self._held
            try:
                await self._renew()
                failing = False
            except JournalError as error:
                if not failing:
                    notice(_without(str(error)))
                failing = True
                self._hold(self._last)
            falls = self._held.calls < before.calls
            await asyncio.sleep(SOON_S if falls or not self._held.calls else RENEW_EVERY_S)
            if not any(self._used) and not self._limiter.wanted:
                await self._release()

    async def _renew(self) -> None:
        limiter = self._limiter
        self._used.append(limiter.wanted)
        claim = Claim(
            most=self._alone.calls,
            wants=max(self._used),
            whole=self._whole,
            per_second=self._alone.per_second,
            rate=limiter.whole_rate,
        )
        using = max(self._held.calls, limiter.in_flight), self._held.part
        share = await self._store.renew(self._place, claim, using)
        if share.calls:
            self._last = share
        elif self._last is self._alone:
            self._last = self._least
        self._hold(share)

    def _hold(self, share: Share) -> None:
        self._held = share
        self._limiter.lend(share, self._asked.set)

    async def _release(self) -> None:
        # First, for a call that comes meanwhile asks anew.
        self._asked.clear()
        self._used.clear()
        self._hold(NOTHING)
        with suppress(JournalError):  # it ends by itself
            await self._store.release(self._place)


def _without(why: str) -> str:
    return (
        f"{why}. Until it is back this process goes on with the share of its endpoint's limits "
        "that it had last"
    )
