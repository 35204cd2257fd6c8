"""The grader `labels`: several labels in an answer, as a set, against those of the target."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.answer_form import AnswerMark, answer_marks, common_marks
from autoprompt_assets.engine.grading.grade import Grade, graded, unparsable, unreviewed
from autoprompt_assets.engine.grading.markup import tags_as_leads
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.grading.target_form import missing_problem, structure
from autoprompt_assets.engine.json_text import json_values
from autoprompt_assets.engine.text import bare, fold

METRICS = ("exact", "precision", "recall", "f1", "jaccard")
MOST_TOLD = 8
"""Labels that are told of what is missing, and of what is too much."""
_LEAD = re.compile(
    r"(?<!\w)(?:answers?|labels?|tags?|categor(?:y|ies)|class(?:es)?|topics?)"
    r"(?: (?:is|are))?[*_ ]{0,4}:",
    re.IGNORECASE,
)
_BULLET = re.compile(r"^\s*(?:[-*•·]|\d{1,3}[.)])\s+")
_NONE = "none"


class LabelsGrader(Rule):
    """Labels in any order, from a JSON list or a text that `separator` parts.

    `score: f1` is the share that precision and recall agree on, `jaccard` what both sets share of
    all labels in either, `exact` right or wrong.
    """

    kind: Literal["labels"]
    score: Literal["exact", "f1", "jaccard"] = "f1"
    separator: str = Field(",", min_length=1)
    """What stands between labels where they are no JSON list; an end of line does, too."""
    ignore_case: bool = True
    reads_input: ClassVar[bool] = False
    compares_whole: ClassVar[bool] = True

    def grade(self, example: Example, answer: str) -> Grade:
        """Compare the labels of `answer` with the target's."""
        given = self.read(answer)
        if given is None:
            return unparsable("the answer holds no labels", dict.fromkeys(METRICS, 0.0))
        wanted = self.read(example.target)
        if wanted is None:
            return unreviewed(f"the target {shown(example.target, 60)} holds no labels")
        return self._compared(given, wanted)

    def target_problem(self, example: Example, prompt: str) -> str:
        """Python's notation, a missing value, or no labels."""
        found, is_json = structure(example.target)
        if found is not None and not is_json:
            return 'is written as Python; write a JSON list, ["a", "b"]'
        problem = missing_problem(example.target, prompt)
        if problem or self.read(example.target) is not None:
            return problem
        return 'holds no labels; write a JSON list, ["a", "b"] or [], or a separated text'

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """The labels, too, where the first prompt names them all; any form is read."""
        yield from common_marks(first, fence=False)
        labels = [one for target in targets for one in (self.read(target) or {}).values()]
        yield from answer_marks(first, labels)

    def read(self, text: str) -> dict[str, str] | None:
        """The labels of `text` by how they are compared; `None` where it holds none.

        The last JSON list or object of labels counts, else what stands after a lead such as
        "Labels:", else all of it. "none" is no label.
        """
        for value in json_values(text):
            labels = self._of_json(value)
            if labels is not None:
                return self._by_key(labels)
        return self._by_key(self._of_text(text)) or self._if_none(text)

    def _of_json(self, value: Any) -> list[str] | None:
        if isinstance(value, dict):
            if value and all(isinstance(one, bool) for one in value.values()):
                return [name for name, holds in value.items() if holds]
            lists = [one for one in value.values() if isinstance(one, list)]
            texts = [one for one in value.values() if isinstance(one, str)]
            value = lists[0] if len(lists) == 1 else texts[0] if len(value) == 1 and texts else None
        if isinstance(value, str):
            return self._of_text(value)
        if not isinstance(value, list) or any(isinstance(one, dict | list) for one in value):
            return None
        return [str(one) for one in value if one is not None]

    def _of_text(self, text: str) -> list[str]:
        text = tags_as_leads(text)
        *_, lead = (None, *_LEAD.finditer(text))
        if lead is not None and text[lead.end() :].strip():
            text = text[lead.end() :]
        text = bare(text)
        if text[:1] == "[" and text[-1:] == "]":  # as Python writes a list
            text = text[1:-1]
        return [
            bare(_BULLET.sub("", part))
            for line in text.splitlines()
            for part in line.split(self.separator)
        ]

    def _by_key(self, labels: Iterable[str]) -> dict[str, str]:
        by_key = {fold(label, self.ignore_case): label for label in labels}
        by_key.pop("", None)
        return {} if {key.casefold() for key in by_key} == {_NONE} else by_key

    def _if_none(self, text: str) -> dict[str, str] | None:
        words = fold(bare(_LEAD.sub("", text)), True)
        return {} if words in (_NONE, "no labels", "[]") else None

    def _compared(self, given: dict[str, str], wanted: dict[str, str]) -> Grade:
        common = given.keys() & wanted.keys()
        metrics = _metrics(len(common), len(given), len(wanted))
        told = [
            _told("missing", [label for key, label in wanted.items() if key not in common]),
            _told("not wanted", [label for key, label in given.items() if key not in common]),
        ]
        return graded(metrics[self.score], feedback="; ".join(filter(None, told)), metrics=metrics)


def _metrics(common: int, given: int, wanted: int) -> dict[str, float]:
    if not given and not wanted:
        return dict.fromkeys(METRICS, 1.0)
    return {
        "exact": float(common == given == wanted),
        "precision": common / given if given else 0.0,
        "recall": common / wanted if wanted else 0.0,
        "f1": 2 * common / (given + wanted),
        "jaccard": common / (given + wanted - common),
    }


def _told(what: str, labels: Sequence[str]) -> str:
    if not labels:
        return ""
    more = f" and {len(labels) - MOST_TOLD} more" if len(labels) > MOST_TOLD else ""
    return f"{what}: {', '.join(shown(one, 40) for one in labels[:MOST_TOLD])}{more}"
