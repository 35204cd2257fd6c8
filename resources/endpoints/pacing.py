"""How fast calls may start, and how many in flight are of use: estimates that perform no I/O.

`Pace` finds the rate that a server allows from the calls it refuses, `Knee` the number of calls
beyond which it only queues. `resources/limiter.py` tells them what happened and obeys them. The
figures were tuned on simulated servers, which are in `tests/test_limiter.py`.
"""

from __future__ import annotations

import math
from typing import Literal, Protocol

START_WINDOW = 4.0
"""Calls in flight at first."""
START_RATE = 20.0
"""Starts per second until the first answer: a server may allow no two calls at once."""
FASTEST_DOUBLING_S = 0.05
"""Before the first refusal the pace doubles per round trip, but no quicker than this: what has
started by the time that a refusal arrives is refused as well."""
FIRST_CUT = 0.75
"""What the first refusal leaves of the pace: it says only that this was too fast."""
CUT = 0.85
"""What a refusal at a pace that was thought safe leaves of it, or less where less was served."""
DEEPEST_CUT = 0.5
"""No refusal cuts by more: what was served in a moment may be a poor measure."""
MARGIN = 0.98
"""The pace is the estimate times this, so that it is below the rate where the estimate is right."""
LOWEST_RATE = 0.1
"""Starts per second: a call every ten seconds is made at any rate."""
RISE = 0.03
"""A pace that was kept for its quiet time is raised by this; the rise then goes on, squared."""
CHANGED = 1.25
"""A pace that has risen so far belongs to a server that has changed."""
QUIET_S, QUIET_CALLS, QUIET_PAUSES = 8.0, 120.0, 25.0
"""The quiet time, in seconds, in calls and in requested pauses: a refusal costs a call and a
pause, and of neither may more than 2% to 4% be lost."""
DOUBT = 0.125
"""The part of the quiet time after a surprise; each estimate that is none doubles it."""
LOST = 0.75
"""The part of a requested pause that does not count as time served: a large bucket saves the
calls of that time for later, a small one does not, and which it is is not known."""
SHORTEST_BACKOFF_S, LONGEST_BACKOFF_S = 0.1, 8.0
"""The first and the longest pause after refusals between which nothing was accepted."""
STRIKES = 4
"""Refusals at random are assumed after so many at paces that were thought safe and had served:
`CUT` to this power is half, and no rate limit refuses half of what it has served."""
NOISE, NOISE_S = 0.2, 60.0
"""The pace is then lifted, until this share of about a hundred calls is refused, or so long."""
COHORT = 48
"""Calls that are measured together, at least, when looking for the knee."""
KNEE_S = 30.0
"""How long a ceiling holds before it is looked for again."""


class Start(Protocol):
    """A call as it started."""

    serial: int
    """Its number, counted from 1."""
    began: float
    """Its time in seconds."""
    pace: float
    """The pace at that time."""
    beside: int
    """The calls in flight then, itself included."""


