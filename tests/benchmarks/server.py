"""A chat completions server on 127.0.0.1 that leaves the machine to its client.

    python -m tests.benchmarks.server [--delay SECONDS] [--rate PER_SECOND] [--port PORT]

It prints its address and serves until it is told to end. It reads just enough of HTTP/1.1 for the
clients that are measured here (keep-alive, bodies with a Content-Length, no pipelining): that costs
a fifth of what `aiohttp.web.Server` costs (0.010 instead of 0.05 ms a request at saturation; uvloop
would make it 0.009), so that the client, not the server, is what is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass

from tests.benchmarks.measure import ROOT

MODULE = "tests.benchmarks.server"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
MARK = b"checksum"
COMPLETION = (
    b'{"id":"chatcmpl-checksum","object":"chat.completion","created":1764000000,'
    b'"model":"gpt-4.1-mini-2025-04-14","choices":[{"index":0,"message":{"role":"assistant",'
    b'"content":"Looking at the segments one by one, the answer is checksum.","refusal":null,'
    b'"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":120,'
    b'"completion_tokens":17,"total_tokens":137,"prompt_tokens_details":{"cached_tokens":0,'
    b'"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":0,"audio_tokens":0,'
    b'"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default",'
    b'"system_fingerprint":"fp_0123456789"}'
)
REFUSAL = (
    b'{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}'
)


@dataclass(frozen=True)
class Stats:
    """What the server has seen of chat requests; `cpu_s` is its own processor time."""

    requests: int
    refused: int
    connections: int
    peak_in_flight: int
    span_s: float
    """Between the first request and the last one."""
    cpu_s: float


def response(status: bytes, body: bytes, extra: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%b\r\n"
    return head % (status, len(body), extra) + body


# The mark is as long as what takes its place, so the length of the whole holds.
ANSWER = response(b"200 OK", COMPLETION)


class Service:
    """The state that all connections share."""

    def __init__(self, delay: float, rate: float) -> None:
        self.delay, self.rate = delay, rate
        self.tokens, self.filled = rate, 0.0
        self.requests = self.refused = self.connections = 0
        self.in_flight = self.peak_in_flight = 0
        self.first = self.last = 0.0

    def admit(self, now: float) -> bool:
        """Take one token of the bucket, which holds one second's worth, if there is one."""
        if not self.rate:
            return True
        self.tokens = min(self.rate, self.tokens + (now - self.filled) * self.rate)
        self.filled = now
        if self.tokens < 1:
            self.refused += 1
            return False
        self.tokens -= 1
        return True

    def refusal(self) -> bytes:
        # Retry-After has whole seconds.
        wait = math.ceil((1 - self.tokens) / self.rate)
        return response(b"429 Too Many Requests", REFUSAL, b"Retry-After: %d\r\n" % wait)

    def stats(self) -> Stats:
        span, cpu = self.last - self.first, time.process_time()
        return Stats(self.requests, self.refused, self.connections, self.peak_in_flight, span, cpu)


class Framed(asyncio.Protocol):
    """One client's connection, on which one request follows another's answer."""

    received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self.received:
            data = self.received + data
        head = data.find(b"\r\n\r\n") + 4
        length = LENGTH.search(data, 0, head) if head > 3 else None
        if head < 4 or (length and len(data) < head + int(length[1])):
            self.received = data
            return
        self.received = b""
        self.answer(data, head)

    def answer(self, request: bytes, body: int) -> None:
        """Write the answer to `request`, whose body begins at `body`, now or later."""
        raise NotImplementedError


class Connection(Framed):
    """Answers chat requests alike, and any other with what was seen so far."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.loop = asyncio.get_running_loop()
        self.timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.service.connections += 1

    def connection_lost(self, _: Exception | None) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.service.in_flight -= 1

    def answer(self, request: bytes, body: int) -> None:
        if request.startswith(b"POST"):
            self.chat(request[body:])
        else:
            stats = json.dumps(asdict(self.service.stats())).encode()
            self.transport.write(response(b"200 OK", stats))

    def chat(self, body: bytes) -> None:
        service, now = self.service, time.perf_counter()
        service.requests += 1
        service.first, service.last = service.first or now, now
        if not service.admit(now):
            self.transport.write(service.refusal())
            return
        # The content is a pure function of the request.
        answer = ANSWER.replace(MARK, b"%08x" % zlib.crc32(body))
        service.in_flight += 1
        service.peak_in_flight = max(service.peak_in_flight, service.in_flight)
        if service.delay:
            self.timer = self.loop.call_later(service.delay, self.finish, answer)
        else:
            self.finish(answer)

    def finish(self, answer: bytes) -> None:
        self.timer = None
        self.service.in_flight -= 1
        self.transport.write(answer)


async def serve(connection: Callable[[], asyncio.Protocol], chosen: argparse.Namespace) -> None:
    """Print the address, and serve until SIGINT or SIGTERM, or until whoever started it is gone."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    if chosen.attached:

        def wait() -> None:
            sys.stdin.read()
            with suppress(RuntimeError):  # the loop is closed: a signal was first
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=wait, daemon=True).start()
    server = await loop.create_server(connection, "127.0.0.1", chosen.port, backlog=4096)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await ended.wait()


def parser_of(module: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--attached", action="store_true", help="end when standard input ends")
    return parser


@contextmanager
def started(module: str, *arguments: str) -> Iterator[tuple[str, int]]:
    """Address and process id of `module`'s server, which ends with the context or this process."""
    command = [sys.executable, "-m", module, "--attached", *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            root = process.stdout.readline().strip()
            if not root:
                raise RuntimeError(f"{module} did not start")
            yield root, process.pid
        finally:
            process.terminate()


@contextmanager
def serving(delay: float = 0.0, rate: float = 0.0) -> Iterator[str]:
    """The base URL of a server in a process of its own, which ends with the context."""
    with started(MODULE, "--delay", str(delay), "--rate", str(rate)) as (root, _):
        yield f"{root}/v1"


def stats_of(base_url: str) -> Stats:
    with urllib.request.urlopen(base_url.removesuffix("/v1") + "/stats", timeout=10) as reply:
        return Stats(**json.load(reply))


def main() -> None:
    parser = parser_of(MODULE)
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before an answer")
    parser.add_argument("--rate", type=float, default=0.0, help="answers per second; 0: no limit")
    chosen = parser.parse_args()
    service = Service(chosen.delay, chosen.rate)
    asyncio.run(serve(lambda: Connection(service), chosen))


if __name__ == "__main__":
    main()
