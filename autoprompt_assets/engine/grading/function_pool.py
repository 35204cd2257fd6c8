"""Workers that run a grader function of the user's, and what becomes of them.

A plain function has some workers with a row each, an async one has one worker with many. A worker
that hangs, ends or takes too much CPU time is killed and replaced, and its rows are tried once
more, each alone: the CPU time of a row does not depend on what else the machine does, and the clock
is a backstop.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.grading import function_worker
from autoprompt_assets.engine.grading.grade import NO_METRICS, Grade, graded, unreviewed
from autoprompt_assets.engine.grading.own_files import OwnFiles
from autoprompt_assets.engine.grading.protocol import Ask, NoReview
from autoprompt_assets.engine.grading.worker import Inbox, Worker, WorkerEnded
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.text import size_of

WORKERS = min(4, os.cpu_count() or 1)
"""Of a plain function, at once."""
ROWS_AT_ONCE = 64
"""Of an async function, in its one worker."""
LOAD_S = 120.0
"""Seconds that loading the user's module may take."""
CLOCK = 10.0
"""Seconds on the clock for each of CPU time."""

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Limits:
    """What one row may take: seconds of CPU time, questions to the review model, bytes of each.

    `place` is the field of the experiment's file that says so: `grader`, or `graders.NAME`.
    """

    cpu_s: float
    reviews: int
    longest_review: int
    place: str = "grader"


@dataclass
class _State:
    """The workers of one event loop; `waits`: the function is async."""

    loop: asyncio.AbstractEventLoop
    waits: bool
    workers: list[Worker]
    idle: list[Worker]
    room: asyncio.Semaphore
    size: int
    starting: asyncio.Lock = field(default_factory=asyncio.Lock)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """While no other row is graded."""
        held = 0
        async with self.turn:
            try:
                while held < self.size:
                    await self.room.acquire()
                    held += 1
                yield
            finally:
                for _ in range(held):
                    self.room.release()


class FunctionPool:
    """Runs the function `name` of `file`, one of `files`, in the event loop that is running."""

    def __init__(self, files: OwnFiles, file: str, name: str, limits: Limits) -> None:
        self._files, self._file, self._name, self._limits = files, file, name, limits
        self._state: asyncio.Task[_State] | None = None
        self._rows = 0

    @property
    def function(self) -> str:
        """As the experiment's file names it."""
        return f"{self._file}:{self._name}"

    async def problem(self) -> str:
        """Why the function cannot be called, or an empty text. No worker is left."""
        worker, _, problem = await self._started()
        worker.kill()
        return problem

    async def grade(self, row: Fields, answer: str, ask: Ask) -> Grade:
        """The function's grade of one answer.

        Raises:
            InputError: it cannot be loaded, or its files were changed.
            NoReview: it could not go on without a review.
        """
        state, once = await self._ready(), _AskedOnce(ask)
        try:
            async with state.room:
                try:
                    return await self._tried(state, row, answer, once)
                except WorkerEnded:
                    pass
            async with state.alone():
                try:
                    return await self._tried(state, row, answer, once)
                except WorkerEnded as error:
                    return unreviewed(f"{self.function} {error}", fault=True)
        finally:
            once.close()

    async def _ready(self) -> _State:
        """The state of the running loop, made once; the first worker says what the function is."""
        loop = asyncio.get_running_loop()
        if self._state is None or self._state.get_loop() is not loop:
            self._state = loop.create_task(self._made(loop))
        return await asyncio.shield(self._state)

    async def _made(self, loop: asyncio.AbstractEventLoop) -> _State:
        worker, waits = await self._working()
        size = ROWS_AT_ONCE if waits else WORKERS
        return _State(loop, waits, [worker], [worker], asyncio.Semaphore(size), size)

    async def _tried(self, state: _State, row: Fields, answer: str, ask: Ask) -> Grade:
        worker = await self._taken(state)
        try:
            return await self._graded(worker, (row, answer), ask)
        except asyncio.CancelledError:
            if not state.waits:
                worker.kill()  # it is at work on what nobody waits for
            raise
        finally:
            if not state.waits and worker.alive:
                state.idle.append(worker)

    async def _taken(self, state: _State) -> Worker:
        """A worker for one row: one's own, or that of all rows."""
        if state.waits:
            async with state.starting:
                if not state.workers[-1].alive:
                    state.workers = [(await self._working())[0]]
                return state.workers[-1]
        while state.idle:
            worker = state.idle.pop()
            if worker.alive:
                return worker
        return (await self._working())[0]

    async def _working(self) -> tuple[Worker, bool]:
        worker, waits, problem = await self._started()
        if problem:
            worker.kill()
            raise InputError(f"{self._limits.place}.function = {self.function!r}: {problem}")
        return worker, waits

    async def _started(self) -> tuple[Worker, bool, str]:
        """A worker, whether the function is async, and why it cannot be called."""
        self._files.refuse_changed()
        hello = {
            "folder": str(self._files.folder),
            "file": self._file,
            "function": self._name,
            "name": f"{self._limits.place}.function = {self.function!r}",
            "cpu_s": self._limits.cpu_s,
            "paths": [path for path in sys.path if path],
        }
        worker = Worker(Path(function_worker.__file__), self._files.folder, hello)
        try:
            said = await asyncio.wait_for(worker.first.get(), LOAD_S)
        except TimeoutError:
            return worker, False, f"{self._file} takes more than {LOAD_S:g} s to load"
        if said is None:
            return worker, False, f"{self._file} {worker.how()} while it was loaded"
        return worker, said["waits"], said["problem"]

    async def _graded(self, worker: Worker, work: tuple[Fields, str], ask: Ask) -> Grade:
        self._rows += 1
        key, left = self._rows, CLOCK * self._limits.cpu_s
        inbox, questions = worker.inbox(key), _Questions(worker, key, ask, self._limits)
        try:
            await worker.send({"id": key, "row": work})
            while True:
                begun, waiting = time.monotonic(), questions.open
                try:
                    message = await asyncio.wait_for(inbox.get(), None if waiting else left)
                except TimeoutError:
                    worker.kill(self._too_late(worker))
                    message = None
                left -= 0 if waiting else time.monotonic() - begun
                if message is None:
                    raise WorkerEnded(self._how(worker))
                if "question" in message:
                    questions.put(message, inbox)
                elif "failed" in message:
                    raise message["failed"]
                elif "answered" not in message:
                    return self._grade_of(message)
        finally:
            questions.close()
            worker.close(key)

    def _how(self, worker: Worker) -> str:
        if "CPU time" in worker.how():
            return (
                f"took more than {self._limits.cpu_s:g} s of CPU time, {self._limits.place}.cpu_s"
            )
        return worker.how()

    def _too_late(self, worker: Worker) -> str:
        limits = self._limits
        late = f"gave no grade in {CLOCK * limits.cpu_s:g} s, ten times {limits.place}.cpu_s"
        if worker.blocked:
            late += f"; it is async and blocks at {worker.blocked}"
        return late

    def _grade_of(self, message: Fields) -> Grade:
        if "no_review" in message:
            raise NoReview(message["no_review"])
        if "no_grade" in message:
            return unreviewed(f"{self.function} gave {message['no_grade']}", fault=True)
        if "fault" in message:
            return unreviewed(f"{self.function} failed: {message['fault']}", fault=True)
        feedback, metrics = message["feedback"], message["metrics"] or NO_METRICS
        return graded(message["value"], feedback=feedback, metrics=metrics)


