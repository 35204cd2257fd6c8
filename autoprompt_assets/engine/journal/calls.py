"""The calls of one search: answered from the journal where they can be, made where they must."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Coroutine, Mapping
from functools import partial
from typing import Any, Self

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal.journal import Journal
from autoprompt_assets.engine.journal.shapes import LEAD_S, Shape, Shapes
from autoprompt_assets.engine.llm import (
    LLM,
    CallError,
    Completion,
    Keep,
    Request,
    RequestRefused,
    Role,
)
from autoprompt_assets.engine.spend import CallCounts

Before = Callable[[], Awaitable[None]]
"""What must be durable before an answer is."""


class Calls:
    """Equal requests in flight are made once; every completion is durable before it is returned.

    Requests are sent, and looked up, in the form that their endpoint takes; where that is not known
    yet the first of a shape goes alone, and finds it. `tuned` are each role's fields that must not
    be left out for that; `notice` is told what is changed.

    Leaving its context gives up what is still in flight, as when a fatal error has ended the rest.
    """

    def __init__(
        self,
        llm: LLM,
        journal: Journal,
        tuned: Mapping[Role, Collection[str]] | None = None,
        notice: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._llm, self._journal = llm, journal
        self._shapes = Shapes(journal.forms, tuned or {}, notice)
        self._in_flight: dict[str, asyncio.Task[Completion]] = {}
        self._learning: set[asyncio.Task[Completion]] = set()
        # Keys that are being looked up, until an equal request has ended or another has looked.
        self._looked_up: set[str] = set()
        self.counts = CallCounts()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        tasks = [*self._learning, *self._in_flight.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def finish(self) -> None:
        """Wait until what is in flight has ended: where the journal failed no new request is sent,
        and the answers to those that were are paid for.
        """
        while tasks := {*self._learning, *self._in_flight.values()}:
            await asyncio.wait(tasks)

    async def complete(self, request: Request) -> Completion:
        """The journal's answer to `request`, or the endpoint's, stored.

        Raises:
            CallError: no answer was to be had; nothing was stored.
            JournalError: the journal cannot be read, or the answer could not be stored.
        """
        shape = await self._shapes.of(request)
        settled = shape.settled
        fitted = self._shapes.applied(shape, request) if settled else request
        missing = False
        if fitted.key not in self._in_flight:
            # Before its form is found, too: a stored answer settles none, for the model may take
            # another one by now.
            self._looked_up.add(fitted.key)
            try:
                stored = await self._look_up(fitted)
            finally:
                missing = fitted.key in self._looked_up
                self._looked_up.discard(fitted.key)
            if stored is not None:
                return stored
        if settled:
            return await self._once(fitted, missing=missing)
        return await self._in_turn(request, shape)

    async def _look_up(self, request: Request) -> Completion | None:
        stored = await self._journal.look_up(request)
        self.counts.replayed += stored is not None
        return stored

    async def _in_turn(self, request: Request, shape: Shape) -> Completion:
        """One whose form is not known: it finds it, or waits for the one before it that does."""
        async with shape.turn:
            # The refusal of the one before may end all who wait, in the next step of the loop.
            await asyncio.sleep(0)
            if not shape.settled and not shape.crowded:
                await self._shapes.recall(shape, request)
            if shape.settled:
                learning = None
            else:
                learning = self._started(self._learn(request, shape))
                await asyncio.wait({learning}, timeout=0 if shape.crowded else LEAD_S)
                shape.crowded = shape.crowded or _tells_nothing(learning)
        return await (self.complete(request) if learning is None else asyncio.shield(learning))

    def _started(self, work: Coroutine[Any, Any, Completion]) -> asyncio.Task[Completion]:
        task = asyncio.create_task(work)
        self._learning.add(task)
        task.add_done_callback(self._learned)
        return task

    def _learned(self, task: asyncio.Task[Completion]) -> None:
        self._learning.discard(task)
        if not task.cancelled():
            task.exception()  # who waited for it may be gone

    async def _learn(self, request: Request, shape: Shape) -> Completion:
        """Ask, in another form after each refusal of one; the last form is durable first."""
        while True:
            form = shape.form
            sent = self._shapes.applied(shape, request)
            before = partial(self._shapes.settle, shape, form, request)
            try:
                completion = await self._once(sent, before=before)
            except RequestRefused as error:
                if not self._shapes.adapt(shape, form, sent, error):
                    self.counts.failed += 1
                    raise
            else:
                # Another process may have settled on another form while this was under way.
                same = self._shapes.applied(shape, request).key == sent.key
                return completion if same else await self.complete(request)

    async def _once(
        self, request: Request, before: Before | None = None, *, missing: bool = False
    ) -> Completion:
        """The answer to a fitted request, made once however many ask for it meanwhile.

        `missing`: it was looked up, and no equal one has been answered since.
        """
        task = self._in_flight.get(request.key)
        if task is not None:
            self.counts.replayed += 1
            self._journal.shared(request)
        else:
            make = self._make if missing else self._look_up_or_make
            task = asyncio.create_task(make(request, before))
            self._in_flight[request.key] = task
            task.add_done_callback(lambda task: self._ended(request.key, task))
        return await asyncio.shield(task)

    def _ended(self, key: str, task: asyncio.Task[Completion]) -> None:
        self._in_flight.pop(key, None)
        self._looked_up.discard(key)
        if not task.cancelled():
            task.exception()  # who waited for it may be gone, and then nobody else looks at it

    async def _look_up_or_make(self, request: Request, before: Before | None) -> Completion:
        stored = await self._look_up(request)
        if stored is None:
            return await self._make(request, before)
        if before is not None:
            await before()
        return stored

    async def _make(self, request: Request, before: Before | None) -> Completion:
        async def store(completion: Completion) -> Completion:
            self.counts.made += 1
            self.counts.usd += completion.usd or 0.0
            self.counts.cached += completion.cache_tokens[0]
            try:
                if before is not None:
                    await before()
            except JournalError:
                await self._journal.record(request, completion)  # it was paid for
                raise
            return await self._journal.record(request, completion)

        try:
            return await self._llm.complete(request, Keep(store, self._journal.refuse_failed))
        except CallError as error:
            # One that is learned from is no failure; `_learn` counts those that are not.
            self.counts.failed += before is None or not isinstance(error, RequestRefused)
            raise


def _tells_nothing(learning: asyncio.Task[Completion]) -> bool:
    """Whether a first request took too long, or failed without a word about its form."""
    if not learning.done():
        return True
    error = None if learning.cancelled() else learning.exception()
    return isinstance(error, CallError) and error.transient
