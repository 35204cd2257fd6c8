"""What is asked of a grader, and of the settings that stand for it in an experiment file.

One file holds a grader: its settings, a `Rule` or another `GraderSettings`, and how it grades.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Protocol

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Frozen
from autoprompt_assets.engine.grading.answer_form import AnswerMark, common_marks
from autoprompt_assets.engine.grading.grade import Grade
from autoprompt_assets.engine.grading.target_form import unmeant_form
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.plugins import package_of, plugins

GROUP = "autoprompt.graders"
"""The entry points by which packages add graders."""


class Grader(Protocol):
    """Grades one answer of the target model."""

    def review(self, example: Example, answer: str) -> tuple[Message, ...] | None:
        """The messages the review model must be asked, or `None` when no judge is needed."""

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """The grade of `answer`; `verdict` is the review model's text."""


class GraderSettings(Frozen):
    """What a user may say of one kind of grader, and all that differs by kind."""

    kind: str
    """The word that names it in an experiment file: a `Literal` in each kind."""
    asks_review: ClassVar[bool] = False
    """The review model is asked: `roles.review` is needed, with {response}, and enters the key of
    a test's reading. Targets are not checked."""
    reads_input: ClassVar[bool] = True
    """Whether a target can be met depends on its row's input; else equal targets are checked once.
    """
    needs_target: ClassVar[bool] = True
    """False where rows may be graded without a target: `dataset.target: null`."""
    compares_whole: ClassVar[bool] = False
    """A right answer is about as long as its target: estimates rest on it."""

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

    def review(self, example: Example, answer: str) -> None:
        """No judge is needed."""
        return

    @abstractmethod
    def grade(self, example: Example, answer: str, verdict: str | None = None) -> Grade:
        """Compare `answer` with the example's target; `verdict` is always `None`."""

    def target_problem(self, example: Example, prompt: str) -> str:
        """The form that the target is written in, or that it is no right answer to itself.

        Whoever overrides this calls it, or goes without these two.
        """
        problem = unmeant_form(example.target, prompt)
        if problem or self.grade(example, example.target).outcome == "correct":
            return problem
        return f"is not right for the grader {self.kind!r}; mend it or choose another grader"
