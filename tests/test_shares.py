"""How processes divide an endpoint: fairly, and never more than there is."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from autoprompt_assets.engine.journal import NOTHING, Claim, Share
from autoprompt_assets.engine.journal.shares import Lease, divided, share_of
from autoprompt_assets.resources.endpoints.learned import Learned
from autoprompt_assets.resources.endpoints.limiter import Limiter
from autoprompt_assets.resources.endpoints.pacing import MARGIN
from tests.limiter_support import Bucket, Run, drive, now, virtually


@pytest.mark.parametrize(
    ("whole", "wants", "expected"),
    [
        (10, [10], [10]),
        (10, [10, 10], [5, 5]),
        (10, [10, 10, 10], [3, 3, 4]),
        (10, [1, 10, 10], [1, 4, 5]),
        (10, [2, 3], [2, 3]),
        (2, [9, 9, 9], [0, 1, 1]),
        (0, [4], [0]),
    ],
)
def test_whole_numbers_by_max_min_fairness(
    whole: int, wants: list[int], expected: list[int]
) -> None:
    assert divided(whole, wants) == expected


def lease(name: str, most: int, wants: int, calls: int = 0, part: float = 0.0) -> Lease:
    return Lease(name, Claim(most, wants), calls, part)


def settled(*leases: Lease) -> list[Share]:
    """The shares after each has renewed a few times."""
    held = list(leases)
    shares = [NOTHING for _ in held]
    for _ in range(4):
        for at, one in enumerate(held):
            shares[at] = share_of(one, [*held[:at], *held[at + 1 :]])
            held[at] = replace(one, calls=shares[at].calls, part=shares[at].part)
    return shares


def test_what_nobody_needs_is_there_for_whoever_comes_to_need_it() -> None:
    assert [one.calls for one in settled(lease("a", 10, 2))] == [10]
    assert [one.calls for one in settled(lease("a", 10, 10), lease("b", 10, 1))] == [9, 1]
    assert [one.calls for one in settled(lease("a", 64, 1), lease("b", 4, 4))] == [60, 4]


def test_each_gets_a_call_where_there_are_fewer_than_processes() -> None:
    shares = settled(*(lease(name, 2, 2) for name in "abcd"))
    assert [one.calls for one in shares] == [1, 1, 1, 1]
    assert sum(one.part for one in shares) == pytest.approx(1.0)


def test_the_endpoint_s_own_limit_stands_above_what_its_processes_ask_for() -> None:
    stated = lease("a", 64, 64)
    stated = replace(stated, claim=replace(stated.claim, whole=8, per_second=10.0))
    shares = settled(stated, lease("b", 64, 64))
    assert [one.calls for one in shares] == [4, 4]
    assert [one.per_second for one in shares] == [5.0, 5.0]


def test_a_rate_is_what_the_others_found_by_the_parts_that_they_use() -> None:
    others = [
        replace(lease("a", 8, 8, 6, 0.75), claim=Claim(8, 8, rate=40.0)),
        replace(lease("b", 8, 8, 1, 0.15), claim=Claim(8, 8, rate=60.0)),
        lease("c", 8, 8, 0, 0.0),
    ]
    found = share_of(lease("d", 8, 8, 1, 0.1), others).rate
    assert found == pytest.approx((40 * 0.75 + 60 * 0.15) / 0.9)


@pytest.mark.parametrize("seed", range(20))
def test_in_any_order_of_coming_renewing_and_dying_no_more_is_held_than_there_is(
    seed: int,
) -> None:
    """A process that must let go of calls holds them until its next renewal, as the rows say."""
    luck, held = random.Random(seed), dict[str, Lease]()
    whole = luck.randint(6, 40)
    for step in range(400):
        kind = luck.random()
        if kind < 0.1 and len(held) < 6:
            held[f"p{step}"] = lease(f"p{step}", whole, luck.randint(0, whole))
        elif kind < 0.15 and held:
            del held[luck.choice(sorted(held))]
        elif held:
            name = luck.choice(sorted(held))
            mine = held[name]
            claim = replace(mine.claim, wants=luck.randint(0, whole))
            mine = replace(mine, claim=claim)
            share = share_of(mine, [one for one in held.values() if one.holder != name])
            held[name] = replace(mine, calls=share.calls, part=share.part)
        assert sum(one.calls for one in held.values()) <= whole
        assert sum(one.part for one in held.values()) <= 1 + 1e-9


# The limiter


def test_no_call_starts_without_a_share_and_the_first_asks_for_one() -> None:
    async def scenario() -> None:
        limiter, asked = Limiter(8), list[float]()

        def ask() -> None:
            asked.append(now())
            loop.call_later(3.0, limiter.lend, Share(2, 0.25))

        loop, began = asyncio.get_running_loop(), now()
        limiter.lend(NOTHING, ask)
        highest = await drive(limiter, 6, lambda: 0.5)
        assert highest == 2
        assert asked[0] == began
        assert now() >= began + 3.0 + 3 * 0.5

    virtually(scenario())


def test_starts_keep_to_the_user_s_limit() -> None:
    async def scenario() -> None:
        limiter = Limiter(64)
        limiter.lend(Share(64, 0.5, per_second=10.0))
        began = now()
        await drive(limiter, 100, lambda: 0.05)
        assert now() - began >= 99 / 10.0

    virtually(scenario())


def test_a_learned_rate_is_scaled_with_the_share() -> None:
    """From one moment to the next: nothing is found out anew."""
    run = Run(Bucket(40.0, 40.0), seconds=30.0)

    async def scenario() -> None:
        for part in (0.5, 1.0, 0.25, 1.0):
            run.accepted.clear()
            run.refusals.clear()
            run.server, run.seconds = Bucket(part * 40.0, part * 40.0), 20.0
            run.limiter.lend(Share(64, part))
            await run._all()
            assert len(run.accepted) >= 0.85 * part * 800
            assert len(run.refusals) <= 0.1 * len(run.accepted)
            assert run.limiter.whole_rate == pytest.approx(40.0, rel=0.15)

    virtually(scenario(), 5000.0)


def test_who_joins_begins_with_a_part_of_what_the_others_found() -> None:
    async def scenario() -> None:
        limiter = Limiter(64)
        limiter.lend(Share(32, 0.5, rate=40.0))
        assert limiter.rate == 20.0

    virtually(scenario())


def test_what_is_kept_is_the_whole_endpoint_s() -> None:
    async def scenario() -> None:
        limiter = Limiter(64, Learned.of(40.0, 100.0, True, 60.0))
        limiter.lend(Share(32, 0.5, rate=100.0))
        await drive(limiter, 1, lambda: 0.1)
        learned = limiter.learned
        assert learned is not None
        assert learned.limited
        assert learned.rate == pytest.approx(100.0)
        assert learned.ceiling == 60.0
        assert learned.window == pytest.approx(40.0, rel=0.5)

    virtually(scenario())


def test_the_user_s_limit_is_kept_a_little_below() -> None:
    async def scenario() -> None:
        limiter = Limiter(64, Learned.of(64.0, 500.0, True, 64.0))
        limiter.lend(Share(64, 1.0, per_second=50.0))
        assert limiter.rate == MARGIN * 50.0

    virtually(scenario())
