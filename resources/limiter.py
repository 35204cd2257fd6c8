"""How many calls one endpoint gets at once and how fast they start, learned from its answers.

A window bounds the calls in flight: additive growth per answer, a cut by half on a refusal (Chiu &
Jain 1989, doi:10.1016/0169-7552(89)90019-6), slow start and one cut per round trip as TCP has them
(RFC 5681), and no growth that is not used (RFC 7661). Halving alone uses three quarters of a rate
limit, so starts are also paced, at the rate that refusals reveal. A token bucket is empty when it
refuses; between two refusals it accepts n = saved + R * t calls, so the slope of n over t is R,
whatever its burst (`_Fit`). After an estimate the pace is flat and then rises ever faster, as in
CUBIC (RFC 9438), and a rate above it is found. Growth stops at the knee of a server that queues,
at twice its throughput times its unloaded latency, as in BBR (doi:10.1145/3012426.3022184).

The figures were tuned on simulated servers, which are in `tests/test_limiter.py`.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass
from typing import Self

LONGEST_PAUSE_S = 60.0
START_WINDOW = 4.0
# A server may hold a single token, so even the first calls do not start at once.
START_RATE = 20.0
# Growth by e takes this at least: a quicker one overshoots a small rate many times over.
FASTEST_RAMP_S = 0.05
MARGIN = 0.97
# Starts that a late timer missed are made up for, so that lateness does not lower the rate.
SLACK_S = 0.01
LONGEST_BACKOFF_S = 8.0
FAILED = 0.8
COHORT = 48
_LN2 = 0.693


@dataclass
class _Fit:
    """Calls accepted between refusals against the seconds between: a line's sums, fading."""

    weight: float = 0.0
    t: float = 0.0
    n: float = 0.0
    tt: float = 0.0
    tn: float = 0.0

    def add(self, t: float, n: float) -> None:
        self.weight = 0.6 * self.weight + 1.0
        self.t, self.n = 0.6 * self.t + t, 0.6 * self.n + n
        self.tt, self.tn = 0.6 * self.tt + t * t, 0.6 * self.tn + t * n

    def slope(self, at_most: float) -> float | None:
        """Calls per second; None where the spans are too alike to tell (about two calls)."""
        spread = self.weight * self.tt - self.t * self.t
        if at_most**2 * spread <= 4.0 * self.weight**2:
            return None
        return (self.weight * self.tn - self.t * self.n) / spread

    def saved(self, rate: float) -> float:
        """Calls that the server had saved up for us at a span's start, at this rate."""
        return (self.n - rate * self.t) / self.weight


