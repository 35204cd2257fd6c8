"""A program of this project's in a fresh interpreter, spoken to over a socket of its own.

Never a fork: this process has threads, and locks that they hold. It has none of this process's
environment but what is in KEPT, and nothing of its standard input; what it prints goes where this
process's errors go. It and all that it has started are killed together.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "LD_LIBRARY_PATH")
"""Variables that a worker has from this process: none of them holds a key."""
LONGEST = 64 * 2**20
"""Bytes of a message: what is longer is none of ours."""
EXIT_S = 1.0
"""Seconds that a process has to end in, once its socket is closed."""
_LENGTH = struct.Struct(">I")

Inbox = asyncio.Queue[dict[str, Any] | None]
"""What comes in about one piece of work; `None` once the worker has ended."""


class WorkerEnded(Exception):
    """The worker ended, or was killed, while it was at work: how, in words."""


class Worker:
    """One such program, `script`, at work in `folder`; `hello` is its first message.

    Its messages are objects with an `id`: of the work that they are about, or 0. It belongs to the
    event loop that it was started in.
    """

    def __init__(self, script: Path, folder: Path, hello: Mapping[str, Any]) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            environment = {name: os.environ[name] for name in KEPT if name in os.environ}
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-B", "-s", "-P", str(script), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env={**environment, "PYTHONHASHSEED": "0"},
                pass_fds=[theirs.fileno()],
                cwd=folder,
                start_new_session=True,
            )
        ours.setblocking(False)
        self._socket, self._loop = ours, asyncio.get_running_loop()
        self._inboxes: dict[int, Inbox] = {}
        self._sending = asyncio.Lock()
        self._why = ""
        self.blocked = ""
        """Where its event loop was seen to be held up."""
        self.first = self.inbox(0)
        self._reading = self._loop.create_task(self._read(hello))

    @property
    def alive(self) -> bool:
        """It can be given work in the running loop."""
        return (
            not self._why and not self._reading.done() and self._loop is asyncio.get_running_loop()
        )

    def inbox(self, key: int) -> Inbox:
        """Where what comes in about `key` is put."""
        inbox = self._inboxes[key] = asyncio.Queue()
        if self._why:
            inbox.put_nowait(None)
        return inbox

    def close(self, key: int) -> None:
        """What comes in about `key` is not wanted any more."""
        self._inboxes.pop(key, None)

    async def send(self, message: Mapping[str, Any]) -> None:
        """Give it a message; one that has ended takes none."""
        data = json.dumps(message, allow_nan=False).encode()
        async with self._sending:
            with contextlib.suppress(OSError):
                await self._loop.sock_sendall(self._socket, _LENGTH.pack(len(data)) + data)

    def kill(self, why: str = "") -> None:
        """End it and what it started; `why` is what is then said of its work."""
        self._why = self._why or why
        self._why = self._why or "was ended"
        self._reading.cancel()

    def how(self) -> str:
        """How it ended."""
        return self._why

    async def _read(self, hello: Mapping[str, Any]) -> None:
        try:
            await self.send(hello)
            while True:
                (length,) = _LENGTH.unpack(await self._exactly(_LENGTH.size))
                if length > LONGEST:
                    raise EOFError
                message: dict[str, Any] = json.loads(await self._exactly(length))
                self.blocked = message.get("blocked", self.blocked)
                inbox = self._inboxes.get(message["id"])
                if inbox is not None:
                    inbox.put_nowait(message)
        except (OSError, EOFError, ValueError):
            pass
        finally:
            self._end()

    def _end(self) -> None:
        self._socket.close()
        # Its number, and so its group's, is no one else's before it was waited for.
        late = time.monotonic() + (0 if self._why else EXIT_S)
        while time.monotonic() < late and not self._has_ended():
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._why = self._why or _how(self._process.wait())
        for inbox in self._inboxes.values():
            inbox.put_nowait(None)

    def _has_ended(self) -> bool:
        seen = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, self._process.pid, seen) is not None

    async def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            more = await self._loop.sock_recv(self._socket, count - len(data))
            if not more:
                raise EOFError
            data += more
        return bytes(data)


def _how(status: int) -> str:
    if status >= 0:
        return f"ended its process (exit status {status})"
    if status == -signal.SIGPROF:
        return "took too much CPU time"
    return f"was ended by {signal.Signals(-status).name}"
