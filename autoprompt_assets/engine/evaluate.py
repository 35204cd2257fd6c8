"""One candidate over examples: asked concurrently, graded, scored."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from autoprompt_assets.engine.calls import CallCounts, Calls
from autoprompt_assets.engine.candidate import Candidate, choice_schema, read_choice
from autoprompt_assets.engine.compare import score_interval
from autoprompt_assets.engine.dataset import Example, Split
from autoprompt_assets.engine.errors import UnmeasuredRows
from autoprompt_assets.engine.graders import Grade, Grader, Outcome, unparsable
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.llm import CallError, Completion, Request, Role
from autoprompt_assets.engine.spec import RoleSpec


@dataclass(frozen=True)
class Asked:
    """A role as it is asked: where, which model, with what."""

    role: Role
    spec: RoleSpec
    endpoint: str
    """The endpoint's identity, as requests carry it."""
    model: str
    price: Callable[[int, int], float | None] = lambda prompt, completion: None
    """US dollars for prompt and completion tokens; `None` where the price is not known."""

    def request(
        self, messages: tuple[dict[str, str], ...], replicate: int = 0, **parameters: Any
    ) -> Request:
        """The request that puts `messages` to this role."""
        settings: dict[str, Any] = {}
        if self.spec.temperature is not None:
            settings["temperature"] = self.spec.temperature
        if self.spec.max_tokens is not None:
            settings["max_tokens"] = self.spec.max_tokens
        settings = {**settings, **self.spec.extra, **parameters}
        form = choice_schema(self.spec.choices) if self.spec.choices else None
        return Request(self.role, self.endpoint, self.model, messages, settings, form, replicate)


@dataclass(frozen=True)
class RowResult:
    """One row of an evaluation: what was answered, and what it was worth."""

    example: Example
    completion: Completion | None
    grade: Grade
    review: Completion | None = None
    transient: bool = False
    """True where the row failed in a way that may pass when asked again."""


@dataclass(frozen=True)
class Evaluation:
    """One candidate over one split. `score` is correct / measured rows."""

    candidate: Candidate
    split: Split
    rows: tuple[RowResult, ...]

    def values(self) -> dict[str, float | None]:
        """Each example's value; `None` where unmeasured."""
        return {row.example.id: row.grade.value for row in self.rows}

    def summary(self) -> Summary:
        """The counts and what follows from them."""
        outcomes = Counter(row.grade.outcome for row in self.rows)
        spend = Spend()
        for row in self.rows:
            for completion in filter(None, (row.completion, row.review)):
                spend = spend.plus(charged(completion))
        return Summary.of(dict(sorted(outcomes.items())), spend)


@dataclass(frozen=True)
class Summary:
    """An evaluation in numbers."""

    rows: int
    measured: int
    correct: int
    score: float
    ci95: tuple[float, float]
    outcomes: dict[Outcome, int]
    spend: Spend

    @classmethod
    def of(cls, outcomes: dict[Outcome, int], spend: Spend) -> Summary:
        """The summary that follows from the outcomes' counts."""
        rows = sum(outcomes.values())
        measured = rows - outcomes.get("error", 0) - outcomes.get("unreviewed", 0)
        correct = outcomes.get("correct", 0)
        score = correct / measured if measured else 0.0
        interval = score_interval(correct, measured)
        return cls(rows, measured, correct, score, interval, outcomes, spend)

    @property
    def unmeasured_share(self) -> float:
        """Rows without a grade / rows."""
        return 1 - self.measured / self.rows if self.rows else 0.0


class Progress(Protocol):
    """Told of every row that is done; decides itself how often to show it."""

    def notice(self, text: str) -> None:
        """Something a person who waits should know: a retry, a lock."""

    def evaluation(self, label: str, rows: int, counts: CallCounts) -> Callable[[RowResult], None]:
        """A new evaluation begins; the returned function is told of each row.

        `counts` are the run's so far, and go on counting.
        """


def charged(completion: Completion) -> Spend:
    """What one completion costs, made now or replayed."""
    return Spend(
        calls=1,
        prompt_tokens=completion.prompt_tokens,
        completion_tokens=completion.completion_tokens,
        usd=completion.usd or 0.0,
        unpriced=int(completion.usd is None),
    )


