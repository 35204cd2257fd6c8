"""A server that sleeps and wakes as vLLM does, and the gate before it as a process of its own.

As vLLM 0.32 was seen to do: asleep, or falling asleep, a request is taken and waits without end;
/health, /version, /metrics and /v1/models answer all the same; going to sleep ends what is at work.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from tests.loopback import Behaviour, completion, digest
from tests.support import KEY, ROOT
from tests.webserver import wait_for

Json = dict[str, Any]
GATE = ROOT / "deploy" / "host" / "sleep_gate.py"
BODY: Json = {"model": "m", "messages": [{"role": "user", "content": "Which shape?"}]}


@dataclass
class SleepingVllm:
    """Serves from a thread of its own, on one port for as long as it is entered.

    What a test may set while it runs: how long falling asleep, waking and an answer take (seconds),
    and in which way waking fails (`status`: it answers 500; `still`: it says so and sleeps on).
    """

    behaviour: Behaviour = field(default_factory=Behaviour)
    sleep_s: float = 0.0
    wake_s: float = 0.0
    answer_s: float = 0.0
    failing: str = ""
    asleep: bool = False
    port: int = 0
    path: str = ""
    """Of a socket, on which it listens instead of a port."""

    def __post_init__(self) -> None:
        self.falling = False
        self.under_way = 0
        self.asked: list[tuple[str, str]] = []
        self.headers: list[tuple[tuple[str, str], ...]] = []
        self.bodies: list[bytes] = []
        self.told: Counter[str] = Counter()
        """hung: requests that came while it slept; aborted: at work as it went to sleep; gone:
        whose client went away."""

    def __enter__(self) -> Self:
        if self.path:
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.path)
        else:
            listener = socket.create_server(("127.0.0.1", self.port), backlog=1024)
            self.port = listener.getsockname()[1]
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(
            app, handler_cancellation=True, shutdown_timeout=0.1, auto_decompress=False
        )
        self._loop = asyncio.new_event_loop()
        self._awake = asyncio.Event()
        if not self.asleep:
            self._awake.set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._call(self._runner.setup())
        self._call(web.SockSite(self._runner, listener).start())
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._runner.cleanup())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, path: str) -> int:
        return sum(asked == path for _, asked in self.asked)

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        own = {"/is_sleeping": self._is_sleeping, "/sleep": self._sleep, "/wake_up": self._wake_up}
        if request.path in own:
            return web.json_response(await own[request.path](request))
        if not request.path.startswith("/v1/") or request.path == "/v1/models":
            return web.json_response({"path": request.path})
        self.headers.append(tuple(request.headers.items()))
        body = await request.read()
        self.bodies.append(body)
        try:
            return await self._generate(request, body)
        except asyncio.CancelledError:
            self.told["gone"] += 1
            raise

    async def _is_sleeping(self, _: web.Request) -> Json:
        return {"is_sleeping": self.asleep or self.falling}

    async def _sleep(self, request: web.Request) -> Json:
        assert request.method == "POST"
        assert request.query_string == "level=1"
        self.told["aborted"] += self.under_way
        self._awake.clear()
        self.falling = True
        await asyncio.sleep(self.sleep_s)
        self.asleep, self.falling = True, False
        return {"status": "sleeping", "level": 1}

    async def _wake_up(self, request: web.Request) -> Json:
        assert request.method == "POST"
        await asyncio.sleep(self.wake_s)
        if self.failing == "status":
            raise web.HTTPInternalServerError
        if self.failing != "still":
            self.asleep = False
            self._awake.set()
        return {"status": "sleeping" if self.asleep else "awake", "tags": None}

    async def _generate(self, request: web.Request, body: bytes) -> web.StreamResponse:
        self.told["hung"] += self.asleep or self.falling
        await self._awake.wait()
        self.under_way += 1
        try:
            return await self._generated(request, body)
        finally:
            self.under_way -= 1

    async def _generated(self, request: web.Request, body: bytes) -> web.StreamResponse:
        if request.headers.get("content-encoding"):
            headers = {"content-encoding": "gzip", "x-two": "a", "set-cookie": "crumb=1"}
            return web.Response(body=body, headers=headers)
        asked = json.loads(body)
        if not asked.get("stream"):
            await asyncio.sleep(self.answer_s)
            return web.json_response(completion(self.behaviour, asked, digest(asked)))
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        for number in range(4):
            await reply.write(f"data: {number}\n\n".encode())
            await asyncio.sleep(self.answer_s / 4)
        return reply


@dataclass
class Client:
    """What stands behind the gate."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, path: str = "/v1/chat/completions", body: object = BODY, method: str = "POST"
    ) -> tuple[int, dict[str, str], Any]:
        """Status, headers, and the body as JSON."""
        headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
        data = json.dumps(body).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=60) as reply:
                return reply.status, dict(reply.headers), json.loads(reply.read())
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), json.loads(error.read())

    def raw(self, sent: bytes) -> bytes:
        """What comes back for bytes as they stand, to the connection's end."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(sent)
            return b"".join(iter(lambda: connection.recv(65536), b""))

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@contextmanager
def gated(
    folder: Path, engines: str, idle: float = 600, port: int = 0, **settings: str
) -> Iterator[Client]:
    """The gate before `engines`, listening; it must end by itself when it is told to."""
    if not port:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
    own = {"ENGINES": engines, "IDLE_SECONDS": str(idle), "GATE_HOST": "127.0.0.1"}
    environ = {**os.environ, **own, "GATE_PORT": str(port), **settings}
    log = folder / "gate.log"
    with log.open("ab") as file:
        process = subprocess.Popen([sys.executable, str(GATE)], env=environ, stderr=file)
    client = Client(port, process, log)
    try:
        wait_for(lambda: _listens(port), 60, 0.05)
        yield client
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(30)


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def main() -> None:
    """In the place of `vllm serve`, on its socket, until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with SleepingVllm(path=sys.argv[sys.argv.index("--uds") + 1]):
        signal.pause()


if __name__ == "__main__":
    main()
