"""Binds one experiment's spec, dataset, files and models into its search, for the assets."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice
from typing import Any, TypeVar

from autoprompt_assets.changes import deciding, since
from autoprompt_assets.engine.budget import refuse_unpriced
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import InputError, JournalError
from autoprompt_assets.engine.evaluation import Asker, Evaluator
from autoprompt_assets.engine.example import Example, Split, SplitRows
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.journal import Calls, Journal, SearchTurn, search_turn, settled_form
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.llm import Models, Request, Role
from autoprompt_assets.engine.optimizers import (
    Apart,
    CandidateCheck,
    Optimizer,
    Proposal,
    unscored,
)
from autoprompt_assets.engine.search import (
    History,
    Iteration,
    Search,
    comparison_bound,
    make_optimizer,
)
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import CallCounts, Spend
from autoprompt_assets.interrupts import run_interruptible
from autoprompt_assets.progress import LogProgress
from autoprompt_assets.resources.experiments import SPEC_FILE, ExperimentsResource
from autoprompt_assets.resources.home import home_folder, search_lock
from autoprompt_assets.resources.llm import LLMResource
from autoprompt_assets.resources.storage import (
    DatasetRecord,
    ExperimentStore,
    SearchStore,
    StoreResource,
    required,
)

T = TypeVar("T")
MOST_VALUES = 1000
"""Validation rows whose grades a strategy is told."""


@dataclass(frozen=True)
class Session:
    """One search of one experiment, on its materialized dataset."""

    name: str
    spec: ExperimentSpec
    files: ExperimentStore
    dataset: DatasetRecord
    models: Models
    llm: LLMResource
    journal: str = field(repr=False)

    @property
    def search_id(self) -> str:
        """A hash of the effective spec (endpoints, overrides) and the dataset version."""
        return content_hash(self.effective_spec(), 12)

    def effective_spec(self) -> dict[str, Any]:
        """What decides the search's path."""
        spec = deciding(self.spec)
        spec["experiment"] = self.name
        spec["asked"] = {role.role: [role.endpoint, role.model] for role in self.models.roles}
        spec["dataset_version"] = self.dataset.version
        return spec

    @property
    def records(self) -> SearchStore:
        """The files of the search."""
        return self.files.search(self.search_id)

    def pinned(self) -> Session:
        """The same at the prices that the search began with, where it has begun."""
        prices = self.records.read_prices()
        return self if prices is None else replace(self, models=self.models.priced(prices))

    def rows(self, split: Split) -> SplitRows:
        """The rows of one split. `test_comparison` alone has them answered where it is test."""
        return self.files.split_rows(self.dataset, split)

    @cached_property
    def train(self) -> tuple[Example, ...]:
        """The rows that a strategy may take demos from."""
        return tuple(self.rows("train").read())

    @cached_property
    def lint(self) -> Lint:
        """What is looked at before a call is spent on a candidate."""
        optimizer, target = self.spec.optimizer, self.spec.roles.target
        return Lint(
            target.first,
            self.train,
            self.spec.grading,
            target.choices,
            optimizer.longest,
            optimizer.keep,
            self.spec.dataset.layout,
        )

    @cached_property
    def check(self) -> CandidateCheck:
        """The lint, or what an earlier search's candidates are looked at for in its place."""
        if not self.spec.optimizer.repeats:
            return self.lint
        rows = (*self.rows("validation").read(), *self.rows("test").read())
        return Apart(self.spec.roles.target.first, rows)

    def refuse_unscored(self) -> None:
        """Refuse to score an earlier search's candidates again where none can be.

        Raises:
            InputError: each of them holds rows that it would be scored on.
        """
        unscored(self._rescored(), self.check)

    def optimizer(self, history: History) -> Optimizer:
        """The strategy, told everything so far."""
        optimizer = make_optimizer(self.spec, self.train, self.lint, self._rescored())
        for step in history.steps(self._values):
            optimizer.tell(step)
        return optimizer

    def _values(self, candidate: Candidate) -> Mapping[str, float]:
        """Its grades by example id, read once: a strategy is told all iterations before each."""
        known = self._read_values
        if candidate.id not in known:
            rows = islice(self.records.read_values(candidate, "validation"), MOST_VALUES)
            known[candidate.id] = {key: value for key, value in rows if value is not None}
        return known[candidate.id]

    @cached_property
    def _read_values(self) -> dict[str, dict[str, float]]:
        return {}

    def _rescored(self) -> list[list[Proposal]]:
        return rescored(self.spec, self.files)

    @contextmanager
    def opened(self, progress: LogProgress) -> Iterator[Desk]:
        """The search, open for work: models connected, every call through the journal."""
        problems = self.spec.grading.problems("grader")
        if problems:
            raise InputError(list(problems))
        turn = search_turn(self.journal, self.search_id, progress.notice)
        lock = search_lock(self.search_id, self.files.lock_folder, progress.notice)
        with turn as held, lock, asyncio.Runner() as runner:
            self.records.sweep()
            stack = AsyncExitStack()
            try:
                search = runner.run(self._open(stack, progress, held))
                yield Desk(runner, search, progress.totals, held)
            finally:
                runner.run(stack.aclose())

    async def _open(self, stack: AsyncExitStack, progress: LogProgress, turn: SearchTurn) -> Search:
        # Under the lock of the search, so that all of its runs reckon with the first one's prices.
        self.records.write_prices({role.role: role.price for role in self.models.roles})
        models = self.pinned().models
        owner, spare = (self.name, self.search_id), (home_folder(),)
        journal = Journal(self.journal, *owner, progress.notice, spare)
        journal.turn = turn
        await stack.enter_async_context(journal)
        connected = self.llm.connect(self.spec, progress.notice, journal.limits)
        client = await stack.enter_async_context(connected)
        calls = Calls(client, journal, self._tuned(), progress.notice)
        await stack.enter_async_context(calls)
        evaluator = Evaluator(
            Asker(calls, models, self.spec.make_grader()),
            self.spec.concurrency,
            self.spec.unmeasured,
            progress,
        )
        self.records.write_spec(self.effective_spec())
        train = {example.id: example for example in self.train}
        parts = (self.spec, evaluator, self.records, self._reserve(models), train, self.check)
        return Search(*parts, journal)

    def fit(self, request: Request) -> Request:
        """`request` as it is sent, in the form that the journal has settled; no model is asked."""
        return settled_form(self.journal, request).apply(request)

    def _tuned(self) -> dict[Role, frozenset[str]]:
        """The request fields that make a candidate: they are sent as they are, or the run ends."""
        earlier = (one.candidate.parameters for step in self._rescored() for one in step)
        return {"target": frozenset(self.spec.optimizer.tuned).union(*earlier)}

    def _reserve(self, models: Models) -> Spend:
        extent = self.dataset.extents["test"]
        earlier = [one.candidate for step in self._rescored() for one in step]
        return comparison_bound(self.spec, models, self.train, extent, earlier)