class _Pace:
    """Starts per second: a ramp until the first refusal, then what the fit says, and probing."""

    def __init__(self) -> None:
        self.rate = START_RATE
        self.learned = False
        self._base = START_RATE
        self._rise, self._quiet_s = 0.0, 1.0
        # Seconds in which the pace held calls back: only these may raise it.
        self._held_s = self._seen = 0.0
        self._mark: tuple[float, int] | None = None
        self._refused = 0
        self._paused_s = self._backoff_s = self._surprised = 0.0
        self._fit = _Fit()

    def started(self, serial: int, now: float) -> None:
        if self._mark is None:
            self._mark = (now, serial - 1 - self._refused)

    def ramp(self, latency: float) -> None:
        """Grow after an answer so that the rate doubles per round trip."""
        if not self.learned:
            self.rate += min(0.5 * self.rate, _LN2 / max(latency, FASTEST_RAMP_S))

    def holding(self, now: float) -> None:
        """Calls wait for this pace alone, and one was answered: probe."""
        if not self.learned:
            return
        self._held_s += max(0.0, min(now - self._seen, 1.0))
        self.idle(now)
        held = self._held_s
        self.rate = self._base * (1.0 + self._rise * held + 0.03 * (held / self._quiet_s) ** 5)
        if held > 3.0 and self.rate > 1.25 * self._base:
            # The server has changed, so the old spans say nothing.
            self._base, self._rise, self._held_s = self.rate, max(self._rise, 0.1), 0.0
            self._mark, self._fit, self._paused_s = None, _Fit(), 0.0

    def idle(self, now: float) -> None:
        self._seen = max(self._seen, now)

    def refused_again(self) -> None:
        """Count a refusal of the same congestion event."""
        self._refused += 1

    def refused(self, slot: Slot, now: float, asked: float) -> float:
        """Learn from a congestion event; the pause before the next start, in seconds."""
        assert self._mark is not None
        accepted = slot.serial - 1 - self._refused
        self._refused += 1
        n, t = accepted - self._mark[1], slot.began - self._mark[0]
        if n <= 0 and self.learned:
            # Nothing to learn: the limit still holds, so ask less often.
            self._backoff_s = min(2.0 * self._backoff_s, LONGEST_BACKOFF_S)
        else:
            self._backoff_s = max(2.0 / slot.pace, 0.05, self._backoff_s / 2)
            if self.learned:
                self._learn(slot, n, max(t - self._paused_s, 1e-3))
            else:
                self._base, self._rise, self._surprised = 0.75 * slot.pace, 0.5, now
            self.learned, self.rate = True, self._base
            self._mark, self._paused_s, self._held_s = (slot.began, accepted), 0.0, 0.0
            # Probing costs a pause: a quiet time of 35 pauses keeps that below 3%.
            self._quiet_s = 8.0 + 35.0 * max(asked, self._backoff_s)
        pause = max(asked, self._backoff_s)
        self._seen = now + pause
        # Whole seconds are rounded up, and a full bucket saves nothing: that time may not count.
        self._paused_s += asked if asked == round(asked) else 0.0
        return pause

    def _learn(self, slot: Slot, n: int, t: float) -> None:
        """Set base and rise from `n` calls accepted in `t` seconds, requested pauses left out."""
        paused, pace = self._paused_s, slot.pace
        low, high = n / (t + 0.25 * min(paused, 1.0)), min((n + 1) / t, pace)
        self._fit.add(t, n)
        slope = self._fit.slope(high)
        rate = high if slope is None else max(low, min(slope, high))
        if slope is not None and slope < 0.8 * low:
            # No bucket does that; a calendar second that began during a span does.
            rate = low + (high - low) / 3
        top = min(pace, 1.1 * rate)
        # What saves nothing in a pause is a small bucket: the pace it refused is its rate.
        small = self._fit.saved(rate) < 0.3 * rate * paused
        rate = top if small else rate + 0.25 * (top - rate)
        measured = slope is not None or t >= 1.0
        rate = MARGIN * rate if measured else min(rate, 0.8 * pace)
        if t < 3.0 and paused:
            rate = max(0.65 * pace, min(rate, 0.94 * pace))
        if n < 8:
            rate = max(0.4 * pace, rate)
        if t > 1.0 and self._held_s < 0.5 * t:
            # Fewer calls were offered than allowed, so what was served is no measure.
            rate = max(0.65 * pace, rate)
        if not 0.7 < rate / self._base < 1.4:
            self._surprised = slot.began - 1.0
        # The estimate's error falls with the time it rests on; until then the pace may rise.
        rise = min(0.15, 0.3 / max(1.0, slot.began - self._surprised) ** 2)
        self._base, self._rise = rate, rise if paused < 0.5 or not measured else 0.2 * rise


class _Knee:
    """Finds the window beyond which a server only queues: by Little's law, from whole cohorts."""

    HOLD_S = 30.0

    def __init__(self) -> None:
        self.ceiling = math.inf
        self._until = 0.0
        self._first, self._size = 1, COHORT
        self._count, self._beside, self._latency = 0, 0, 0.0
        # Latency (typical, in seconds) and calls in flight of the quickest cohort.
        self._base: tuple[float, float] | None = None
        self._best = 0.0
        self._seen = 0

    def answered(self, slot: Slot, latency: float, now: float) -> bool:
        """Take a call; True when the ceiling has just changed."""
        if now > self._until and self.ceiling < math.inf:
            # Half the ceiling keeps the server busy and shows its latency without a queue.
            self.ceiling, self._base, self._best = self.ceiling / 2, None, 0.0
            self._until = math.inf
            return True
        if self._first <= slot.serial < self._first + self._size:
            self._count += 1
            self._beside += slot.beside
            self._latency += math.log(latency)
        # Only a whole cohort is typical: its quick calls end first. A failed call never ends.
        if self._count < self._size and slot.serial < self._first + 5 * self._size:
            return False
        changed = self._count > 0 and self._judge(now)
        self._first, self._size = slot.serial + 1, max(COHORT, slot.beside)
        self._count, self._beside, self._latency = 0, 0, 0.0
        return changed

    def _judge(self, now: float) -> bool:
        latency, beside = math.exp(self._latency / self._count), self._beside / self._count
        throughput = beside / latency
        if self._base is None or latency < self._base[0]:
            self._base = (latency, beside)
        if self._until == math.inf:
            self.ceiling, self._until = math.inf, 0.0
        base_latency, base_beside = self._base
        queues = beside >= 1.5 * base_beside and latency >= 2.5 * base_latency
        stalls = throughput <= 1.2 * self._best
        self._best = max(self._best, throughput)
        self._seen = self._seen + 1 if queues and stalls else 0
        if self._seen < 2 or self.ceiling < math.inf:
            return False
        self.ceiling = max(START_WINDOW, 2.0 * throughput * base_latency)
        self._until = now + self.HOLD_S
        return True


