"""One call's attempts: how long each may take, and whether there is a next."""

from __future__ import annotations

import random
import time

from autoprompt_assets.engine.llm import Asked, failures

ATTEMPTS = 8
"""Faults after which a call is given up; refusals for speed (429) are not among them."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 20.0


class Call:
    """The attempts of one call of a role."""

    def __init__(self, role: Asked) -> None:
        self.role = role
        self._timeout, self._patience = role.spec.timeout, role.spec.patience
        self._deadline: float | None = None
        self._cut_short = False
        self._faults = 0
        self.error: failures.CallError | None = None
        self.attempts = 0

    @property
    def left(self) -> float | None:
        """Seconds to the deadline, which runs from the first attempt: waiting for one's turn
        before it is no fault.
        """
        return None if self._deadline is None else self._deadline - time.monotonic()

    def begin(self) -> float:
        """Seconds that the attempt which now begins may take."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._patience
        self.attempts += 1
        assert self.left is not None
        self._cut_short = self.left < self._timeout
        return min(self._timeout, self.left)

    def cause(self, error: failures.CallError) -> failures.CallError:
        """`error`, or what came before it where the deadline alone cut the last attempt short."""
        cut = self._cut_short and isinstance(error, failures.CallTimedOut)
        return self.error if cut and self.error is not None else error

    def failed(self, error: failures.CallError) -> float | None:
        """Seconds to wait before the next attempt, or `None` when there is none.

        Exponential backoff with full jitter. A refusal for speed waits for the limiter only.
        """
        assert self._deadline is not None
        self.error = error
        if not error.transient:
            return None
        if error.retry_after is not None and error.retry_after > self._patience:
            raise failures.EndpointDown(
                f"{error}; it asks to wait {error.retry_after:.0f} s, longer than the deadline of "
                f"roles.{self.role.role}, {self._patience:g} s. What was answered is kept: run "
                "again then"
            )
        if isinstance(error, failures.RateLimited):
            return 0.0 if time.monotonic() < self._deadline else None
        self._faults += 1
        most = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (self._faults - 1))
        wait = random.uniform(0, most)  # noqa: S311
        ends = self._faults >= ATTEMPTS or time.monotonic() + wait >= self._deadline
        return None if ends else wait
