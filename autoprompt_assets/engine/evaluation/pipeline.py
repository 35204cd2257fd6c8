"""One candidate over the rows of a split: asked concurrently, graded, handed on in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

from autoprompt_assets.engine.budget import UNLIMITED, Budget, BudgetSpent, Extent, evaluation_bound
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import InputError, UnmeasuredRows
from autoprompt_assets.engine.evaluation.opening import Opening
from autoprompt_assets.engine.evaluation.result import RowResult, Totals
from autoprompt_assets.engine.evaluation.row import Answered, Asker
from autoprompt_assets.engine.example import Example, SplitRows
from autoprompt_assets.engine.journal import Calls
from autoprompt_assets.engine.llm import Models
from autoprompt_assets.engine.spend import CallCounts, Spend

BATCH = 64
"""Rows that are admitted to the budget, and looked up in the journal, at once."""
ROWS_AHEAD = 8192
"""Rows that may wait, answered, for a slow one before them."""


class Progress(Protocol):
    """Told of every row that is done; decides itself how often to show it."""

    def notice(self, text: str) -> None:
        """Something a person who waits should know: a retry, a lock."""

    def evaluation(self, label: str, rows: int, counts: CallCounts) -> Callable[[RowResult], None]:
        """A new evaluation begins; the returned function is told of each row.

        `counts` are the run's so far, and go on counting.
        """


class EarlyEnd(Protocol):
    """Decides after complete batches whether an evaluation goes on."""

    @property
    def looks(self) -> Sequence[int]:
        """After how many rows it is asked, ascending."""

    def add(self, rows: Sequence[RowResult]) -> None:
        """The next rows, in their order."""

    def ends(self) -> bool:
        """True where the evaluation ends here; no row beyond was started."""


@dataclass(frozen=True)
class Evaluator:
    """Evaluates candidates of one search.

    `concurrency` is how many calls an endpoint may have in flight; the endpoint's client sees to
    that, and the evaluator only keeps it supplied with rows.
    """

    asker: Asker
    concurrency: int
    unmeasured: float
    progress: Progress
    scored: bool = False
    """The candidate has been scored: not all of its requests are refused, see `opening`."""
    needed: bool = False
    """There is no search without the grades: one that will lack too many is not gone on with."""

    @property
    def calls(self) -> Calls:
        """The calls of the search, all roles'."""
        return self.asker.calls

    @property
    def models(self) -> Models:
        """The models of the search."""
        return self.asker.models

    def again(self, replicate: int = 0) -> Evaluator:
        """The same for a candidate that has been scored, and is asked about some rows more.

        `replicate` tells repeats of the same question apart.
        """
        return replace(self, asker=replace(self.asker, replicate=replicate), scored=True)

    async def evaluate(
        self,
        candidate: Candidate,
        rows: SplitRows,
        label: str,
        budget: Budget,
        keep: Callable[[Sequence[RowResult]], None],
        race: EarlyEnd | None = None,
    ) -> Totals:
        """Ask about every row and grade the answers; `keep` is handed the rows in their order.

        A failed row does not stop the others; `race` may, where it looks.

        Raises:
            BudgetSpent: the next batch could cost more than `budget` leaves.
            InputError: the server takes more tokens than its requests can hold, beside a budget.
            CallError: a fatal one, such as a wrong key, at its first occurrence, or where the first
                rows of one that was not scored before are all refused for one reason.
            UnmeasuredRows: too many rows have no grade, for reasons that may pass, or the first
                ones where they are `needed`.
        """
        told = self.progress.evaluation(label, rows.count, self.calls.counts)
        try:
            async with asyncio.TaskGroup() as group:
                opening = None if self.scored else self._opening(label, rows.count)
                pipeline = _Pipeline(self, candidate, group, told, keep, opening)
                totals = await pipeline.run(rows, budget, race)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        summary = totals.summary()
        # Of all rows: one failure among the first few of a race must not end the run.
        if totals.transient and summary.rows - summary.measured > self.unmeasured * rows.count:
            raise UnmeasuredRows(totals.unmeasured_line(label, self.unmeasured))
        return totals

    def _opening(self, label: str, rows: int) -> Opening:
        return Opening(label, rows, self.unmeasured if self.needed else None)


@dataclass(frozen=True)
class _Batch:
    """Rows under way, and what they can cost at most."""

    task: asyncio.Task[list[RowResult]]
    bound: Spend


