"""The limiter against simulated servers, in virtual time: seconds pass as fast as they are used.

`used` is the number of accepted calls over what the server allows, R times the run's seconds, from
the first call on, ramp included; a bucket that is full at the start can push it above 1. `refused`
is refusals over all attempts. A refusal comes after 20 ms, as a gateway's does.
"""

from __future__ import annotations

import asyncio
import math
import random
import selectors
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
import pytest
from aiohttp import web

from resources.limiter import Limiter, Slot

HEADERS: dict[str, Callable[[float], float | None]] = {
    "whole": lambda wait: float(math.ceil(wait)),
    "fraction": lambda wait: wait,
    "zero": lambda _: 0.0,
    "none": lambda _: None,
}


class Jump(selectors.SelectSelector):
    """Never waits: the time that the loop would have slept has passed at once."""

    now = 1000.37

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "everything waits for something that never comes"
        self.now += max(0.0, timeout)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self, start: float = Jump.now) -> None:
        self.jump = Jump()
        self.jump.now = start
        super().__init__(self.jump)

    def time(self) -> float:
        return self.jump.now


def virtually(work: Coroutine[Any, Any, None], start: float = Jump.now) -> None:
    with asyncio.Runner(loop_factory=lambda: VirtualLoop(start)) as runner:
        runner.run(work)


def now() -> float:
    return asyncio.get_running_loop().time()


class Server(Protocol):
    rate: float

    def wait(self) -> float | None:
        """None when a call is accepted, or the seconds until the next one could be."""
        ...


@dataclass
class Bucket:
    rate: float
    burst: float
    _tokens: float = math.inf
    _seen: float = 0.0

    def wait(self) -> float | None:
        filled = self._tokens + (now() - self._seen) * self.rate
        self._tokens, self._seen = min(self.burst, filled), now()
        if self._tokens < 1.0 - 1e-9:
            return (1.0 - self._tokens) / self.rate
        self._tokens -= 1.0
        return None


@dataclass
class Calendar:
    """`rate` calls in each second of the clock."""

    rate: float
    _second: int = 0
    _used: int = 0

    def wait(self) -> float | None:
        second = math.floor(now() + 1e-9)
        if second != self._second:
            self._second, self._used = second, 0
        self._used += 1
        return None if self._used <= self.rate else second + 1 - now()


@dataclass
class Run:
    """`seconds` of `workers` that call as fast as the limiter lets them, and what came of it."""

    server: Server
    latency: float = 0.05
    header: str = "none"
    most: int = 64
    seconds: float = 60.0
    changes: tuple[float, float] | None = None
    accepted: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    highest: int = 0

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.most)
        virtually(self._all())

    async def _all(self) -> None:
        self.began = now()
        if self.changes is not None:
            after, rate = self.changes
            asyncio.get_running_loop().call_later(after, setattr, self.server, "rate", rate)
        await asyncio.gather(*(self._work() for _ in range(2 * self.most)))

    async def _work(self) -> None:
        while True:
            async with self.limiter.slot() as slot:
                self.highest = max(self.highest, self.limiter.in_flight)
                if now() >= self.began + self.seconds:
                    return
                await self._attempt(slot)

    async def _attempt(self, slot: Slot) -> None:
        wait = self.server.wait()
        if wait is None:
            self.accepted.append(now() - self.began)
            await asyncio.sleep(self.latency)
            slot.answered()
        else:
            self.refusals.append(now() - self.began)
            await asyncio.sleep(0.02)
            slot.refused(HEADERS[self.header](wait))

    @property
    def used(self) -> float:
        return len(self.accepted) / (self.server.rate * self.seconds)

    @property
    def refused(self) -> float:
        return len(self.refusals) / (len(self.refusals) + len(self.accepted))

    def per_second(self, start: float, end: float) -> float:
        return sum(start <= at < end for at in self.accepted) / (end - start)


BUCKETS: dict[str, Callable[[float], Server]] = {
    "one": lambda rate: Bucket(rate, 1),
    "few": lambda rate: Bucket(rate, 5),
    "second": lambda rate: Bucket(rate, rate),
}
KINDS = {**BUCKETS, "calendar": Calendar}


