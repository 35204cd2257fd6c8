"""How answers of every shape are read and compared with their targets."""

from __future__ import annotations

import pytest

from autoprompt_assets.engine.grading import ExactGrader, GraderSpec
from autoprompt_assets.engine.grading.contains import ContainsGrader
from autoprompt_assets.engine.grading.json_answers import JsonGrader
from autoprompt_assets.engine.grading.multiple_choice import ChoiceGrader
from autoprompt_assets.engine.grading.numbers import NumberGrader
from autoprompt_assets.engine.grading.regex import RegexGrader
from tests.grading_support import grade_of
from tests.row_support import text_example

SHAPES = "This path draws a\nOptions:\n(A) circle\n(B) heptagon\n(C) hexagon\n(D) kite\n(I) sector"


def outcome(rule: GraderSpec, target: str, answer: str, question: str = SHAPES) -> str:
    example = text_example("id", "input", question, target, "validation")
    return grade_of(rule.make(), example, answer).outcome


RIGHT = """
(B)|B|b|B.|B)|b)|[B]|"B"|`B`|(b).|**B**|**(B)**|**B.**|__B__|（B）|Ｂ|\\boxed{B}|\\boxed{(B)}
$\\boxed{\\text{B}}$|\\boxed{heptagon}|\\boxed{B. heptagon}|(B) heptagon|B. heptagon|B: heptagon
heptagon|Heptagon|HEPTAGON.|**heptagon**|(B) Heptagon!|**B. heptagon**|**(B) heptagon**
Answer: B|Answer: (B)|Answer: (B) heptagon|Answer: heptagon|**Answer:** B|**Answer: B**|answer: b
The answer is B|The answer is (B).|the answer is b.|The correct answer is **B**|ANSWER IS B
The answer is B because it has 7 sides|The answer is: (B) heptagon|Final answer: **B. heptagon**
The correct option is (B)|Correct option: B|My choice is B.|I choose B|I would pick (B)
I'd go with B.|<answer>B</answer>|The answer is therefore (B).|The answer would be B, heptagon
I think A is wrong... the answer is (B).|(A) is not right, (B) is|(A) isn't right, (B) is
It cannot be (A), so (B)|not (A) but (B)|(B), not (A)|(B) rather than (A)|Unlike (A), (B) fits
Option A is wrong, option B is right.|Option B is right, option A is wrong.|The answer is B, not A
It is either (A) or (B). The answer is (B).|The answer is (A)? No: the answer is (B)
The shape has 7 sides, so it is a heptagon.|It has seven sides. (B)|So it's **B**.
"""
RIGHT_LONG = [
    "It has 7 vertices.\n\nB",
    "It has 7 vertices.\n\n(B) heptagon",
    "(A) circle: no arcs\n(B) heptagon: 7 sides\n(C) hexagon: 6 sides\n\n(B)",
    "(A) circle: no arcs\n(C) hexagon: 6 sides\n\nThe answer is (B).",
    "B\n\nThe path has seven sides.",
    "A path is drawn. A heptagon has 7 sides.\n\nAnswer: B",
    "Count: 7.\nheptagon",
    "The answer is (A).\nWait, I counted again.\nThe answer is (B).",
]
UNSETTLED = [
    "",
    "I do not know.",
    "It is (A) or (B).",
    "(A), (B) or (C)",
    "(A) and (B) are both possible.",
    "The answer is A or B.",
    "Either a circle or a heptagon.",
    "(A) circle\n(B) heptagon\n(C) hexagon",
    "A. circle\nB. heptagon\nC. hexagon",
    "Option A is a circle. Option B is a heptagon.",
    "A path is drawn.",
    "A closed path with arcs.",
    "The answer is a matter of taste.",
    "Answer: I cannot tell.",
    "The answer is I think unclear.",
    "M 10 L 20 A 5 5",
    "В",  # the Cyrillic letter
    "7",
]


@pytest.mark.parametrize("answer", [*RIGHT.replace("\n", "|").strip("|").split("|"), *RIGHT_LONG])
@pytest.mark.parametrize("target", ["(B)", "B", "heptagon", "(B) heptagon"])
def test_choice_is_read_however_it_is_wrapped(answer: str, target: str) -> None:
    rule = ChoiceGrader(kind="choice")
    assert outcome(rule, target, answer) == "correct"
    assert outcome(rule, "(C)", answer) == "wrong"


@pytest.mark.parametrize("answer", UNSETTLED)
@pytest.mark.parametrize("target", ["(A)", "(B)", "(C)", "(I)"])
def test_answer_that_settles_on_no_option_is_unparsable(answer: str, target: str) -> None:
    assert outcome(ChoiceGrader(kind="choice"), target, answer) == "unparsable"


@pytest.mark.parametrize(
    ("answer", "target", "expected"),
    [
        ("A circle is drawn", "(A)", "correct"),
        ("A heptagon is drawn", "(A)", "wrong"),
        ("A heptagon is drawn", "(B)", "correct"),
        ("Answer: A heptagon", "(A)", "wrong"),
        ("The answer is a heptagon", "(A)", "wrong"),
        ("The answer is a heptagon", "(B)", "correct"),
        ("The answer is A", "(A)", "correct"),
        ("The answer is A because it is round", "(A)", "correct"),
        ("The answer is I.", "(I)", "correct"),
        ("Answer: I believe it is (C)", "(C)", "correct"),
    ],
)
def test_words_a_and_i_are_not_taken_for_options(answer: str, target: str, expected: str) -> None:
    assert outcome(ChoiceGrader(kind="choice"), target, answer) == expected