class _Pipeline:
    """Batches under way: admitted and started in order, and settled in the same order."""

    def __init__(
        self,
        evaluator: Evaluator,
        candidate: Candidate,
        group: asyncio.TaskGroup,
        told: Callable[[RowResult], None],
        keep: Callable[[Sequence[RowResult]], None],
        opening: Opening | None,
    ) -> None:
        self._evaluator, self._candidate, self._group = evaluator, candidate, group
        self._told, self._keep, self._opening = told, keep, opening
        self._batches: deque[_Batch] = deque()
        self._open = 0
        self._most_open = 2 * evaluator.concurrency + BATCH
        self._moved = asyncio.Event()
        self._totals = Totals(evaluator.models)
        self._race: EarlyEnd | None = None
        self._budget = UNLIMITED
        self._beyond = ""

    async def run(self, rows: SplitRows, budget: Budget, race: EarlyEnd | None) -> Totals:
        self._race, looks = race, race.looks if race else ()
        self._budget = budget
        seen = 0
        for examples in batches(rows.read(), BATCH, looks):
            if self._beyond:
                break
            bound = await self._admit(examples, budget)
            await self._room()
            self._open += len(examples)
            task = self._group.create_task(self._batch(seen, examples))
            self._batches.append(_Batch(task, bound))
            seen += len(examples)
            if race and seen in looks:
                await self._settle_all()
                if race.ends():
                    break
        await self._settle_all()
        self._refuse_beyond()
        return self._totals

    def _refuse_beyond(self) -> None:
        """A search whose budget is spent ends well; one whose budget does not hold does not."""
        if self._beyond:
            raise InputError(self._beyond)

    async def _settle_all(self) -> None:
        while self._batches:
            await self._settle()

    async def _admit(self, examples: Sequence[Example], budget: Budget) -> Spend:
        """Wait until the batch's worst case fits beside what is charged and what is under way.

        A batch never costs more than its bound, so one that fits beside the bounds of those under
        way would fit when they have settled, too: who is admitted does not depend on when they do.
        """
        if not budget.limited:
            return Spend()
        bound = evaluation_bound(self._evaluator.models, self._candidate, Extent.of(examples))
        while over := budget.refusal(
            self._totals.spend, *(batch.bound for batch in self._batches), bound
        ):
            if not self._batches:
                self._refuse_beyond()
                raise BudgetSpent(over, self._totals.spend)
            await self._settle()
        return bound

    async def _room(self) -> None:
        """Block while enough rows are queued for the endpoint."""
        while True:
            while self._batches and self._batches[0].task.done():
                await self._settle()
            ahead = len(self._batches) * BATCH
            if self._open < self._most_open and ahead < ROWS_AHEAD + self._most_open:
                return
            self._moved.clear()
            await self._moved.wait()

    async def _settle(self) -> None:
        rows = await self._batches[0].task
        batch, before = self._batches.popleft(), self._totals.spend
        self._totals.add(rows)
        # Answers that were paid and are under way are let in first.
        spend = self._totals.spend.minus(before)
        self._beyond = self._beyond or self._budget.beyond(spend, batch.bound)
        self._keep(rows)
        if self._race:
            self._race.add(rows)

    async def _batch(self, first: int, examples: Sequence[Example]) -> list[RowResult]:
        """The results of `examples`, of which the first is row `first` of the split."""
        asker = self._evaluator.asker
        built = [asker.request(self._candidate, example) for example in examples]
        requests = await asker.calls.fit(built)
        stored = await asker.calls.replay(requests)
        found: list[RowResult | Answered | None] = [
            None if completion is None else asker.read(example, completion)
            for example, completion in zip(examples, stored, strict=True)
        ]
        answered = [one for one in found if isinstance(one, Answered)]
        verdicts = iter(await asker.calls.replay([one.review for one in answered]))
        work: list[RowResult | asyncio.Task[RowResult]] = []
        for number, (one, example, request) in enumerate(
            zip(found, examples, requests, strict=True), first
        ):
            if one is None:
                work.append(self._live(number, asker.ask(example, request)))
            elif isinstance(one, Answered):
                verdict = next(verdicts)
                work.append(
                    self._live(number, asker.judge(one))
                    if verdict is None
                    else self._done(number, asker.judged(one, verdict))
                )
            else:
                work.append(self._done(number, one))
        return [one if isinstance(one, RowResult) else await one for one in work]

    def _live(self, number: int, row: Coroutine[Any, Any, RowResult]) -> asyncio.Task[RowResult]:
        async def ended() -> RowResult:
            return self._done(number, await row)

        return self._group.create_task(ended())

    def _done(self, number: int, row: RowResult) -> RowResult:
        self._open -= 1
        self._moved.set()
        self._told(row)
        if self._opening:
            self._opening.settle(number, row)
        return row


def batches(
    examples: Iterable[Example], size: int, ends: Sequence[int] = ()
) -> Iterator[list[Example]]:
    """`examples` in lists of at most `size`, none of which goes beyond one of `ends`."""
    iterator, seen = iter(examples), 0
    while True:
        left = next((end - seen for end in ends if end > seen), size)
        batch = list(islice(iterator, min(size, left)))
        if not batch:
            return
        seen += len(batch)
        yield batch