class _AskedOnce:
    """Asks each question about a row once: a row that is tried again asks the same ones.

    Implements `engine.grading.Ask`.
    """

    def __init__(self, ask: Ask) -> None:
        self._ask = ask
        self._asked: dict[str, asyncio.Task[str]] = {}

    async def __call__(
        self, *messages: Message, form: Fields | None = None, replicate: int = 0
    ) -> str:
        key = canonical_json([messages, form, replicate])
        if key not in self._asked:
            asked = self._ask(*messages, form=form, replicate=replicate)
            self._asked[key] = asyncio.ensure_future(asked)
        return await asyncio.shield(self._asked[key])

    def close(self) -> None:
        """No answer is wanted any more."""
        for task in self._asked.values():
            task.cancel()


class _Questions:
    """What the function asks the review model about one row."""

    def __init__(self, worker: Worker, key: int, ask: Ask, limits: Limits) -> None:
        self._worker, self._key, self._ask, self._limits = worker, key, ask, limits
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def open(self) -> bool:
        """One is being answered: the function waits, and its clock stands."""
        return bool(self._tasks)

    def put(self, message: Fields, inbox: Inbox) -> None:
        """Have one answered; then, or where it fails, `inbox` is told."""
        task = asyncio.create_task(self._answer(message, inbox))
        self._tasks.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            inbox.put_nowait({"answered": True})

        task.add_done_callback(ended)

    def close(self) -> None:
        """No answer is wanted any more."""
        for task in self._tasks:
            task.cancel()

    async def _answer(self, message: Fields, inbox: Inbox) -> None:
        asked, reply = message["ask"], {"id": self._key, "question": message["question"]}
        try:
            messages = [_turn(one) for one in asked["messages"]]
            size = sum(size_of(one["content"]) for one in messages) + size_of(str(asked["form"]))
            if size > self._limits.longest_review:
                raise NoReview(
                    f"it asks the review model with {size:,} bytes, more than "
                    f"{self._limits.place}.longest_review = {self._limits.longest_review:,}"
                )
            replicate = int(asked["replicate"])
            text = await self._ask(*messages, form=asked["form"], replicate=replicate)
            await self._worker.send({**reply, "text": text})
        except NoReview as error:
            await self._worker.send({**reply, "missing": str(error)})
        except Exception as error:
            await self._worker.send({"id": self._key, "cancel": True})
            inbox.put_nowait({"failed": error})


def _turn(message: Fields) -> dict[str, str]:
    if set(message) != {"role", "content"} or not all(
        isinstance(one, str) for one in message.values()
    ):
        raise NoReview("it asks the review model with what are no messages of role and content")
    return dict(message)