@dataclass(frozen=True)
class Desk:
    """An open search. Each piece of work runs to its end before the next."""

    runner: asyncio.Runner
    search: Search
    totals: CallCounts
    """What all work adds to."""
    turn: SearchTurn

    def do(self, work: Coroutine[Any, Any, T]) -> tuple[T, CallCounts]:
        """What `work` returns, and what happened to its calls.

        Where the journal fails, calls in flight are let in first: they are paid for.
        Ctrl-C and SIGTERM end it in order, and are then what they were to whoever called.
        """
        counts = self.search.evaluator.calls.counts
        before = replace(counts)
        result = run_interruptible(self.runner, self._finished(work))
        done = counts.since(before)
        self.totals.add(done)
        return result, done

    async def _finished(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            done = await work
            self.turn.refuse()  # what was done is about to be written
            return done
        except JournalError:
            await self.search.evaluator.calls.finish()
            raise


def rescored(spec: ExperimentSpec, files: ExperimentStore) -> list[list[Proposal]]:
    """The proposals of the search that `spec` scores again, step by step; none where it does not.

    Raises:
        InputError: there is no such search.
    """
    search = spec.optimizer.repeats
    if not search:
        return []
    steps = files.search(search).read_iterations()
    if not steps:
        known = ", ".join(files.search_ids()) or "none"
        raise InputError(f"optimizer.search = {search!r}: no such search; there are {known}")
    return [[scored.proposal for scored in step.scored] for step in steps]


def open_session(
    name: str, experiments: ExperimentsResource, llm: LLMResource, store: StoreResource
) -> Session:
    """The session of `name` under this run's overrides.

    Raises:
        InputError: the spec or an endpoint is wrong, or a budget in dollars lacks a price.
        MissingInput: its dataset has not been materialized.
    """
    spec = experiments.load(name)
    files = store.experiment(name)
    found = files.read_dataset(spec.dataset)
    why = "" if found else _changed(name, files, deciding(spec))
    dataset = required(found, "dataset", name, why)
    session = Session(name, spec, files, dataset, llm.models(spec), llm, store.journal).pinned()
    refuse_unpriced(spec.budget, session.models)
    return session


def _changed(name: str, files: ExperimentStore, now: Mapping[str, Any]) -> str:
    """What is not as in the search that began last, in words."""
    known = files.search_ids()
    if not known:
        return ""
    return since(known[-1], files.search(known[-1]).read_spec(), now, f"{name}/{SPEC_FILE}")


def read_history(session: Session, iterations: Sequence[Iteration] = ()) -> History:
    """The session's own search up to `iterations`.

    Raises:
        MissingInput: its baseline has not been materialized.
    """
    records, name = session.records, session.name
    found = records.read_baseline()
    why = "" if found else _changed(name, session.files, session.effective_spec())
    baseline = required(found, "baseline_score", name, why)
    room, repeats = required(records.read_headroom(), "baseline_score", name)
    return History(baseline, room, repeats, tuple(iterations))
