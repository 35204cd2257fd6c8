"""A grader function of the user's, run as a program of its own.

Messages in both directions are JSON, each after its length in four bytes, over the socket whose
descriptor is the first argument. The first one says which function; then each `{"row": …}` is
answered by one `{"id": …, …}` that holds a grade or what went wrong. What an async function asks
the review model stands between them. It ends when its parent's end of the socket does.

Only the standard library is imported: the user's modules find a fresh interpreter.
"""

from __future__ import annotations

import asyncio
import importlib.util
import inspect
import json
import linecache
import math
import os
import queue
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

BEAT_S = 0.2
"""Seconds between two signs of life of an async function's event loop."""
BLOCKED_S = 1.0
"""Seconds without one after which it is said where the loop stands."""
MOST_FEEDBACK = 20_000
MOST_METRICS = 100
_LENGTH = struct.Struct(">I")


class NoReply(Exception):
    """A question to the review model has no answer that can be read."""


class Link:
    """The parent's socket. A process that the user's function forked has no part in it."""

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._owner, self._lock = os.getpid(), threading.Lock()
        os.register_at_fork(after_in_child=self._socket.close)

    def send(self, message: Mapping[str, Any]) -> None:
        """Send a message; a process that was forked ends here instead."""
        if os.getpid() != self._owner:
            os._exit(0)
        data = json.dumps(message, allow_nan=False).encode()
        with self._lock:
            self._socket.sendall(_LENGTH.pack(len(data)) + data)

    def receive(self) -> dict[str, Any]:
        """The next message; the process ends where there will be none."""
        (length,) = _LENGTH.unpack(self._exactly(_LENGTH.size))
        found: dict[str, Any] = json.loads(self._exactly(length))
        return found

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            more = self._socket.recv(count - len(data))
            if not more:
                os._exit(0)
            data += more
        return bytes(data)


def load(folder: str, file: str, name: str) -> tuple[Callable[..., Any] | None, str]:
    """The function, or what is wrong with it."""
    path = Path(folder, file)
    sys.path.insert(0, str(path.parent))
    if str(path.parent) != folder:
        sys.path.insert(1, folder)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        return None, "is no Python file; name one that ends with .py"
    module = importlib.util.module_from_spec(spec)
    sys.modules.setdefault(path.stem, module)
    try:
        spec.loader.exec_module(module)
    except BaseException as error:  # whatever the user's module does
        return None, f"cannot be loaded: {fault(error, folder)}"
    function = getattr(module, name, None)
    if function is None:
        return None, f"is not there: {file} has no {name!r}"
    if not callable(function):
        return None, f"is no function, but {type(function).__name__}"
    return function, _misfit(function)


def _misfit(function: Callable[..., Any]) -> str:
    waits = inspect.iscoroutinefunction(function)
    try:
        signature = inspect.signature(function)
        signature.bind(*((None,) * (3 if waits else 2)))
    except TypeError:
        return (
            f"takes {signature}; write def grade(row, answer) or async def grade(row, answer, ask)"
        )
    except ValueError:
        return ""  # a built-in's signature cannot be had
    return ""


def fault(error: BaseException, folder: str) -> str:
    """An error's last line, with the user's line that it came from."""
    lines = traceback.format_exception_only(type(error), error)
    said = " ".join(lines[-1].split())[:300] or type(error).__name__
    frames = list(traceback.extract_tb(error.__traceback__))
    if isinstance(error, SyntaxError) and error.filename:
        frames.append(traceback.FrameSummary(error.filename, error.lineno, ""))
    return f"{said}{_place(frames, folder)}"


def _place(frames: list[traceback.FrameSummary] | traceback.StackSummary, folder: str) -> str:
    own = [one for one in frames if one.filename.startswith(folder + os.sep)]
    if not own:
        return ""
    return f" ({os.path.relpath(own[-1].filename, folder)}, line {own[-1].lineno})"


def graded(found: Any) -> dict[str, Any]:
    """What a function returned, as a message: a value with feedback and metrics, or `no_grade`."""
    try:
        value, feedback, metrics = _parts(found)
        return {"value": _value(value), "feedback": _text(feedback), "metrics": _metrics(metrics)}
    except ValueError as error:
        return {"no_grade": str(error)}


def _parts(found: Any) -> tuple[Any, Any, Any]:
    if isinstance(found, Mapping):
        if "value" not in found or not found.keys() <= {"value", "feedback", "metrics"}:
            raise ValueError(f"{found!r:.100}, whose keys are not value, feedback and metrics")
        return found["value"], found.get("feedback"), found.get("metrics")
    if hasattr(found, "value") and hasattr(found, "feedback"):
        return found.value, found.feedback, getattr(found, "metrics", None)
    return found, None, None


def _value(found: Any) -> float:
    value = number(found)
    if value is None:
        raise ValueError(
            f"{found!r:.100}, which is no grade; return True, False, a number from 0 to 1, or a "
            "dict of value, feedback and metrics"
        )
    if not 0 <= value <= 1:
        raise ValueError(f"{found!r:.100}, which is not from 0 to 1")
    return value


def _text(feedback: Any) -> str:
    if not isinstance(feedback, str | None):
        raise ValueError(f"feedback that is no text: {feedback!r:.100}")
    return (feedback or "")[:MOST_FEEDBACK]


def _metrics(metrics: Any) -> dict[str, float]:
    if not isinstance(metrics, Mapping | None) or len(metrics or ()) > MOST_METRICS:
        raise ValueError(f"metrics that are no mapping of at most {MOST_METRICS}")
    named = {}
    for name, found in (metrics or {}).items():
        value = number(found)
        if value is None or not math.isfinite(value):
            raise ValueError(f"the metric {name!s:.50} = {found!r:.50}, which is no number")
        named[str(name)] = value
    return named


