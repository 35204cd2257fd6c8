"""The limiter's window and turns, in virtual time (see `limiter_support`)."""

from __future__ import annotations

import asyncio
import random

import pytest

from autoprompt_assets.resources.endpoints.learned import Learned
from autoprompt_assets.resources.endpoints.limiter import Limiter
from tests.limiter_support import VirtualLoop, drive, in_lanes, now, virtually


@pytest.mark.parametrize("asked", [2.5, 600.0])
def test_no_call_starts_before_a_requested_pause_has_passed(asked: float) -> None:
    async def scenario() -> None:
        limiter, starts = Limiter(8), list[float]()

        async def call(refuse: bool) -> None:
            async with limiter.slot() as slot:
                starts.append(now())
                await asyncio.sleep(0.1)
                if refuse:
                    slot.refused(asked)

        first = asyncio.gather(call(True), call(True))
        await first
        refused = now()
        await asyncio.gather(*(call(False) for _ in range(5)))
        assert min(starts[2:]) == pytest.approx(refused + min(asked, 60.0))

    virtually(scenario())


@pytest.mark.parametrize(
    ("latency", "most", "calls", "allowed"), [(0.2, 100, 10_000, 1.05), (0.05, 50, 5_000, 1.10)]
)
def test_without_a_limit_the_ramp_is_cheap(
    latency: float, most: int, calls: int, allowed: float
) -> None:
    async def scenario() -> None:
        limiter, began = Limiter(most), now()
        assert limiter.limit == 16
        assert await drive(limiter, calls, lambda: latency) == most
        assert now() - began <= allowed * calls / most * latency
        assert limiter.rate is None

    virtually(scenario())


@pytest.mark.parametrize(("calls", "cold", "warm"), [(400, 2.0, 1.25), (2000, 1.20, 1.06)])
def test_a_small_search_takes_little_longer_than_it_must(
    calls: int, cold: float, warm: float
) -> None:
    """Its first call goes alone, as one does that finds out in which form a model is asked."""
    ideal = calls / 100 * 0.2
    first, known = in_lanes(Limiter(100), calls, 0.2, alone=True)
    assert first <= cold * ideal
    assert known is not None
    again, _ = in_lanes(Limiter(100, known), calls, 0.2)
    assert again <= warm * ideal


def test_a_warm_start_stays_below_what_is_allowed_now() -> None:
    async def scenario() -> None:
        known = Learned(window=100, rate=600, limited=False)
        assert await drive(Limiter(10, known), 100, lambda: 0.2) == 10

    virtually(scenario())


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (1, 2))]
)
def test_latencies_that_vary_tenfold_do_not_stop_growth(seed: int) -> None:
    async def scenario() -> None:
        limiter, noise = Limiter(64), random.Random(seed)
        await drive(limiter, 4000, lambda: noise.lognormvariate(-0.5, 1.0))
        assert limiter.limit == 64

    virtually(scenario())


def test_growth_stops_where_a_server_only_queues() -> None:
    async def scenario() -> None:
        limiter, free = Limiter(200), asyncio.Semaphore(8)
        highest: list[int] = []

        async def call() -> None:
            async with limiter.slot() as slot:
                highest.append(limiter.in_flight)
                async with free:
                    await asyncio.sleep(0.1)
                slot.answered()

        began = now()
        await asyncio.gather(*(call() for _ in range(4000)))
        assert now() - began <= 1.05 * 4000 / 8 * 0.1
        # Two cohorts show the knee; the ramp had gone on meanwhile.
        assert sum(highest) / len(highest) < 64

    virtually(scenario())


def test_random_failures_leave_most_of_the_window() -> None:
    async def scenario() -> None:
        limiter, luck, began = Limiter(64), random.Random(1), now()

        async def call() -> None:
            async with limiter.slot() as slot:
                await asyncio.sleep(0.2)
                slot.failed() if luck.random() < 0.05 else slot.answered()

        await asyncio.gather(*(call() for _ in range(5_000)))
        assert now() - began <= 1.2 * 5_000 / 64 * 0.2

    virtually(scenario())


def test_the_window_halves_once_per_round_trip() -> None:
    async def scenario() -> None:
        limiter = Limiter(64)
        await drive(limiter, 500, lambda: 0.2)
        before = limiter.limit
        assert before == 64
        slots = [limiter.slot() for _ in range(8)]
        for slot in slots:
            await slot.__aenter__()
        for slot in slots:
            slot.refused(None)
            await slot.__aexit__(None, None, None)
        assert limiter.limit == before // 2
        assert limiter.rate is not None
        async with limiter.slot() as later:
            later.refused(None)
        assert limiter.limit == before // 4

    virtually(scenario())


