"""What was learned of an endpoint's limits, as it is kept between runs."""

from __future__ import annotations

import math
from typing import Annotated, Literal, Protocol, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from autoprompt_assets.engine.journal import Claim, Share
from autoprompt_assets.resources.endpoints.pacing import LOWEST_RATE, START_RATE, START_WINDOW

HALF_LIFE_S = 24 * 3600.0
"""After so long half of what the window and an unlimited pace had grown to is believed."""
TRUSTED_S = 600.0
"""So long a rate is held as it was; then a ramp begins there, which finds a higher one soon."""
LONGEST_S = 30 * 24 * 3600.0
"""What is older is not believed at all."""
FASTEST_RATE = MOST_CALLS = 1e5

Count = Annotated[float, Field(ge=1.0, le=MOST_CALLS, allow_inf_nan=False)]


class Learned(BaseModel):
    """How an endpoint was asked last; it holds nothing of its address or key."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    window: Count
    """Calls in flight."""
    rate: Annotated[float, Field(ge=LOWEST_RATE, le=FASTEST_RATE, allow_inf_nan=False)]
    """Starts per second."""
    limited: bool
    """Refusals have shown the rate; else the window alone sets it."""
    ceiling: Count | None = None
    """Calls in flight beyond which the server only queues, where that was found."""

    @classmethod
    def of(cls, window: float, rate: float, limited: bool, ceiling: float) -> Self:
        """As a limiter has it; an endless `ceiling` is none."""
        found = None if math.isinf(ceiling) else min(ceiling, MOST_CALLS)
        window = min(window, MOST_CALLS)
        return cls(window=window, rate=min(rate, FASTEST_RATE), limited=limited, ceiling=found)

    @classmethod
    def recalled(cls, text: str, age_s: float) -> Self | None:
        """What is left of a record so old; `None` where it is none, or of another version.

        The window and a rate without a limit are drawn back to a cold limiter's. A rate that
        refusals have shown stays, held or as the beginning of a ramp.
        """
        try:
            found = cls.model_validate_json(text)
        except ValidationError:
            return None
        if not -LONGEST_S < age_s < LONGEST_S:
            return None
        left = 0.5 ** (max(age_s, 0.0) / HALF_LIFE_S)
        window = float(round(START_WINDOW + left * (found.window - START_WINDOW)))
        rate = found.rate if found.limited else max(left * found.rate, START_RATE)
        limited = found.limited and age_s < TRUSTED_S
        return found.model_copy(update={"window": window, "rate": rate, "limited": limited})


class ShareStore(Protocol):
    """Divides endpoints among the processes that ask them."""

    async def renew(self, place: str, claim: Claim, using: tuple[int, float]) -> Share:
        """The share for the next seconds; `JournalError` where it cannot be had."""
        ...

    async def release(self, place: str) -> None:
        """Leave it to the others; `JournalError` where they cannot be told."""
        ...


class LimitStore(Protocol):
    """Keeps records beside the answers; what fails is not told, for no run needs them."""

    @property
    def leases(self) -> ShareStore | None:
        """What divides endpoints among processes; `None` where each has the whole."""
        ...

    async def read(self, place: str) -> tuple[str, float] | None:
        """The record of an endpoint and its age in seconds, or `None`."""
        ...

    async def write(self, place: str, record: str) -> None:
        """Put a record in the place of the one before."""
        ...
