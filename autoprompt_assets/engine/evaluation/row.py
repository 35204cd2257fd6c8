"""One row: its question to the target model, the review model's verdict, and its grade."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.choices import read_choice
from autoprompt_assets.engine.evaluation.result import RowResult
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import (
    AskingGrader,
    Grade,
    Grader,
    NoReview,
    Outcome,
    PlainGrader,
    asking,
    plain,
    unparsable,
    unreviewed,
)
from autoprompt_assets.engine.journal import Calls
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.llm import (
    CallError,
    Completion,
    ContentFiltered,
    ContextTooLong,
    Models,
    Request,
    RequestRefused,
)
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.text import quantity


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
        target, chat = self.models.target, self.models.chat
        is_choice = target.is_choice
        messages = candidate.messages(example.inputs, as_choice=is_choice, chat=chat)
        return target.request(messages, self.replicate, **candidate.fields(chat))

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
        plain = self._plain
        if plain is not None:
            return RowResult(example, completion, plain.grade(example, answer))
        return await self._reviewed(example, completion, answer)

    async def _reviewed(self, example: Example, completion: Completion, answer: str) -> RowResult:
        """The row where its grader has to be waited for, with the reviews that it asked for."""
        asking = self._asking
        assert asking is not None
        reviews = _Reviews(self.calls, self.models)
        try:
            grade = await asking.grade(example, answer, reviews)
        except NoReview as error:
            grade = unreviewed(str(error))
        except Exception as error:
            if reviews.failure is None:
                reviews.failure = error
        if reviews.failure is None:
            return RowResult(example, completion, grade, reviews.answers)
        if not isinstance(reviews.failure, CallError):
            raise reviews.failure
        return _failed(example, completion, "unreviewed", reviews.failure, reviews.answers)

    @lazy
    def _plain(self) -> PlainGrader | None:
        return plain(self.grader)

    @lazy
    def _asking(self) -> AskingGrader | None:
        return asking(self.grader)


class _Reviews:
    """The review model, asked about one answer; implements `engine.grading.Ask`.

    `failure` is the first of its calls that gave no answer: what a grader makes of one must not
    decide a path, for it may pass.
    """

    def __init__(self, calls: Calls, models: Models) -> None:
        self._calls, self._models = calls, models
        self._found: list[Completion | None] = []
        self.failure: Exception | None = None

    @property
    def answers(self) -> tuple[Completion, ...]:
        """What was answered, in the order of the questions."""
        return tuple(one for one in self._found if one is not None)

    async def __call__(
        self, *messages: Message, form: Mapping[str, Any] | None = None, replicate: int = 0
    ) -> str:
        role, most = self._models.review, self._models.most_reviews
        if role is None:
            raise NoReview("the grader asks the review model and there is none; add roles.review")
        place = len(self._found)
        if place >= most:
            raise NoReview(
                f"the grader asks the review model more than {quantity(most, 'time')} about a row"
            )
        self._found.append(None)
        request = role.request(messages, replicate)
        if form is not None and role.structured:
            request = replace(request, response_format=form)
        try:
            completion = await self._calls.complete(request)
        except Exception as error:
            self.failure = self.failure or error
            raise
        self._found[place] = completion
        missing = without_answer(completion)
        if missing is not None:
            raise NoReview(f"the review model's answer: {missing.reason}")
        return completion.text or ""


def _failed(
    example: Example,
    completion: Completion | None,
    outcome: Outcome,
    error: CallError,
    reviews: tuple[Completion, ...] = (),
) -> RowResult:
    """The row's result where a call failed.

    Raises:
        CallError: the same, where it is fatal.
    """
    if error.fatal:
        raise error
    refused = error if isinstance(error, RequestRefused) else None
    grade = Grade(None, outcome, _reason(error))
    return RowResult(example, completion, grade, reviews, True, error.transient, refused)


def without_answer(completion: Completion) -> Grade | None:
    """What a completion counts as that holds no whole answer, or `None` where it holds one."""
    if completion.refusal or completion.filtered:
        return Grade(0.0, "refused", (completion.refusal or "content filter")[:200])
    if completion.cut_off:
        return Grade(0.0, "truncated", "cut off at max_tokens")
    if not (completion.answer or "").strip():
        thought = " (reasoning without an answer)" if completion.reasoning else ""
        return Grade(0.0, "empty", f"no content{thought}")
    return None


def read_answer(completion: Completion, choices: tuple[str, ...]) -> tuple[str, Grade | None]:
    """The answer to grade, or the grade where there is no answer to read."""
    missing = without_answer(completion)
    if missing is not None:
        return "", missing
    text = (completion.answer or "").strip()
    unread = next((name for name, given in completion.calls if not isinstance(given, dict)), None)
    if unread is not None:
        return "", unparsable(f"the arguments of the call of {unread[:60]} are no JSON object")
    if not choices or completion.calls:
        return text, None
    choice = read_choice(text, choices)
    if choice is None:
        return "", unparsable("the answer is none of the choices")
    return choice, None


def _reason(error: CallError) -> str:
    return f"{type(error).__name__}: {error}"
