"""A program of this project's that answers one line with one line, in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import weakref
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

MOST_WORKERS = 8
WALL_S = 60.0
"""Seconds after which a worker is given up, whatever CPU time it has had."""


class LineWorker:
    """One process for all lines, started when it is needed and again when it had to be ended.

    It has nothing of this process's environment, and ends when its standard input does.
    """

    def __init__(self, program: Path, *arguments: str, wall_s: float = WALL_S) -> None:
        self._command = [sys.executable, "-I", "-S", str(program), *arguments]
        self._wall_s = wall_s
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def answer(self, line: str) -> str:
        """What the program says to `line`, which is ASCII without its end; empty where it ended.

        It is asked twice before that is said, unless it took too much CPU time: it may have been
        killed for no fault of the line's.
        """
        with self._lock:
            answer = self._asked(line)
            if not answer and self._process and self._process.returncode != -signal.SIGPROF:
                answer = self._asked(line)
            return answer

    def _asked(self, line: str) -> str:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        backstop = threading.Timer(self._wall_s, process.kill)
        backstop.start()
        answer = ""
        try:
            process.stdin.write(f"{line}\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            pass  # it has ended
        finally:
            backstop.cancel()
            if not answer:
                # Its pipes close before it can be seen to have ended, and an answer that nobody
                # waited for, as after Ctrl-C, would be read as the next line's.
                process.kill()
                process.wait()
        return answer

    def _running(self) -> subprocess.Popen[str]:
        # A fork would share its pipes.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._owner = os.getpid()
            self._process = _started(self._command)
            weakref.finalize(self, _end, self._process, self._owner)
        return self._process


class LineWorkers:
    """As many of them as there are processors."""

    def __init__(self, program: Path, *arguments: str, wall_s: float = WALL_S) -> None:
        size = min(MOST_WORKERS, os.cpu_count() or 1)
        self._idle: queue.SimpleQueue[LineWorker] = queue.SimpleQueue()
        self._threads = ThreadPoolExecutor(size)
        for _ in range(size):
            self._idle.put(LineWorker(program, *arguments, wall_s=wall_s))

    def answer(self, line: str) -> str:
        """See `LineWorker`; waits for one that is idle."""
        worker = self._idle.get()
        try:
            return worker.answer(line)
        finally:
            self._idle.put(worker)

    async def answered(self, line: str) -> str:
        """The same, without holding the event loop up."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, self.answer, line)


def _started(command: Sequence[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={},
        encoding="ascii",
    )


def _end(process: subprocess.Popen[str], owner: int) -> None:
    if owner != os.getpid():
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