class Slot:
    """One call's turn: `async with` waits for it; say at most once how the call ended."""

    __slots__ = ("_limiter", "_loop", "began", "beside", "pace", "serial")

    def __init__(self, limiter: Limiter) -> None:
        self._limiter = limiter
        self._loop: asyncio.AbstractEventLoop | None = None
        self.serial = self.beside = 0
        self.began = self.pace = 0.0

    async def __aenter__(self) -> Self:
        self._loop = await self._limiter._enter(self)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._limiter._leave(self._loop)

    def answered(self) -> None:
        """A usable answer came."""
        self._limiter._answered(self)

    def refused(self, retry_after: float | None) -> None:
        """The server asked for fewer calls, and to wait `retry_after` seconds if not None."""
        self._limiter._refused(self, retry_after)

    def failed(self) -> None:
        """The call timed out, was cut off, or the server broke."""
        self._limiter._failed(self)


class Limiter:
    """Owns the limit of calls in flight at one endpoint, and their pace; shared by its roles.

    `most` is the number of calls in flight at most; it may be changed between runs. One event
    loop uses it at a time; what was learned outlives the loop.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._window = START_WINDOW
        self._pace, self._knee = _Pace(), _Knee()
        self._in_flight = self._serial = self._cut = 0
        self._next = self._resume = self._latency = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """The window now: calls in flight at most, 1 to `most`."""
        return max(1, min(self.most, int(self._window)))

    @property
    def rate(self) -> float | None:
        """Starts per second at most; None until a refusal has shown that there is a limit."""
        return self._pace.rate if self._pace.learned else None

    @property
    def in_flight(self) -> int:
        """Slots given and not yet returned."""
        return self._in_flight

    def slot(self) -> Slot:
        """A turn to wait for, first come, first served."""
        return Slot(self)

    async def _enter(self, slot: Slot) -> asyncio.AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # A loop that was dropped without being run to its end left these behind.
            self._loop, self._timer, self._in_flight = loop, None, 0
            self._waiting.clear()
        now = loop.time()
        if self._waiting or self._in_flight >= self.limit or now < self._gate():
            await self._turn(loop)
            now = loop.time()
        else:
            self._grant(now)
        self._serial += 1
        slot.serial, slot.began = self._serial, now
        slot.pace, slot.beside = self._pace.rate, self._in_flight
        self._pace.started(self._serial, now)
        return loop

    async def _turn(self, loop: asyncio.AbstractEventLoop) -> None:
        future = loop.create_future()
        self._waiting.append(future)
        self._wake(loop)
        try:
            await future
        except asyncio.CancelledError:
            if future.cancelled():
                self._waiting.remove(future)
                self._wake(loop)
            else:
                self._leave(loop)
            raise

    def _gate(self) -> float:
        return max(self._next, self._resume)

    def _grant(self, due: float) -> None:
        self._in_flight += 1
        self._next = max(self._next, due) + 1.0 / self._pace.rate

    def _wake(self, loop: asyncio.AbstractEventLoop, due: float | None = None) -> None:
        now = loop.time()
        while self._waiting and self._in_flight < self.limit and now >= self._gate():
            self._waiting.popleft().set_result(None)
            self._grant(now if due is None else max(due, now - SLACK_S))
        if self._waiting and self._in_flight < self.limit:
            if self._timer is None:
                gate = self._gate()
                self._timer = loop.call_at(gate, self._tick, loop, gate)
        elif self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _tick(self, loop: asyncio.AbstractEventLoop, due: float) -> None:
        self._timer = None
        self._wake(loop, due)

    def _leave(self, loop: asyncio.AbstractEventLoop | None) -> None:
        if loop is None or loop is not self._loop:
            return
        self._in_flight -= 1
        if not loop.is_closed():
            self._wake(loop)

    def _answered(self, slot: Slot) -> None:
        now = asyncio.get_running_loop().time()
        took = max(now - slot.began, 1e-4)
        self._latency += (took - self._latency) * (0.1 if self._latency else 1.0)
        if self._knee.answered(slot, took, now):
            self._window = min(self._window, self._knee.ceiling)
        most = min(float(self.most), self._knee.ceiling)
        if self._pace.learned and now >= self._resume:
            # What the known rate needs may return at once: the pace keeps it from a burst.
            need = 1.25 * self._pace.rate * self._latency + 2.0
            self._window = max(self._window, min(need, most))
        full = self._in_flight >= self.limit
        if self._waiting and (full or not self._pace.learned):
            self._window = max(self._window, min(self._window + 1.0, most))
            self._pace.ramp(self._latency)
        if self._waiting and not full:
            self._pace.holding(now)
        else:
            self._pace.idle(now)

    def _refused(self, slot: Slot, retry_after: float | None) -> None:
        now = asyncio.get_running_loop().time()
        pause = min(retry_after or 0.0, LONGEST_PAUSE_S)
        if slot.serial > self._cut:
            self._cut = self._serial
            self._window = max(1.0, min(self._window, self.most) / 2)
            pause = self._pace.refused(slot, now, pause)
        else:
            self._pace.refused_again()
        self._resume = max(self._resume, now + pause)

    def _failed(self, slot: Slot) -> None:
        if slot.serial > self._cut:
            self._cut = self._serial
            self._window = max(1.0, min(self._window, self.most) * FAILED)
