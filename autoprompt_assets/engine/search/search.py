"""The search: baseline, then ask, evaluate, tell until it stops, then the sealed test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice

from autoprompt_assets.engine.budget import Budget, BudgetSpent, refuse_too_small
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import InputError, MissingInput
from autoprompt_assets.engine.evaluation import Evaluator, RowResult, Summary
from autoprompt_assets.engine.example import Example, SplitRows
from autoprompt_assets.engine.grading import Outcome
from autoprompt_assets.engine.optimizers import CandidateCheck, Optimizer, Proposal
from autoprompt_assets.engine.search.contest import Scoring
from autoprompt_assets.engine.search.history import History
from autoprompt_assets.engine.search.iteration import OpenIteration
from autoprompt_assets.engine.search.records import Iteration, Records, Scored, TestOutcome
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import (
    Comparison,
    Headroom,
    Reading,
    Readings,
    RowSet,
    compare,
    grader_key,
    level_of,
    measure_headroom,
    pair_key,
    same,
)
from autoprompt_assets.engine.text import quantity

UNREAD = 0.5
"""Warn above this share of answers that cannot be read: a poor first prompt has some."""
MISSING = 0.1
"""Warn above this share of answers that are missing, whatever the prompt asks for."""
UNANSWERED: frozenset[Outcome] = frozenset({"empty", "refused", "truncated"})
"""Outcomes that a server can cause as well as a prompt."""
_PRUNED = (
    "what a server answered stays in the journal: once it is mended, `autoprompt journal prune` "
    "makes it be asked again"
)
_MENDS: dict[Outcome, str] = {
    "unparsable": "cannot be read as what was asked for: does the endpoint heed response_format? "
    "If not, name it under endpoints, without structured_output; else look at the answers, and at "
    f"the grader ({_PRUNED})",
    "truncated": "were cut off at max_tokens and count as wrong: raise roles.target.max_tokens",
    "empty": f"are empty and count as wrong: look at the model, and at max_tokens ({_PRUNED})",
    "refused": "were refused by the model, or by a filter before it, and count as wrong",
}


@dataclass
class Search:
    """One experiment's search. What has ended is read from `records`, never done again.

    `reserve` is the test comparison's worst case, set aside from the budget first. `train` are the
    rows that a strategy may have a candidate tried on, by id. `readings` counts the sealed tests.
    """

    spec: ExperimentSpec
    evaluator: Evaluator
    records: Records
    reserve: Spend
    train: Mapping[str, Example]
    check: CandidateCheck
    readings: Readings

    @cached_property
    def first(self) -> Candidate:
        """The first prompt."""
        return self.spec.first

    @cached_property
    def scoring(self) -> Scoring:
        """How candidates of this search are scored."""
        raced = self.spec.optimizer.race
        return Scoring(self.evaluator, self.records, self.first, self.spec.unmeasured, raced)

    async def baseline(self, validation: SplitRows) -> Scored:
        """The first prompt's score on validation.

        Raises:
            InputError: the budget cannot pay for it and the test comparison.
            UnmeasuredRows: too many rows have no grade.
        """
        proposal = Proposal(self.first, (), "the first prompt")
        models = self.evaluator.models
        per_row = 1 + (models.most_reviews if models.review else 0)
        refuse_too_small(self.spec.budget, per_row * validation.count, self.reserve)
        try:
            budget = self.budget(Spend())
            summary = await self.scoring.score(self.first, validation, "baseline", budget)
        except BudgetSpent as stop:
            raise InputError(
                "budget: the next rows of the baseline, with the test comparison at its worst, "
                f"may take {stop}; raise it. What was answered is kept"
            ) from None
        for outcome, mend in _MENDS.items():
            count = summary.outcomes.get(outcome, 0)
            share = UNREAD if outcome == "unparsable" else MISSING
            if count > share * summary.rows:
                said = f"{count} of {summary.rows} answers to the first prompt {mend}"
                self.evaluator.progress.notice(said)
        return Scored(proposal, summary, True, "baseline", "", summary.score)

    async def headroom(
        self, baseline: Scored, validation: SplitRows, test_rows: int
    ) -> tuple[Headroom, Spend]:
        """What could be won and shown, and what the repeated rows were charged; stored.

        The first prompt is asked again on the first rows of validation, as far as the budget goes.

        Raises:
            UnmeasuredRows: calls failed for reasons that may pass; run it again.
        """
        stored = self.records.read_headroom()
        if stored is not None:
            self.evaluator.calls.counts.replayed += stored[1].calls
            return stored
        before = dict(self.records.read_values(self.first, "validation"))
        asked = min(self.spec.headroom.rows, validation.count)
        again: list[RowResult] = []

        def keep(rows: Sequence[RowResult]) -> None:
            again.extend(rows)

        part = SplitRows("validation", asked, lambda: islice(validation.read(), asked))
        repeated = self.evaluator.again(1)
        spend = Spend()
        try:
            budget = self.budget(baseline.summary.spend)
            totals = await repeated.evaluate(self.first, part, "headroom", budget, keep)
            spend = totals.spend
        except BudgetSpent as stop:
            spend = stop.spend
        pairs = [(before[row.example.id], row.grade.value) for row in again]
        found = measure_headroom(before.values(), pairs, test_rows)
        self.records.write_headroom(found, spend)
        return found, spend

    async def iterate(
        self, iteration: int, history: History, optimizer: Optimizer, validation: SplitRows
    ) -> Iteration:
        """One ask-and-tell step, stored. `optimizer` has been told all of `history`.

        Raises:
            UnmeasuredRows: calls failed for reasons that may pass; run it again.
        """
        stored = self.records.read_iteration(iteration)
        if stored is not None:
            self.evaluator.calls.counts.replayed += stored.spend.calls
            return stored
        stop = self._stop_before(iteration, history)
        if stop:
            ended = Iteration(iteration, "stopped", stop)
        else:
            check, train, left = self.check, self.train, self.budget
            step = OpenIteration(iteration, history, validation, self.scoring, check, train, left)
            ended = await step.run(optimizer)
        self.records.write_iteration(ended)
        return ended

    def _stop_before(self, iteration: int, history: History) -> str:
        limit = self.spec.optimizer.iterations
        if iteration > limit:
            return f"the experiment asks for {quantity(limit, 'iteration')}"
        if history.iterations and history.iterations[-1].status == "stopped":
            return history.iterations[-1].reason
        if self.spec.headroom.stop and history.headroom.hopeless:
            return history.headroom.reason
        best = history.best.scored
        return "every validation row is right" if best.summary.score >= 1.0 else ""

    def budget(self, spent: Spend) -> Budget:
        """What is left after `spent`."""
        return Budget(self.spec.budget, spent, self.reserve)

    async def test(self, baseline: Candidate, best: Candidate, test: SplitRows) -> TestOutcome:
        """Both candidates on the sealed rows, paired. Its cost was set aside from the start.

        It is judged at the level that its reading of these rows has left.

        Raises:
            InputError: the server takes more tokens than its requests can hold, beside a budget.
            UnmeasuredRows: too many rows have no grade.
        """
        number = await self.readings.register(self._reading(baseline, best, test))
        level = level_of(number)
        # Its cost is set aside, so that nothing is refused; but what it took must be what it can.
        budget = Budget(self.spec.budget, Spend(), Spend())
        before = await self.scoring.score(baseline, test, "test: baseline", budget)
        if baseline.id == best.id:
            return TestOutcome(before, before, same(before.measured, level), number)
        after = await self.scoring.score(best, test, "test: best", budget)
        found = compare(self.records.read_pairs(baseline, best, "test"), level)
        if found.verdict == "better":
            found = self._answered(baseline, best, before, found)
        return TestOutcome(before, after, found, number)

    def _reading(self, baseline: Candidate, best: Candidate, test: SplitRows) -> Reading:
        models = self.evaluator.models
        pair = pair_key(models, baseline, best)
        return Reading(RowSet.of(test.read()), pair, grader_key(self.spec.grading, models))

    def _answered(
        self, baseline: Candidate, best: Candidate, before: Summary, found: Comparison
    ) -> Comparison:
        """`found`, if it does not rest on rows to which the baseline was given no answer.

        A server that failed one side alone, with empty answers, a filter or a schema that it did
        not heed, makes of two equal prompts a better and a worse one. So `better` must be shown,
        too, where the baseline's missing answers count as if they had been as good as the best's.
        """
        lacking = set(UNANSWERED)
        if self.evaluator.models.target.response_format is not None:
            lacking.add("unparsable")
        outcomes = self.records.read_outcomes(baseline, "test")
        pairs = self.records.read_pairs(baseline, best, "test")
        answered = compare(
            (
                (after if outcome in lacking else value, after)
                for outcome, (value, after) in zip(outcomes, pairs, strict=True)
            ),
            found.level,
        )
        if answered.verdict == "better":
            return found
        missing = {name: before.outcomes[name] for name in sorted(lacking & {*before.outcomes})}
        counts = ", ".join(f"{count} {name}" for name, count in missing.items())
        return replace(
            answered,
            reason=f"{sum(missing.values())} of the baseline's {before.rows} test rows have no "
            f"answer that can be read ({counts}) and count as 0 in its score; with these rows "
            "taken as equal no difference is shown. Mend what kept the answers away (the server, "
            f"a filter, the schema, max_tokens); {_PRUNED}",
        )


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
