"""Answers in the forms that models and tables have: JSON, Unicode, other scripts, options."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter

from autoprompt_assets.engine.grading import GraderSpec
from tests.grading_support import grade_of
from tests.row_support import text_example

GRADER: TypeAdapter[GraderSpec] = TypeAdapter(GraderSpec)


def outcome(grader: dict[str, Any], target: str, answer: str, question: str = "q") -> str:
    example = text_example("id", "input", question, target, "test")
    return grade_of(GRADER.validate_python(grader).make(), example, answer).outcome


LISTED = [
    "Which is a colour?\nA. dog\nB. red\nC. seven\nD. None of the above",
    "Which is a colour?\nA) dog\nB) red\nC) seven\nD) None of the above",
    "Which is a colour?\n(A) dog\n(B) red\n(C) seven\n(D) None of the above",
    "Which is a colour? (A) dog (B) red (C) seven (D) None of the above",
    "Which is a colour? A. dog B. red C. seven D. None of the above",
    "Which is a colour? A) dog B) red C) seven D) None of the above",
]
NUMBERED = [
    "Which is a colour?\n1. dog\n2. red\n3. seven",
    "Which is a colour?\n1) dog\n2) red\n3) seven",
    "Which is a colour?\n(1) dog\n(2) red\n(3) seven",
    "Which is a colour? (1) dog (2) red (3) seven",
    "0. x\n1. dog\n2. red\n3. seven",
]
FIELD_GRADES: list[tuple[dict[str, Any], str, str, list[str], str]] = [
    ({"kind": "number"}, "15 m2", "20 m2", ["wrong", "unreviewed"], LISTED[0]),
    ({"kind": "number"}, "3/4", "1/4", ["wrong", "unreviewed"], LISTED[0]),
    ({"kind": "number"}, "15", "The area is \\boxed{15} m^2", ["correct"], LISTED[0]),
    (
        {"kind": "number"},
        "42",
        "**Answer: 42**\n\nNote: rounded to 2 decimal places.",
        ["correct"],
        LISTED[0],
    ),
    ({"kind": "number"}, "20", "The answer is 20%", ["correct"], LISTED[0]),
    ({"kind": "number"}, "29", "It costs $29.00.", ["correct"], LISTED[0]),
    ({"kind": "number"}, "42", "(42).", ["correct"], LISTED[0]),
    (
        {"kind": "choice"},
        "B",
        "B\n\nExplanation: red is a colour, a dog is an animal.",
        ["correct"],
        LISTED[0],
    ),
    ({"kind": "choice"}, "B", "A is wrong, C is wrong, so B", ["correct"], LISTED[0]),
    ({"kind": "choice"}, "B", "答案：B", ["correct"], LISTED[0]),
    ({"kind": "choice"}, "2", "The answer is 2", ["correct"], "Which?\n1. dog\n2. red\n3. seven"),
    ({"kind": "choice"}, "B", "$B$", ["correct"], LISTED[0]),
    ({"kind": "choice"}, "B", "ANSWER: $B$", ["correct"], LISTED[0]),
    ({"kind": "choice"}, "D", "ANSWER: None of the above", ["correct"], LISTED[0]),
    ({"kind": "choice"}, "D", "I don't know", ["wrong", "unparsable"], LISTED[0]),
    (
        {"kind": "json"},
        '{"md": "use ```x``` now"}',
        '{"md": "use ```x``` now"}',
        ["correct"],
        LISTED[0],
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        'Here is the JSON:\n{"label": "spam", "n": 1}\nAnything else?',
        ["correct"],
        LISTED[0],
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '```bash\nls\n```\n```json\n{"label": "spam", "n": 1}\n```',
        ["correct"],
        LISTED[0],
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '```json\n{"label": "spam", "n": 1}\n```',
        ["correct"],
        LISTED[0],
    ),
    ({"kind": "exact"}, "café", "café", ["correct"], LISTED[0]),
    ({"kind": "exact"}, "a b", "a\xa0b", ["correct"], LISTED[0]),
    ({"kind": "contains"}, "東京", "首都は東京です。", ["correct"], LISTED[0]),
    ({"kind": "contains"}, "no", "I know nothing", ["wrong"], LISTED[0]),
]
GRADES: list[tuple[dict[str, Any], str, str, str]] = [
    ({"kind": "json"}, '{"md": "use ```x``` now"}', '{"md": "use ```x``` now"}', "correct"),
    (
        {"kind": "json"},
        '{"md": "use ```x``` now"}',
        '```json\n{"md": "use ```x``` now"}\n```',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        'Here is the JSON:\n{"label": "spam", "n": 1}\nAnything else?',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '```bash\nls\n```\n```json\n{"label": "spam", "n": 1}\n```',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '```json\n{"label": "spam", "n": 1}\n```\n```bash\nls\n```',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '```json\n{"label": "ham"}\n```\nNo:\n```json\n{"label": "spam", "n": 1}\n```',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        'I saw [1] and {x}: {"label": "spam", "n": 1} as in [2].',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '{"label": "spam", "n": 1, "n": 2}',
        "unparsable",
    ),
    ({"kind": "json"}, '{"label": "spam", "n": 1}', '{"label": "spam", "n": NaN}', "unparsable"),
    ({"kind": "json"}, '{"label": "spam", "n": 1}', '{"label": "spam", "n": 1.0}', "correct"),
    ({"kind": "json"}, '{"label": "spam", "n": 1}', "{'label': 'spam', 'n': 1}", "unparsable"),
    ({"kind": "json"}, "[1, 2]", "So: [1, 2]", "correct"),
    ({"kind": "json"}, "[1, 2]", '{"a": 1} gives [1, 2]', "correct"),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '~~~json\n{"label": "spam", "n": 1}\n~~~',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '````json\n{"label": "spam", "n": 1}\n````',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '```json\n{"label": "spam", "n": 1}',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        'note [see {"label": "spam", "n": 1}] it',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        '{"label": "spam", "n": 1} {"label": "spam", "n": 1}',
        "correct",
    ),
    (
        {"kind": "json"},
        '{"label": "spam", "n": 1}',
        'He said "hi {" and {"label": "spam", "n": 1}',
        "correct",
    ),
    ({"kind": "json"}, '{"a": "}"}', 'x {"a": "}"} y', "correct"),
    ({"kind": "json", "field": "a.b"}, "7", '{"a": {"b": 7}}', "correct"),
    ({"kind": "json", "field": "a.b"}, "7", '{"a.b": 7}', "correct"),
    ({"kind": "json", "field": "a.0.b"}, "7", '{"a": [{"b": 7}]}', "correct"),
    ({"kind": "json", "field": "a[0].b"}, "7", '{"a": [{"b": 7}]}', "correct"),
    ({"kind": "json", "field": "a.b"}, "7", '{"a": {"c": 7}}', "unparsable"),
    ({"kind": "json", "field": "x.a.b"}, "7", '{"x": {"a.b": 7}}', "correct"),
    ({"kind": "json", "field": "a.1"}, "7", '{"a": [5]}', "unparsable"),
    ({"kind": "json", "field": "x"}, "True", '{"x": true}', "correct"),
    ({"kind": "json", "field": "x"}, "red", 'I think {"x": "red"}.', "correct"),
    ({"kind": "json", "field": "x"}, "red", '{"y": 1} or {"x": "red"}', "correct"),
    ({"kind": "json", "field": "x"}, "café", '{"x": "café"}', "correct"),
    ({"kind": "exact"}, "café", "café", "correct"),
    ({"kind": "exact"}, "a b", "a\xa0b", "correct"),
    ({"kind": "exact"}, "ab", "a\u200bb", "correct"),
    ({"kind": "exact"}, "Ａ1", "A1", "correct"),
    ({"kind": "exact"}, "\ufeffParis", "Paris", "correct"),
    ({"kind": "exact"}, "ﬁne", "fine", "correct"),
    ({"kind": "exact"}, "cafe", "café", "wrong"),
    ({"kind": "exact", "ignore_case": True}, "STRASSE", "straße", "correct"),
    ({"kind": "regex", "pattern": "answer: (.*)"}, "café", "answer: café", "correct"),
    ({"kind": "contains"}, "東京", "首都は東京です。", "correct"),
    ({"kind": "contains"}, "no", "I know nothing", "wrong"),
    ({"kind": "contains"}, "5", "5.7", "wrong"),
    ({"kind": "contains"}, "5", "It is -5", "wrong"),
    ({"kind": "contains"}, "5", "1,500", "wrong"),
    ({"kind": "contains"}, "5", "It is 5.", "correct"),
    ({"kind": "contains"}, "5", "(5)", "correct"),
    ({"kind": "contains"}, "5", "5%", "correct"),
    ({"kind": "contains"}, "5", "5:30", "wrong"),
    ({"kind": "contains"}, "5", "3/5", "wrong"),
    ({"kind": "contains"}, "5", "3,5,7", "correct"),
    ({"kind": "contains"}, "5", "3, 5, 7", "correct"),
    ({"kind": "contains"}, "5", "15", "wrong"),
    ({"kind": "contains"}, "5", "3-5", "correct"),
    ({"kind": "contains"}, "5", "−5", "wrong"),
    ({"kind": "contains"}, "5", ".5", "wrong"),
    ({"kind": "contains"}, "500", "1,500", "wrong"),
    ({"kind": "contains"}, "1,500", "It is 1,500.", "correct"),
    ({"kind": "contains"}, "1500", "1500!", "correct"),
    ({"kind": "contains"}, "-5", "It is -5.", "correct"),
    ({"kind": "contains"}, "5.7", "5.7", "correct"),
    ({"kind": "contains"}, "5.7", "15.7", "wrong"),
    ({"kind": "contains"}, "5", "v1.5", "wrong"),
    ({"kind": "contains"}, "5", "No.5", "correct"),
    ({"kind": "contains"}, "5", "It costs $5", "correct"),
    ({"kind": "contains"}, "C", "C++", "correct"),
    ({"kind": "contains"}, "北京", "我住在北京市", "correct"),
    ({"kind": "contains"}, "กรุงเทพ", "เมืองกรุงเทพมหานคร", "correct"),
    ({"kind": "contains"}, "Tokyo", "首都はTokyoです", "correct"),
    ({"kind": "contains"}, "ភ្នំពេញ", "រាជធានីភ្នំពេញ។", "correct"),
    ({"kind": "contains"}, "ວຽງຈັນ", "ນະຄອນຫຼວງວຽງຈັນ", "correct"),
    ({"kind": "contains"}, "서울", "수도는 서울입니다", "correct"),
    ({"kind": "contains"}, "예", "예외입니다", "wrong"),
    ({"kind": "contains"}, "art", "a party", "wrong"),
    ({"kind": "contains"}, "no", "No", "correct"),
    ({"kind": "contains"}, "ja", "ja\u200bhr", "wrong"),
    ({"kind": "contains"}, "कि", "किताब", "wrong"),
    ({"kind": "contains"}, "Paris", "Pa\u200bris", "correct"),
    ({"kind": "contains"}, "café", "the café is", "correct"),
    ({"kind": "contains"}, "cafe", "the café is", "wrong"),
    ({"kind": "contains"}, "カ", "ガ", "wrong"),
    ({"kind": "contains"}, "5", "答えは5です", "correct"),
    ({"kind": "contains"}, "5", "答えは15です", "wrong"),
    ({"kind": "contains"}, "no", "not", "wrong"),
    ({"kind": "json"}, "7", "[" * 100_000, "unparsable"),
    ({"kind": "json"}, "[" * 90 + "]" * 90, "[" * 90 + "]" * 90, "correct"),
    ({"kind": "json"}, "[" * 500 + "]" * 500, "[" * 500 + "]" * 500, "unparsable"),
    ({"kind": "json"}, "[[7]]", f"```json\n{'[' * 500 + ']' * 500}\n```", "unparsable"),
]


@pytest.mark.parametrize(("grader", "target", "answer", "outcomes", "question"), FIELD_GRADES)
def test_answers_met_in_the_field_are_graded_right(
    grader: dict[str, Any], target: str, answer: str, outcomes: list[str], question: str
) -> None:
    assert outcome(grader, target, answer, question) in outcomes


@pytest.mark.parametrize(("grader", "target", "answer", "expected"), GRADES)
def test_answer_is_compared_as_its_reader_sees_it(
    grader: dict[str, Any], target: str, answer: str, expected: str
) -> None:
    assert outcome(grader, target, answer) == expected