class Pace:
    """Starts per second: `rate`. It has three modes.

    "ramp": it doubles per round trip, until the first refusal. "held": it is a little below the
    estimate of the server's rate and rises ever faster the longer nothing is refused. "lifted":
    lowering it did not help, so refusals have another cause, and it is infinite for a while.
    """

    def __init__(self) -> None:
        self.mode: Literal["ramp", "held", "lifted"] = "ramp"
        self.rate = START_RATE
        # What the rate rises from, how sure it is (DOUBT to 1), and the last requested pause.
        self._base, self._trust, self._asked_s = START_RATE, DOUBT, 0.0
        # Seconds for which the pace held calls back: only these may raise it.
        self._held_s = self._seen = 0.0
        # The span since the last refusal: its start in seconds, in calls, and in calls accepted.
        self._since, self._serial, self._accepted = 0.0, 0, 0
        # Seconds of that span in which no call could start, and those that do not count.
        self._paused_s = self._lost_s = 0.0
        self._refused, self._share = 0, 0.0
        self._backoff_s = 0.0
        # Refusals in a row that no slower pace explains, the least served per second between
        # them where pauses count, and the end of mode "lifted": a rate limit that is far below
        # the pace refuses at every pace, too.
        self._strikes, self._proved, self._until = 0, math.inf, 0.0

    def answered(self, start: Start, latency: float, limit: int, now: float) -> None:
        """Take an answer, the usual seconds to one, and how many calls may be in flight."""
        self._share *= 0.99
        if self.mode == "ramp":
            doubling = max(latency, FASTEST_DOUBLING_S)
            rate = self.rate + min(0.5 * self.rate, math.log(2.0) / doubling)
            # More than the window lets through says nothing, and takes long to come down from.
            rate = min(max(rate, START_WINDOW / doubling), 1.25 * limit / latency)
            self.rate = max(rate, START_RATE)
        elif self.mode == "lifted" and now >= self._until:
            self._hold(start, now)

    def holding(self, now: float) -> None:
        """Calls wait for this pace alone, and one was answered: raise it."""
        if self.mode != "held":
            return
        self._held_s += max(0.0, min(now - self._seen, 1.0))
        self.idle(now)
        rise = RISE * (self._held_s / self._quiet_s()) ** 2
        self.rate = self._base * (1.0 + rise)
        if self.rate > CHANGED * self._base and self._trust > DOUBT:
            held, self._trust = self._held_s / self._quiet_s(), DOUBT
            self._held_s = held * self._quiet_s()

    def idle(self, now: float) -> None:
        """Something else than the pace holds the calls back, if anything does."""
        self._seen = max(self._seen, now)

    def refused_again(self) -> None:
        """Count a refusal that says the same as the one before: its call started before that."""
        self._refused += 1
        self._share += 0.01 * (1.0 - self._share)

    def refused(self, start: Start, now: float, asked: float) -> float:
        """Learn from a refusal; the seconds to pause, of which the server has `asked` for some."""
        accepted = start.serial - 1 - self._refused
        self.refused_again()
        if self.mode == "lifted":
            if self._share > NOISE:
                self._hold(start, now)
            return asked
        n = accepted - self._accepted
        if self.mode == "held" and n <= 0:
            return self._closed(now, asked)
        if self.mode == "ramp":
            self._base = FIRST_CUT * start.pace
        else:
            self._learn(start, n)
        if self._strikes >= STRIKES and self._proved >= CUT * start.pace:
            self.mode, self.rate, self._until = "lifted", math.inf, now + NOISE_S
            self._strikes, self._proved, self._share = 0, math.inf, 0.0
        else:
            self.mode, self.rate = "held", self._base
        self._backoff_s, self._asked_s = 0.0, asked
        self._begin(start.began, start.serial, accepted)
        self._paused_s, self._lost_s, self._seen = asked, LOST * asked, now + asked
        return asked

    def _closed(self, now: float, asked: float) -> float:
        """Nothing was accepted, so nothing is learned: the limit still holds, ask less often."""
        self._backoff_s = min(max(2.0 * self._backoff_s, SHORTEST_BACKOFF_S), LONGEST_BACKOFF_S)
        pause = max(asked, self._backoff_s)
        self._paused_s += pause
        self._seen = now + pause
        return pause

    def _learn(self, start: Start, n: int) -> None:
        """Set the base from a span in which `n` calls were accepted.

        A bucket is empty when it refuses: a span from one refusal to the next gets what was filled
        in meanwhile, so `served` is the rate, unless the bucket was full for a part of the span.
        That lasts until the pace rises above the rate; then `served` is too low, and `tried` is
        too high by as much as the pace rose while the bucket emptied.
        """
        before, tried = self._base, start.pace
        span = max(start.began - self._since - self._lost_s, 1e-3)
        served = (n + 1) / span
        if tried > (1.0 + 0.5 * RISE) * before:
            served = max(min(served, tried), 0.7 * tried)
            self._base = served + 0.4 * (tried - served)
            self._strikes = max(0, self._strikes - 1)
            self._proved = self._proved if self._strikes else math.inf
        else:
            self._base = CUT * tried
            busy = start.began - self._since - self._paused_s
            if served < self._base and start.serial - self._serial > 0.7 * tried * busy:
                # As many were offered as the pace allows, so this is what the server can do.
                self._base = max(served, DEEPEST_CUT * tried)
            elif 5 <= n < 100 and self._lost_s < span:
                self._strikes += 1
                if self._asked_s > 0:
                    self._proved = min(self._proved, n / (start.began - self._since))
        self._base = max(MARGIN * self._base, LOWEST_RATE)
        surprise = not 0.7 < self._base / before < 1.4
        self._trust = DOUBT if surprise else min(1.0, 2.0 * self._trust)

    def _quiet_s(self) -> float:
        most = max(QUIET_S, QUIET_PAUSES * self._asked_s)
        return max(self._trust * most, QUIET_CALLS / self._base)

    def _hold(self, start: Start, now: float) -> None:
        """Return from "lifted" to the rate that was served meanwhile, or the one before."""
        accepted = start.serial - self._refused
        served = (accepted - self._accepted) / max(now - self._since, 1e-3)
        self._base, self._trust = max(self._base, served), DOUBT
        self.mode, self.rate, self._seen = "held", self._base, now
        self._begin(now, start.serial, accepted)

    def _begin(self, since: float, serial: int, accepted: int) -> None:
        self._since, self._serial, self._accepted = since, serial, accepted
        self._held_s = self._paused_s = self._lost_s = 0.0


class Knee:
    """Finds the `ceiling` of the window beyond which a server only queues.

    The calls in flight over their latency are the throughput (Little's law). Both are taken from
    cohorts, calls that started one after the other. Where one and a half times the calls in flight
    take two and a half times as long, and the throughput has not grown, twice in a row, the
    ceiling is set to twice what keeps the server busy. After `KNEE_S` it is looked for again.
    """

    def __init__(self) -> None:
        self.ceiling = math.inf
        self._until = 0.0
        self._first, self._size = 1, COHORT
        self._count, self._beside, self._latency = 0, 0, 0.0
        # Latency (typical, in seconds) and calls in flight of the quickest cohort.
        self._base: tuple[float, float] | None = None
        self._best = 0.0
        self._seen = 0

    def answered(self, start: Start, latency: float, now: float) -> bool:
        """Take a call; True when the ceiling has just changed."""
        if now > self._until and self.ceiling < math.inf:
            # Half the ceiling keeps the server busy and shows its latency without a queue.
            self.ceiling, self._base, self._best = self.ceiling / 2, None, 0.0
            self._until = math.inf
            return True
        if self._first <= start.serial < self._first + self._size:
            self._count += 1
            self._beside += start.beside
            self._latency += math.log(latency)
        # Only a whole cohort is typical: its quick calls end first. A failed call never ends.
        if self._count < self._size and start.serial < self._first + 5 * self._size:
            return False
        changed = self._count > 0 and self._judge(now)
        self._first, self._size = start.serial + 1, max(COHORT, start.beside)
        self._count, self._beside, self._latency = 0, 0, 0.0
        return changed

    def _judge(self, now: float) -> bool:
        """Compare a cohort with the quickest one; True when that sets the ceiling."""
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
        self._until = now + KNEE_S
        return True
