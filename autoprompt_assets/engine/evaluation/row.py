"""One row: its question to the target model, the review model's verdict, and its grade."""

from __future__ import annotations

from dataclasses import dataclass

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.choices import read_choice
from autoprompt_assets.engine.evaluation.result import RowResult
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import Grade, Grader, unparsable
from autoprompt_assets.engine.journal import Calls
from autoprompt_assets.engine.llm import (
    CallError,
    Completion,
    ContentFiltered,
    ContextTooLong,
    Models,
    Request,
    RequestRefused,
)


@dataclass(frozen=True)
class Answered:
    """A row whose answer the review model is to judge."""

    example: Example
    completion: Completion
    answer: str
    review: Request


@dataclass(frozen=True)
class Asker:
    """Asks the models of one search about rows, and grades what they answer."""

    calls: Calls
    models: Models
    grader: Grader
    replicate: int = 0
    """Which repeat of the same question to the target model is asked."""

    def request(self, candidate: Candidate, example: Example) -> Request:
        """What the target model is asked about `example`."""
        target, columns = self.models.target, self.models.columns
        is_choice = target.response_format is not None
        messages = candidate.messages(example.input, as_choice=is_choice, columns=columns)
        return target.request(messages, self.replicate, **candidate.parameters)

    async def ask(self, example: Example, request: Request) -> RowResult:
        """One row that the journal does not know, from its question to its grade."""
        try:
            completion = await self.calls.complete(request, looked_up=True)
        except (ContentFiltered, ContextTooLong) as error:
            return RowResult(example, None, Grade(0.0, "refused", _reason(error)))
        except CallError as error:
            if error.fatal:
                raise
            grade = Grade(None, "error", _reason(error))
            refused = error if isinstance(error, RequestRefused) else None
            return RowResult(example, None, grade, transient=error.transient, refused=refused)
        read = self.read(example, completion)
        return read if isinstance(read, RowResult) else await self.judge(read)

    def read(self, example: Example, completion: Completion) -> RowResult | Answered:
        """The row's result, or what the review model is to be asked about it."""
        answer, grade = read_answer(completion, self.models.target.spec.choices)
        if grade is not None:
            return RowResult(example, completion, grade)
        messages = self.grader.review(example, answer)
        if messages is None or self.models.review is None:
            return RowResult(example, completion, self.grader.grade(example, answer, None))
        return Answered(example, completion, answer, self.models.review.request(messages))

    async def judge(self, answered: Answered) -> RowResult:
        """Ask the review model, and grade by what it says."""
        try:
            review = await self.calls.complete(answered.review)
        except CallError as error:
            if error.fatal:
                raise
            grade = Grade(None, "unreviewed", _reason(error))
            return RowResult(
                answered.example,
                answered.completion,
                grade,
                transient=error.transient,
                refused=error if isinstance(error, RequestRefused) else None,
            )
        return self.judged(answered, review)

    def judged(self, answered: Answered, review: Completion) -> RowResult:
        """The row's result under the review model's verdict."""
        missing = without_answer(review)
        if missing is None:
            grade = self.grader.grade(answered.example, answered.answer, review.text)
        else:
            grade = Grade(None, "unreviewed", f"the review model's answer: {missing.reason}")
        return RowResult(answered.example, answered.completion, grade, review)


def without_answer(completion: Completion) -> Grade | None:
    """What a completion counts as that holds no whole answer, or `None` where it holds one."""
    if completion.refusal or completion.filtered:
        return Grade(0.0, "refused", (completion.refusal or "content filter")[:200])
    if completion.cut_off:
        return Grade(0.0, "truncated", "cut off at max_tokens")
    if not (completion.text or "").strip():
        thought = " (reasoning without an answer)" if completion.reasoning else ""
        return Grade(0.0, "empty", f"no content{thought}")
    return None


def read_answer(completion: Completion, choices: tuple[str, ...]) -> tuple[str, Grade | None]:
    """The answer to grade, or the grade where there is no answer to read."""
    missing = without_answer(completion)
    if missing is not None:
        return "", missing
    text = (completion.text or "").strip()
    if not choices:
        return text, None
    choice = read_choice(text, choices)
    if choice is None:
        return "", unparsable("the answer is none of the choices")
    return choice, None


def _reason(error: CallError) -> str:
    return f"{type(error).__name__}: {error}"
