"""Processes that ask one endpoint for as long as they are let, and a server that watches them."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.resources.llm import LLMResource
from tests.engine_support import unkept
from tests.loopback import Behaviour, LoopbackServer

ROOT = Path(__file__).absolute().parent.parent


class Watched(LoopbackServer):
    """Knows when each call of each process came; `rate` of them are accepted per second, if any."""

    def __init__(self, delay: float, rate: float = 0.0) -> None:
        super().__init__(Behaviour(delay=delay))
        self.rate, self._tokens, self._filled = rate, rate, 0.0
        self.now: Counter[str] = Counter()
        self.starts: list[tuple[float, str]] = []
        self.refusals: list[float] = []

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        who, at = body["messages"][-1]["content"].split()[0], time.monotonic()
        if not self._admits(at):
            self.refusals.append(at)
            return web.json_response({"error": {"message": "too fast"}}, status=429)
        self.starts.append((at, who))
        self.now[who] += 1
        try:
            return await super()._chat(request)
        finally:
            self.now[who] -= 1

    def _admits(self, at: float) -> bool:
        if not self.rate:
            return True
        self._tokens = min(self.rate, self._tokens + (at - self._filled) * self.rate)
        self._filled = at
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    def busiest(self, since: float) -> int:
        """The most calls within a second, from then on."""
        at = [start for start, _ in self.starts if start >= since]
        return max((sum(one <= other < one + 1 for other in at) for one in at), default=0)

    def count(self, since: float, who: str = "") -> int:
        return sum(at >= since and who in ("", name) for at, name in self.starts)


@contextmanager
def asking(url: str, database: str, who: str, most: int, **endpoint: Any) -> Iterator[Asking]:
    """A process that asks with two calls in hand for each that may be in flight."""
    process = Asking(url, database, who, most, endpoint)
    try:
        yield process
    finally:
        process.kill()


class Asking:
    def __init__(
        self, url: str, database: str, who: str, most: int, endpoint: dict[str, Any]
    ) -> None:
        arguments = [url, database, who, str(most), json.dumps(endpoint)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.asking", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def end(self) -> str:
        """In order; what it said."""
        _, said = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, said
        return said

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate(timeout=60)


async def ask(url: str, database: str, who: str, most: str, endpoint: str) -> None:
    from tests.test_deadlines import spec_of

    found = spec_of(url, int(most)).model_dump(mode="json")
    found["endpoints"]["here"] |= json.loads(endpoint)
    spec = spec_of(url).model_validate(found)
    resource = LLMResource()
    target = resource.models(spec).target

    def notice(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    async def lane(lane: int) -> None:
        number = 0
        while True:
            number += 1
            words = f"{who} {lane} {number}"
            await client.complete(target.request(({"role": "user", "content": words},)), unkept)

    async with (
        Journal(database) as journal,
        resource.connect(spec, notice, journal.limits) as client,
    ):
        lanes = [asyncio.create_task(lane(one)) for one in range(2 * int(most))]
        await asyncio.to_thread(sys.stdin.read)
        for one in lanes:
            one.cancel()
        await asyncio.gather(*lanes, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(ask(*sys.argv[1:]))
