"""What a search could still win, beside what its test split could show of it."""

from __future__ import annotations

import json
from functools import cache

import numpy as np
import pytest
from scipy import special

from autoprompt_assets.engine.statistics import Headroom, compare, least_wins, measure_headroom
from autoprompt_assets.engine.statistics.headroom import smallest_gain


@cache
def room(right: int, wrong: int, test_rows: int, flips: int = 0, repeated: int = 0) -> Headroom:
    pairs = [(1.0, 0.0)] * flips + [(1.0, 1.0)] * (repeated - flips)
    return measure_headroom([1.0] * right + [0.0] * wrong, pairs, test_rows)


@cache
def shown(wins: int, losses: int) -> bool:
    return compare([(0.0, 1.0)] * wins + [(1.0, 0.0)] * losses).verdict == "better"


@pytest.mark.parametrize(
    ("losses", "wins"), [(0, 6), (1, 8), (2, 10), (3, 12), (5, 15), (10, 23), (100, 131)]
)
def test_least_wins_are_what_the_verdict_asks_for(losses: int, wins: int) -> None:
    assert least_wins(losses) == wins
    assert shown(wins, losses)
    assert not shown(wins - 1, losses)


@pytest.mark.parametrize("losses", range(0, 60, 3))
def test_least_wins_agree_with_the_comparison(losses: int) -> None:
    first = next(wins for wins in range(losses, 200) if shown(wins, losses))
    assert least_wins(losses) == first


@pytest.mark.parametrize(
    ("rows", "noise", "gain"),
    [
        (80, 0.0, 6 / 80),
        (200, 0.0, 6 / 200),
        (6, 0.0, 1.0),
        (5, 0.0, None),
        (0, 0.0, None),
        (100, 0.02, 7 / 100),  # one loss by chance, eight wins
        (100, 0.1, 10 / 100),  # five losses, fifteen wins
        (100, 0.101, 11 / 100),  # rounded up: six losses, seventeen wins
        (1000, 0.2, 31 / 1000),
        (10, 1.0, None),
        (7, 0.01, None),  # one loss and eight wins are nine rows
    ],
)
def test_smallest_gain(rows: int, noise: float, gain: float | None) -> None:
    assert smallest_gain(rows, noise) == (None if gain is None else pytest.approx(gain))


@pytest.mark.parametrize("rows", [20, 80, 333, 1000])
def test_smallest_gain_grows_with_noise_and_is_never_below_six_rows(rows: int) -> None:
    gains = [smallest_gain(rows, noise / 50) for noise in range(51)]
    known = [gain for gain in gains if gain is not None]
    assert known == sorted(known)
    assert gains[: len(known)] == known
    assert known[0] == 6 / rows


@pytest.mark.parametrize(
    ("right", "wrong", "test_rows", "reason"),
    [
        (
            *(40, 40, 5),
            "test has 5 rows and no gain can be shown with fewer than 6: raise dataset.split.test",
        ),
        (
            *(79, 1, 80),
            "baseline is right on 79 of 80 rows: at most 1.2 points are left, and 80 test rows "
            "show a prompt that wins them all with a chance of 3.2%: raise dataset.split.test, or "
            "bring harder rows",
        ),
        (
            *(80, 0, 5000),
            "baseline is right on all 80 validation rows, and no prompt can score higher: "
            "bring harder rows",
        ),
        (0, 0, 80, "no validation row has a grade: mend what kept them from one"),
        (40, 40, 80, ""),
        (79, 1, 200, ""),
        (76, 4, 80, ""),  # 5 points are left here, and by chance 12 may be in test
        (0, 80, 6, ""),
        (1, 499, 6, ""),
        (
            *(20, 20, 6),
            "baseline is right on 20 of 40 rows: at most 50.0 points are left, and 6 test rows "
            "show a prompt that wins them all with a chance of 2.2%: raise dataset.split.test, or "
            "bring harder rows",
        ),
        (19, 1, 80, ""),
    ],
)
def test_hopeless(right: int, wrong: int, test_rows: int, reason: str) -> None:
    found = room(right, wrong, test_rows)
    assert (found.hopeless, found.reason) == (bool(reason), reason)


def test_answers_that_change_all_the_time_are_hopeless_once_that_is_sure() -> None:
    sure, unsure = room(5, 5, 8, 30, 30), room(5, 5, 8, 1, 2)
    assert (sure.smallest, unsure.smallest) == (None, None)
    assert sure.reason == (
        "the same prompt asked twice changes so many grades that 8 test rows can show no gain: "
        "lower roles.target.temperature, or raise dataset.split.test"
    )
    assert not unsure.hopeless