@pytest.mark.parametrize("header", ["fraction", "none"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rate", "latency"), [(20, 0.2), (60, 0.05)])
def test_a_rate_limit_is_used_and_hardly_hit(
    kind: str, header: str, rate: int, latency: float
) -> None:
    run = Run(KINDS[kind](rate), latency, header, seconds=80)
    assert run.used >= 0.9
    assert run.refused <= 0.02
    assert run.highest <= run.most


@pytest.mark.parametrize("kind", BUCKETS)
@pytest.mark.parametrize(("rate", "latency"), [(20, 0.2), (50, 0.05)])
def test_a_pause_of_whole_seconds_is_hardly_incurred(kind: str, rate: int, latency: float) -> None:
    """Each refusal costs a second here, four while it learns: the run has to be longer."""
    run = Run(BUCKETS[kind](rate), latency, "whole", seconds=120)
    assert run.used >= 0.9
    assert run.refused <= 0.02


def test_whole_seconds_on_a_calendar_limit_cost_a_part_of_the_next_second() -> None:
    run = Run(Calendar(50), 0.2, "whole", seconds=120)
    assert run.used >= 0.8
    assert run.refused <= 0.02


@pytest.mark.parametrize(("kind", "header"), [("few", "none"), ("second", "zero")])
def test_a_high_rate_is_used_within_half_a_minute(kind: str, header: str) -> None:
    run = Run(KINDS[kind](500), 0.05, header, seconds=30)
    assert run.used >= 0.9
    assert run.refused <= 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_slow_answers_only_make_the_ramp_longer(kind: str) -> None:
    """Six round trips of two seconds pass before forty calls are in flight."""
    run = Run(KINDS[kind](20), 2.0, seconds=120)
    assert run.per_second(20, 120) >= 0.9 * 20
    assert run.refused <= 0.02


@pytest.mark.parametrize(("kind", "header"), [("few", "none"), ("second", "whole")])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_changed_rate_is_found_again(kind: str, header: str, factor: float) -> None:
    run = Run(BUCKETS[kind](20), 0.2, header, seconds=190, changes=(40.0, 20 * factor))
    assert run.per_second(160, 190) >= 0.9 * 20 * factor
    assert run.refused <= 0.02


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


async def drive(limiter: Limiter, calls: int, latency: Callable[[], float]) -> int:
    """All calls at once; every one is answered. The most that were in flight."""
    highest = 0

    async def call() -> None:
        nonlocal highest
        async with limiter.slot() as slot:
            highest = max(highest, limiter.in_flight)
            await asyncio.sleep(latency())
            slot.answered()

    await asyncio.gather(*(call() for _ in range(calls)))
    return highest


@pytest.mark.parametrize(
    ("latency", "most", "calls", "allowed"), [(0.2, 100, 20_000, 1.10), (0.05, 50, 5_000, 1.20)]
)
def test_without_a_limit_the_ramp_is_cheap(
    latency: float, most: int, calls: int, allowed: float
) -> None:
    async def scenario() -> None:
        limiter, began = Limiter(most), now()
        assert limiter.limit == 4
        assert await drive(limiter, calls, lambda: latency) == most
        assert now() - began <= allowed * calls / most * latency
        assert limiter.rate is None

    virtually(scenario())


@pytest.mark.parametrize("seed", range(3))
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

        await asyncio.gather(*(call() for _ in range(10_000)))
        assert now() - began <= 1.15 * 10_000 / 64 * 0.2

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


def test_turns_are_first_come_first_served() -> None:
    async def scenario() -> None:
        limiter, order = Limiter(3), list[int]()

        async def call(number: int) -> None:
            async with limiter.slot() as slot:
                order.append(number)
                await asyncio.sleep(0.1)
                slot.answered()

        await asyncio.gather(*(call(number) for number in range(50)))
        assert order == list(range(50))

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


def serve(port: list[int], ready: threading.Event, stop: threading.Event) -> None:
    """A token bucket of 200/s, full for a second at first, and 50 ms an answer."""

    async def scenario() -> None:
        bucket = Bucket(200, 200)

        async def chat(_: web.Request) -> web.Response:
            if bucket.wait() is not None:
                return web.Response(status=429)
            await asyncio.sleep(0.05)
            return web.Response(text="yes")

        app = web.Application()
        app.router.add_post("/", chat)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port.append(runner.addresses[0][1])
        ready.set()
        await asyncio.to_thread(stop.wait)
        await runner.cleanup()

    asyncio.run(scenario())


@pytest.mark.slow
def test_a_real_server_is_used_at_its_rate() -> None:
    port, ready, stop = list[int](), threading.Event(), threading.Event()
    server = threading.Thread(target=serve, args=(port, ready, stop))
    server.start()
    ready.wait(10)
    try:
        accepted, refused = asyncio.run(ask(f"http://127.0.0.1:{port[0]}/", seconds=20.0))
    finally:
        stop.set()
        server.join()
    assert accepted >= 0.9 * 200 * 20
    assert refused <= 0.02 * (accepted + refused)


async def ask(url: str, seconds: float) -> tuple[int, int]:
    limiter, ends, counts = Limiter(64), time.monotonic() + seconds, [0, 0]
    async with aiohttp.ClientSession() as session:

        async def work() -> None:
            while time.monotonic() < ends:
                async with limiter.slot() as slot, session.post(url, json={}) as response:
                    await response.read()
                    slot.answered() if response.status == 200 else slot.refused(None)
                    counts[response.status != 200] += 1

        await asyncio.gather(*(work() for _ in range(64)))
    return counts[0], counts[1]
