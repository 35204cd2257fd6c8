"""The Pareto front over rows: who stands on it, who is pruned, and how often each is drawn."""

from __future__ import annotations

import math
from collections import Counter

import pytest

from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.optimizers import Trial
from autoprompt_assets.engine.optimizers.parts.pareto import (
    HALF_LEAD,
    PRIOR_ROWS,
    Member,
    drawn,
    front,
    merits,
)
from tests.optimizer_support import trial


def weights(*trials: Trial) -> dict[str, float]:
    return {one.trial.candidate.instruction: one.weight for one in front(trials)}


def test_weights_are_the_rows_of_each_front() -> None:
    """Rows 3 and 4 tell nothing: all are right, all are wrong. C stands on no front alone."""
    first = trial("A", 0.5, "110101", accepted=True)
    assert weights(first, trial("B", 0.5, "001101"), trial("C", 0.4, "010101")) == {"A": 2, "B": 1}


def test_one_that_others_cover_is_pruned_the_worst_first() -> None:
    trials = [
        trial("A", 0.4, "110000"),
        trial("B", 0.4, "001100"),
        trial("C", 0.6, "011110", accepted=True),
        trial("D", 0.1, "100000"),
    ]
    assert list(weights(*trials)) == ["A", "C"]


def test_best_of_all_rows_is_never_pruned() -> None:
    """A and B hold all that C holds, and each a row more; C has the highest score."""
    lucky = [trial("A", 0.5, "110010"), trial("B", 0.5, "001101")]
    best = trial("C", 0.7, "111100", accepted=True)
    assert list(weights(*lucky, best)) == ["A", "B", "C"]
    assert list(weights(*lucky, trial("C", 0.9, "1111", dropped=True))) == ["A", "B"]


def test_weight_halves_with_each_step_behind_the_best() -> None:
    rows = 6
    step = HALF_LEAD / math.sqrt(rows)
    behind = 0.5 - step * (rows + PRIOR_ROWS) / rows
    trials = [trial("A", 0.5, "111000", accepted=True), trial("B", behind, "000111")]
    assert weights(*trials) == pytest.approx({"A": 3, "B": 1.5})


def test_graded_values_have_fronts_too() -> None:
    values = {"r0": 0.5, "r1": 0.25, "r2": 1.0}, {"r0": 0.4, "r1": 0.75, "r2": 1.0}
    trials = [trial("A", 0.6, values[0], accepted=True), trial("B", 0.6, values[1])]
    assert weights(*trials) == {"A": 1, "B": 1}


def test_only_the_rows_that_a_trial_saw_count() -> None:
    """B never saw row 2, so A's wrong answer is the best there, and tells nothing."""
    trials = [trial("A", 0.5, "100", accepted=True), trial("B", 0.5, "01-")]
    assert weights(*trials) == {"A": 1, "B": 1}


def test_crowd_of_dropped_trials_does_not_outweigh_the_best() -> None:
    """All of them saw the same first rows. One that is the best on a row of these is kept."""
    best = trial("best", 0.7, "0" * 30 + "1" * 105 + "0" * 15, accepted=True)
    old = trial("old", 0.4, "1" * 20 + "0" * 95 + "1" * 35)
    covered = [
        trial(f"covered {n}", 0.6, "0" * n + "1" + "0" * (19 - n), dropped=True) for n in range(20)
    ]
    alone = [
        trial(f"alone {n}", 0.6, "0" * n + "1" + "0" * (29 - n), dropped=True)
        for n in range(20, 30)
    ]
    found = weights(old, *covered, *alone, best)
    assert set(found) == {"old", "best", *(one.candidate.instruction for one in alone)}
    assert 0 < found["alone 20"] < found["best"] / 100
    assert sum(found.values()) < 1.1 * found["best"]


def test_those_without_a_score_are_no_parents() -> None:
    assert weights(trial("A", None, "11"), trial("B", 0.5, "10", accepted=True)) == {"B": 1}
    assert front([trial("A", None)]) == []


def test_without_values_the_best_score_is_drawn() -> None:
    assert weights(trial("A", 0.5, accepted=True), trial("B", 0.4)) == {"A": 1}


def test_draw_is_in_proportion_to_the_weights() -> None:
    members = [Member(trial(name, 0.5), weight) for name, weight in (("A", 3), ("B", 0), ("C", 1))]
    counts = Counter[str]()
    for number in range(2000):
        chosen = drawn(members, uniform(number))
        assert chosen is not None
        counts[chosen.candidate.instruction] += 1
    # Four standard errors.
    assert counts["A"] == pytest.approx(1500, abs=78)
    assert counts["A"] + counts["C"] == 2000
    assert drawn([], 0.5) is None


def test_merits_count_rows_that_both_saw() -> None:
    assert merits(trial("A", 0.5, "1101-1"), trial("B", 0.5, "0011-0")) == (3, 1, 1.0)
    assert merits(trial("A", 0.5, "1-"), trial("B", 0.5, "-1")) == (0, 0, 0.0)
