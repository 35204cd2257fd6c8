"""How many calls one endpoint gets at once and how fast they start, learned from its answers.

A window bounds the calls in flight: additive growth per answer, a cut by half on a refusal (Chiu &
Jain 1989, doi:10.1016/0169-7552(89)90019-6), slow start and one cut per round trip as TCP has them
(RFC 5681), and no growth that is not used (RFC 7661). Halving alone uses three quarters of a rate
limit, so starts are also paced, at the rate that refusals reveal (`pacing.Pace`): it is flat after
an estimate and then rises ever faster, as in CUBIC (RFC 9438), and a rate above it is found.
Refusals that come at any pace are noise; then the window alone decides. Growth stops at the knee
of a server that queues (`pacing.Knee`), at twice its throughput times its unloaded latency, as in
BBR (doi:10.1145/3012426.3022184).
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable

from autoprompt_assets.engine.journal import Share
from autoprompt_assets.resources.endpoints.knee import Knee
from autoprompt_assets.resources.endpoints.learned import Learned
from autoprompt_assets.resources.endpoints.pacing import (
    GROWTH,
    HEADROOM,
    MARGIN,
    START_WINDOW,
    Pace,
)
from autoprompt_assets.resources.endpoints.slot import Slot

LONGEST_PAUSE_S = 60.0
"""A server that asks for a longer pause is asked again after this."""
SLACK_S = 0.003
"""Starts that a late timer missed are made up for, so that lateness does not lower the rate; after
more than this they would come in a clump."""
RAMP_SLACK = 0.25
"""Before the first refusal a clump does no harm: then after this part of a round trip."""
NUDGE = 1.1
"""A share that changes by less changes nothing of what was learned."""
FAILED = 0.9
"""What a failure leaves of the window: it may, but need not, come from too many calls."""


class Limiter:
    """Owns the limit of calls in flight at one endpoint, and their pace; shared by its roles.

    `most` is the number of calls that are not done with at most; it may be changed between runs.
    `learned` is what an earlier run ended with. One event loop uses it at a time; what was learned
    outlives the loop.
    """

    def __init__(self, most: int, learned: Learned | None = None) -> None:
        self.most = most
        if learned is None:
            self._window, self._pace, self._knee = START_WINDOW, Pace(), Knee()
        else:
            self._window = max(START_WINDOW, learned.window)
            self._pace = Pace(learned.rate, learned.limited)
            self._knee = Knee(learned.ceiling)
            self._window = min(self._window, self._knee.ceiling)
        # The part of the endpoint that what was learned belongs to; what the others found of the
        # whole; whom to ask for a share.
        self._part = 1.0
        self._elsewhere: float | None = None
        self._ask: Callable[[], None] | None = None
        # What an answer adds to the window, until anything says that there may be too many calls.
        self._growth = GROWTH
        self._in_flight = self._open = self._serial = self._cut = 0
        self._last = self._resume = self._latency = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._first: deque[asyncio.Future[None]] = deque()
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """The window now: calls in flight at most, 1 to `most`."""
        return max(1, min(self.most, int(self._window)))

    @property
    def rate(self) -> float | None:
        """Starts per second at most; None until a refusal has shown that there is a limit."""
        return self._pace.rate if self._pace.mode == "held" else None

    @property
    def in_flight(self) -> int:
        """Calls that have started and have not ended."""
        return self._in_flight

    @property
    def wanted(self) -> int:
        """Calls that have started or wait for their turn."""
        return self._in_flight + len(self._first) + len(self._waiting)

    @property
    def whole_rate(self) -> float | None:
        """What the whole endpoint serves per second, by what this process gets of its part; `None`
        until refusals have shown it.
        """
        return self._pace.base / self._part if self._pace.measured else None

    @property
    def learned(self) -> Learned | None:
        """What the next run may begin with, of the whole endpoint; `None` where nothing was
        answered.
        """
        if not self._latency:
            return None
        limited, window, part = self._pace.measured, self._window / self._part, self._part
        # Without a limit a pace says how few calls there were, or how long they took.
        rate = self._pace.base / part if limited else HEADROOM * window / self._latency
        if limited and self._elsewhere is not None:
            rate = self._pace.base + (1.0 - part) * self._elsewhere
        return Learned.of(window, rate, limited, self._knee.found / part)

    def lend(self, share: Share, ask: Callable[[], None] | None = None) -> None:
        """Go by this share of the endpoint from now on, and tell `ask` when a call comes while it
        has no calls. What was learned is gone on with, for this part; a loop runs.
        """
        loop = asyncio.get_running_loop()
        self.most, self._ask = share.calls, ask
        if share.calls:
            self._bound(share, loop.time())
        if loop is self._loop:
            self._wake(loop)

    def _bound(self, share: Share, now: float) -> None:
        self._elsewhere, factor = share.rate, share.part / self._part
        self._pace.bounded(MARGIN * share.per_second if share.per_second else math.inf)
        if not 1 / NUDGE < factor < NUDGE:
            self._part = share.part
            self._pace.scaled(factor, now, self._serial)
            self._knee.scaled(factor)
            self._window = max(1.0, min(factor * self._window, max(self.most, START_WINDOW)))
            self._cut = self._serial  # a refusal of one of these was of another pace
        if share.rate is not None:
            self._pace.adopted(share.part * share.rate)

    @property
    def started(self) -> int:
        """How many calls have started so far."""
        return self._serial

    def slot(self, first: bool = False, within: float | None = None) -> Slot:
        """A turn to wait for, first come, first served; `TimeoutError` after `within` seconds.

        Those with `first` come before all others: a call that has been tried has a deadline.
        """
        return Slot(self, first, within)

    async def _enter(self, slot: Slot) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # A loop that was dropped without being run to its end left these behind.
            self._loop, self._timer, self._in_flight, self._open = loop, None, 0, 0
            self._first.clear()
            self._waiting.clear()
        now = loop.time()
        if self._queued or self._full or now < self._gate():
            await self._turn(loop, slot._first)
            now = loop.time()
        else:
            self._grant(now)
        self._serial += 1
        slot.serial, slot.began = self._serial, now
        slot.pace, slot.beside = self._pace.rate, self._in_flight
        return loop

    async def _turn(self, loop: asyncio.AbstractEventLoop, first: bool) -> None:
        queue, future = self._first if first else self._waiting, loop.create_future()
        queue.append(future)
        if not self.most and self._ask is not None:
            self._ask()
        self._wake(loop)
        try:
            await future
        except asyncio.CancelledError:
            if future.cancelled():
                if future in queue:
                    queue.remove(future)
                self._wake(loop)
            else:
                self._leave(loop, in_flight=True)
            raise

    @property
    def _queued(self) -> bool:
        return bool(self._first or self._waiting)

    @property
    def _full(self) -> bool:
        return self._open >= self.most or self._in_flight >= max(1, int(self._window))

    def _gate(self) -> float:
        return max(self._paced(), self._resume)

    def _paced(self) -> float:
        """When the pace, as it is now, lets the next call start."""
        return self._last + 1.0 / self._pace.rate

    def _grant(self, due: float) -> None:
        self._in_flight += 1
        self._open += 1
        self._last = max(self._paced(), due)

    def _wake(self, loop: asyncio.AbstractEventLoop, due: float | None = None) -> None:
        now = loop.time()
        while self._queued and not self._full and now >= self._gate():
            future = (self._first or self._waiting).popleft()
            # One that is cancelled may not have been told so yet.
            if not future.done():
                future.set_result(None)
                self._grant(now if due is None else max(due, now - self._slack))
        if self._queued and not self._full:
            if self._timer is None:
                gate = self._gate()
                self._timer = loop.call_at(gate, self._tick, loop, gate)
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _slack(self) -> float:
        return max(SLACK_S, RAMP_SLACK * self._latency) if self._pace.mode == "ramp" else SLACK_S

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._timer = None
        self._wake(loop, due)

    def _landed(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is not None and loop is self._loop:
            self._in_flight -= 1
            self._wake(loop)

    def _leave(self, loop: asyncio.AbstractEventLoop | None, in_flight: bool) -> None:
        if loop is None or loop is not self._loop:
            return
        self._in_flight -= in_flight
        self._open -= 1
        if not loop.is_closed():
            self._wake(loop)

    def _answered(self, slot: Slot) -> None:
        now = asyncio.get_running_loop().time()
        took = max(now - slot.began, 1e-4)
        self._latency += (took - self._latency) * (0.1 if self._latency else 1.0)
        if self._knee.answered(slot, took, now):
            self._window, self._growth = min(self._window, self._knee.ceiling), 1.0
        most = min(float(self.most), self._knee.ceiling)
        self._pace.answered(slot, self._latency, self.limit, now)
        if self._pace.mode == "held" and now >= self._resume:
            # What the known rate needs may return at once: the pace keeps it from a burst.
            need = 1.25 * self._pace.rate * self._latency + 2.0
            self._window = max(self._window, min(need, most))
        full = self._in_flight >= self.limit
        if self._queued and (full or self._pace.mode == "ramp"):
            self._window = max(self._window, min(self._window + self._growth, most))
        if self._queued and not full:
            self._pace.holding(now)
        else:
            self._pace.idle(now)

    def _refused(self, slot: Slot, retry_after: float | None) -> None:
        now = asyncio.get_running_loop().time()
        pause = min(retry_after or 0.0, LONGEST_PAUSE_S)
        if slot.serial > self._cut:
            self._cut, self._growth = self._serial, 1.0
            self._window = max(1.0, min(self._window, self.most) / 2)
            pause = self._pace.refused(slot, now, pause, self._serial)
        else:
            pause = max(pause, self._pace.refused_again(slot, now))
        self._resume = max(self._resume, now + pause)

    def _failed(self, slot: Slot) -> None:
        if slot.serial > self._cut:
            self._cut, self._growth = self._serial, 1.0
            self._window = max(1.0, min(self._window, self.most) * FAILED)
