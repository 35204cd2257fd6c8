"""One candidate over the rows of a split: asked concurrently, graded, handed on in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Protocol

from autoprompt_assets.engine.budget import UNLIMITED, Budget, BudgetSpent, Extent, evaluation_bound
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import InputError, UnmeasuredRows
from autoprompt_assets.engine.evaluation.opening import FIRST_ROWS, Opening
from autoprompt_assets.engine.evaluation.result import RowResult, Totals, unmeasured_line
from autoprompt_assets.engine.evaluation.row import Asker
from autoprompt_assets.engine.example import Example, SplitRows
from autoprompt_assets.engine.journal import Calls
from autoprompt_assets.engine.llm import Models, Role
from autoprompt_assets.engine.spend import CallCounts, Spend

BATCH = 64
"""Rows that are admitted to the budget at once."""
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
                totals = await pipeline.run(rows, label, budget, race)
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        summary = totals.summary()
        # Of all rows: one failure among the first few of a race must not end the run.
        if totals.transient and summary.rows - summary.measured > self.unmeasured * rows.count:
            raise UnmeasuredRows(totals.unmeasured_line(label, self.unmeasured))
        return totals

    def _opening(self, label: str, rows: int) -> Opening:
        roles: tuple[Role, ...] = ("target", "review") if self.models.review else ("target",)
        return Opening(label, rows, roles, self.unmeasured if self.needed else None)


@dataclass
class _Batch:
    """Rows that were admitted together, what they can cost at most, and how many are open."""

    first: int
    examples: Sequence[Example]
    bound: Spend
    rows: list[RowResult | None]
    open: int


class _Pipeline:
    """Batches under way: admitted and started in order, and settled in the same order.

    Lanes take the rows of admitted batches one after another, each from its question to its grade.
    """

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
        self._queue: deque[tuple[_Batch, int]] = deque()
        self._lanes, self._most_lanes = 0, 2 * evaluator.concurrency + BATCH
        self._moved = asyncio.Event()
        self._totals = Totals(evaluator.models)
        self._race: EarlyEnd | None = None
        self._budget = UNLIMITED
        self._beyond = ""
        self._label, self._rows = "", 0

    async def run(
        self, rows: SplitRows, label: str, budget: Budget, race: EarlyEnd | None
    ) -> Totals:
        self._race, looks = race, race.looks if race else ()
        self._budget, self._label, self._rows = budget, label, rows.count
        seen = 0
        for examples in batches(rows.read(), BATCH, looks):
            if self._beyond:
                break
            bound = await self._admit(examples, budget)
            await self._room()
            self._start(_Batch(seen, examples, bound, [None] * len(examples), len(examples)))
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

    def _refuse_faults(self) -> None:
        """A grader that fails by its own fault would fail on: what is asked after it is in vain."""
        faults, allowed = self._totals.faults, self._evaluator.unmeasured * self._rows
        if faults >= FIRST_ROWS and faults > allowed:
            reasons = self._totals.reasons
            count = f"{self._label}: already {reasons.total()}"
            share = self._evaluator.unmeasured
            raise UnmeasuredRows(unmeasured_line(reasons, count, self._rows, share))

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
        """Block while there is a row queued for every lane: no lane ends before the rows do."""
        while True:
            while self._batches and not self._batches[0].open:
                await self._settle()
            ahead = len(self._batches) * BATCH
            under_way = 2 * self._most_lanes  # in the lanes, and queued for them
            if len(self._queue) < self._most_lanes and ahead < ROWS_AHEAD + under_way:
                return
            await self._move()

    async def _move(self) -> None:
        """Wait until a row is begun or done."""
        self._moved.clear()
        await self._moved.wait()

    def _start(self, batch: _Batch) -> None:
        self._batches.append(batch)
        self._queue.extend((batch, place) for place in range(batch.open))
        for _ in range(min(self._most_lanes - self._lanes, len(self._queue))):
            self._lanes += 1
            self._group.create_task(self._lane())

    async def _lane(self) -> None:
        asker = self._evaluator.asker
        while self._queue:
            batch, place = self._queue.popleft()
            self._moved.set()
            row = await asker.row(self._candidate, batch.examples[place])
            batch.rows[place] = row
            batch.open -= 1
            self._moved.set()
            self._told(row)
            if self._opening:
                self._opening.settle(batch.first + place, row)
        self._lanes -= 1

    async def _settle(self) -> None:
        """Take in the first batch, once its rows are done."""
        while self._batches[0].open:
            await self._move()
        batch, before = self._batches.popleft(), self._totals.spend
        rows = [row for row in batch.rows if row is not None]
        self._totals.add(rows)
        # Answers that were paid and are under way are let in first.
        spend = self._totals.spend.minus(before)
        self._beyond = self._beyond or self._budget.beyond(spend, batch.bound)
        self._keep(rows)
        self._refuse_faults()
        if self._race:
            self._race.add(rows)


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
