"""The grader `tool_calls`: the calls that an answer makes, against the target's.

Both are JSON: a list of `{"name": …, "arguments": {…}}`, or one of them; as OpenAI's API has them,
each in `function` and its arguments as a text, they are read, too. An answer without a call is a
text, or an empty list.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from pydantic import Field

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Number
from autoprompt_assets.engine.grading.answer_form import AnswerMark, common_marks
from autoprompt_assets.engine.grading.grade import Grade, graded, unparsable, unreviewed
from autoprompt_assets.engine.grading.json_credit import Differences, Sameness, credit, text_of
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.grading.target_form import missing_problem, structure
from autoprompt_assets.engine.json_text import json_values, parse_json
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.text import quantity

MOST_PAIRED = 30
"""Calls on either side that are paired in any order; more are compared in their order."""
LONGEST_NAME = 80
_FORM = '[{"name": "…", "arguments": {…}}], or [] where none is to be made'


@dataclass(frozen=True)
class ToolCall:
    """The function that is called, and its arguments; text where they are no JSON object."""

    name: str
    arguments: Any


class ToolCallsGrader(Rule):
    """Right when the answer makes the target's calls: the same functions, the same arguments."""

    kind: Literal["tool_calls"]
    order: Literal["fixed", "any"] = "fixed"
    """`any`: the calls may be made in any order."""
    arguments: Literal["compared", "ignored"] = "compared"
    credit: Literal["whole", "arguments"] = "whole"
    """`arguments`: the mean over the calls, each worth the share of its name and its arguments that
    are right, and nothing under another name."""
    tolerance: Number = Field(0.0, ge=0)
    """How far a number may be off."""
    ignore_case: bool = False
    extra_arguments: Literal["wrong", "ignored"] = "wrong"
    """What an argument is that the target's call has not."""
    reads_input: ClassVar[bool] = False
    compares_whole: ClassVar[bool] = True

    def grade(self, example: Example, answer: str) -> Grade:
        """Compare the calls of `answer` with the target's."""
        wanted, given = calls_in(example.target), calls_in(answer)
        if wanted is None:
            return unreviewed(f"the target {shown(example.target, 60)} is no list of tool calls")
        if given is None and wanted:
            reason = f"the answer makes no tool call, want {_names(wanted)}"
            return unparsable(reason, {"names": 0.0, "arguments": 0.0})
        return self._compared(given or [], wanted)

    def target_problem(self, example: Example, prompt: str) -> str:
        """Python's notation, a missing value, or no calls."""
        found, is_json = structure(example.target)
        if found is not None and not is_json:
            return f"is written as Python; write it as JSON, {_FORM}"
        problem = missing_problem(example.target, prompt)
        if problem or calls_in(example.target) is not None:
            return problem
        return f"is no list of tool calls; write {_FORM}"

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """No fence, which it does without."""
        yield from common_marks(first, fence=False)

    @lazy
    def _how(self) -> Sameness:
        return Sameness(
            self.tolerance, self.ignore_case, ignore_extra=self.extra_arguments == "ignored"
        )

    def _compared(self, given: Sequence[ToolCall], wanted: Sequence[ToolCall]) -> Grade:
        differences = Differences()
        if len(given) != len(wanted):
            said = f"{_names(given)}, want {_names(wanted)}"
            differences.say(f"{quantity(len(given), 'tool call')}: {said}")
        names, total = 0, 0.0
        most = max(len(given), len(wanted))
        for number, one, other in self._pairs(given, wanted):
            names += one.name == other.name
            total += self._worth(one, other, differences, f"call {number + 1}")
        share = total / most if most else 1.0
        value = share if self.credit == "arguments" else float(share >= 1)
        metrics = {"names": names / most if most else 1.0, "arguments": share}
        return graded(value, feedback=differences.text, metrics=metrics)

    def _worth(
        self, given: ToolCall, wanted: ToolCall, differences: Differences, place: str
    ) -> float:
        if given.name != wanted.name:
            differences.say(f"{place}: {_name(given)}, want {_name(wanted)}")
            return 0.0
        if self.arguments == "ignored":
            return 1.0
        inner = Differences(room=differences.left)
        worth = credit(given.arguments, wanted.arguments, self._how, inner)
        for line in inner.lines:
            differences.say(f"{place}, {_name(wanted)}: {line}")
        differences.more += inner.more
        parts = 1 + len(wanted.arguments) if isinstance(wanted.arguments, Mapping) else 2
        return 1.0 if worth >= 1 else (1 + (parts - 1) * worth) / parts

    def _pairs(
        self, given: Sequence[ToolCall], wanted: Sequence[ToolCall]
    ) -> Iterator[tuple[int, ToolCall, ToolCall]]:
        """Which call is held against which, with its place in the answer."""
        if self.order == "fixed" or max(len(given), len(wanted)) > MOST_PAIRED:
            pairs = zip(given, wanted, strict=False)
            yield from ((number, *pair) for number, pair in enumerate(pairs))
            return
        if not (given and wanted):
            return
        from scipy.optimize import linear_sum_assignment

        unheard = Differences(room=0, pairs=0)
        worth = [[self._worth(one, other, unheard, "") for other in wanted] for one in given]
        for row, column in zip(*linear_sum_assignment(worth, maximize=True), strict=True):
            yield int(row), given[row], wanted[column]


def calls_in(text: str) -> list[ToolCall] | None:
    """The calls that `text` holds; `None` where it holds none and is no empty list."""
    for value in json_values(text):
        listed = value.get("tool_calls", [value]) if isinstance(value, dict) else value
        if not isinstance(listed, list):
            continue
        calls = [_call(one) for one in listed]
        found = [one for one in calls if one is not None]
        if len(found) == len(calls):
            return found
    return None


def _call(value: Any) -> ToolCall | None:
    if isinstance(value, dict) and isinstance(value.get("function"), dict):
        value = value["function"]
    if not isinstance(value, dict) or not isinstance(value.get("name"), str):
        return None
    arguments = value.get("arguments", {})
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError):  # then it is compared as the text that it is
            arguments = parse_json(arguments) if arguments.strip() else {}
    return ToolCall(value["name"], {} if arguments is None else arguments)


def _name(call: ToolCall) -> str:
    return text_of(shown(call.name, LONGEST_NAME)).strip("'")


def _names(calls: Sequence[ToolCall]) -> str:
    more = f" and {len(calls) - 5} more" if len(calls) > 5 else ""
    return f"{', '.join(map(_name, calls[:5])) or 'no call'}{more}"