@dataclass(frozen=True)
class Evaluator:
    """Evaluates candidates of one search."""

    calls: Calls
    target: Asked
    review: Asked | None
    grader: Grader
    concurrency: int
    unmeasured: float
    progress: Progress

    async def evaluate(
        self, candidate: Candidate, examples: Sequence[Example], label: str
    ) -> Evaluation:
        """Ask about every example, at most `concurrency` at once, and grade the answers.

        A failed row does not stop the others.

        Raises:
            CallError: a fatal one, such as a wrong key, at its first occurrence.
            UnmeasuredRows: too many rows have no grade, for reasons that may pass.
        """
        slots = asyncio.Semaphore(self.concurrency)
        told = self.progress.evaluation(label, len(examples), self.calls.counts)

        async def one(example: Example) -> RowResult:
            async with slots:
                result = await self._row(candidate, example)
            told(result)
            return result

        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(one(example)) for example in examples]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        rows = tuple(task.result() for task in tasks)
        evaluation = Evaluation(candidate, examples[0].split, rows)
        self._refuse_outage(evaluation, label)
        return evaluation

    async def _row(self, candidate: Candidate, example: Example) -> RowResult:
        choices = self.target.spec.choices
        messages = candidate.messages(example.input, as_choice=bool(choices))
        request = self.target.request(messages, **candidate.parameters)
        try:
            completion = await self.calls.complete(request)
        except CallError as error:
            if error.fatal:
                raise
            return RowResult(example, None, _failed(error), transient=error.transient)
        answer, grade = read_answer(completion, choices)
        if grade is not None:
            return RowResult(example, completion, grade)
        return await self._graded(RowResult(example, completion, Grade(None, "error")), answer)

    async def _graded(self, row: RowResult, answer: str) -> RowResult:
        messages = self.grader.review(row.example, answer)
        if messages is None or self.review is None:
            return replace(row, grade=self.grader.grade(row.example, answer, None))
        try:
            review = await self.calls.complete(self.review.request(messages))
        except CallError as error:
            if error.fatal:
                raise
            grade = Grade(None, "unreviewed", f"{type(error).__name__}: {error}")
            return replace(row, grade=grade, transient=error.transient)
        grade = self.grader.grade(row.example, answer, review.text)
        return replace(row, grade=grade, review=review)

    def _refuse_outage(self, evaluation: Evaluation, label: str) -> None:
        summary = evaluation.summary()
        failed = [row for row in evaluation.rows if row.grade.value is None]
        if summary.unmeasured_share > self.unmeasured and any(row.transient for row in failed):
            raise UnmeasuredRows(unmeasured_line(evaluation, label, self.unmeasured))


def unmeasured_line(evaluation: Evaluation, label: str, allowed: float) -> str:
    """One line that says how many rows have no grade, and why."""
    reasons = Counter(
        f"{row.grade.outcome}: {row.grade.reason[:200]}"
        for row in evaluation.rows
        if row.grade.value is None
    )
    (reason, count), others = reasons.most_common(1)[0], len(reasons) - 1
    more = f" and {others} other reasons" if others else ""
    return (
        f"{label}: {reasons.total()} of {len(evaluation.rows)} rows have no grade, more than the "
        f"{allowed:.1%} that `unmeasured` allows; {count} times {reason}{more}. What was answered "
        "is kept: mend the cause and run again"
    )


def read_answer(completion: Completion, choices: tuple[str, ...]) -> tuple[str, Grade | None]:
    """The answer to grade, or the grade where there is no answer to read."""
    text = (completion.text or "").strip()
    if completion.refusal or completion.finish_reason == "content_filter":
        return "", Grade(0.0, "refused", (completion.refusal or "content filter")[:200])
    if completion.finish_reason == "length":
        return "", Grade(0.0, "truncated", "max_tokens was reached")
    if not text:
        return "", Grade(0.0, "empty", "no content")
    if not choices:
        return text, None
    choice = read_choice(text, choices)
    if choice is None:
        return "", unparsable("the answer is none of the choices")
    return choice, None


def _failed(error: CallError) -> Grade:
    return Grade(None, "error", f"{type(error).__name__}: {error}")
