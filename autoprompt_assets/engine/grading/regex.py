"""The grader `regex`: what a pattern of the user's finds in the answer, against the target."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import field_validator

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.answer_form import AnswerMark, common_marks, mark
from autoprompt_assets.engine.grading.grade import Grade, right_or_wrong, unparsable
from autoprompt_assets.engine.grading.pattern_worker import CPU_S
from autoprompt_assets.engine.grading.patterns import first_group
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.grading.regex_search import (
    PatternTooSlow,
    last_match,
    matches_whole,
)
from autoprompt_assets.engine.grading.target_form import unmeant_form
from autoprompt_assets.engine.text import fold

_LEAD = re.compile(r"(?:\(\?[aimsu]+\)|\\b|\^)*((?:[\w #:=<>/-]|\\[^\w\s])+)(?![?*+{])")


class RegexGrader(Rule):
    """Right when the pattern's first group (or whole match), last found, equals the target."""

    kind: Literal["regex"]
    pattern: str
    ignore_case: bool = False
    reads_input: ClassVar[bool] = False

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"is no regular expression ({error}); mend it") from error
        return pattern

    def grade(self, example: Example, answer: str) -> Grade:
        """Compare what the pattern finds in `answer` with the target."""
        try:
            found = last_match(self.pattern, self.ignore_case, answer)
        except PatternTooSlow:
            return unparsable(
                f"grader.pattern took more than {CPU_S:g} s of CPU time on the answer; write it "
                "without nested repeats"
            )
        if found is None:
            return unparsable("the pattern is not found in the answer")
        return right_or_wrong(
            fold(found, self.ignore_case) == fold(example.target, self.ignore_case)
        )

    def target_problem(self, example: Example, prompt: str) -> str:
        """Its form, or that the pattern's first group matches no such text as a whole."""
        problem = unmeant_form(example.target, prompt)
        if problem or self._can_match(example.target):
            return problem
        return "can never be what grader.pattern matches; mend the rows or the pattern"

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """What the pattern reads, too: tags, ####, a fence, its literal lead."""
        yield from common_marks(first, self.pattern)
        yield from _lead(first, self.pattern)

    def _can_match(self, target: str) -> bool:
        group = first_group(self.pattern)
        texts = (target, target.strip(), fold(target, False))
        if group is None:
            return True
        try:
            return any(matches_whole(group, self.ignore_case, text) for text in texts)
        except PatternTooSlow:
            return True


def _lead(first: str, pattern: str) -> Iterator[AnswerMark]:
    """The literal text before a pattern's first group: `ANSWER:` of `ANSWER:\\s*(.*)`."""
    bare = re.sub(r"\\.|\[[^\]]*\]", "", pattern)
    inner = ""
    while inner != bare:
        inner, bare = bare, re.sub(r"\([^()]*\)", "", bare)
    match = _LEAD.match(pattern)
    if "|" in bare or match is None:
        return
    lead = re.sub(r"\\(\W)", r"\1", match[1]).strip()
    kept = r"\s*".join(map(re.escape, lead.split()))
    if len(lead) > 1 and re.search(kept, first, re.IGNORECASE):
        yield mark(lead, kept)