@pytest.mark.parametrize(
    ("question", "target", "answer", "expected"),
    [
        ("Options: (A) red (B) dark blue (C) blue", "(B)", "dark blue", "correct"),
        ("Options: (A) red (B) dark blue (C) blue", "blue", "(C)", "correct"),
        ("Pick.\na) ja\nb) nein", "nein", "b", "correct"),
        ("Pick.\n[A] Été\n[B] Hiver", "(A)", "été", "correct"),
        ("No options at all", "(B)", "B.", "correct"),
        ("No options at all", "yes", "Yes.", "correct"),
        ("No options at all", "yes", "yes and no", "wrong"),
    ],
)
def test_options_are_found_in_the_question(
    question: str, target: str, answer: str, expected: str
) -> None:
    assert outcome(ChoiceGrader(kind="choice"), target, answer, question) == expected


@pytest.mark.parametrize(("answer", "expected"), [("3.1", "correct"), ("3.3", "wrong")])
def test_number_may_be_off_by_the_tolerance(answer: str, expected: str) -> None:
    assert outcome(NumberGrader(kind="number", tolerance=0.1), "3", answer) == expected


@pytest.mark.parametrize(
    ("target", "answer", "ignore_case", "expected"),
    [
        ("Paris", "It is paris, I think.", True, "correct"),
        ("Paris", "It is paris.", False, "wrong"),
        ("art", "a party", True, "wrong"),
        ("New York", "in New\n York", True, "correct"),
        ("C++", "I like C++ best", True, "correct"),
        ("C", "I like C++ best", True, "correct"),
        ("straße", "STRASSE 1", True, "correct"),
        ("日本", "日本 です", True, "correct"),
        ("(", "a ( b", True, "correct"),
    ],
)
def test_contains_wants_whole_words(
    target: str, answer: str, ignore_case: bool, expected: str
) -> None:
    rule = ContainsGrader(kind="contains", ignore_case=ignore_case)
    assert outcome(rule, target, answer) == expected


@pytest.mark.parametrize(
    ("target", "answer", "ignore_case", "expected"),
    [
        ("yes", " yes\n", False, "correct"),
        ("yes", "Yes", False, "wrong"),
        ("yes", "Yes", True, "correct"),
        ("a b", "a  b", False, "correct"),
        ("yes", "yes.", True, "wrong"),
        ("007", "7", False, "wrong"),
    ],
)
def test_exact_wants_the_whole_answer(
    target: str, answer: str, ignore_case: bool, expected: str
) -> None:
    rule = ExactGrader(kind="exact", ignore_case=ignore_case)
    assert outcome(rule, target, answer) == expected


@pytest.mark.parametrize(
    ("pattern", "target", "answer", "expected"),
    [
        (r"#### (\S+)", "42", "7 #### 41\n#### 42", "correct"),
        (r"#### (\S+)", "42", "42", "unparsable"),
        (r"\d+", "42", "7 and 42", "correct"),
        (r"(a)|b", "a", "a b", "wrong"),
        (r"answer: (.*)", "x  y", "answer: x y", "correct"),
    ],
)
def test_last_match_of_the_pattern_counts(
    pattern: str, target: str, answer: str, expected: str
) -> None:
    assert outcome(RegexGrader(kind="regex", pattern=pattern), target, answer) == expected


@pytest.mark.parametrize(
    ("field", "target", "answer", "expected"),
    [
        (None, '{"a": 1, "b": [2]}', '{"b": [2.0], "a": 1}', "correct"),
        (None, '{"a": 1}', 'Here:\n```json\n{"a": 1}\n```\nDone.', "correct"),
        (None, '{"a": 1}', '```\n{"a": 1}```', "correct"),
        (None, '{"a": 1}', '{"a": 2}', "wrong"),
        ("x", "7", '{"x": 7}', "correct"),
        ("x", "7", '{"x": "7"}', "correct"),
        ("x", "7", '{"x": 7.0}', "correct"),
        ("x", "007", '{"x": "007"}', "correct"),
        ("x", "007", '{"x": 7}', "wrong"),
        ("x", "red", '{"x": " red "}', "correct"),
        ("x", "true", '{"x": true}', "correct"),
        ("x", "1", '{"x": true}', "wrong"),
        ("x", "[1]", '{"x": [true]}', "wrong"),
        ("x", "null", '{"x": null}', "correct"),
        ("x", "7", '{"y": 7}', "unparsable"),
        ("x", "7", "[7]", "unparsable"),
        ("x", "7", "seven", "unparsable"),
        (None, "7", "[" * 100_000, "unparsable"),
    ],
)
def test_json_is_compared_by_value(
    field: str | None, target: str, answer: str, expected: str
) -> None:
    assert outcome(JsonGrader(kind="json", field=field), target, answer) == expected