def test_noise_and_its_share_of_the_score() -> None:
    found = room(60, 20, 80, 3, 30)
    assert (found.repeated, found.flipped) == (30, 3)
    assert found.noise == pytest.approx(0.1)
    assert found.noise_ci95 == pytest.approx((0.0211, 0.2653), abs=1e-4)
    assert found.noise_floor == pytest.approx(100 * (0.1 / 2 / 80) ** 0.5)
    assert found.smallest == pytest.approx((13 - 4) / 80)
    assert (found.winnable, found.winnable_share) == (20, 0.25)


def test_nothing_repeated_is_not_measured_and_not_zero() -> None:
    found = room(60, 20, 80)
    assert (found.noise, found.noise_floor, found.noise_ci95) == (None, None, (0.0, 1.0))
    assert found.smallest == pytest.approx(0.075)
    assert found.lines()[1] == "noise: not measured, no row was asked twice"


def test_rows_without_a_grade_count_nowhere() -> None:
    pairs = [(1.0, None), (None, 0.0), (None, None)]
    found = measure_headroom([None, *[1.0] * 30, *[0.0] * 10, None], [*pairs, (0.0, 1.0)], 50)
    assert (found.rows, found.winnable, found.repeated, found.flipped) == (40, 10, 1, 1)


def test_graded_values_are_won_in_part_and_any_change_is_a_flip() -> None:
    found = measure_headroom([0.5, 0.75, 1.0, 0.0], [(0.5, 0.75), (1.0, 1.0)], 50)
    assert (found.winnable, found.winnable_share, found.flipped) == (1.75, 0.4375, 1)
    assert found.noise_floor == pytest.approx(100 * (0.25**2 / 2 / 2 / 4) ** 0.5)
    whole = measure_headroom([1.0, 1.0, 1.0, 0.0], [(0.0, 1.0), (1.0, 1.0)], 50)
    assert whole.noise_floor == pytest.approx(100 * (1 / 2 / 2 / 4) ** 0.5)


def test_values_near_one_leave_every_row_to_be_won_in_part() -> None:
    """A gain of .1 on each of six rows without a loss is shown, as whole ones are."""
    found = measure_headroom([0.9] * 10, [], 50)
    assert found.winnable_share == pytest.approx(0.1)
    assert not found.hopeless
    assert found.chance == pytest.approx(room(0, 10, 50).chance)
    assert compare([(0.9, 1.0)] * 6).verdict == "better"


def test_small_changes_of_every_value_are_no_lost_rows() -> None:
    """Asked twice, each row of a likeness scores a little otherwise: small gains are hidden."""
    pairs = [(0.6, 0.62), (0.7, 0.69)] * 10
    found = measure_headroom([0.6, 0.7] * 20, pairs, 80)
    assert (found.flipped, found.noise) == (20, 1.0)
    assert found.smallest == pytest.approx(1.96 * (0.00025 / 80) ** 0.5, rel=1e-3)
    assert not found.hopeless
    wild = measure_headroom([0.99] * 40, [(0.0, 1.0), (0.98, 0.0)] * 10, 20)
    assert wild.hopeless
    assert wild.reason.startswith("the same prompt asked twice changes so many grades that 20 test")


@pytest.mark.parametrize("spread", [0.05, 0.3])
def test_the_smallest_gain_of_values_is_shown_every_second_time(spread: float) -> None:
    draw, rows = np.random.default_rng(3), 60
    noise = [(0.5, 0.5 + change) for change in draw.normal(0, spread, 400).clip(-0.5, 0.5)]
    found = measure_headroom([0.5] * 40, noise, rows)
    assert found.smallest is not None
    shown_of = []
    for gain in (0.3 * found.smallest, found.smallest, 1.6 * found.smallest):
        samples = draw.normal(gain, spread, (60, rows)).clip(-0.5, 0.5)
        verdicts = [compare([(0.5, 0.5 + one) for one in sample]).verdict for sample in samples]
        shown_of.append(verdicts.count("better") / len(verdicts))
    assert shown_of[0] < 0.25
    assert 0.3 < shown_of[1] < 0.7
    assert shown_of[2] > 0.75


def test_lines_for_a_person() -> None:
    assert room(60, 20, 80, 3, 30).lines() == [
        "baseline: right on 60 of 80 validation rows; 25.0 points are left to win",
        "noise: 3 of 30 rows asked twice changed their grade (10.0%, 95% interval 2.1% to 26.5%); "
        "from that alone the validation score varies by 2.5 points (standard deviation)",
        "test: 80 rows; the smallest gain that can be shown at .05 is 11.2 points, and a prompt "
        "that is right on every row is shown with a chance of 100%",
    ]
    assert room(40, 40, 5).lines()[2:] == [
        "test: 5 rows; no gain can be shown",
        "hopeless: test has 5 rows and no gain can be shown with fewer than 6: raise "
        "dataset.split.test",
    ]


