"""A candidate's evaluation as a search wants it: stored, raced against the best so far, decided."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from autoprompt_assets.engine.budget import Budget
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import UnmeasuredRows
from autoprompt_assets.engine.evaluation import Evaluator, RowResult, Summary
from autoprompt_assets.engine.example import SplitRows
from autoprompt_assets.engine.optimizers import Proposal
from autoprompt_assets.engine.search.records import Records, Scored
from autoprompt_assets.engine.statistics import Gate, Pairs, looks

GATE = Gate()


@dataclass
class Race:
    """One candidate on its way over the rows, beside the incumbent's stored values."""

    values: Iterator[tuple[str, float | None]]
    total: int
    looks: Sequence[int]
    gate: Gate
    pairs: Pairs = field(default_factory=Pairs)

    def add(self, rows: Sequence[RowResult]) -> None:
        """The next rows, in their fixed order."""
        for row, (identity, before) in zip(rows, islice(self.values, len(rows)), strict=True):
            assert row.example.id == identity
            self.pairs.add(before, row.grade.value)

    def ends(self) -> bool:
        """True where the candidate is dropped here."""
        return bool(self.gate.drops(self.pairs, self.total))


@dataclass(frozen=True)
class Scoring:
    """Scores candidates of one search. What has ended is read from `records`, never done again.

    `first` is the first prompt: without it there is no search, so its rows must be measured.
    """

    evaluator: Evaluator
    records: Records
    first: Candidate
    unmeasured: float
    raced: bool
    gate: Gate = GATE

    async def score(
        self,
        candidate: Candidate,
        rows: SplitRows,
        label: str,
        budget: Budget,
        race: Race | None = None,
    ) -> Summary:
        """The candidate's evaluation, stored as it ended: on all rows, or as far as it raced.

        Raises:
            BudgetSpent: the next batch could cost more than `budget` leaves.
            InputError: the server takes more tokens than its requests can hold, beside a budget.
            UnmeasuredRows: too many rows have no grade, for reasons that may pass or in an
                evaluation that nothing can go on without.
        """
        stored = self.records.read_summary(candidate, rows.split)
        if stored is not None:
            self.evaluator.calls.counts.replayed += stored.spend.calls
            return stored
        needed = candidate.id == self.first.id or rows.split == "test"
        evaluator = replace(self.evaluator, needed=needed)
        with self.records.open_evaluation(candidate, rows.split) as sink:
            totals = await evaluator.evaluate(candidate, rows, label, budget, sink.add, race)
            summary = totals.summary()
            if needed and summary.unmeasured_share > self.unmeasured:
                raise UnmeasuredRows(totals.unmeasured_line(label, self.unmeasured))
            sink.finish(summary)
        return summary

    async def contest(
        self, proposal: Proposal, incumbent: Scored, rows: SplitRows, label: str, budget: Budget
    ) -> Scored:
        """Race a proposal against the incumbent and decide; see `statistics.race.Gate`.

        Without `raced` it sees all rows, whatever they show.
        """
        race = None
        if self.raced:
            values = self.records.read_values(incumbent.candidate, rows.split)
            race = Race(values, rows.count, looks(rows.count), self.gate)
        summary = await self.score(proposal.candidate, rows, label, budget, race)
        return self.decided(proposal, incumbent, summary, rows)

    def decided(
        self, proposal: Proposal, incumbent: Scored, summary: Summary, rows: SplitRows
    ) -> Scored:
        """What follows from the stored evaluations, however they came about."""
        pairs = Pairs()
        before = self.records.read_values(incumbent.candidate, rows.split)
        after = self.records.read_values(proposal.candidate, rows.split)
        for (_, value), (_, other) in zip(before, after, strict=False):
            pairs.add(value, other)
        able = summary.unmeasured_share <= self.unmeasured
        if summary.rows < rows.count:
            estimate = min(1.0, max(0.0, incumbent.summary.score + pairs.difference))
            why = self.gate.drops(pairs, rows.count)
            return Scored(proposal, summary, able, "dropped", why, estimate)
        if not able:
            missing = summary.rows - summary.measured
            why = f"{missing} of {summary.rows} rows have no grade, more than `unmeasured` allows"
            return Scored(proposal, summary, able, "survived", why, summary.score)
        passed, why = self.gate.accepts(pairs)
        return Scored(
            proposal, summary, able, "accepted" if passed else "survived", why, summary.score
        )
