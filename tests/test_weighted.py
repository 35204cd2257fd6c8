"""Several graders at once, with weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.changes import deciding
from autoprompt_assets.engine.grading import Grade, Grader, plain
from autoprompt_assets.engine.grading.weighted import weighted
from autoprompt_assets.engine.spec import ExperimentSpec
from tests.grading_support import Told, grade_of
from tests.loopback import Behaviour, LoopbackServer
from tests.row_support import text_example
from tests.support import ANSWERS, csv_of, toy_project

ROW = text_example("id", "input", "q", "7", "validation")
REVIEW = {"prompt": "Is {response} right and polite?", "max_tokens": 50}


def spec_of(graders: dict[str, Any] | None, **more: Any) -> ExperimentSpec:
    roles = {"target": {"prompt": "Say."}, "review": REVIEW}
    data = {"dataset": {"path": "rows.csv"}, "roles": roles, "graders": graders, **more}
    return ExperimentSpec.model_validate(data)


def made(**graders: Any) -> Grader:
    return spec_of(graders).make_grader()


def test_a_grade_is_the_weighted_mean_and_each_part_a_metric() -> None:
    grader = made(right={"kind": "number", "weight": 3}, said={"kind": "contains"})
    assert plain(grader) is not None
    grade = grade_of(grader, ROW, "I counted 7.\nAnswer: 8")
    assert (grade.value, grade.outcome) == (0.25, "partial")
    assert grade.metrics == {"right": 0.0, "said": 1.0}
    assert grade.feedback == "right: 0.00"
    assert grade_of(grader, ROW, "7").outcome == "correct"
    assert grade_of(grader, ROW, "no idea").outcome == "unparsable"


def test_a_judge_is_asked_beside_a_rule_and_its_metrics_bear_its_name() -> None:
    grader = made(
        right={"kind": "number"},
        kind={"kind": "model", "criteria": {"polite": 1, "right": 1}, "weight": 1},
    )
    told = Told('{"polite": true, "right": false}')
    grade = grade_of(grader, ROW, "7", told)
    assert grade.value == 0.75
    assert grade.metrics == {"right": 1.0, "kind": 0.5, "kind.polite": 1.0, "kind.right": 0.0}
    assert grade.feedback.startswith("kind: 0.50, {")
    assert len(told.questions) == 1


def test_a_row_that_one_of_them_cannot_grade_has_no_grade() -> None:
    grader = made(kind={"kind": "model"}, right={"kind": "number"})
    grade = grade_of(grader, ROW, "7", Told("perhaps"))
    assert (grade.value, grade.outcome) == (None, "unreviewed")
    assert grade.reason.startswith("kind: the review model said 'perhaps'")
    told = Told("True")
    lost = weighted({"a": Grade(None, "unreviewed", "why", fault=True)}, {"a": 1.0})
    assert (lost.reason, lost.fault) == ("a: why", True)
    assert told.questions == []


def test_the_search_s_identity_holds_each_grader_and_its_weight() -> None:
    one = spec_of({"a": {"kind": "exact"}, "b": {"kind": "contains"}})
    other = spec_of({"a": {"kind": "exact", "weight": 2}, "b": {"kind": "contains"}})
    assert deciding(one)["graders"]["a"] == {"kind": "exact", "ignore_case": False, "weight": 1.0}
    assert deciding(one) != deciding(other)
    assert "grader" not in deciding(one)
    assert "graders" not in deciding(spec_of(None, grader={"kind": "exact"}))


def test_what_several_may_ask_is_what_they_may_ask_together() -> None:
    spec = spec_of({"a": {"kind": "model", "votes": 3}, "b": {"kind": "model", "scale": [1, 9]}})
    assert spec.grading.most_reviews == 4
    assert spec_of({"a": {"kind": "exact"}}).grading.most_reviews == 0


@pytest.mark.parametrize(
    ("grader", "said"),
    [
        ("graders: {a: {kind: exakt}}", 'graders.a.kind = "exakt": is not known; use one of'),
        ("graders: {a: {kind: exact, weight: 0}}", "graders.a.weight = 0: is too small"),
        ("graders: {a: {kind: exact, patern: x}}", "graders.a.patern: no such field"),
        ("graders: {a: {kind: exact}}\ngrader: {kind: exact}", "grader and graders stand both"),
        ("graders: {}", "grader: is missing; add it"),
        ('graders: {"": {kind: exact}}', "graders: the name '' is empty, or holds a dot or a"),
        ("graders: {a.b: {kind: exact}}", "graders: the name 'a.b' is empty, or holds a dot or a"),
        ('graders: {"a\\nb": {kind: exact}}', "graders: the name 'a\\nb' is empty, or holds a dot"),
        ("description: none", "grader: is missing; add it"),
        ("grader: {kind: exact, weight: 2}", "grader.weight counts among several graders alone"),
        (
            "graders: {a: {kind: model}, b: {kind: exact}}",
            "graders.a.kind is 'model' and roles.review is missing; add it",
        ),
        (
            "graders: {own: {kind: python, function: lost.py:grade}}",
            "graders.own.function = 'lost.py:grade': there is no lost.py in",
        ),
    ],
)
def test_what_is_wrong_with_one_of_them_is_one_line_that_names_it(
    tmp_path: Path, grader: str, said: str
) -> None:
    project = toy_project(tmp_path)
    spec = f"dataset: {{path: rows.csv}}\nroles: {{target: {{prompt: Say.}}}}\n{grader}\n"
    spec += "optimizer: {strategy: demos, iterations: 1}\n"
    project.add("own", spec, rows_csv=csv_of(ANSWERS))
    line = project.refused("check", "own")
    assert said in line
    assert line.startswith(str(project.experiments / "own" / "experiment.yaml"))


def test_a_criterion_that_the_review_prompt_does_not_speak_of_is_named() -> None:
    with pytest.raises(ValueError, match="prompt lacks the criterion 'brief'; say what it asks"):
        spec_of({"a": {"kind": "model", "criteria": {"polite": 1, "brief": 1}}})


@pytest.mark.slow
def test_a_search_with_several_graders_reports_each_of_them(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        graders = "{judge: {kind: model, votes: 2, weight: 3}, said: {kind: contains}}"
        arguments = ("toy", "--set", "grader=null", "--set", f"graders={graders}")
        done = project.run_json(*arguments)
        assert {*done["best"]["metrics"]} == {"judge", "said"}
        asked = len(server.ledger)
        assert project.run_json(*arguments)["best"] == done["best"]
        assert len(server.ledger) == asked
    page = Path(done["report"]).read_text(encoding="utf-8")
    assert "judge: model x 3, said: contains x 1" in page
    assert json.dumps(done)
