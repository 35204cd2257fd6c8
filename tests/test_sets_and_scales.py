"""The graders `labels`, `ordinal` and `length`."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from autoprompt_assets.engine.grading import Grade, Rule
from autoprompt_assets.engine.grading.labels import LabelsGrader
from autoprompt_assets.engine.grading.length import LengthGrader
from autoprompt_assets.engine.grading.ordinal import OrdinalGrader
from tests.grading_support import grade_of
from tests.row_support import text_example

MOODS = ["bad", "fair", "good", "very good"]


def labels(**settings: Any) -> LabelsGrader:
    return LabelsGrader.model_validate({"kind": "labels", **settings})


def ordinal(**settings: Any) -> OrdinalGrader:
    return OrdinalGrader.model_validate({"kind": "ordinal", **settings})


def length(**settings: Any) -> LengthGrader:
    return LengthGrader.model_validate({"kind": "length", **settings})


def grade(rule: Rule, target: str, answer: str) -> Grade:
    return grade_of(rule, text_example("id", "input", "q", target, "test"), answer)


def problem(rule: Rule, target: str, prompt: str = "Label it.") -> str:
    return rule.target_problem(text_example("id", "input", "q", target, "test"), prompt)


@pytest.mark.parametrize(
    "answer",
    [
        '["billing", "refund"]',
        '["refund", "Billing", "billing"]',
        "billing, refund",
        "Billing,refund.",
        "- billing\n- **refund**",
        "1. billing\n2) refund",
        "Labels: billing, refund",
        "I thought about it.\n**Labels:** `billing`, `refund`",
        "The labels are: refund, billing",
        "['billing', 'refund']",
        'Here you are:\n```json\n["billing", "refund"]\n```',
        '{"labels": ["billing", "refund"]}',
        '{"billing": true, "refund": true, "bug": false}',
        '{"labels": "billing, refund"}',
        "<answer>billing, refund</answer>",
        "billing\u200b, ｒｅｆｕｎｄ",
    ],
)
@pytest.mark.parametrize("target", ['["billing","refund"]', "refund, billing"])
def test_labels_are_read_in_any_form_and_order(target: str, answer: str) -> None:
    assert grade(labels(), target, answer).outcome == "correct"


@pytest.mark.parametrize(
    ("score", "answer", "value"),
    [
        ("exact", "a, b", 0.0),
        ("exact", "c, b, a", 1.0),
        ("f1", "a, b", pytest.approx(0.8)),
        ("f1", "a, x, y", pytest.approx(1 / 3)),
        ("jaccard", "a, b", pytest.approx(2 / 3)),
        ("jaccard", "a, x, y", pytest.approx(0.2)),
        ("f1", "x", 0.0),
        ("f1", "none", 0.0),
        ("f1", "[]", 0.0),
    ],
)
def test_labels_are_scored_as_sets(score: str, answer: str, value: float) -> None:
    assert grade(labels(score=score), '["a", "b", "c"]', answer).value == value


def test_labels_tell_what_is_missing_and_what_is_too_much() -> None:
    found = grade(labels(), "Billing, refund", "refund, Bug, Spam")
    assert found.feedback == "missing: 'Billing'; not wanted: 'Bug', 'Spam'"
    assert found.metrics["precision"] == pytest.approx(1 / 3)
    assert found.metrics["recall"] == 0.5
    assert found.metrics["f1"] == pytest.approx(0.4)
    assert found.value == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [("none", "correct"), ("None.", "correct"), ("[]", "correct"), ('{"labels": []}', "correct"),
     ("Labels: none", "correct"), ("a", "wrong"), (" , ", "unparsable"), ("", "unparsable"),
     ("\x00", "wrong")],
)  # fmt: skip
def test_no_label_may_be_what_is_wanted(answer: str, outcome: str) -> None:
    assert grade(labels(), "[]", answer).outcome == outcome


def test_labels_keep_case_and_separator_where_they_are_told_to() -> None:
    assert grade(labels(ignore_case=False), "A", "a").outcome == "wrong"
    assert grade(labels(separator=";"), '["a, b", "c"]', "c; a, b").outcome == "correct"


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("['a', 'b']", "is written as Python; write a JSON list"),
        ("nan", "stands for a value that is missing"),
        (" , ", "holds no labels; write a JSON list"),
        ("[]", ""),
        ("none", ""),
        ("a, b", ""),
    ],
)
def test_targets_that_are_no_labels_are_named(target: str, said: str) -> None:
    found = problem(labels(), target)
    assert found.startswith(said) if said else not found


def test_labels_that_the_first_prompt_names_are_kept() -> None:
    targets = ['["billing", "bug"]', "bug", "billing", "[]"]
    names = [one.name for one in labels().marks("Choose of billing and bug.", targets)]
    assert names == ["the answer 'billing'", "the answer 'bug'"]


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("4", 1.0),
        ("4/5", 1.0),
        ("**4 out of 5**", 1.0),
        ("Rating: 4", 1.0),
        ('{"reason": "2 faults", "score": 4}', 1.0),
        ('{"faults": 2, "score": 4}', 1.0),
        ("5", 0.75),
        ("1", 0.25),
        ("2.5", 0.625),
        ("6", None),
        ("0", None),
        ("good", None),
        ("1e999", None),
        ('{"score": ' + "9" * 400 + "}", None),
        ("NaN", None),
    ],
)
def test_a_number_is_worth_its_nearness_on_the_scale(answer: str, value: float | None) -> None:
    found = grade(ordinal(scale=[1, 5]), "4", answer)
    assert found.outcome == ("unparsable" if value is None else "correct" if value == 1
                             else "partial")  # fmt: skip
    assert found.value == (value or 0.0)


def test_the_other_end_of_a_scale_is_worth_nothing() -> None:
    found = grade(ordinal(scale=[-1, 1]), "-1", "1")
    assert (found.value, found.outcome, found.feedback) == (0.0, "wrong", "1, want -1")
    assert found.metrics == {"distance": 2.0, "exact": 0.0}


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("Good", 1.0),
        ("very good", pytest.approx(2 / 3)),
        ('{"answer": "bad"}', pytest.approx(1 / 3)),
        ("Answer: **fair**", pytest.approx(2 / 3)),
        ("It is good or bad", 0.0),
    ],
)
def test_a_label_is_worth_its_nearness_in_their_order(answer: str, value: float) -> None:
    assert grade(ordinal(labels=MOODS), "good", answer).value == value


@pytest.mark.parametrize(
    ("rule", "target", "said"),
    [
        (ordinal(scale=[1, 5]), "7", "is not a number from 1 to 5; mend the rows or grader.scale"),
        (ordinal(scale=[1, 5]), "high", "is not a number from 1 to 5"),
        (ordinal(labels=MOODS), "best", "is not one of bad, fair, good, very good; mend the rows"),
        (ordinal(labels=MOODS), "GOOD", ""),
    ],
)
def test_targets_off_the_scale_are_named_and_give_no_grade(
    rule: OrdinalGrader, target: str, said: str
) -> None:
    found = problem(rule, target)
    assert found.startswith(said) if said else not found
    assert (grade(rule, target, "3").outcome == "unreviewed") == bool(said)


@pytest.mark.parametrize(
    ("settings", "answer", "value"),
    [
        ({"at_most": 5}, "12345", 1.0),
        ({"at_most": 5}, " 12345\n", 1.0),
        ({"at_most": 5}, "123456", 0.0),
        ({"at_most": 5, "credit": "near"}, "123456", pytest.approx(0.8)),
        ({"at_most": 5, "credit": "near"}, "1" * 50, 0.0),
        ({"at_least": 4, "credit": "near"}, "123", 0.75),
        ({"at_least": 4}, "123", 0.0),
        ({"at_least": 2, "at_most": 3, "unit": "words"}, "one - two", 1.0),
        ({"at_most": 3, "unit": "words"}, "one two\nthree four", 0.0),
        ({"at_most": 3, "unit": "words"}, "東京都", 1.0),
        ({"at_most": 1}, "\u00e9", 1.0),
        ({"at_most": 1}, "e\u0301", 1.0),
    ],
)
def test_length_is_counted(settings: dict[str, Any], answer: str, value: float) -> None:
    assert grade(length(**settings), "", answer).value == value


def test_length_says_how_long_the_answer_is() -> None:
    found = grade(length(at_most=1000), "", "a" * 1234)
    assert found.feedback == "1,234 characters, want at most 1,000"
    assert found.metrics == {"characters": 1234.0}
    assert not length(at_most=1).needs_target
    assert problem(length(at_most=1), "anything") == ""


@pytest.mark.parametrize(
    ("make", "settings", "said"),
    [
        (labels, {"score": "f2"}, "Input should be 'exact', 'f1' or 'jaccard'"),
        (labels, {"separator": ""}, "at least 1 character"),
        (ordinal, {}, "needs either scale: [1, 5] or labels:"),
        (ordinal, {"scale": [1, 5], "labels": MOODS}, "needs either scale"),
        (ordinal, {"scale": [5, 1]}, "scale = [5.0, 1.0] does not ascend"),
        (ordinal, {"labels": ["a"]}, "fewer than two differ"),
        (ordinal, {"labels": ["a", "b", "A"]}, "two are the same"),
        (length, {}, "needs at_most, at_least or both"),
        (length, {"at_most": 1, "at_least": 2}, "at_least = 2 is above at_most = 1"),
        (length, {"at_most": True}, "valid number"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(
    make: Any, settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(ValidationError) as error:
        make(**settings)
    assert said in str(error.value)
