"""The review model as a grader: what it is asked, and how its verdict is read."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any

from autoprompt_assets.engine.candidate import Message
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.grading.grade import CORRECT, WRONG, Grade
from autoprompt_assets.engine.template import INPUT, fill

VERDICT_FORM: dict[str, Any] = {
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

_NEGATED = re.compile(r"(?:\bnot|n['’]t)\s+(?:\w+\s+)?(true|false|correct|incorrect)\b", re.I)
_LEADING_VERDICT = re.compile(r"(?:true|false|correct|incorrect|yes|no)\b\W*[.,:;!—-]", re.I)
_VERDICT = re.compile(r"\b(true|false|correct|incorrect|yes|no)\b", re.IGNORECASE)


class Judge:
    """The review model says whether an answer is right; its verdict is read robustly."""

    def __init__(self, prompt: str, columns: Collection[str] = INPUT) -> None:
        self._prompt, self._columns = prompt, columns

    def review(self, example: Example, answer: str) -> tuple[Message, ...]:
        """The review prompt, filled: {response}, {answer} (the target) and the input's names."""
        values = dict.fromkeys(self._columns, example.input)
        values |= {"response": answer, "answer": example.target}
        content = fill(self._prompt, **values)
        return ({"role": "system", "content": content},)

    def grade(self, example: Example, answer: str, verdict: str | None) -> Grade:
        """`unreviewed`, so unmeasured, unless the verdict settles on one of true and false."""
        reading = read_verdict(verdict or "")
        if reading is None:
            return Grade(None, "unreviewed", f"the review model said {(verdict or '')[:200]!r}")
        return CORRECT if reading else WRONG


def read_verdict(text: str) -> bool | None:
    """True, False, or `None` when a review says neither or both.

    A verdict alone on its first or last line wins over words in the reasoning around it.
    """
    lines = [line.strip(" \t*_`'\".:!()[]") for line in text.strip().splitlines() if line.strip()]
    for line in (*lines[-1:], *lines[:1]):
        alone = re.fullmatch(
            r"(?:(?:final\s+)?(?:verdict|answer|judg[e]?ment)\W+(?:is\W+)?)?(\w+)",
            line,
            re.IGNORECASE,
        )
        if alone and _VERDICT.fullmatch(alone[1]):
            return _is_yes(alone[1])
    negated = {not _is_yes(match[1]) for match in _NEGATED.finditer(text)}
    said = {_is_yes(word) for word in _VERDICT.findall(_NEGATED.sub(" ", text))}
    # "Not true" alone may belong to anything; after a leading "False." it only repeats it.
    if negated and not (lines and _LEADING_VERDICT.match(lines[0])):
        return None
    return said.pop() if len(said) == 1 and negated <= said else None


def _is_yes(word: str) -> bool:
    return word.lower() in ("true", "correct", "yes")
