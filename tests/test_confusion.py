"""Which answer was given to which target, and the F1 of each label."""

from __future__ import annotations

import json
import random

import pytest

from autoprompt_assets.engine.report import render
from autoprompt_assets.engine.statistics import Confusion
from tests.report_support import first, outcome_of, parse, report_of, rows_of, scored, step

ROWS = [
    *[("cat", "cat", True)] * 6,
    *[("cat", "dog", False)] * 2,
    ("dog", "It is a dog.", True),
    ("dog", "CAT ", False),
    ("dog", "horse", False),
    ("<b>", None, False),
]


def test_a_table_counts_answers_by_target_and_f1_follows() -> None:
    found = Confusion.of(ROWS)
    assert found is not None
    assert found.labels == ("<b>", "cat", "dog")
    assert [found.answered("dog", one) for one in found.answers] == [0, 1, 1, 1]
    assert found.f1("cat") == pytest.approx(2 * 6 / (7 + 8))
    assert found.f1("dog") == pytest.approx(2 * 1 / (3 + 3))
    assert found.f1("<b>") == 0.0
    assert found.macro_f1 == pytest.approx((12 / 15 + 1 / 3) / 3)
    assert json.loads(json.dumps(found.as_json()))["table"]["dog"] == {
        "(other)": 1,
        "cat": 1,
        "dog": 1,
    }


@pytest.mark.parametrize("labels", [0, 1, 21])
def test_there_is_no_table_of_one_label_or_of_many(labels: int) -> None:
    assert Confusion.of([(str(n), str(n), True) for n in range(labels)]) is None


def test_macro_f1_is_the_mean_of_harmonic_means() -> None:
    draw = random.Random(3)
    rows = [(draw.choice("abc"), draw.choice("abcd")) for _ in range(200)]
    found = Confusion.of((target, said, target == said) for target, said in rows)
    assert found is not None
    for label in "abc":
        right = sum(target == said == label for target, said in rows)
        precision = right / sum(said == label for _, said in rows)
        recall = right / sum(target == label for target, _ in rows)
        assert found.f1(label) == pytest.approx(2 * precision * recall / (precision + recall))


def test_the_report_shows_the_tables_and_what_an_answer_took() -> None:
    base = first()
    report = report_of(base, [step(1, scored("Think.", 96))], outcome_of(32, 4), rows_of(32, 4))
    identity = base.candidate.id
    more = {
        "confusions": {identity: Confusion.of(ROWS)},
        "seconds": {("test", identity): 0.8125, ("validation", identity): None},
    }
    page = render(type(report)(**{**vars(report), **more}))
    said = parse(page).said
    assert "baseline: macro F1 0.378" in said
    assert "Answers by target" in said
    assert "<b></bdi>" not in page
    assert "Answers by target" not in render(report)
