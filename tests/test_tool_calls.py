"""The grader `tool_calls`: functions and arguments, in order or in any."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from autoprompt_assets.engine.grading import Grade
from autoprompt_assets.engine.grading.tool_calls import ToolCallsGrader
from tests.grading_support import grade_of
from tests.row_support import text_example

WEATHER = {"name": "get_weather", "arguments": {"city": "Rome", "days": 3}}
TIME = {"name": "get_time", "arguments": {}}


def tool_calls(**settings: Any) -> ToolCallsGrader:
    return ToolCallsGrader.model_validate({"kind": "tool_calls", **settings})


def grade(rule: ToolCallsGrader, wanted: Any, answer: Any) -> Grade:
    target, text = (
        one if isinstance(one, str) else json.dumps(one, ensure_ascii=False)
        for one in (wanted, answer)
    )
    return grade_of(rule, text_example("id", "input", "q", target, "test"), text)


def call(city: Any = "Rome", days: Any = 3, **more: Any) -> dict[str, Any]:
    return {"name": "get_weather", "arguments": {"city": city, "days": days, **more}}


@pytest.mark.parametrize(
    "answer",
    [
        [WEATHER],
        WEATHER,
        [{"name": "get_weather", "arguments": '{"days": 3.0, "city": "Rome"}'}],
        [{"id": "c1", "type": "function", "function": WEATHER}],
        {"tool_calls": [{"function": {"name": "get_weather", "arguments": json.dumps(
            WEATHER["arguments"])}}]},
        f"I will look it up.\n```json\n{json.dumps([WEATHER])}\n```",
    ],
)  # fmt: skip
def test_the_same_call_is_right_however_it_is_written(answer: Any) -> None:
    found = grade(tool_calls(), [WEATHER], answer)
    assert (found.outcome, found.feedback) == ("correct", "")
    assert found.metrics == {"names": 1.0, "arguments": 1.0}


@pytest.mark.parametrize(
    ("settings", "wanted", "answer", "value"),
    [
        ({}, [WEATHER], [call(days=2)], 2 / 3),
        ({}, [WEATHER], [call(city="Oslo", days=2)], 1 / 3),
        ({}, [WEATHER], [TIME], 0.0),
        ({}, [WEATHER], [{"name": "get_weather"}], 1 / 3),
        ({}, [TIME], [{"name": "get_time"}], 1.0),
        ({}, [TIME], [{"name": "get_time", "arguments": ""}], 1.0),
        ({}, [TIME], [{"name": "get_time", "arguments": None}], 1.0),
        ({}, [WEATHER], [WEATHER, TIME], 0.5),
        ({}, [WEATHER, TIME], [WEATHER], 0.5),
        ({}, [WEATHER, TIME], [TIME, WEATHER], 0.0),
        ({"order": "any"}, [WEATHER, TIME], [TIME, WEATHER], 1.0),
        ({"order": "any"}, [WEATHER, call("Oslo")], [call("Oslo"), call("Bonn")], 5 / 6),
        ({"order": "any"}, [WEATHER], [], 0.0),
        ({"arguments": "ignored"}, [WEATHER], [{"name": "get_weather"}], 1.0),
        ({"tolerance": 1}, [WEATHER], [call(days=4)], 1.0),
        ({"ignore_case": True}, [WEATHER], [call("ROME")], 1.0),
        ({"extra_arguments": "ignored"}, [WEATHER], [call(unit="C")], 1.0),
        ({}, [WEATHER], [{"name": "get_weather", "arguments": "{city: Rome}"}], 1 / 3),
        ({}, [], [], 1.0),
        ({}, [], "How can I help?", 1.0),
        ({}, [], [TIME], 0.0),
        ({}, [TIME], [TIME] * 100, 0.01),
    ],
)
def test_calls_are_worth_what_is_right_of_them(
    settings: dict[str, Any], wanted: Any, answer: Any, value: float
) -> None:
    found = grade(tool_calls(credit="arguments", **settings), wanted, answer)
    assert found.value == pytest.approx(value)
    assert bool(found.feedback) == (value < 1)
    whole = grade(tool_calls(**settings), wanted, answer)
    assert whole.value == float(value == 1)


def test_an_argument_too_many_lowers_what_a_call_is_worth() -> None:
    found = grade(tool_calls(credit="arguments"), [WEATHER], [call(unit="C")])
    assert found.value is not None
    assert 2 / 3 < found.value < 1
    assert found.feedback == "call 1, get_weather: field 'unit': is not wanted"


def test_what_is_wrong_is_said_call_by_call() -> None:
    rule = tool_calls(order="any")
    found = grade(rule, [WEATHER, TIME], [call("Oslo", "3"), {"name": "now"}, TIME])
    assert found.feedback == (
        "3 tool calls: get_weather, now, get_time, want get_weather, get_time; "
        'call 1, get_weather: field \'city\': "Oslo", want "Rome"; '
        "call 1, get_weather: field 'days': \"3\", want 3 (a number)"
    )
    assert found.metrics["names"] == pytest.approx(2 / 3)
    wrong = grade(tool_calls(), [WEATHER], [{"name": "now"}])
    assert wrong.feedback == "call 1: now, want get_weather"


DEEP = '{"a":' * 10_000 + "1" + "}" * 10_000


@pytest.mark.parametrize(
    "answer",
    [
        *("Sunny.", "", "7", "[7]", '{"city": "Rome"}', '[{"name": 7}]', "[" * 10_000, DEEP),
        f'[{{"name": "get_weather", "arguments": {DEEP}}}]',
        *("\x00", '[{"name": "a", "arguments": NaN}]', '[{"name": "a", "name": "b"}]'),
    ],
)
def test_an_answer_without_a_call_is_unparsable(answer: str) -> None:
    found = grade(tool_calls(), [WEATHER], answer)
    assert (found.value, found.outcome) == (0.0, "unparsable")
    assert "want get_weather" in found.reason


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (json.dumps([WEATHER]), ""),
        ("[]", ""),
        ("[{'name': 'f'}]", "is written as Python; write it as JSON"),
        ("get_weather", "is no list of tool calls; write [{"),
        ('[{"tool": "f"}]', "is no list of tool calls"),
        ("nan", "stands for a value that is missing"),
    ],
)
def test_targets_that_are_no_calls_are_named_and_give_no_grade(target: str, said: str) -> None:
    example = text_example("id", "input", "q", target, "test")
    found = tool_calls().target_problem(example, "Call it.")
    assert found.startswith(said) if said else not found
    assert (grade(tool_calls(), target, "[]").outcome == "unreviewed") == bool(said)


def test_feedback_is_short_and_can_be_written_down() -> None:
    answer = [{"name": "x" * 10_000 + "\ud800", "arguments": {}}] * 50
    found = grade(tool_calls(), [WEATHER] * 50, json.dumps(answer))
    assert len(found.feedback.encode()) < 2000


def test_grading_is_linear() -> None:
    wanted = [call(f"c{index}", list(range(200))) for index in range(30)]
    answer = [call(f"d{index}", list(range(1, 201))) for index in range(30)]
    begin = time.process_time()
    for rule in (tool_calls(order="any"), tool_calls()):
        grade(rule, wanted, answer)
        grade(rule, wanted, [{"name": "get_weather"}] * 20_000)
    assert time.process_time() - begin < 8


def test_settings_that_are_none_are_refused() -> None:
    with pytest.raises(ValidationError):
        tool_calls(order="none")
