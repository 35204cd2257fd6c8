"""How processes that ask one endpoint divide its limits: arithmetic that performs no I/O.

Calls are divided by max-min fairness (Bertsekas & Gallager, Data Networks, 6.5.2): nobody gets more
than he can use while another lacks some, and what nobody needs is spread evenly, to be there when
it is. Rates are divided as the calls are. A share falls at once and rises only by what the others
have let go of, so that together they never hold more than the whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SMALLEST_PART = 1e-3
"""A smaller part of a rate is what rounding left of nothing."""


@dataclass(frozen=True)
class Share:
    """What one process may use of an endpoint."""

    calls: int
    """In flight at most; 0 until the others have made room."""
    part: float = 1.0
    """Of what the endpoint serves per second: 0 to 1."""
    per_second: float | None = None
    """Starts at most, where the user has set a limit."""
    rate: float | None = None
    """What the whole endpoint serves per second, as far as the others have found out."""


NOTHING = Share(0, 0.0)


@dataclass(frozen=True)
class Claim:
    """What one process can use of an endpoint, and knows of it."""

    most: int
    """Calls in flight, by its own setting."""
    wants: int
    """Calls that it has to make at this time; more than `most` are no more than that."""
    whole: int | None = None
    """Calls in flight that the endpoint may have, where the user has said so."""
    per_second: float | None = None
    """Starts per second that the endpoint may have, where the user has said so."""
    rate: float | None = None
    """What the whole endpoint serves per second, where refusals have shown it."""


@dataclass(frozen=True)
class Lease:
    """A claim, and what its holder uses of the endpoint."""

    holder: str
    claim: Claim
    calls: int
    part: float


def share_of(mine: Lease, others: Sequence[Lease]) -> Share:
    """What the holder of `mine` may use beside `others`, who hold what they do.

    Each gets a call at least, so that more processes than the endpoint may have calls are more
    than it may have.
    """
    everyone = sorted([mine, *others], key=lambda one: one.holder)
    claims = [one.claim for one in everyone]
    stated = [one.whole for one in claims if one.whole is not None]
    whole = min(stated) if stated else max(one.most for one in claims)
    fair = _fair(whole, claims)
    me = everyone.index(mine)
    share, part = fair[me], fair[me] / sum(fair)
    room = max(whole - sum(one.calls for one in others), len(everyone) > whole)
    free = 1.0 - sum(one.part for one in others)
    calls = max(min(share, room), min(share, mine.calls))
    part = max(min(part, free), min(part, mine.part))
    paces = [one.per_second for one in claims if one.per_second is not None]
    per_second = min(paces) * part if paces else None
    if calls < 1 or part < SMALLEST_PART:
        return Share(0, 0.0, per_second)
    return Share(calls, part, per_second, _found(others))


def divided(whole: int, wants: Sequence[int]) -> list[int]:
    """`whole` in whole numbers by max-min fairness, no more for each than it wants."""
    given = [0] * len(wants)
    for done, one in enumerate(sorted(range(len(wants)), key=lambda one: wants[one])):
        given[one] = min(wants[one], whole // (len(wants) - done))
        whole -= given[one]
    return given


def _fair(whole: int, claims: Sequence[Claim]) -> list[int]:
    needed = divided(whole, [max(1, min(one.wants, one.most)) for one in claims])
    spare = [one.most - given for one, given in zip(claims, needed, strict=True)]
    more = divided(whole - sum(needed), spare)
    return [max(1, given + extra) for given, extra in zip(needed, more, strict=True)]


def _found(others: Sequence[Lease]) -> float | None:
    """The rate of the whole: what each has found of it counts for as much as the part it uses."""
    known = [(one.claim.rate, one.part) for one in others if one.claim.rate is not None]
    parts = sum(part for _, part in known)
    return sum(rate * part for rate, part in known) / parts if parts >= SMALLEST_PART else None
