"""A server on loopback that answers in bytes of a test's choosing, each question with its own."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

ANSWER = "yes"
"""What every question is answered that has no reply of its own, or has had it."""
PIECE = b" " * 2**14
LATE_S = 0.05
"""How long a reply that ends a run is held back, so that those before it have arrived."""


@dataclass(frozen=True)
class Raw:
    """A reply as it goes over the wire; then the connection is closed, or held, or flooded."""

    head: bytes
    body: bytes = b""
    then: str = "close"
    """`close`, `hold` (nothing more is ever sent) or `flood` (chunks of blanks without end)."""


def reply(body: bytes | str, status: str = "200 OK", then: str = "close", **headers: str) -> Raw:
    """A whole reply; `_` in a header's name is `-`, and an empty value leaves it out."""
    content = body.encode() if isinstance(body, str) else body
    said = {"content_type": "application/json", "content_length": str(len(content)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in said.items() if value]
    head = "\r\n".join([f"HTTP/1.1 {status}", *lines, "connection: close", "", ""])
    return Raw(b"".join(map(_coded, head)), content, then)


def _coded(character: str) -> bytes:
    return character.encode("latin-1" if ord(character) < 256 else "utf-8")


GOOD = reply(
    json.dumps(
        {
            "choices": [{"message": {"content": ANSWER}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 1},
        }
    )
)


@dataclass
class HostileServer:
    """Answers what `replies` says for a question: once where it is in `once`, else each time.

    `asked` counts the questions. Those in `late` are answered a moment later.
    """

    replies: Mapping[str, Raw]
    once: frozenset[str] = frozenset()
    late: frozenset[str] = frozenset()
    choose: Callable[[dict[str, Any]], str | None] = lambda body: None
    """Another way to tell which reply a request gets."""
    asked: Counter[str] = field(default_factory=Counter)

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server = self._call(asyncio.start_server(self._serve, "127.0.0.1", 0))
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/v1"
        return self

    def __exit__(self, *_: object) -> None:
        self._call(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _call(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _end(self) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            question = await self._question(reader)
            self.asked[question] += 1
            fresh = question not in self.once or self.asked[question] == 1
            chosen = self.replies.get(question, GOOD) if fresh else GOOD
            if question in self.late:
                await asyncio.sleep(LATE_S)
            writer.write(chosen.head + chosen.body)
            await writer.drain()
            if chosen.then == "hold":
                await asyncio.Event().wait()
            while chosen.then == "flood":
                writer.write(b"%x\r\n" % len(PIECE) + PIECE + b"\r\n")
                await writer.drain()
        with suppress(OSError):
            writer.close()
            await writer.wait_closed()

    async def _question(self, reader: asyncio.StreamReader) -> str:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        length = int(head.split("content-length:")[1].split("\r\n")[0])
        body = json.loads(await reader.readexactly(length))
        return self.choose(body) or str(body["messages"][-1]["content"])
