"""A user's regular expression over a text that a model wrote: in linear time, or under a limit."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

from autoprompt_assets.engine.grading import pattern_worker
from autoprompt_assets.engine.grading.linear import is_plain, linear

WALL_S = 60.0
"""Seconds after which a worker is given up, whatever CPU time it has had."""


class PatternTooSlow(Exception):
    """The text took the pattern longer than `pattern_worker.CPU_S` seconds of CPU time."""


def last_match(pattern: str, ignore_case: bool, text: str) -> str | None:
    """The first group of the pattern's last match in `text`, all of the match where it has none.

    Raises:
        PatternTooSlow: the search reached the limit.
    """
    compiled = linear(pattern, ignore_case) if is_plain(text) else None
    if compiled is None:
        return _WORKER.found(pattern, ignore_case, False, text)
    last: Any = None
    begun = time.thread_time()
    for match in compiled.finditer(text):
        last = match
        # Each search is linear; many that each look through to the end are not.
        if time.thread_time() - begun > pattern_worker.CPU_S:
            raise PatternTooSlow
    if last is None:
        return None
    return (last[1] if compiled.groups else last[0]) or ""


def matches_whole(pattern: str, ignore_case: bool, text: str) -> bool:
    """Whether the pattern matches all of `text`.

    Raises:
        PatternTooSlow: the search reached the limit.
    """
    compiled = linear(pattern, ignore_case) if is_plain(text) else None
    if compiled is None:
        return _WORKER.found(pattern, ignore_case, True, text) is not None
    return compiled.fullmatch(text) is not None


class _Worker:
    """One process for all texts, started when it is needed and again when it had to be ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def found(self, pattern: str, ignore_case: bool, whole: bool, text: str) -> str | None:
        """See `pattern_worker.found`.

        Raises:
            PatternTooSlow: the search reached the limit.
        """
        with self._lock:
            line = json.dumps([pattern, ignore_case, whole, text])
            answer = self._asked(line) or self._asked(line)  # it may have been killed meanwhile
        if not answer or answer == "[]\n":
            raise PatternTooSlow
        found: list[str | None] = json.loads(answer)
        return found[0]

    def _asked(self, line: str) -> str:
        process = self._running()
        assert process.stdin is not None
        assert process.stdout is not None
        backstop = threading.Timer(WALL_S, process.kill)
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
                # waited for, as after Ctrl-C, would be read as the next text's.
                process.kill()
                process.wait()
        return answer

    def _running(self) -> subprocess.Popen[str]:
        # A fork would share its pipes.
        if self._process is None or self._owner != os.getpid() or self._process.poll() is not None:
            self._owner = os.getpid()
            # It ends when its standard input does, and needs nothing of the environment.
            self._process = subprocess.Popen(  # noqa: S603
                [sys.executable, "-I", "-S", str(Path(pattern_worker.__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={},
                encoding="ascii",
            )
        return self._process


_WORKER = _Worker()
