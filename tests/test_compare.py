"""The verdict of the sealed test and the interval it rests on."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterator

import numpy as np
import pytest

from autoprompt_assets.engine.statistics import Comparison, Pairs, compare, score_interval
from autoprompt_assets.engine.statistics.paired import BLOCKS

Values = list[tuple[float | None, float | None]]


def pairs(wins: int, losses: int, ties: int) -> Values:
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
        low, high = found.interval
        significant = wins + losses > 0 and found.p_value < 0.05
        assert (low > 0 or high < 0) == significant
        assert (found.verdict != "not shown") == significant
        assert -1 <= low <= found.difference <= high <= 1
        assert found.won_interval is not None
        assert (not found.won_interval[0] <= 0.5 <= found.won_interval[1]) == significant


@pytest.mark.parametrize(("wins", "losses", "ties"), [(6, 0, 9), (3, 8, 20), (0, 0, 7), (20, 4, 0)])
def test_exchanging_the_sides_mirrors_the_result(wins: int, losses: int, ties: int) -> None:
    one, other = compared(wins, losses, ties), compared(losses, wins, ties)
    mirrored = {"better": "worse", "worse": "better", "not shown": "not shown"}
    assert other.verdict == mirrored[one.verdict]
    assert other.difference == -one.difference
    assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))
    assert one.won_interval is not None
    assert other.won_interval == pytest.approx((1 - one.won_interval[1], 1 - one.won_interval[0]))


def test_prompt_compared_with_itself_is_not_shown() -> None:
    values = [random.Random(n).choice([0.0, 1.0, None]) for n in range(200)]
    found = compare(zip(values, values, strict=True))
    assert (found.difference, found.p_value, found.verdict) == (0.0, 1.0, "not shown")
    assert found.rows == sum(value is not None for value in values)
    assert found.interval[0] == -found.interval[1] < 0


def test_certainty_of_no_difference_grows_with_rows() -> None:
    widths = [compared(0, 0, ties).interval[1] for ties in (0, 1, 10, 100, 1000)]
    assert widths == sorted(widths, reverse=True)
    assert (widths[0], widths[-1] < 0.004) == (1.0, True)


def test_rows_that_one_side_did_not_measure_are_left_out_of_both() -> None:
    half: Values = [(None, 1.0), (0.0, None), (None, None), (None, 0.0)]
    assert compare(half + pairs(6, 0, 10)) == compared(6, 0, 10)


def test_order_of_rows_does_not_matter() -> None:
    assert compare(reversed(pairs(7, 2, 11))) == compared(7, 2, 11)


@pytest.mark.parametrize("values", [pairs(6, 0, 0), [(0.1, 0.3), (0.0, 1.0)]])
def test_result_is_plain_json_that_reads_back(values: Values) -> None:
    found = compare(values)
    data = json.loads(json.dumps(found.as_json()))
    assert Comparison(**data) == found


def test_a_result_stored_without_the_interval_of_wins_is_read() -> None:
    data = compared(6, 0, 0).as_json()
    del data["won_interval"]
    assert Comparison(**data).won_interval is None


@pytest.mark.parametrize(
    ("correct", "measured", "low", "high"),
    [(0, 0, 0.0, 1.0), (0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (50, 100, 0.4038, 0.5962)],
)
def test_score_interval_is_wilson_s(correct: int, measured: int, low: float, high: float) -> None:
    assert score_interval(correct, measured) == pytest.approx((low, high), abs=1e-4)


@pytest.mark.parametrize(
    ("rows", "wins", "losses"),
    [(124, 0.6, 0.015), (40, 0.25, 0.0), (100, 0.2, 0.02), (80, 0.1, 0.1), (30, 0.3, 0.2)],
)
def test_the_interval_covers_the_true_difference_in_95_of_100_samples(
    rows: int, wins: float, losses: float
) -> None:
    """A clear win has few ways to vary among its discordant rows, but their number varies too."""
    draws = np.random.default_rng(7).multinomial(rows, [wins, losses, 1 - wins - losses], size=600)
    covered = share = 0
    for won, lost, tied in draws.tolist():
        found = compared(won, lost, tied)
        assert found.won_interval is not None
        covered += found.interval[0] <= wins - losses <= found.interval[1]
        share += found.won_interval[0] <= wins / (wins + losses) <= found.won_interval[1]
    assert covered / len(draws) >= 0.95
    assert share / len(draws) >= lowest(0.95, len(draws))


@pytest.mark.parametrize("discordant", range(61))
def test_equal_prompts_are_called_better_in_one_of_40_samples_at_most(discordant: int) -> None:
    called = [compared(won, discordant - won, 5).verdict for won in range(discordant + 1)]
    ways = sum(math.comb(discordant, won) for won, said in enumerate(called) if said == "better")
    assert ways / 2**discordant <= 0.025


def lowest(share: float, samples: int) -> float:
    """The least that `samples` show of a true `share`, but for one seed in a thousand."""
    return share - 3.1 * math.sqrt(share * (1 - share) / samples)


def graded_samples() -> Iterator[Values]:
    """Graded rows of every size and kind: few and many levels, ties, zeros, constants, skew."""
    generator = np.random.default_rng(11)
    for sample in range(420):
        rows = int(generator.integers(1, 41))
        levels = int(generator.choice([2, 4, 10, 10**6]))
        before = generator.integers(0, levels + 1, rows) / levels
        after = generator.integers(0, levels + 1, rows) / levels
        shift = float(generator.choice([0.0, 0.1, 0.5]))
        kept = generator.random(rows) < generator.choice([0.2, 0.7, 1.0])
        after = np.where(kept, np.clip(after + shift, 0, 1), before)
        if sample % 10 == 0:
            before, after = np.full(rows, 0.1), np.full(rows, 0.1 + shift / 2)
        yield list(zip(before.tolist(), after.tolist(), strict=True))


def test_graded_test_and_interval_never_disagree() -> None:
    verdicts = set()
    for values in graded_samples():
        found = compare(values)
        low, high = found.interval
        assert (low > 0 or high < 0) == (found.p_value < 0.05) == (found.verdict != "not shown")
        assert -1 <= low <= found.difference <= high <= 1
        mean = sum((after or 0) - (before or 0) for before, after in values) / len(values)
        assert found.difference == pytest.approx(mean, abs=1e-9)
        verdicts.add(found.verdict)
    assert verdicts == {"better", "worse", "not shown"}


def test_exchanging_the_sides_mirrors_a_graded_result() -> None:
    mirrored = {"better": "worse", "worse": "better", "not shown": "not shown"}
    for values in graded_samples():
        one, other = compare(values), compare([(after, before) for before, after in values])
        assert other.verdict == mirrored[one.verdict]
        assert (other.wins, other.losses) == (one.losses, one.wins)
        assert (other.p_value, other.difference) == (one.p_value, -one.difference)
        assert other.interval == pytest.approx((-one.interval[1], -one.interval[0]))


def test_graded_p_value_counts_every_flip_of_few_rows() -> None:
    differences = [0.5, 0.25, 0.75, 0.1, -0.1, 0.6, 0.3, 0.0]
    observed = sum(differences)
    flipped = [
        sum(-value if flip >> row & 1 else value for row, value in enumerate(differences))
        for flip in range(2 ** len(differences))
    ]
    share = sum(total >= observed - 1e-9 for total in flipped) / len(flipped)
    assert compare([(0.0, value) for value in differences]).p_value == 2 * share


def test_graded_p_value_is_scipy_s_for_many_rows() -> None:
    from scipy import stats

    draw = np.random.default_rng(8)
    for shift in (0.0, 0.03, 0.06):
        differences = draw.normal(shift, 0.25, 120).round(2).clip(-1, 1)
        oracle = stats.permutation_test(
            (differences,), np.mean, permutation_type="samples", n_resamples=20_000, rng=draw
        )
        found = compare([(0.0, value) for value in differences.tolist()])
        assert found.p_value == pytest.approx(oracle.pvalue, abs=0.02)


@pytest.mark.parametrize("rows", range(1, 8))
def test_graded_wins_alone_need_six_rows_as_right_and_wrong_ones_do(rows: int) -> None:
    found = compare([(0.2, 0.2 + 0.01 * (row + 1)) for row in range(rows)])
    assert found.p_value == pytest.approx(2 / 2**rows)
    assert found.verdict == ("better" if rows >= 6 else "not shown")


def test_sums_that_cancel_are_ties_whatever_their_rounding() -> None:
    found = compare([(0.3, 0.0), (0.0, 0.1), (0.0, 0.2), (0.7, 0.7), (0.1 + 0.2, 0.3)])
    assert (found.difference, found.p_value, found.verdict) == (0.0, 1.0, "not shown")
    assert (found.wins, found.losses, found.won_interval) == (2, 1, None)


def test_differences_that_are_rounding_alone_are_right_or_wrong_rows() -> None:
    found = compare([(0.1 + 0.2, 0.3)] * 20)
    assert found == compared(0, 0, 20)


@pytest.mark.parametrize(
    ("rows", "values", "shares"),
    [
        (9, [-0.2, 0.0, 0.1, 0.2, 0.4], [0.2, 0.2, 0.2, 0.2, 0.2]),
        (30, [-0.2, 0.0, 0.1, 0.2, 0.4], [0.2, 0.2, 0.2, 0.2, 0.2]),
        (150, [-0.25, 0.0, 0.5, 1.0], [0.1, 0.6, 0.2, 0.1]),
    ],
)
def test_the_graded_interval_covers_in_95_of_100_samples(
    rows: int, values: list[float], shares: list[float]
) -> None:
    """Exactly so where differences are symmetric about one centre; nearly where they are skewed."""
    generator = np.random.default_rng(3)
    centre = float(np.dot(values, shares))
    draws = generator.choice(values, p=shares, size=(600, rows)).tolist()
    intervals = [compare([(0.0, value) for value in draw]).interval for draw in draws]
    covered = sum(low <= centre <= high for low, high in intervals)
    assert covered / len(draws) >= lowest(0.95, len(draws))


@pytest.mark.parametrize("rows", [7, 12, 14, pytest.param(40, marks=pytest.mark.slow)])
def test_exchangeable_graded_prompts_are_called_better_in_one_of_40_samples_at_most(
    rows: int,
) -> None:
    generator = np.random.default_rng(rows)
    values = generator.integers(0, 6, size=(900, rows, 2)) / 5
    called = [compare(map(tuple, sample)).verdict for sample in values.tolist()]
    assert called.count("better") / len(called) <= 0.025 + 3.1 * math.sqrt(0.025 * 0.975 / 900)


def test_many_graded_rows_take_bounded_memory_and_keep_the_test() -> None:
    sums = Pairs()
    drawn = random.Random(5)
    values: Values = [(drawn.random(), drawn.random()) for _ in range(3 * BLOCKS + 5)]
    for before, after in values:
        sums.add(before, after)
    assert (len(sums.blocks), sums.rows, sums.graded) == (BLOCKS, len(values), True)
    found = compare(values)
    half_width = 1.96 * math.sqrt(sums.squares) / sums.rows
    assert (found.interval[1] - found.interval[0]) / 2 == pytest.approx(half_width, rel=0.05)
    assert sum(sums.blocks) / sums.rows == pytest.approx(found.difference)


# A later verdict on the same rows is judged at .05/n

LEVELS = [*(0.05 / n for n in (1, 2, 3, 4, 5, 7, 10, 20, 64, 203, 1000)), 2 * 0.5**6, 0.4]
"""Of verdicts, then one that is a p value itself, where nothing is shown, then a large one."""


@pytest.mark.parametrize("level", LEVELS)
def test_verdict_interval_and_p_value_agree_at_every_level(level: float) -> None:
    for wins in range(31):
        for losses, ties in itertools.product(range(wins + 1), (0, 3)):
            found = compare(pairs(wins, losses, ties), level)
            low, high = found.interval
            shown = wins + losses > 0 and found.p_value < level
            assert (low > 0 or high < 0) == shown == (found.verdict != "not shown")
            assert found.won_interval is not None
            assert (not found.won_interval[0] <= 0.5 <= found.won_interval[1]) == shown
            assert -1 <= low <= found.difference <= high <= 1
            assert found.p_value == compared(wins, losses, ties).p_value


def test_graded_verdict_interval_and_p_value_agree_at_every_level() -> None:
    verdicts = set()
    for values, level in itertools.product(itertools.islice(graded_samples(), 120), LEVELS):
        found = compare(values, level)
        low, high = found.interval
        assert (low > 0 or high < 0) == (found.p_value < level) == (found.verdict != "not shown")
        assert -1 <= low <= found.difference <= high <= 1
        assert found.level == level
        verdicts.add(found.verdict)
    assert verdicts == {"better", "worse", "not shown"}


def test_intervals_widen_as_the_level_falls() -> None:
    for values in (pairs(20, 8, 30), [(0.3, 0.1 * (row % 9)) for row in range(60)]):
        found = [compare(values, 0.05 / n).interval for n in (1, 2, 5, 20)]
        assert sorted(found, reverse=True) == found
        assert sorted((high for _, high in found)) == [high for _, high in found]


@pytest.mark.parametrize("graded", [False, True])
def test_looks_at_equal_prompts_are_called_better_no_more_often_than_their_levels_allow(
    graded: bool,
) -> None:
    """Ten looks each, all at prompts that are equal: the n-th is `better` in .025/n at most."""
    generator, looks = np.random.default_rng(8), 10
    people = 250 if graded else 1000
    grades = 5 if graded else 1
    better = np.zeros((people, looks), bool)
    for person, look in itertools.product(range(people), range(looks)):
        values = generator.integers(0, grades + 1, size=(24, 2)) / grades
        found = compare(map(tuple, values.tolist()), 0.05 / (look + 1))
        better[person, look] = found.verdict == "better"
    allowed = 0.025 / np.arange(1, looks + 1)
    assert (better.mean(axis=0) <= allowed + 3.1 * np.sqrt(allowed / people)).all()
    whole = allowed.sum()
    assert better.any(axis=1).mean() <= whole + 3.1 * math.sqrt(whole * (1 - whole) / people)
    assert better.any()
