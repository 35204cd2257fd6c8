"""What is asked of a grader, and of the settings that stand for it in an experiment file.

One file holds a grader: its settings, a `Rule` or another `GraderSettings`, and how it grades. A
grader that only looks at the answer has a plain `grade(example, answer)`; one that asks the review
model, or waits for something else, an `async grade(example, answer, ask)`.
"""

from __future__ import annotations

import inspect
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, cast

from pydantic import Field

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Frozen, Number
from autoprompt_assets.engine.grading.answer_form import AnswerMark, common_marks
from autoprompt_assets.engine.grading.grade import Grade
from autoprompt_assets.engine.grading.target_form import unmeant_form
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.plugins import package_of, plugins
from autoprompt_assets.engine.template import fields

GROUP = "autoprompt.graders"
"""The entry points by which packages add graders."""


class NoReview(Exception):
    """A review gave no text to read, or may not be asked for. Uncaught, the row is `unreviewed`,
    with this reason.
    """


class Ask(Protocol):
    """Asks the review model about one answer: journaled, within the budget, stored with the row."""

    async def __call__(
        self, *messages: Message, form: Mapping[str, Any] | None = None, replicate: int = 0
    ) -> str:
        """The model's text, never empty.

        `form` is a response format, sent where the endpoint heeds JSON schemas; `replicate` tells
        repeats of one question apart.

        Raises:
            NoReview: the answer was empty, refused or cut off, or `most_reviews` were asked before.
            Exception: no answer was to be had; whatever the grader makes of it, the row is
                `unreviewed`, or the run ends.
        """
        ...


class PlainGrader(Protocol):
    """Grades one answer of the target model by looking at it."""

    def grade(self, example: Example, answer: str) -> Grade:
        """The grade of `answer`."""
        ...


class AskingGrader(Protocol):
    """Grades one answer of the target model; may ask the review model, or wait."""

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        """The grade of `answer`."""
        ...


Grader = PlainGrader | AskingGrader


def plain(grader: Grader) -> PlainGrader | None:
    """`grader`, where it grades by looking alone."""
    return None if inspect.iscoroutinefunction(grader.grade) else cast("PlainGrader", grader)


def asking(grader: Grader) -> AskingGrader | None:
    """`grader`, where it has to be waited for."""
    return cast("AskingGrader", grader) if inspect.iscoroutinefunction(grader.grade) else None


class GraderSettings(Frozen):
    """What a user may say of one kind of grader, and all that differs by kind."""

    kind: str
    """The word that names it in an experiment file: a `Literal` in each kind."""
    weight: Number = Field(1.0, gt=0, exclude=True)
    """How much it counts among several graders."""
    reads_input: ClassVar[bool] = True
    """Whether a target can be met depends on its row's input; else equal targets are checked once.
    """
    bad_target_ungraded: ClassVar[bool] = False
    """A row whose target has a `target_problem` has no grade, whatever is answered: where answers
    have to be waited for, none is tried."""
    compares_whole: ClassVar[bool] = False
    """A right answer is about as long as its target: estimates rest on it."""

    @property
    def needs_target(self) -> bool:
        """False where rows may be graded without a target: `dataset.target: null`."""
        return True

    @property
    def most_reviews(self) -> int:
        """How often the review model is asked about one answer at most.

        From 1 on `roles.review` is needed, and enters the key of a test's reading.
        """
        return 0

    @property
    def review_bytes(self) -> int:
        """UTF-8 bytes that one review's messages and form may have beside the filled
        `roles.review.prompt`: budgets rest on it.
        """
        return 0

    def review_problems(self, prompt: str) -> Iterator[str]:
        """What is wrong with `roles.review.prompt`, "trouble; mend"; here: no {response} in it.

        Whoever says itself what is asked yields nothing.
        """
        if self.most_reviews and not fields(prompt, ["response"]):
            yield "lacks {response}; say where the answer goes"

    def located(self, folder: Path, place: str) -> Self:
        """The same with its files looked up in `folder`, the experiment's; `place` is the field.

        Raises:
            InputError: one of them cannot be had.
        """
        return self

    def column_problems(self, layout: Layout, place: str) -> Iterator[str]:
        """A column that it reads and that the rows lack, a line each; `place` is the field."""
        yield from ()

    def problems(self, place: str) -> Sequence[str]:
        """What keeps it from grading at all, a line each that begins with the field `place`: looked
        at before anything is paid.
        """
        return ()

    @abstractmethod
    def make(self, review_prompt: str = "", layout: Layout = SINGLE) -> Grader:
        """The grader. `layout` says which columns `review_prompt` may name."""

    def target_problem(self, example: Example, prompt: str) -> str:
        """Why hardly any answer can meet the row's target, "trouble; mend", or an empty text.

        `prompt` is the first one. "the target '…'" is put before it. `targets.check_targets` asks
        it of every row before anything is paid: more than SHARE of them end the run, fewer are
        noted. Not asked where the role has `choices`: its targets must be among them.
        """
        return ""

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """What `first`, the first prompt, asks of an answer's form; see `answer_form`.

        `targets` are those of the rows at hand.
        """
        return common_marks(first)

    def identity(self) -> dict[str, Any]:
        """What decides which answer is right, as JSON: the settings, and a package's version."""
        point = plugins(GROUP).get(self.kind)
        package = {"package": package_of(point)} if point is not None else {}
        return {**self.model_dump(mode="json"), **package}


class Rule(GraderSettings):
    """A grader that asks no model: its settings and its grade in one."""

    def make(self, review_prompt: str = "", layout: Layout = SINGLE) -> Grader:
        """Itself."""
        return self

    @abstractmethod
    def grade(self, example: Example, answer: str) -> Grade:
        """Compare `answer` with the example's target."""

    def target_problem(self, example: Example, prompt: str) -> str:
        """The form that the target is written in, or that it is no right answer to itself.

        Whoever overrides this calls it, or goes without these two.
        """
        problem = unmeant_form(example.target, prompt)
        if problem or self.grade(example, example.target).outcome == "correct":
            return problem
        return f"is not right for the grader {self.kind!r}; mend it or choose another grader"
