"""Putting vLLM servers to sleep and waking them: one place that knows who may be asked when."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterable, Sequence
from typing import Any

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientSession,
    ClientTimeout,
    ConnectionTimeoutError,
    DummyCookieJar,
    TCPConnector,
    UnixConnector,
)

CONNECT_S = 10.0
OUT_OF_REACH = (ClientConnectorError, ConnectionTimeoutError)


class Unready(Exception):
    """The engines cannot be asked now; the message is told to the client."""


def session(address: str, total_s: float | None) -> ClientSession:
    """A client of one server that adds nothing, keeps no cookies and leaves bodies as they are.

    Each request has a connection of its own: vLLM drops one that was idle for 5 s, and a request
    sent at that moment could not be told from one that was at work.
    """
    if address.startswith("unix:"):
        place: Any = UnixConnector(address.removeprefix("unix:"), force_close=True, limit=0)
        address = "http://vllm"
    else:
        place = TCPConnector(force_close=True, limit=0)
    return ClientSession(
        address,
        connector=place,
        timeout=ClientTimeout(total=total_s, sock_connect=CONNECT_S),
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
    )


class Engine:
    """One vLLM server's sleep, of which it speaks in development mode alone."""

    def __init__(self, address: str, patience_s: float) -> None:
        self._address, self._patience_s = address, patience_s

    async def sleep(self) -> bool:
        """Put it to sleep; False where it sleeps already."""
        if await self._sleeps():
            return False
        await self._tell("POST", "/sleep?level=1")
        return True

    async def wake(self) -> None:
        """Return when it is awake.

        Raises:
            Unready: it says that it still sleeps, or nothing to the point.
            ClientError: it cannot be reached, or breaks off.
            TimeoutError: it took longer than it may.
        """
        if not await self._sleeps():
            return
        await self._tell("POST", "/wake_up")
        if await self._sleeps():
            raise Unready("the engine did not wake up")

    async def _sleeps(self) -> bool:
        said = await self._tell("GET", "/is_sleeping")
        try:
            return bool(json.loads(said)["is_sleeping"])
        except (ValueError, LookupError, TypeError):
            raise Unready("the engine does not say whether it sleeps") from None

    async def _tell(self, method: str, path: str) -> bytes:
        async with (
            session(self._address, self._patience_s) as client,
            client.request(method, path) as reply,
        ):
            if reply.status != 200:
                raise Unready(f"the engine answered {reply.status} to {path}")
            return await reply.read()


class Doorkeeper:
    """Lets requests in while the engines are awake, and sends the engines to sleep when idle.

    `async with` it around a request. All happens on one event loop: between looking at a field and
    setting it nothing comes in where no `await` stands.
    """

    def __init__(self, engines: Sequence[Engine], idle_s: float) -> None:
        self._engines, self._idle_s = engines, idle_s
        # False also where nobody knows: at the start, and after a failure.
        self._awake = False
        self._requests = 0
        self._last = time.monotonic()
        self._turn = asyncio.Lock()
        self._waking: asyncio.Task[str] | None = None

    async def __aenter__(self) -> None:
        """Return when the engines are awake; they stay awake until the exit.

        Raises:
            Unready: they could not be woken.
        """
        # Counted while it waits too, so that they do not fall asleep again before it is let in.
        self._requests += 1
        try:
            if not self._awake:
                # One waking for all who wait, which goes on when the first of them goes away.
                if self._waking is None:
                    self._waking = asyncio.create_task(self._wake())
                failure = await asyncio.shield(self._waking)
                if failure:
                    raise Unready(failure)
        except BaseException:
            await self.__aexit__()
            raise

    async def __aexit__(self, *_: object) -> None:
        self._requests -= 1
        self._last = time.monotonic()

    async def watch(self) -> None:
        """Put the engines to sleep whenever no request was there for the idle time, without end."""
        while True:
            await asyncio.sleep(max(self._left(), min(self._idle_s, 1.0)))
            if self._is_idle():
                async with self._turn:
                    if self._is_idle():
                        # From here on whoever comes waits for this turn's end, and wakes them.
                        self._awake = False
                        await self._sleep()
                        self._last = time.monotonic()

    def _left(self) -> float:
        return self._last + self._idle_s - time.monotonic()

    def _is_idle(self) -> bool:
        return not self._requests and self._left() <= 0

    async def _wake(self) -> str:
        """Why they are not awake, empty where they are."""
        try:
            async with self._turn:
                started = time.monotonic()
                wakings = (engine.wake() for engine in self._engines)
                failure = _failure(await asyncio.gather(*wakings, return_exceptions=True))
                self._awake = not failure
                told = f"not awake: {failure}" if failure else "awake"
                print(f"{told} ({time.monotonic() - started:.1f} s)", file=sys.stderr)
                return failure
        finally:
            self._waking = None

    async def _sleep(self) -> None:
        started = time.monotonic()
        falling = (engine.sleep() for engine in self._engines)
        ends = await asyncio.gather(*falling, return_exceptions=True)
        failed = [end for end in ends if isinstance(end, BaseException)]
        if failed:
            print(f"not asleep: {_words(failed[0])}", file=sys.stderr)
        elif any(ends):
            print(f"asleep ({time.monotonic() - started:.1f} s)", file=sys.stderr)


def _failure(ends: Iterable[BaseException | None]) -> str:
    """Why requests cannot be let in: some engine may sleep, or all are out of reach.

    A router asks none that is out of reach, and one that comes back has been started anew.
    """
    ends = list(ends)
    gone = [end for end in ends if isinstance(end, OUT_OF_REACH)]
    failed = [end for end in ends if end is not None and end not in gone]
    if failed or len(gone) == len(ends):
        return _words([*failed, *gone][0])
    return ""


def _words(error: BaseException) -> str:
    if isinstance(error, Unready):
        return str(error)
    if isinstance(error, TimeoutError) and not isinstance(error, OUT_OF_REACH):
        return "the engine did not answer in time"
    if isinstance(error, ClientError):
        return "the engine cannot be reached"
    return repr(error)
