"""The grader `json` with credit per field, and with a JSON schema."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from pydantic import ValidationError

from autoprompt_assets.engine.grading import Grade
from autoprompt_assets.engine.grading.json_answers import JsonGrader
from tests.grading_support import grade_of
from tests.row_support import text_example

INVOICE = {"total": 12.0, "vendor": "Acme", "items": ["a", "b"], "ship": {"city": "Rome"}}
SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}, "vendor": {"type": "string", "pattern": "^A"}},
    "required": ["total"],
}


def grader(**settings: Any) -> JsonGrader:
    return JsonGrader.model_validate({"kind": "json", **settings})


def grade(rule: JsonGrader, wanted: Any, answer: Any) -> Grade:
    target = wanted if isinstance(wanted, str) else json.dumps(wanted)
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return grade_of(rule, text_example("id", "input", "q", target, "test"), text)


def problem(rule: JsonGrader, target: str) -> str:
    return rule.target_problem(text_example("id", "input", "q", target, "test"), "Give JSON.")


def test_each_field_of_the_target_counts_the_same() -> None:
    answer = {**INVOICE, "total": "12.0", "vendor": "ACME"}
    found = grade(grader(credit="fields"), INVOICE, answer)
    assert (found.value, found.outcome) == (0.5, "partial")
    assert found.feedback == (
        'field \'total\': "12.0", want 12.0 (a number); field \'vendor\': "ACME", want "Acme"'
    )
    assert found.metrics == {"total": 0.0, "vendor": 0.0, "items": 1.0, "ship": 1.0}
    assert grade(grader(credit="fields"), INVOICE, INVOICE).outcome == "correct"


@pytest.mark.parametrize(
    ("settings", "wanted", "answer", "value"),
    [
        ({}, {"a": 1, "b": 2}, {"a": 1}, 0.5),
        ({}, {"a": 1}, {"a": 1, "b": 2}, 0.5),
        ({"extra_keys": "ignored"}, {"a": 1}, {"a": 1, "b": 2}, 1.0),
        ({}, {"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"b": 1}, "d": 3}, 0.75),
        ({}, {"a": [1, 2, 3, 4]}, {"a": [1, 2, 3]}, 0.75),
        ({}, {"a": [1, 2]}, {"a": [2, 1]}, 0.0),
        ({"order": "any"}, {"a": [1, 2]}, {"a": [2, 1.0]}, 1.0),
        ({"order": "any"}, {"a": [1, 1, 2]}, {"a": [2, 2, 1]}, pytest.approx(2 / 3)),
        ({"order": "any"}, [{"n": 1, "m": 1}, {"n": 2, "m": 2}], [{"n": 2, "m": 0}], 0.25),
        ({"order": "any", "tolerance": 0.1}, [1.0, 2.0], [2.05, 1.05], 1.0),
        ({"tolerance": 0.5}, {"a": 12.0}, {"a": 12.5}, 1.0),
        ({"tolerance": 0.5}, {"a": 12.0}, {"a": 12.6}, 0.0),
        ({}, {"a": 1}, {"a": True}, 0.0),
        ({}, {"a": None}, {"a": None}, 1.0),
        ({}, {"a": None}, {}, 0.0),
        ({"ignore_case": True}, {"a": "New  York"}, {"a": "new york"}, 1.0),
        ({}, {"a": "é"}, {"a": "e\u0301"}, 1.0),
        ({}, {}, {}, 1.0),
        ({}, [], [], 1.0),
        ({}, [], [1], 0.0),
        ({}, {"a": 1}, [1], 0.0),
        ({}, "hello", '"hello"', 1.0),
        ({"field": "x"}, {"a": 1, "b": 2}, {"x": {"a": 1, "b": 3}}, 0.5),
        ({}, {"a": 10**400}, {"a": 1.5}, 0.0),
        ({"tolerance": 1}, {"a": 10**400}, {"a": 1.5}, 0.0),
        ({}, {"a": 1}, '{"a": 1e999}', 0.0),
    ],
)
def test_credit_is_the_share_that_is_right(
    settings: dict[str, Any], wanted: Any, answer: Any, value: float
) -> None:
    assert grade(grader(credit="fields", **settings), wanted, answer).value == value
    whole = grade(grader(**settings), wanted, answer)
    assert whole.outcome == ("correct" if value == 1 else "wrong")


def test_named_fields_have_rules_of_their_own() -> None:
    rule = grader(
        fields={
            "total": {"type": "number", "tolerance": 0.01, "weight": 2},
            "items": {"order": "any"},
            "ship.city": {"ignore_case": True},
        }
    )
    answer = {"total": 12.005, "items": ["b", "a"], "ship": {"city": "ROME"}, "vendor": 1}
    found = grade(rule, INVOICE, answer)
    assert (found.outcome, found.feedback) == ("correct", "")
    assert found.metrics == {"total": 1.0, "items": 1.0, "ship.city": 1.0}
    answer = {"total": 13, "items": ["b", "c"], "ship": {}}
    found = grade(rule, INVOICE, answer)
    assert found.value == 0.5 / 4
    assert found.feedback == (
        "field 'total': 13, want 12.0; field 'items[]': \"c\", want \"a\"; "
        "field 'ship.city': is missing, want \"Rome\""
    )
    assert grade(rule, INVOICE, {**INVOICE, "note": "x", "kind": 1}).value == pytest.approx(4 / 6)
    right = grader(fields={"total": {}}, credit="whole")
    assert grade(right, INVOICE, {"total": 12}).outcome == "correct"
    assert grade(right, INVOICE, {"total": 13}).outcome == "wrong"


def test_a_required_field_decides_and_an_optional_one_may_be_lacking() -> None:
    rule = grader(fields={"id": {"required": True}, "a": {}, "note": {"optional": True}})
    assert grade(rule, {"id": 1, "a": 2}, {"a": 2}).value == 0
    assert grade(rule, {"id": 1, "a": 2}, {"id": 7, "a": 2, "note": None}).value == pytest.approx(
        2 / 3
    )
    found = grade(rule, {"id": 1, "a": 2}, {"id": 1, "a": 2, "note": "x"})
    assert found.value == pytest.approx(2 / 3)
    assert found.feedback == "field 'note': \"x\", want none"


def test_answers_that_are_no_object_have_no_field() -> None:
    rule = grader(fields={"a": {}})
    assert grade(rule, {"a": 1}, "[1]").value == 0
    assert grade(rule, {"a": 1}, 'Here: [1] or {"a": 1}').value == 1
    assert grade(rule, {"a": 1}, "none").outcome == "unparsable"


@pytest.mark.parametrize(
    ("fields", "target", "said"),
    [
        ({"a": {}}, '{"b": 1}', "lacks the field 'a' that grader.fields names; add it, or set"),
        ({"a": {"optional": True}}, '{"b": 1}', ""),
        ({"a": {"type": "number"}}, '{"a": "1"}', "has \"1\" at 'a', which is not of type number;"),
        ({"a": {"type": "integer"}}, '{"a": 1.0}', ""),
        ({"a": {"type": "number"}}, '{"a": true}', "has true at 'a', which is not of type number;"),
        ({"a": {"type": "number", "optional": True}}, '{"a": null}', ""),
        ({"a": {}}, "7", "is no JSON object, and grader.fields are looked up in it;"),
        ({"a": {}}, "{'a': 1}", "is written as Python; write it as JSON"),
        ({"a": {}}, '{"a": NaN}', "is no JSON object"),
        ({"a": {}}, '{"a": 1e999, "a": nope}', "is no JSON object"),
    ],
)
def test_targets_that_lack_a_field_are_named(
    fields: dict[str, Any], target: str, said: str
) -> None:
    found = problem(grader(fields=fields), target)
    assert found.startswith(said) if said else not found


def test_an_answer_against_the_schema_is_worth_nothing() -> None:
    rule = grader(credit="fields", schema=SCHEMA)
    found = grade(rule, {"total": 1, "vendor": "Acme"}, {"vendor": "Bcme"})
    assert found.value == 0
    assert found.feedback == (
        "against the JSON schema: field 'vendor': 'Bcme' does not match '^A'; "
        "'total' is a required property"
    )
    assert found.metrics == {"total": 0.0, "vendor": 0.0, "schema": 0.0}
    assert grade(rule, {"total": 1}, "none").metrics == {"total": 0.0, "schema": 0.0}
    found = grade(rule, {"total": 1, "vendor": "Acme"}, {"total": 2, "vendor": "Acme"})
    assert (found.value, dict(found.metrics)) == (0.5, {"total": 0.0, "vendor": 1.0, "schema": 1.0})
    assert problem(rule, '{"vendor": "Acme"}') == (
        "is against grader.schema ('total' is a required property); mend one of them"
    )


def test_the_schema_alone_reads_no_target() -> None:
    rule = grader(credit="schema", schema=SCHEMA)
    assert not rule.needs_target
    assert problem(rule, "no JSON at all") == ""
    assert grade(rule, "", {"total": 1}).outcome == "correct"
    assert grade(rule, "", {"total": "1"}).outcome == "wrong"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"schema": {"type": "nummer"}}, "is no JSON schema, at $.type: 'nummer' is not valid"),
        (
            {"schema": {"$ref": "https://example.org/a.json"}},
            "is not in it, and nothing is",
        ),
        ({"schema": {"properties": {"a": {"$ref": "#/$defs/b"}}}}, "'#/$defs/b' is not in it"),
        ({"schema": {"$ref": "#"}}, "refers to itself without end; mend its $ref"),
        ({"schema": {"pattern": "("}}, "is no JSON schema, at $.pattern: '(' is not a 'regex'"),
        ({"schema": {"patternProperties": {"a": {}}}}, "holds patternProperties, which is not"),
        ({"schema": {"$schema": "urn:x"}}, "$schema = 'urn:x' is no version known"),
        ({"credit": "schema"}, "credit = 'schema' needs a schema and"),
        ({"fields": {"a": {"weight": 0}}}, "no field has a weight above 0"),
        ({"fields": {"a": {"typ": "number"}}}, "Extra inputs are not permitted"),
        ({"tolerance": -1}, "greater than or equal to 0"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        grader(**settings)
    assert said in str(error.value)


DEEP = '{"a":' * 10_000 + "1" + "}" * 10_000
HOSTILE = [
    *("", "{", "[" * 10_000, DEEP, '{"a": NaN}', '{"a": Infinity}', '{"a": 1, "a": 2}'),
    *("\x00", '{"a": "\x00"}', '{"a": ' + "9" * 5000 + "}"),
]


@pytest.mark.parametrize("answer", HOSTILE)
def test_what_is_no_json_is_unparsable(answer: str) -> None:
    rule = grader(credit="fields", schema={"type": "object"})
    assert grade(rule, {"a": 1}, answer).outcome == "unparsable"


def test_feedback_is_short_and_can_be_written_down() -> None:
    answer = {f"k{i}": "x" * 1000 for i in range(1000)} | {"\ud800": "\ud800", "nul": "\x00"}
    found = grade(grader(credit="fields"), {"a": "東", "\ud801": 1}, answer)
    assert len(found.feedback.encode()) < 1000
    assert found.feedback.endswith("; and 996 more differences")
    assert 'want "東"' in found.feedback
    for name in found.metrics:
        assert name.encode()


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([{"a": i, "b": i} for i in range(5_000)]),
        json.dumps([[[i, j] for j in range(40)] for i in range(100)]),
        json.dumps([{}] * 20_000),
        json.dumps(["a" * 100_000]),
        json.dumps([{f"k{i}": i for i in range(10_000)}]),
    ],
)
def test_grading_is_linear(text: str) -> None:
    schema = {"items": {"pattern": "(a|a)*b"}, "uniqueItems": True}
    wanted = [[[i, -j] for j in range(40)] for i in range(400)]
    for settings in ({"order": "any"}, {"order": "any", "schema": schema}):
        begin = time.process_time()
        grade(grader(credit="fields", **settings), wanted, text)
        assert time.process_time() - begin < 4
