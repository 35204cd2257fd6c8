"""The review model as a grader: what it is asked, and what its verdict is worth."""

from __future__ import annotations

from autoprompt_assets.engine.candidate import Message, fill
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.grading.grade import Grade, right_or_wrong
from autoprompt_assets.engine.grading.verdict import VERDICT_WORDS_SHOWN, read_verdict


class Judge:
    """The review model says whether an answer is right; `read_verdict` reads it."""

    def __init__(self, prompt: str) -> None:
        self._prompt = prompt

    def review(self, example: Example, answer: str) -> tuple[Message, ...]:
        """The review prompt, filled: {input}, {response} and {answer} (the target)."""
        content = fill(self._prompt, input=example.input, response=answer, answer=example.target)
        return ({"role": "system", "content": content},)

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