def test_an_answer_that_is_not_stored_yet_keeps_its_place() -> None:
    """A kill then loses no more answers than there may be calls."""

    async def scenario() -> None:
        limiter, stored = Limiter(6), asyncio.Event()
        unstored: list[int] = []

        async def call(number: int) -> None:
            async with limiter.slot() as slot:
                await asyncio.sleep(0.1)
                slot.answered()
                unstored.append(number)
                await stored.wait()
                unstored.clear()

        tasks = [asyncio.create_task(call(number)) for number in range(20)]
        await asyncio.sleep(10)
        # Four may be in flight at first; their answers made room for two more, and no others.
        assert (len(unstored), limiter.in_flight) == (6, 0)
        stored.set()
        await asyncio.gather(*tasks)
        assert limiter.in_flight == 0

    virtually(scenario())


def test_turns_are_first_come_first_served_but_for_calls_that_were_tried_before() -> None:
    async def scenario() -> None:
        limiter, order = Limiter(3), list[int]()

        async def call(number: int, first: bool) -> None:
            async with limiter.slot(first) as slot:
                order.append(number)
                await asyncio.sleep(0.1)
                slot.answered()

        new = [asyncio.create_task(call(number, False)) for number in range(10)]
        await asyncio.sleep(0)
        again = [asyncio.create_task(call(number, True)) for number in range(10, 14)]
        await asyncio.gather(*new, *again)
        assert order == [0, 10, 11, 12, 13, *range(1, 10)]

    virtually(scenario())


def test_a_turn_is_not_given_to_a_call_that_was_just_cancelled() -> None:
    async def scenario() -> None:
        limiter = Limiter(1)
        holder = await limiter.slot().__aenter__()
        tasks = [asyncio.create_task(limiter.slot().__aenter__()) for _ in range(2)]
        await asyncio.sleep(1.0)
        tasks[0].cancel()
        await holder.__aexit__()
        await asyncio.wait_for(tasks[1], timeout=5)
        assert limiter.in_flight == 1

    virtually(scenario())


@pytest.mark.parametrize("seed", range(5))
def test_cancellation_leaks_neither_a_slot_nor_a_wake_up(seed: int) -> None:
    """Some are cancelled while they wait, some in flight, some in the moment they are let go."""

    async def scenario() -> None:
        limiter, chance = Limiter(4), random.Random(seed)
        done: list[int] = []

        async def call(number: int) -> None:
            async with limiter.slot() as slot:
                await asyncio.sleep(0.1)
                slot.answered()
                done.append(number)

        tasks = [asyncio.create_task(call(number)) for number in range(200)]
        while len(done) < 60:
            await asyncio.sleep(chance.choice([0.0, 0.05, 0.1]))
            chance.choice(tasks).cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        kept = [number for number, task in enumerate(tasks) if not task.cancelled()]
        assert done == kept
        assert limiter.in_flight == 0
        await asyncio.wait_for(drive(limiter, 20, lambda: 0.1), timeout=5)

    virtually(scenario())


def test_a_slot_that_says_nothing_is_returned() -> None:
    async def scenario() -> None:
        limiter = Limiter(1)
        for _ in range(3):
            with pytest.raises(ValueError, match="no answer"):
                async with limiter.slot():
                    raise ValueError("no answer")
        assert limiter.in_flight == 0

    virtually(scenario())


def test_what_was_learned_outlives_the_loop() -> None:
    """One loop ends with its calls cancelled, one is dropped as it is; a third goes on."""
    limiter = Limiter(8)

    async def first() -> None:
        async with limiter.slot() as slot:
            slot.refused(None)
        tasks = [asyncio.create_task(drive(limiter, 50, lambda: 1.0)) for _ in range(2)]
        await asyncio.sleep(2.0)
        assert tasks

    virtually(first())
    assert limiter.in_flight == 0
    learned = limiter.rate
    assert learned is not None

    dropped = VirtualLoop(1100.0)
    task = dropped.create_task(drive(limiter, 50, lambda: 1.0))
    dropped.call_later(1.0, dropped.stop)
    dropped.run_forever()
    assert limiter.in_flight > 0

    limiter.most = 2

    async def third() -> None:
        assert await drive(limiter, 20, lambda: 0.1) <= 2
        assert limiter.in_flight == 0

    virtually(third(), 1200.0)
    asyncio.gather(task, return_exceptions=True)
    task.cancel()
    dropped.run_until_complete(asyncio.gather(task, return_exceptions=True))
    dropped.close()
    assert limiter.in_flight == 0
