"""One iteration: what a strategy asks for is asked, what it proposes is checked and raced."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from autoprompt_assets.engine.budget import Budget, BudgetSpent, Prompts, calls_bound
from autoprompt_assets.engine.errors import InputError, UnmeasuredRows
from autoprompt_assets.engine.evaluation import RowResult, charged, without_answer
from autoprompt_assets.engine.example import Example, SplitRows
from autoprompt_assets.engine.lint import names
from autoprompt_assets.engine.llm import CallError, ContentFiltered, ContextTooLong
from autoprompt_assets.engine.message import content_size
from autoprompt_assets.engine.optimizers import (
    Answer,
    CandidateCheck,
    Feedback,
    Optimizer,
    Probe,
    Proposals,
    Question,
    Rejected,
    Reply,
)
from autoprompt_assets.engine.search.contest import Scoring
from autoprompt_assets.engine.search.history import History
from autoprompt_assets.engine.search.objectives import is_accepted
from autoprompt_assets.engine.search.records import Iteration, Scored, Status
from autoprompt_assets.engine.spend import Spend

MOST_REASON = 4096
"""Characters of a grader's feedback that a strategy is told."""


@dataclass
class OpenIteration:
    """Iteration `number` of a search, under way.

    `train` are the rows that a candidate may be tried on, by id; `left` is the budget that is left
    after what was spent.
    """

    number: int
    history: History
    validation: SplitRows
    scoring: Scoring
    check: CandidateCheck
    train: Mapping[str, Example]
    left: Callable[[Spend], Budget]
    replies: list[Reply] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)
    spend: Spend = field(default_factory=Spend)

    async def run(self, optimizer: Optimizer) -> Iteration:
        """The step from its first question to its last candidate.

        Raises:
            UnmeasuredRows: calls failed for reasons that may pass; run it again.
        """
        asked = Proposals(())
        try:
            asked = await self._asked(optimizer)
            await self._compete(asked)
        except BudgetSpent as stop:
            self.spend = self.spend.plus(stop.spend)
            return self._ended("stopped", f"the budget does not cover the next step: {stop}", asked)
        return self._ended("scored" if self.scored else "unusable", self._reason(asked), asked)

    def _reason(self, asked: Proposals) -> str:
        if self.scored or asked.reason:
            return asked.reason
        return "; ".join(dict.fromkeys(one.reason for one in self.rejected)) or "no candidate"

    def _ended(self, status: Status, reason: str, asked: Proposals) -> Iteration:
        return Iteration(
            self.number,
            status,
            reason,
            tuple(self.scored),
            tuple(reply.text for reply in self.replies if isinstance(reply, Answer)),
            self.spend,
            asked.strategy,
            tuple(self.rejected),
        )

    async def _asked(self, optimizer: Optimizer) -> Proposals:
        asked = optimizer.ask(self.replies)
        while not isinstance(asked, Proposals):
            if isinstance(asked, Question):
                self.replies.append(await self._answer(asked))
            else:
                self.replies.append(await self._tried(asked))
            asked = optimizer.ask(self.replies)
        self.rejected += asked.rejected
        return asked

    async def _compete(self, asked: Proposals) -> None:
        """Each in its turn: one that is accepted is the one to beat for those after it."""
        known = set(names(self.history.tried))
        incumbent = self.history.incumbent
        for place, proposal in enumerate(asked.proposals):
            problem = self.check.problem(proposal.candidate, known)
            if problem:
                self.rejected.append(Rejected(proposal, problem))
                continue
            known |= names([proposal.candidate])
            label = f"iteration {self.number:03d}"
            if len(asked.proposals) > 1:
                label += f" {place + 1}/{len(asked.proposals)}"
            scored = await self.scoring.contest(
                proposal, incumbent, self.validation, label, self._budget()
            )
            self.spend = self.spend.plus(scored.summary.spend)
            self.scored.append(scored)
            if is_accepted(scored):
                incumbent = scored

    def _budget(self) -> Budget:
        return self.left(self.history.spend.plus(self.spend))

    async def _answer(self, question: Question) -> Answer:
        role = self.scoring.evaluator.models.optimizer
        if role is None:
            raise InputError(
                "the strategy asks an optimizer model and there is none; add roles.optimizer, and "
                "have its settings say that it asks"
            )
        size = sum(map(content_size, question.messages))
        budget, bound = self._budget(), calls_bound(role, 1, Prompts(size, size))
        over = budget.refusal(bound)
        if over:
            raise BudgetSpent(over, Spend())
        try:
            request = role.request(question.messages, question.replicate)
            completion = await self.scoring.evaluator.calls.complete(request)
        except (ContentFiltered, ContextTooLong) as error:
            # It shows train rows and prompts: one that cannot be asked must not end the search.
            return Answer("", f"it was refused: {error}")
        except CallError as error:
            if error.fatal or not error.transient:
                raise
            raise UnmeasuredRows(
                f"the optimizer model gave no answer ({type(error).__name__}: {error}); run again"
            ) from None
        spend = charged((completion,), role.price)
        beyond = budget.beyond(spend, bound)
        if beyond:
            raise InputError(beyond)
        self.spend = self.spend.plus(spend)
        missing = without_answer(completion)
        if missing is not None:
            return Answer(completion.text or "", f"it was {missing.outcome}: {missing.reason}")
        return Answer(completion.text or "")

    async def _tried(self, probe: Probe) -> tuple[Feedback, ...]:
        """A path must not fork on a call that failed: that ends the run, to be run again."""
        rows = [self.train[key] for key in probe.rows]
        found: list[RowResult] = []

        def keep(results: Sequence[RowResult]) -> None:
            found.extend(results)

        label = f"iteration {self.number:03d}: train rows"
        source = SplitRows("train", len(rows), lambda: rows)
        totals = await self.scoring.evaluator.again().evaluate(
            probe.candidate, source, label, self._budget(), keep
        )
        self.spend = self.spend.plus(totals.spend)
        if any(row.transient for row in found):
            raise UnmeasuredRows(totals.unmeasured_line(label, 0.0))
        return tuple(map(_feedback, found))


def _feedback(row: RowResult) -> Feedback:
    answer = (row.completion.answer or "") if row.completion else ""
    reason = (row.grade.feedback or row.grade.reason)[:MOST_REASON]
    return Feedback(row.example, answer, row.grade.outcome, row.grade.value, reason)