def test_lines_on_values_between_right_and_wrong() -> None:
    still = measure_headroom([0.5] * 30, [(0.5, 0.5)] * 20, 50).lines()
    assert still[0] == "baseline: worth 15 of 30 validation rows; 50.0 points are left to win"
    assert still[2] == (
        "test: 50 rows; how small a gain it can show depends on how even it is; "
        "a prompt that is right on every row is shown with a chance of 100%"
    )
    moving = measure_headroom([0.5] * 30, [(0.5, 0.6)] * 20, 50).lines()
    assert moving[2].startswith("test: 50 rows; the noise hides gains below 2.8 points, and a ")


@pytest.mark.parametrize("found", [room(60, 20, 80, 3, 30), room(1, 1, 5), room(0, 0, 0)])
def test_json_and_back(found: Headroom) -> None:
    assert Headroom.from_json(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.parametrize("seed", range(40))
def test_figures_hang_together(seed: int) -> None:
    draw = np.random.default_rng(seed)
    rows, test_rows = int(draw.integers(1, 200)), int(draw.integers(0, 300))
    values = draw.random(rows) < draw.random()
    pairs = [(float(a), float(b)) for a, b in draw.random((30, 2)) < 0.8]
    found = measure_headroom([float(value) for value in values], pairs, test_rows)
    low, high = found.noise_ci95
    assert found.noise is not None
    assert low <= found.noise <= high
    assert 0 <= found.winnable_share <= 1
    assert 0 <= found.chance <= 1
    assert found.hopeless or found.chance >= 0.05
    assert found.hopeless == bool(found.reason)
    if found.smallest is not None:
        assert 6 / test_rows <= found.smallest <= 1
    assert (
        measure_headroom(reversed([float(v) for v in values]), reversed(pairs), test_rows) == found
    )


def test_noise_floor_is_the_spread_of_the_score_under_flips() -> None:
    draw = np.random.default_rng(11)
    chances = np.array([1.0] * 50 + [0.0] * 20 + [0.5] * 20 + [0.9] * 10)
    scores = (draw.random((4000, 100)) < chances).mean(axis=1)
    first, second = (draw.random((2, 300, 100)) < chances).astype(float)
    pairs = zip(first.ravel().tolist(), second.ravel().tolist(), strict=True)
    found = measure_headroom([1.0] * 100, pairs, 50)
    assert found.noise_floor == pytest.approx(100 * scores.std(), rel=0.05)


def share_shown(rows: int, wins: float, losses: float, draws: int = 300) -> float:
    drawn = np.random.default_rng(7).multinomial(rows, [wins, losses, 1 - wins - losses], draws)
    return sum(shown(int(won), int(lost)) for won, lost, _ in drawn) / draws


@pytest.mark.parametrize("rows", [60, 150, 400])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.2])
def test_the_smallest_gain_is_shown_every_second_time_and_more_is_mostly(
    rows: int, noise: float
) -> None:
    gain = smallest_gain(rows, noise)
    assert gain is not None
    assert share_shown(rows, gain + noise / 2, noise / 2) > 0.4
    assert share_shown(rows, 1.6 * gain + noise / 2, noise / 2) > 0.8
    assert share_shown(rows, 0.3 * gain + noise / 2, noise / 2) < 0.2


@pytest.mark.parametrize(
    ("wrong", "rows", "test_rows"),
    [(0.0125, 80, 80), (0.03, 150, 60), (0.01, 300, 100), (0.3, 40, 5), (0.005, 60, 300)],
)
def test_what_is_hopeless_is_hardly_ever_shown_even_without_an_error(
    wrong: float, rows: int, test_rows: int
) -> None:
    """Validation and test are drawn from one source; what ties on validation is not selected."""
    draw = np.random.default_rng(5)
    hopeless = proved = 0
    for missed in draw.binomial(rows, wrong, 400).tolist():
        if room(rows - missed, missed, test_rows).hopeless:
            hopeless += 1
            wins = int(draw.binomial(test_rows, wrong)) if missed else 0
            proved += shown(wins, 0)
    assert hopeless > 100
    assert proved / hopeless < 0.05


@pytest.mark.parametrize(("rows", "test_rows"), [(40, 40), (80, 80), (150, 60), (120, 6)])
def test_few_searches_are_called_hopeless_that_are_not(rows: int, test_rows: int) -> None:
    """Whatever the true share, exactly: called hopeless, and yet a perfect prompt is shown."""
    most = max(k for k in range(1, rows + 1) if room(rows - k, k, test_rows).hopeless)
    shares = np.linspace(0.001, 0.99, 500)
    called = special.bdtr(most, rows, shares) - special.bdtr(0, rows, shares)
    assert max(called * special.bdtrc(5, test_rows, shares)) < 0.05