def number(found: Any) -> float | None:
    """`found` as a float where it is a number or a boolean, numpy's included."""
    if type(found).__module__ == "numpy" and hasattr(found, "item"):
        found = found.item()
    return float(found) if isinstance(found, bool | int | float) else None


class Plain:
    """Grades by a plain function, one row after another."""

    def __init__(self, link: Link, function: Callable[..., Any], hello: Mapping[str, Any]) -> None:
        self._link, self._function = link, function
        self._folder, self._cpu_s = hello["folder"], hello["cpu_s"]

    def run(self) -> None:
        """Grade what comes in, for ever."""
        rows: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(rows,), daemon=True).start()
        while True:
            message = rows.get()
            self._link.send({"id": message["id"], **self._graded(message["row"])})

    def _read(self, rows: queue.SimpleQueue[dict[str, Any]]) -> None:
        while True:
            rows.put(self._link.receive())

    def _graded(self, row: list[Any]) -> dict[str, Any]:
        # The kernel ends the process where it is reached: no code of the user's can catch that.
        signal.setitimer(signal.ITIMER_PROF, self._cpu_s)
        try:
            return graded(self._function(*row))
        except BaseException as error:
            return {"fault": fault(error, self._folder)}
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)


class Waiting:
    """Grades by an async function, many rows at a time."""

    def __init__(self, link: Link, function: Callable[..., Any], hello: Mapping[str, Any]) -> None:
        self._link, self._function = link, function
        self._folder, self._cpu_s, self._name = hello["folder"], hello["cpu_s"], hello["name"]
        self._rows: dict[int, asyncio.Task[None]] = {}
        self._questions: dict[int, asyncio.Future[str]] = {}
        self._asked = 0
        self._beaten = time.monotonic()

    async def run(self) -> None:
        """Grade what comes in, for ever."""
        loop, main = asyncio.get_running_loop(), threading.get_ident()
        threading.Thread(target=self._read, args=(loop,), daemon=True).start()
        threading.Thread(target=self._watch, args=(main,), daemon=True).start()
        while True:
            self._beaten = time.monotonic()
            signal.setitimer(signal.ITIMER_PROF, self._cpu_s)
            await asyncio.sleep(BEAT_S)

    def _read(self, loop: asyncio.AbstractEventLoop) -> None:
        while True:
            loop.call_soon_threadsafe(self._take, self._link.receive())

    def _take(self, message: dict[str, Any]) -> None:
        key = message["id"]
        if "row" in message:
            self._rows[key] = asyncio.ensure_future(self._grade(key, message["row"]))
        elif "cancel" in message:
            task = self._rows.get(key)
            if task is not None:
                task.cancel()
        else:
            question = self._questions.pop(message["question"], None)
            if question is None or question.done():
                return
            if "text" in message:
                question.set_result(message["text"])
            else:
                question.set_exception(NoReply(message["missing"]))

    async def _grade(self, key: int, row: list[Any]) -> None:
        async def ask(*messages: Any, replicate: int = 0, response_format: Any = None) -> str:
            return await self._ask(key, messages, replicate, response_format)

        try:
            found = graded(await self._function(*row, ask))
        except NoReply as error:
            found = {"no_review": str(error)}
        except asyncio.CancelledError:
            return
        except BaseException as error:
            found = {"fault": fault(error, self._folder)}
        finally:
            self._rows.pop(key, None)
        self._link.send({"id": key, **found})

    async def _ask(self, key: int, messages: Any, replicate: int, form: Any) -> str:
        turns = [
            {"role": "user", "content": one} if isinstance(one, str) else dict(one)
            for one in messages
        ]
        self._asked += 1
        number = self._asked
        self._questions[number] = asyncio.get_running_loop().create_future()
        asked = {"messages": turns, "replicate": replicate, "form": form}
        self._link.send({"id": key, "question": number, "ask": asked})
        return await self._questions[number]

    def _watch(self, main: int) -> None:
        """Say once where the loop is held up: whoever wrote the function can only see that all
        rows are slow.
        """
        while True:
            time.sleep(BEAT_S)
            if time.monotonic() - self._beaten < BLOCKED_S:
                continue
            frame = sys._current_frames().get(main)
            own = [
                one
                for one in (traceback.extract_stack(frame) if frame else [])
                if one.filename.startswith(self._folder + os.sep)
            ]
            if not own:
                continue
            place = os.path.relpath(own[-1].filename, self._folder)
            line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
            where = f"{place}, line {own[-1].lineno}: {line[:100]}"
            self._link.send({"id": 0, "blocked": where})
            print(  # noqa: T201
                f"{self._name} is async and blocks at {where}; await there, or write a plain def",
                file=sys.stderr,
                flush=True,
            )
            return


def _main() -> None:
    for name in ("SIGINT", "SIGTERM"):
        signal.signal(getattr(signal, name), signal.SIG_IGN)  # its parent's to answer
    # What the function prints is no one's result.
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    link = Link(int(sys.argv[1]))
    hello = link.receive()
    sys.argv[1:] = []
    sys.path[:] = [*sys.path[1:], *(one for one in hello["paths"] if one not in sys.path)]
    function, problem = load(hello["folder"], hello["file"], hello["function"])
    waits = inspect.iscoroutinefunction(function)
    link.send({"id": 0, "problem": problem, "waits": waits})
    if function is None or problem:
        return
    if waits:
        asyncio.run(Waiting(link, function, hello).run())
    else:
        Plain(link, function, hello).run()


if __name__ == "__main__":
    _main()
