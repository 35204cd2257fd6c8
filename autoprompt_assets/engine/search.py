"""The search: baseline, then ask, evaluate, tell until it stops, then the sealed test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoprompt_assets.engine.asked import Models
from autoprompt_assets.engine.bounds import calls_bound
from autoprompt_assets.engine.budget import UNLIMITED, Budget, BudgetSpent
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.compare import compare, same
from autoprompt_assets.engine.dataset import SplitRows
from autoprompt_assets.engine.errors import InputError, MissingInput, UnmeasuredRows
from autoprompt_assets.engine.evaluate import Evaluator
from autoprompt_assets.engine.evaluation import Summary, Totals, charged
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.llm import CallError
from autoprompt_assets.engine.optimizers import Optimizer, Proposal, Proposals, Question
from autoprompt_assets.engine.records import Iteration, Records, Scored, Status, TestOutcome
from autoprompt_assets.engine.spec import ExperimentSpec


@dataclass
class Search:
    """One experiment's search. What has ended is read from `records`, never done again.

    `reserve` is the test comparison's worst case, set aside from the budget first.
    """

    spec: ExperimentSpec
    evaluator: Evaluator
    records: Records
    reserve: Spend

    @property
    def _models(self) -> Models:
        return self.evaluator.models

    async def baseline(self, validation: SplitRows) -> Scored:
        """The first prompt's score on validation.

        Raises:
            InputError: the budget cannot pay for it and the test comparison.
            UnmeasuredRows: too many rows have no grade.
        """
        proposal = Proposal(Candidate(self.spec.roles.target.prompt), (), "the first prompt")
        try:
            budget = self._budget(Spend())
            summary = await self._score(proposal.candidate, validation, "baseline", budget)
        except BudgetSpent as stop:
            raise InputError(
                "budget: the next rows of the baseline, with the test comparison at its worst, "
                f"may take {stop}; raise it. What was answered is kept"
            ) from None
        if summary.unmeasured_share > self.spec.unmeasured:
            raise UnmeasuredRows(_share_line("baseline", summary, self.spec.unmeasured))
        return Scored(proposal, summary, selectable=True)

    async def iterate(
        self,
        iteration: int,
        baseline: Scored,
        earlier: Sequence[Iteration],
        optimizer: Optimizer,
        validation: SplitRows,
    ) -> Iteration:
        """One ask-and-tell step, stored. `optimizer` has been told all of `earlier`.

        Raises:
            UnmeasuredRows: calls failed for reasons that may pass; run it again.
        """
        stored = self.records.read_iteration(iteration)
        if stored is not None:
            self.evaluator.calls.counts.replayed += stored.spend.calls
            return stored
        stop = self._stop_before(iteration, baseline, earlier)
        if stop:
            ended = Iteration(iteration, "stopped", stop, (), (), Spend())
        else:
            spent = baseline.summary.spend
            for step in earlier:
                spent = spent.plus(step.spend)
            ended = await self._step(iteration, spent, optimizer, validation)
        self.records.write_iteration(ended)
        return ended

    def _stop_before(self, iteration: int, baseline: Scored, earlier: Sequence[Iteration]) -> str:
        limit = self.spec.optimizer.iterations
        if iteration > limit:
            return f"the experiment asks for {limit} iterations"
        if earlier and earlier[-1].status == "stopped":
            return earlier[-1].reason
        scores = [baseline.summary.score]
        scores += [step.best.summary.score for step in earlier if step.best]
        return "every validation row is right" if max(scores) >= 1.0 else ""

    async def _step(
        self, iteration: int, spent: Spend, optimizer: Optimizer, validation: SplitRows
    ) -> Iteration:
        answers: list[str] = []
        scored: list[Scored] = []
        spend = Spend()
        try:
            asked = optimizer.ask(answers)
            while isinstance(asked, Question):
                answer, cost = await self._answer(asked, self._budget(spent.plus(spend)))
                answers.append(answer)
                spend = spend.plus(cost)
                asked = optimizer.ask(answers)
            for proposal in asked.proposals:
                budget = self._budget(spent.plus(spend))
                label = _label(iteration, asked, proposal)
                summary = await self._score(proposal.candidate, validation, label, budget)
                spend = spend.plus(summary.spend)
                able = summary.unmeasured_share <= self.spec.unmeasured
                scored.append(Scored(proposal, summary, able))
        except BudgetSpent as stop:
            return Iteration(
                iteration,
                "stopped",
                f"the budget does not cover the next step: {stop}",
                tuple(scored),
                tuple(answers),
                spend.plus(stop.spend),
            )
        status: Status = "scored" if scored else "unusable"
        return Iteration(iteration, status, asked.reason, tuple(scored), tuple(answers), spend)

    def _budget(self, spent: Spend) -> Budget:
        return Budget(self.spec.budget, spent, self.reserve)

    async def _answer(self, question: Question, budget: Budget) -> tuple[str, Spend]:
        role = self._models.optimizer
        assert role is not None
        size = sum(len(message["content"].encode()) for message in question.messages)
        over = budget.refusal(calls_bound(role, 1, size))
        if over:
            raise BudgetSpent(over, Spend())
        try:
            request = role.request(question.messages, question.replicate)
            completion = await self.evaluator.calls.complete(request)
        except CallError as error:
            if error.fatal or not error.transient:
                raise
            raise UnmeasuredRows(
                f"the optimizer model gave no answer ({type(error).__name__}: {error}); run again"
            ) from None
        return completion.text or "", charged(completion)

    async def _score(
        self, candidate: Candidate, rows: SplitRows, label: str, budget: Budget = UNLIMITED
    ) -> Summary:
        stored = self.records.read_summary(candidate, rows.split)
        if stored is not None:
            self.evaluator.calls.counts.replayed += stored.spend.calls
            return stored
        with self.records.open_evaluation(candidate, rows.split) as sink:
            totals = await self.evaluator.evaluate(candidate, rows, label, budget, sink.add)
            self._refuse_unusable(candidate, rows, totals, label)
            summary = totals.summary()
            sink.finish(summary)
        return summary

    def _refuse_unusable(
        self, candidate: Candidate, rows: SplitRows, totals: Totals, label: str
    ) -> None:
        first = candidate.id == Candidate(self.spec.roles.target.prompt).id
        share = totals.summary().unmeasured_share
        if (first or rows.split == "test") and share > self.spec.unmeasured:
            raise UnmeasuredRows(totals.unmeasured_line(label, self.spec.unmeasured))

    async def test(self, baseline: Candidate, best: Candidate, test: SplitRows) -> TestOutcome:
        """Both candidates on the sealed rows, paired. Its cost was set aside from the start."""
        before = await self._score(baseline, test, "test: baseline")
        if baseline.id == best.id:
            return TestOutcome(before, before, same(before.measured))
        after = await self._score(best, test, "test: best")
        return TestOutcome(before, after, compare(self.records.read_pairs(baseline, best, "test")))


def require_iterations(records: Records, first: int, command: str) -> list[Iteration]:
    """The iterations before `first`, in order.

    Raises:
        MissingInput: one is missing; the line names it and `command`, which makes it.
    """
    earlier = []
    for number in range(1, first):
        stored = records.read_iteration(number)
        if stored is None:
            raise MissingInput(f"iteration {number:03d} has not been materialized; run: {command}")
        earlier.append(stored)
    return earlier


def _label(iteration: int, asked: Proposals, proposal: Proposal) -> str:
    if len(asked.proposals) == 1:
        return f"iteration {iteration:03d}"
    return f"iteration {iteration:03d} {asked.proposals.index(proposal) + 1}/{len(asked.proposals)}"


def _share_line(label: str, summary: Summary, allowed: float) -> str:
    missing = summary.rows - summary.measured
    return (
        f"{label}: {missing} of {summary.rows} rows have no grade, more than the {allowed:.1%} "
        "that `unmeasured` allows"
    )
