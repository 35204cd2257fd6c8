"""The grader `json`: an answer's JSON, or one field of it, against the target."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar, Literal

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.answer_form import AnswerMark, as_word, common_marks, mark
from autoprompt_assets.engine.grading.grade import Grade, right_or_wrong, unparsable
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.grading.target_form import missing_problem, structure
from autoprompt_assets.engine.json_text import MOST_LEVELS, json_values, parse_json
from autoprompt_assets.engine.text import fold, visible

_INDEX = re.compile(r"\[(\d+)\]")


class JsonGrader(Rule):
    """Right when the answer's JSON equals the target's, or what stands at its `field` does.

    `field` is a key, or a path of keys and list indices: `a.0.b`.
    """

    kind: Literal["json"]
    field: str | None = None
    reads_input: ClassVar[bool] = False
    compares_whole: ClassVar[bool] = True

    def grade(self, example: Example, answer: str) -> Grade:
        """Compare the JSON of `answer`, or its field, with the target."""
        return grade_json(self.field, example.target, answer)

    def target_problem(self, example: Example, prompt: str) -> str:
        """Python's notation, an object where a field is meant, a missing value, or no JSON."""
        problem = self._form_problem(example.target) or missing_problem(example.target, prompt)
        ideal = self._ideal_answer(example.target)
        if problem or grade_json(self.field, example.target, ideal).outcome == "correct":
            return problem
        return f"is no JSON of at most {MOST_LEVELS} levels; write it as JSON, or set grader.field"

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """The word JSON and the field, too, but no fence, which it does without."""
        yield from common_marks(first, fence=False)
        asks = r"\bjson\b|\{\s*[\"']"
        if re.search(asks, first, re.IGNORECASE):
            yield mark("JSON", asks)
        if self.field is not None:
            kept = as_word(self.field)
            if re.search(kept, first):
                yield mark(f"the JSON field {self.field!r}", kept, re.NOFLAG)

    def _form_problem(self, target: str) -> str:
        found, is_json = structure(target)
        if found is not None and not is_json:
            return "is written as Python; write it as JSON"
        is_object = self.field is not None and isinstance(found, dict)
        held = at_path(found, self.field or "") if is_object else []
        if not held:
            return ""
        return (
            f"is a whole object where grader.field = {self.field!r} is compared; keep only what "
            f"stands there, {shown(held[0], 40)}"
        )

    def _ideal_answer(self, target: str) -> str:
        if self.field is None:
            return target
        try:
            value = parse_json(target)
        except ValueError:
            value = target
        return json.dumps({self.field: value})


def grade_json(field: str | None, target: str, answer: str) -> Grade:
    """Compare by value. Of several JSON values in an answer, the first of the wanted form counts.

    `field` is a key, which may hold dots, or a path of keys and list indices: "a.b", "a.0.b".
    """
    try:
        wanted: Any = parse_json(target)
        is_json = True
    except ValueError:
        wanted, is_json = target, False
    found = list(json_values(answer))
    if not found:
        return unparsable("the answer is not JSON")
    if field is None:
        of_form = [value for value in found if is_json and type(value) is type(wanted)]
        return right_or_wrong(_is_target((of_form or found)[0], wanted, target))
    held = [values[0] for value in found if (values := at_path(value, field))]
    if not held:
        return unparsable(f"the answer's JSON lacks {field!r}")
    return right_or_wrong(_is_target(held[0], wanted, target))


def at_path(value: Any, path: str) -> list[Any]:
    """What stands at `path` in `value`, as a list of one; an empty list where nothing does."""
    if isinstance(value, dict) and path in value:
        return [value[path]]
    path = _INDEX.sub(r".\1", path).lstrip(".")
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        if not head.isdecimal() or int(head) >= len(value):
            return []
        return at_path(value[int(head)], rest) if rest else [value[int(head)]]
    if isinstance(value, dict):
        # The longest key first: a key may hold dots.
        for at in range(len(path), 0, -1):
            if path[:at] in value and path[at : at + 1] in ("", "."):
                return at_path(value[path[:at]], path[at + 1 :]) if path[at:] else [value[path]]
    return []


def _is_target(given: Any, wanted: Any, target: str) -> bool:
    if isinstance(given, str) and fold(given, False) == fold(target, False):
        return True
    # Tables that Python wrote say True where JSON says true.
    if isinstance(given, bool) and target.strip().casefold() == str(given).casefold():
        return True
    return _same(given, wanted)


def _same(given: Any, wanted: Any) -> bool:
    """Equal as JSON: 7 is 7.0, but true is not 1."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(_same(given[k], wanted[k]) for k in given)
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(_same, given, wanted))
    if isinstance(given, str) and isinstance(wanted, str):
        return visible(given) == visible(wanted)
    return bool(given == wanted) and isinstance(given, bool) == isinstance(wanted, bool)
