"""Servers for the limiter: simulated, in virtual time, and one that is real.

Virtual seconds pass as fast as they are used.
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
from aiohttp import web

from autoprompt_assets.resources.endpoints.learned import Learned
from autoprompt_assets.resources.endpoints.limiter import Limiter
from autoprompt_assets.resources.endpoints.slot import Slot

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
        return []


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
    learned: Learned | None = None
    accepted: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    highest: int = 0

    def __post_init__(self) -> None:
        self.limiter = Limiter(self.most, self.learned)
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


def in_lanes(
    limiter: Limiter, calls: int, latency: float, alone: bool = False
) -> tuple[float, Learned | None]:
    """Seconds that all calls take, the first of them `alone`, and what was learned."""
    took: list[float] = []

    async def call() -> None:
        async with limiter.slot() as slot:
            await asyncio.sleep(latency)
            slot.answered()

    async def scenario() -> None:
        began = now()
        if alone:
            await call()
        await asyncio.gather(*(call() for _ in range(calls - alone)))
        took.append(now() - began)

    virtually(scenario())
    return took[0], limiter.learned


@dataclass
class Faulty:
    """Attempts that fail at random, at any rate: each of `faults` with the chance `share`.

    A refusal comes at once, a hang ends after the client's timeout of a second, anything else after
    `latency`. Calls that fail are made again, after up to a quarter of a second unless refused.
    """

    share: float
    latency: float
    most: int
    faults: tuple[str, ...] = ("429",)
    header: float | None = None
    seed: int = 1
    starts: list[float] = field(default_factory=list)

    def seconds(self, attempts: int) -> float:
        """Until so many attempts have started, with twice as many workers as may be in flight."""
        self._limiter, self._luck = Limiter(self.most), random.Random(self.seed)
        virtually(self._all(attempts))
        return self.starts[attempts - 1] - self.starts[0]

    def per_second(self, start: float, end: float) -> float:
        return sum(start <= at - self.starts[0] < end for at in self.starts) / (end - start)

    async def _all(self, attempts: int) -> None:
        await asyncio.gather(*(self._work(attempts) for _ in range(2 * self.most)))

    async def _work(self, attempts: int) -> None:
        again = False
        while len(self.starts) < attempts:
            async with self._limiter.slot(first=again) as slot:
                self.starts.append(now())
                drawn = int(self._luck.random() / self.share)
                fault = self.faults[drawn] if drawn < len(self.faults) else None
                await asyncio.sleep({"429": 0.005, "hang": 1.0}.get(fault or "", self.latency))
                if fault is None:
                    slot.answered()
                elif fault == "429":
                    slot.refused(self.header)
                else:
                    slot.failed()
            again = fault is not None
            if again and fault != "429":
                await asyncio.sleep(self._luck.uniform(0, 0.25))


def serve(bucket: Bucket, port: list[int], ready: threading.Event, stop: threading.Event) -> None:
    """A server in real time, with 50 ms an answer."""

    async def scenario() -> None:
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


def ask_for(bucket: Bucket, seconds: float) -> tuple[int, int]:
    """Ask a server in another thread for so long; how many calls it accepted and refused."""
    port, ready, stop = list[int](), threading.Event(), threading.Event()
    server = threading.Thread(target=serve, args=(bucket, port, ready, stop))
    server.start()
    ready.wait(10)
    try:
        return asyncio.run(ask(f"http://127.0.0.1:{port[0]}/", seconds))
    finally:
        stop.set()
        server.join()


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
