"""One row: its question to the target model, the review model's verdict, and its grade."""

from __future__ import annotations

from dataclasses import dataclass

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.choices import read_choice
from autoprompt_assets.engine.evaluation.result import RowResult
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import Grade, Grader, Outcome, unparsable
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
class Asker:
    """Asks the models of one search about rows, and grades what they answer."""

    calls: Calls
    models: Models
    grader: Grader
    replicate: int = 0
    """Which repeat of the same question to the target model is asked."""

    def request(self, candidate: Candidate, example: Example) -> Request:
        """What the target model is asked about `example`."""
        target, layout = self.models.target, self.models.layout
        is_choice = target.response_format is not None
        messages = candidate.messages(example.inputs, as_choice=is_choice, layout=layout)
        return target.request(messages, self.replicate, **candidate.parameters)

    async def row(self, candidate: Candidate, example: Example) -> RowResult:
        """One row, from its question to its grade."""
        try:
            completion = await self.calls.complete(self.request(candidate, example))
        except (ContentFiltered, ContextTooLong) as error:
            return RowResult(example, None, Grade(0.0, "refused", _reason(error)))
        except CallError as error:
            return _failed(example, None, "error", error)
        answer, grade = read_answer(completion, self.models.target.spec.choices)
        if grade is not None:
            return RowResult(example, completion, grade)
        messages = self.grader.review(example, answer)
        if messages is None or self.models.review is None:
            return RowResult(example, completion, self.grader.grade(example, answer, None))
        try:
            review = await self.calls.complete(self.models.review.request(messages))
        except CallError as error:
            return _failed(example, completion, "unreviewed", error)
        missing = without_answer(review)
        if missing is None:
            grade = self.grader.grade(example, answer, review.text)
        else:
            grade = Grade(None, "unreviewed", f"the review model's answer: {missing.reason}")
        return RowResult(example, completion, grade, review)


def _failed(
    example: Example, completion: Completion | None, outcome: Outcome, error: CallError
) -> RowResult:
    """The row's result where a call failed.

    Raises:
        CallError: the same, where it is fatal.
    """
    if error.fatal:
        raise error
    refused = error if isinstance(error, RequestRefused) else None
    grade = Grade(None, outcome, _reason(error))
    return RowResult(example, completion, grade, transient=error.transient, refused=refused)


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
