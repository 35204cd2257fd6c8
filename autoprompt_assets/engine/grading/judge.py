"""The review model as a grader: what it is asked, and what its verdict is worth."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import Grade, graded, unreviewed
from autoprompt_assets.engine.grading.protocol import Ask, GraderSettings
from autoprompt_assets.engine.grading.verdict import VERDICT_WORDS_SHOWN, read_verdict
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.tags import fill_apart
from autoprompt_assets.engine.text import size_of

VERDICT_FORMAT: dict[str, Any] = {
    "type": "json_schema",
    "json_schema": {
        "name": "verdict",
        "strict": True,
        "schema": {
            "type": "object",
            # In this order: a judge that must decide before it says why judges worse.
            "properties": {"reason": {"type": "string"}, "correct": {"type": "boolean"}},
            "required": ["reason", "correct"],
            "additionalProperties": False,
        },
    },
}
"""The response format of a review, where the endpoint heeds JSON schemas."""


class ModelGrader(GraderSettings):
    """The review model judges. Its prompt may hold the columns, {response} and {answer}."""

    kind: Literal["model"]
    needs_target: ClassVar[bool] = False

    @property
    def most_reviews(self) -> int:
        """One."""
        return 1

    @property
    def review_bytes(self) -> int:
        """The form that the verdict is asked in."""
        return size_of(canonical_json(VERDICT_FORMAT))

    def make(self, review_prompt: str = "", layout: Layout = SINGLE) -> Judge:
        """The judge that asks `review_prompt`."""
        return Judge(review_prompt, layout)


class Judge:
    """The review model says whether an answer is right; `read_verdict` reads it."""

    def __init__(self, prompt: str, layout: Layout = SINGLE) -> None:
        self._prompt, self._layout = prompt, layout

    def messages(self, example: Example, answer: str) -> tuple[Message, ...]:
        """The review prompt, filled: {response}, {answer} (the target) and the columns.

        None of them closes a tag that the prompt puts around it.
        """
        values = self._layout.values(example.inputs)
        values |= {"response": answer, "answer": example.target_text}
        content = fill_apart(self._prompt, **values)
        # Several servers refuse a system turn that stands alone.
        return ({"role": "user", "content": content},)

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        """`unreviewed`, so unmeasured, unless the verdict is one of the words that are read."""
        text = await ask(*self.messages(example, answer), form=VERDICT_FORMAT)
        right = read_verdict(text)
        if right is None:
            return unreviewed(
                f"the review model said {text[:200]!r}; a verdict is one of "
                f"{VERDICT_WORDS_SHOWN} alone on the first or last line"
            )
        return graded(right, feedback=text)
