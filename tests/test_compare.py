"""The verdict of the sealed test and the interval it rests on."""

from __future__ import annotations

import random

import numpy as np
import pytest

from autoprompt_assets.engine.compare import Comparison, compare, score_interval

Pairs = list[tuple[float | None, float | None]]


def pairs(wins: int, losses: int, ties: int) -> Pairs:
    return [*[(0.0, 1.0)] * wins, *[(1.0, 0.0)] * losses, *[(1.0, 1.0)] * ties]


def compared(wins: int, losses: int, ties: int) -> Comparison:
    return compare(pairs(wins, losses, ties))


@pytest.mark.parametrize(
    ("wins", "losses", "ties", "p_value", "verdict"),
    [
        (6, 0, 0, 0.03125, "better"),
        (6, 0, 94, 0.03125, "better"),
        (0, 6, 94, 0.03125, "worse"),
        (5, 0, 75, 0.0625, "not shown"),
        (0, 5, 75, 0.0625, "not shown"),
        (4, 0, 76, 0.125, "not shown"),
        (9, 1, 0, 0.021484375, "better"),
        (8, 1, 0, 0.0390625, "better"),
        (7, 1, 0, 0.0703125, "not shown"),
        (10, 2, 0, 0.03857421875, "better"),
        (9, 2, 0, 0.0654296875, "not shown"),
        (2, 10, 88, 0.03857421875, "worse"),
        (10, 10, 80, 1.0, "not shown"),
        (1, 0, 0, 1.0, "not shown"),
        (0, 0, 100, 1.0, "not shown"),
        (0, 0, 0, 1.0, "not shown"),
    ],
)
def test_verdict_at_the_exact_boundary(
    wins: int, losses: int, ties: int, p_value: float, verdict: str
) -> None:
    found = compared(wins, losses, ties)
    assert found.p_value == pytest.approx(p_value)
    assert found.verdict == verdict
    assert (found.rows, found.wins, found.losses) == (wins + losses + ties, wins, losses)


@pytest.mark.parametrize("ties", [0, 1, 50])
@pytest.mark.parametrize("wins", range(0, 26, 1))
def test_interval_excludes_zero_exactly_where_p_is_below_the_level(wins: int, ties: int) -> None:
    for losses in range(26):
        found = compared(wins, losses, ties)
        low, high = found.ci95
        significant = wins + losses > 0 and found.p_value < 0.05
        assert (low > 0 or high < 0) == significant
        assert (found.verdict != "not shown") == significant
        assert -1 <= low <= found.difference <= high <= 1


@pytest.mark.parametrize(("wins", "losses", "ties"), [(6, 0, 9), (3, 8, 20), (0, 0, 7), (20, 4, 0)])
def test_exchanging_the_sides_mirrors_the_result(wins: int, losses: int, ties: int) -> None:
    one, other = compared(wins, losses, ties), compared(losses, wins, ties)
    mirrored = {"better": "worse", "worse": "better", "not shown": "not shown"}
    assert other.verdict == mirrored[one.verdict]
    assert other.difference == -one.difference
    assert other.ci95 == pytest.approx((-one.ci95[1], -one.ci95[0]))


def test_prompt_compared_with_itself_is_not_shown() -> None:
    values = [random.Random(n).choice([0.0, 1.0, None]) for n in range(200)]
    found = compare(zip(values, values, strict=True))
    assert (found.difference, found.p_value, found.verdict) == (0.0, 1.0, "not shown")
    assert found.rows == sum(value is not None for value in values)
    assert found.ci95[0] == -found.ci95[1] < 0


def test_certainty_of_no_difference_grows_with_rows() -> None:
    widths = [compared(0, 0, ties).ci95[1] for ties in (0, 1, 10, 100, 1000)]
    assert widths == sorted(widths, reverse=True)
    assert (widths[0], widths[-1] < 0.004) == (1.0, True)


def test_rows_that_one_side_did_not_measure_are_left_out_of_both() -> None:
    half: Pairs = [(None, 1.0), (0.0, None), (None, None), (None, 0.0)]
    assert compare(half + pairs(6, 0, 10)) == compared(6, 0, 10)


def test_order_of_rows_does_not_matter() -> None:
    assert compare(reversed(pairs(7, 2, 11))) == compared(7, 2, 11)


def test_result_is_plain_json() -> None:
    assert compared(6, 0, 0).as_json()["ci95"] == list(compared(6, 0, 0).ci95)


@pytest.mark.parametrize(
    ("correct", "measured", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_score_interval_is_wilson_s(correct: int, measured: int, low: float, high: float) -> None:
    assert score_interval(correct, measured) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("rows", "wins", "losses"), [(124, 0.6, 0.015), (40, 0.25, 0.0), (100, 0.2, 0.02)]
)
def test_the_interval_covers_the_true_difference_in_95_of_100_samples(
    rows: int, wins: float, losses: float
) -> None:
    """A clear win has few ways to vary among its discordant rows, but their number varies too."""
    draws = np.random.default_rng(7).multinomial(rows, [wins, losses, 1 - wins - losses], size=600)
    covered = 0
    for won, lost, tied in draws.tolist():
        low, high = compared(won, lost, tied).ci95
        covered += low <= wins - losses <= high
    assert covered / len(draws) >= 0.95
