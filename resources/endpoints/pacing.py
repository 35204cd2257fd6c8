"""How fast calls may start: an estimate that performs no I/O.

`Pace` finds the rate that a server allows from the calls it refuses. `limiter` tells it what
happened and obeys it. The figures were tuned on simulated servers, which are in
`tests/limiter_support.py`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, Protocol

START_WINDOW = 16.0
"""Calls in flight at first."""
START_RATE = 20.0
"""Starts per second until the first answer: a server may allow no two calls at once."""
PROVEN_RATE = 80.0
"""Starts per second from the first answer on: what starts while a refusal is on its way is refused
as well, and few calls do at this pace."""
GROWTH = 4.0
"""Before the first refusal each answer raises the pace by so many calls per round trip. Raised
pace comes back as answers a round trip later, so that this makes it three to four times as fast
per round trip."""
QUICKEST_TRIP_S = 0.2
"""No round trip is taken to be shorter: what has started by the time that a refusal arrives is
refused as well, and a quick server has taken hundreds of calls by then."""
HEADROOM = 1.25
"""The pace before the first refusal, over what the window lets through, at most: more says nothing,
and takes long to come down from."""
FIRST_CUT = 0.75
"""What the first refusal leaves of the pace: it says only that this was too fast."""
FEW = 5
"""Fewer accepted calls than this are no measure of a rate."""
LEAST_SHARE = 1 / 8
"""What is left of a pace where all that started beside a refused call was refused as well: a server
that counts by the second refuses all for the rest of it."""
CLOSED_CUT = 0.7
"""What is left of such a pace where not even the next call is accepted."""
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
"""The part of the quiet time after a surprise; each estimate that is none doubles it. Of the calls
no less than half is waited for."""
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


@dataclass
class Beside:
    """The calls that had started since a refused one, itself included, when its refusal came.

    Where no token is left, the part of them that is accepted is that part of the pace which the
    server can do, however large its bucket was.
    """

    serial: int
    pace: float
    calls: int
    known: float
    """When all of their refusals have come, if they take as long as the first."""
    refused: int = 1

    def rate(self) -> float:
        """Calls per second; the refused one alone says nothing."""
        share = (self.calls - self.refused + 1) / self.calls
        return max(share, LEAST_SHARE) * self.pace


class Pace:
    """Starts per second: `rate`. It has three modes.

    "ramp": it grows severalfold per round trip, until the first refusal. "held": it is a little
    below the estimate of the server's rate and rises ever faster the longer nothing is refused.
    "lifted": lowering it did not help, so refusals have another cause, and it is infinite for a
    while.

    `rate` and `limited` are what an earlier run ended with, if any: it is gone on from there, and
    the first refusal that comes soon says that this is no longer so.
    """

    def __init__(self, rate: float | None = None, limited: bool = False) -> None:
        self.mode: Literal["ramp", "held", "lifted"] = "held" if limited else "ramp"
        self.rate = START_RATE if rate is None else max(rate, LOWEST_RATE)
        self._recalled = rate is not None
        self.fastest = math.inf
        """Starts per second at most, whatever is found out."""
        # What the rate rises from, how sure it is (DOUBT to 1), and the last requested pause.
        self._base, self._trust, self._asked_s = self.rate, DOUBT, 0.0
        # Whether the base comes from a moment, and the calls that show what it must be.
        self._rough = False
        # Whether the base was lowered because nothing was accepted, and by nothing else since.
        self._guessed = False
        self._beside: Beside | None = None
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

    @property
    def base(self) -> float:
        """What the rate rises from: the estimate itself, where the mode is "held"."""
        return self._base

    @property
    def measured(self) -> bool:
        """The base says what the server can do; else only that it took nothing for a while."""
        return self.mode == "held" and not self._guessed

    def bounded(self, fastest: float) -> None:
        """No more than `fastest` starts per second from now on."""
        self.rate = fastest if self.mode == "lifted" else min(self.rate, fastest)
        self.fastest = fastest

    def adopted(self, rate: float) -> None:
        """Go on from a rate that others have found, unless one was found here."""
        if self.mode == "ramp":
            self.mode, self._recalled, self._trust = "held", True, DOUBT
            self._base = max(rate, LOWEST_RATE)
            self.rate = min(self._base, self.fastest)

    def scaled(self, factor: float, now: float, started: int) -> None:
        """What it has to itself of the server's rate is another part of it than before, and so many
        calls had `started` by then.
        """
        self._base = max(factor * self._base, LOWEST_RATE)
        if self.mode != "lifted":
            self.rate = min(max(factor * self.rate, LOWEST_RATE), self.fastest)
        # What was served until now says nothing of the rate from now on.
        self._begin(now, started, started - self._refused)
        self._trust, self._beside, self._seen = DOUBT, None, max(self._seen, now)

    def answered(self, start: Start, latency: float, limit: int, now: float) -> None:
        """Take an answer, the usual seconds to one, and how many calls may be in flight."""
        self._share *= 0.99
        if self.mode == "ramp":
            rate = self.rate + GROWTH * min(self.rate, 1.0 / max(latency, QUICKEST_TRIP_S))
            rate = max(min(max(rate, PROVEN_RATE), HEADROOM * limit / latency), START_RATE)
            self.rate = min(rate, self.fastest)
        elif self.mode == "held" and not self._since:
            self._since = start.began
        elif self.mode == "lifted" and now >= self._until:
            self._hold(start, now)

    def holding(self, now: float) -> None:
        """Calls wait for this pace alone, and one was answered: raise it."""
        if self.mode != "held":
            return
        self._held_s += max(0.0, min(now - self._seen, 1.0))
        self.idle(now)
        rise = RISE * (self._held_s / self._quiet_s()) ** 2
        self.rate = min(self._base * (1.0 + rise), self.fastest)
        if self.rate > CHANGED * self._base and self._trust > DOUBT:
            held, self._trust = self._held_s / self._quiet_s(), DOUBT
            self._held_s = held * self._quiet_s()

    def idle(self, now: float) -> None:
        """Something else than the pace holds the calls back, if anything does."""
        self._seen = max(self._seen, now)

    def refused_again(self, start: Start, now: float) -> float:
        """Take a refusal of a call that had started before the last one came; seconds to pause."""
        self._count_refusal()
        beside = self._beside
        if self.mode != "held" or beside is None or start.serial <= beside.serial:
            return 0.0
        beside.refused += 1
        if beside.rate() >= self._base:
            return 0.0
        self._base = self.rate = max(beside.rate(), LOWEST_RATE)
        return max(0.0, beside.known - now)

    def refused(self, start: Start, now: float, asked: float, started: int) -> float:
        """Learn from a refusal that came when so many calls had `started`; the seconds to pause,
        of which the server has `asked` for some.
        """
        accepted = start.serial - 1 - self._refused
        self._count_refusal()
        if self.mode == "lifted":
            if self._share > NOISE:
                self._hold(start, now)
            return asked
        n, pause = accepted - self._accepted, asked
        unknown = self.mode == "ramp" or (self._recalled and n < FEW)
        if n <= 0 and not unknown:
            return self._closed(now, asked)
        took = now - start.began
        beside = Beside(start.serial, start.pace, started - start.serial + 1, now + took)
        self._beside = beside if unknown or n < FEW else None
        if unknown:
            # Those that are on their way are waited for, if they take as long.
            pause = max(asked, took)
            self._base = max(
                (DEEPEST_CUT if self._recalled else FIRST_CUT) * start.pace, LOWEST_RATE
            )
            self._trust = DOUBT
        else:
            self._learn(start, n)
        self._guessed = self._guessed and not unknown and n < FEW
        self._rough, self._recalled = unknown or (self._rough and n < FEW), False
        if self._strikes >= STRIKES and self._proved >= CUT * start.pace:
            self.mode, self.rate, self._until = "lifted", self.fastest, now + NOISE_S
            self._strikes, self._proved, self._share = 0, math.inf, 0.0
        else:
            self.mode, self.rate = "held", self._base
        self._backoff_s, self._asked_s = 0.0, asked
        self._begin(start.began, start.serial, accepted)
        self._paused_s, self._lost_s, self._seen = asked, LOST * asked, now + asked
        return pause

    def _count_refusal(self) -> None:
        self._refused += 1
        self._share += 0.01 * (1.0 - self._share)

    def _closed(self, now: float, asked: float) -> float:
        """Nothing was accepted, so nothing is learned: the limit still holds, ask less often."""
        self._backoff_s = min(max(2.0 * self._backoff_s, SHORTEST_BACKOFF_S), LONGEST_BACKOFF_S)
        pause = max(asked, self._backoff_s)
        self._paused_s += pause
        self._seen = now + pause
        if self._rough:
            self._base = self.rate = max(CLOSED_CUT * self._base, LOWEST_RATE)
            self._guessed = True
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
            elif FEW <= n < 100 and self._lost_s < span:
                self._strikes += 1
                if self._asked_s > 0:
                    self._proved = min(self._proved, n / (start.began - self._since))
        self._base = max(MARGIN * self._base, LOWEST_RATE)
        surprise = not 0.7 < self._base / before < 1.4
        self._trust = DOUBT if surprise else min(1.0, 2.0 * self._trust)

    def _quiet_s(self) -> float:
        most = max(QUIET_S, QUIET_PAUSES * self._asked_s)
        return max(self._trust * most, max(self._trust, 0.5) * QUIET_CALLS / self._base)

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
