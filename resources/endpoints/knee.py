"""How many calls in flight are of use to a server: an estimate that performs no I/O."""

from __future__ import annotations

import math

from autoprompt_assets.resources.endpoints.pacing import Start

COHORT = 48
"""Calls that are measured together, at least, when looking for the knee."""
KNEE_S = 30.0
"""How long a ceiling holds before it is looked for again."""
LEAST_CEILING = 4.0
"""No server is taken to be of less use: a few calls are always in flight."""


class Knee:
    """Finds the `ceiling` of the window beyond which a server only queues.

    The calls in flight over their latency are the throughput (Little's law). Both are taken from
    cohorts, calls that started one after the other. Where one and a half times the calls in flight
    take two and a half times as long, and the throughput has not grown, twice in a row, the
    ceiling is set to twice what keeps the server busy. After `KNEE_S` it is looked for again.
    """

    def __init__(self, ceiling: float | None = None) -> None:
        """`ceiling` is one that was found earlier: it is looked for again."""
        self.found = math.inf if ceiling is None else max(ceiling, LEAST_CEILING)
        """The ceiling that was found last, also while it is looked for again."""
        # Half of it keeps the server busy and shows its latency without a queue.
        self.ceiling = self.found / 2
        self._until = 0.0 if ceiling is None else math.inf
        self._first, self._size = 1, COHORT
        self._count, self._beside, self._latency = 0, 0, 0.0
        # Latency (typical, in seconds) and calls in flight of the quickest cohort.
        self._base: tuple[float, float] | None = None
        self._best = 0.0
        self._seen = 0

    def scaled(self, factor: float) -> None:
        """The part of the server's capacity that is used here is another than before."""
        self.found = max(factor * self.found, LEAST_CEILING)
        self.ceiling = max(factor * self.ceiling, LEAST_CEILING / 2)
        self._base, self._best, self._seen = None, 0.0, 0

    def answered(self, start: Start, latency: float, now: float) -> bool:
        """Take a call; True when the ceiling has just changed."""
        if now > self._until and self.ceiling < math.inf:
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
            self.ceiling = self.found = math.inf
            self._until = 0.0
        base_latency, base_beside = self._base
        queues = beside >= 1.5 * base_beside and latency >= 2.5 * base_latency
        stalls = throughput <= 1.2 * self._best
        self._best = max(self._best, throughput)
        self._seen = self._seen + 1 if queues and stalls else 0
        if self._seen < 2 or self.ceiling < math.inf:
            return False
        self.ceiling = self.found = max(LEAST_CEILING, 2.0 * throughput * base_latency)
        self._until = now + KNEE_S
        return True
