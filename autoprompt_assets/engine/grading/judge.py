"""The review model as a grader: what it is asked, and what its verdict is worth."""

from __future__ import annotations

from typing import ClassVar, Literal

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import Grade, right_or_wrong
from autoprompt_assets.engine.grading.protocol import GraderSettings
from autoprompt_assets.engine.grading.verdict import VERDICT_WORDS_SHOWN, read_verdict
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.tags import fill_apart


class ModelGrader(GraderSettings):
    """The review model judges. Its prompt may hold the columns, {response} and {answer}."""

    kind: Literal["model"]
    asks_review: ClassVar[bool] = True
    needs_target: ClassVar[bool] = False

    def make(self, review_prompt: str = "", layout: Layout = SINGLE) -> Judge:
        """The judge that asks `review_prompt`."""
        return Judge(review_prompt, layout)


class Judge:
    """The review model says whether an answer is right; `read_verdict` reads it."""

    def __init__(self, prompt: str, layout: Layout = SINGLE) -> None:
        self._prompt, self._layout = prompt, layout

    def review(self, example: Example, answer: str) -> tuple[Message, ...]:
        """The review prompt, filled: {response}, {answer} (the target) and the columns.

        None of them closes a tag that the prompt puts around it.
        """
        values = self._layout.values(example.inputs)
        values |= {"response": answer, "answer": example.target_text}
        content = fill_apart(self._prompt, **values)
        # Several servers refuse a system turn that stands alone.
        return ({"role": "user", "content": content},)

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """`unreviewed`, so unmeasured, unless the verdict is one of the words that are read."""
        right = read_verdict(verdict or "")
        if right is None:
            return Grade(
                None,
                "unreviewed",
                f"the review model said {(verdict or '')[:200]!r}; a verdict is one of "
                f"{VERDICT_WORDS_SHOWN} alone on the first or last line",
            )
        return right_or_wrong(right)
