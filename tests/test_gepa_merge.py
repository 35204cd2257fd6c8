"""Merges: which two candidates are combined, how it is asked, and how often."""

from __future__ import annotations

from typing import Any

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.optimizers import Answer, GepaSpec, Probe, Question, Step, Trial
from autoprompt_assets.engine.optimizers.gepa import MERGE_EVERY, Gepa
from tests.optimizer_support import (
    BASELINE,
    TRAIN,
    Lenient,
    asked,
    baseline,
    instructions,
    proposed,
    text_of,
    told,
    trial,
)
from tests.row_support import text_demo


def gepa(*steps: Step, candidates: int = 1) -> Gepa:
    spec = GepaSpec(strategy="gepa", candidates=candidates)
    return told(Gepa(spec, BASELINE.instruction, TRAIN, Lenient()), baseline(), *steps)


def step(*trials: Trial) -> Step:
    return Step(trials, "gepa")


LEFT, RIGHT = "1110000111", "0001111111"
"""The one is the better on three rows, the other on four."""


def pair(one: str = LEFT, other: str = RIGHT, **more: Any) -> Step:
    return step(
        trial("Left.", 0.6, one, BASELINE.instruction),
        trial("Right.", 0.7, other, BASELINE.instruction, **more),
    )


def merging(subject: Gepa) -> bool:
    found = subject.ask(())
    return isinstance(found, Question) and "Merge them" in text_of(found)


def test_two_that_complement_each_other_are_merged() -> None:
    subject = gepa(pair())
    text = text_of(asked(subject))
    assert "<first_prompt>\nRight.\n</first_prompt>" in text
    assert "<second_prompt>\nLeft.\n</second_prompt>" in text
    assert "the first on 4 inputs" in text
    assert "the second on 3 inputs" in text
    found = proposed(subject, "[[Both.]]")
    assert instructions(found) == ["Both."]
    assert found.proposals[0].parents == (Candidate("Right.").id, Candidate("Left.").id)


def test_the_other_candidates_of_the_step_are_reflections() -> None:
    subject = gepa(pair(), candidates=2)
    assert merging(subject)
    assert isinstance(subject.ask([Answer("[[Both.]]")]), Probe)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([pair("1100001111")], id="two rows only"),
        pytest.param([pair(dropped=True)], id="one dropped"),
        pytest.param([pair("0001110000")], id="dominated"),
        pytest.param([pair("111------1", "---1111--1")], id="rows not seen by both"),
        pytest.param([step(trial("A.", 0.6, LEFT), trial("B.", 0.7, RIGHT, "A."))], id="parent"),
        pytest.param(
            [
                step(trial("A.", 0.6, LEFT), trial("M.", None, "", "A.")),
                step(trial("B.", 0.7, RIGHT, "M.")),
            ],
            id="grandparent",
        ),
    ],
)
def test_others_are_not_merged(steps: list[Step]) -> None:
    assert not merging(gepa(*steps))


def test_pair_is_merged_once_even_if_nothing_came_of_it() -> None:
    subject = gepa(pair())
    for number in range(3 * MERGE_EVERY):
        assert merging(subject) == (number == 0)
        subject.tell(step())


def test_merges_are_rare() -> None:
    """The third complements the second, not the first."""
    third = trial("Third.", 0.65, "110000000111", BASELINE.instruction)
    trials = (*pair("111000000000", "000111111000").trials, third)
    subject, found = gepa(step(*trials)), list[bool]()
    for _ in range(3 * MERGE_EVERY):
        found.append(merging(subject))
        subject.tell(step())
    merges = [number for number, is_merge in enumerate(found) if is_merge]
    assert merges == [0, MERGE_EVERY]


def test_demos_of_either_are_kept() -> None:
    shown, cool = (text_demo("i", "o"),), {"temperature": 0.0}
    high = trial(Candidate("Right.", (), cool), 0.7, RIGHT)
    low = trial(Candidate("Left.", shown), 0.6, LEFT)
    found = proposed(gepa(step(high, low)), "[[Both.]]")
    assert found.proposals[0].candidate == Candidate("Both.", shown, cool)


def test_one_instruction_is_merged_without_a_question() -> None:
    shown, cool = (text_demo("i", "o"),), {"temperature": 0.0}
    high = trial(Candidate("Same.", (), cool), 0.7, RIGHT)
    low = trial(Candidate("Same.", shown), 0.6, LEFT)
    found = proposed(gepa(step(high, low)))
    assert found.proposals[0].candidate == Candidate("Same.", shown, cool)
    known = trial(Candidate("Same.", shown, cool), None)
    assert not isinstance(gepa(step(high, low, known)).ask(()), Question)
