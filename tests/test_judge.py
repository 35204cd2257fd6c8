"""The review model as a grader: on a scale, by criteria, with votes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from autoprompt_assets.engine.grading import Ask, Grade
from autoprompt_assets.engine.grading.judge import Judge, ModelGrader
from autoprompt_assets.engine.grading.score import read_score
from autoprompt_assets.engine.message import Message
from tests.grading_support import Told, grade_of
from tests.row_support import text_example

ROW = text_example("id", "input", "q", "a", "validation")


def judge(**settings: Any) -> Judge:
    return ModelGrader.model_validate({"kind": "model", **settings}).make("{response}?")


@pytest.mark.parametrize(
    ("said", "share"),
    [
        ("4", 0.75),
        ("Score: 5", 1.0),
        ("**Rating:** 1", 0.0),
        ("My rating is **4**.", 0.75),
        ("The final score is 4/5.", 0.75),
        ("It omits 2 of 7 facts.\n\nScore: 3", 0.5),
        ("3.5", 0.625),
        ("2 out of 5", 0.25),
        ('{"reason": "8 of 10", "score": 2}', 0.25),
        ('Well:\n```json\n{"rating": "4/5"}\n```', 0.75),
        ("4\n\nBecause it says 7.", 0.75),
        ("6", None),
        ("0", None),
        ("-1", None),
        ("8/10", None),
        ("Score: 4\nScore: 3", None),
        ("It has 3 mistakes.", None),
        ("good", None),
        ('{"score": true}', None),
        ('{"score": 4, "grade": 2}', None),
        ('{"points": 4}', None),
        ("", None),
        ("4 " * 100_000, None),
        ("score " * 100_000, None),
    ],
)
def test_a_score_is_read_where_it_is_unmistakable(said: str, share: float | None) -> None:
    assert read_score(said, (1, 5)) == share


def test_a_scale_may_go_below_nothing() -> None:
    assert read_score("Score: -1", (-1, 1)) == 0.0
    assert read_score("Score - 1", (-1, 1)) == 1.0


def test_a_judge_on_a_scale_gives_its_share_and_its_words() -> None:
    told = Told('{"reason": "short", "score": 4}')
    grade = grade_of(judge(scale=[1, 5]), ROW, "x", told)
    assert (grade.value, grade.outcome) == (0.75, "partial")
    assert "short" in grade.feedback
    (form,) = told.forms
    assert form is not None
    schema = form["json_schema"]["schema"]
    assert schema["properties"]["score"] == {"type": "integer", "enum": [1, 2, 3, 4, 5]}
    assert [*schema["properties"]] == schema["required"] == ["reason", "score"]
    lost = grade_of(judge(scale=[1, 5]), ROW, "x", Told("fine"))
    assert lost.reason == (
        "the review model said 'fine'; a verdict is a number from 1 to 5 alone on the first or "
        "last line"
    )


@pytest.mark.parametrize(
    "said",
    [
        '{"reason": "curt", "Accurate": true, "polite": false}',
        '```json\n{"accurate": "yes", "polite": {"met": false}}\n```',
        "Accurate: yes\nPolite: no",
    ],
)
def test_criteria_are_weighed_and_reported_one_by_one(said: str) -> None:
    grade = grade_of(judge(criteria={"accurate": 3, "polite": 1}), ROW, "x", Told(said))
    assert (grade.value, grade.metrics) == (0.75, {"accurate": 1.0, "polite": 0.0})


def test_criteria_may_be_on_the_scale_and_each_must_be_settled() -> None:
    settings = {"criteria": {"accurate": 1, "polite": 1}, "scale": [0, 10]}
    grade = grade_of(judge(**settings), ROW, "x", Told('{"accurate": 9, "polite": "4/10"}'))
    assert (grade.value, grade.metrics) == (0.65, {"accurate": 0.9, "polite": 0.4})
    lost = grade_of(judge(**settings), ROW, "x", Told('{"accurate": 9}'))
    assert lost.value is None
    assert lost.reason.endswith(
        "a verdict says a number from 0 to 10 for each of accurate, polite, as JSON"
    )


def test_votes_are_replicates_and_their_median_counts() -> None:
    told = Told(*(f'{{"reason": "{one}", "score": {one}}}' for one in (1, 5, 4)))
    grade = grade_of(judge(scale=[1, 5], votes=3), ROW, "x", told)
    assert (grade.value, told.replicates) == (0.75, [0, 1, 2])
    assert grade.feedback == '{"reason": "4", "score": 4}'
    by_name = Told(*(json.dumps({"a": a, "b": b}) for a, b in ((1, 0), (0, 0), (1, 1))))
    criteria = {"criteria": {"a": 1, "b": 1}, "scale": [0, 1], "votes": 3}
    assert grade_of(judge(**criteria), ROW, "x", by_name).metrics == {"a": 1.0, "b": 0.0}


@pytest.mark.parametrize(("lost", "value"), [(1, 0.5), (2, None)])
def test_votes_that_cannot_be_read_are_left_out_while_most_can(
    lost: int, value: float | None
) -> None:
    told = Told(*(["?"] * lost), *(["2"] * (3 - lost)))
    grade = grade_of(judge(scale=[1, 3], votes=3), ROW, "x", told)
    assert grade.value == value
    assert grade.reason.startswith("" if value else "1 of 3 votes can be read; the review model")


def test_a_vote_whose_call_failed_ends_the_row() -> None:
    class Down:
        async def __call__(self, *messages: Message, form: Any = None, replicate: int = 0) -> str:
            if replicate == 1:
                raise OSError("down")
            return "True"

    async def grade(ask: Ask) -> Grade:
        return await judge(votes=3).grade(ROW, "x", ask)

    with pytest.raises(OSError, match="down"):
        asyncio.run(grade(Down()))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"scale": [5, 1]}, "does not ascend"),
        ({"criteria": {"reason": 1}}, "has a name that is empty, `reason`, or another one's"),
        ({"criteria": {"a b": 1, "A_B": 1}}, "has a name that is empty"),
        ({"criteria": {"a": 0}}, "has a weight that is not above 0"),
        ({"votes": 0}, "greater than or equal to 1"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        judge(**settings)
