"""When a candidate is dropped on its way over the validation rows, and when it is accepted."""

from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest

from autoprompt_assets.engine.statistics import Gate, Pairs, compare, looks
from tests.benchmarks.racing import simulate

GATE = Gate()
SAMPLES = 1200
SIZES = (50, 80, 150, 300)
SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
CASES = list(product(SIZES, SHARES))


def seen(wins: int, losses: int, ties: int) -> Pairs:
    pairs = Pairs()
    for before, after, count in [(0.0, 1.0, wins), (1.0, 0.0, losses), (1.0, 1.0, ties)]:
        for _ in range(count):
            pairs.add(before, after)
    return pairs


def noise(share: float, samples: int = SAMPLES) -> float:
    """What a simulated share may exceed its true one by, but for one seed in a thousand."""
    return 3.1 * math.sqrt(share * (1 - share) / samples)


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 12, 50, 80, 150, 300, 10_000, 1_000_000])
def test_batches_are_few_grow_and_end_at_the_last_row(rows: int) -> None:
    ends = looks(rows)
    assert ends[-1] == rows
    assert all(before < after for before, after in pairwise(ends))
    assert all(after - before >= 0.2 * rows for before, after in [(0, *ends)[-2:]])
    assert len(ends) <= 30


def test_no_rows_have_no_batches() -> None:
    assert looks(0) == ()


@pytest.mark.parametrize(("total", "share"), CASES)
def test_a_candidate_five_points_worse_is_accepted_in_two_races_of_100(
    total: int, share: float
) -> None:
    figures = simulate(GATE, total, share, -0.05, SAMPLES)
    assert figures.accepted <= 0.02 + noise(0.02)
    assert figures.rows < 0.55


def test_a_gate_of_three_rows_accepts_a_prompt_five_points_worse_half_of_the_time() -> None:
    """What a race replaces: "not worse on a minibatch of three", and the stricter "better"."""
    drawn = np.random.default_rng(4).random((20_000, 3))
    difference = (drawn < 0.225).sum(axis=1) - (drawn > 0.725).sum(axis=1)
    assert np.mean(difference >= 0) > 0.5
    assert np.mean(difference > 0) > 0.25
    assert simulate(GATE, 80, 0.5, -0.05, SAMPLES).accepted < 0.02


@pytest.mark.parametrize(("total", "share"), CASES)
def test_an_equal_candidate_is_accepted_at_the_level_at_most_and_dropped_early(
    total: int, share: float
) -> None:
    figures = simulate(GATE, total, share, 0.0, SAMPLES)
    assert figures.accepted <= GATE.accept + noise(GATE.accept)
    assert figures.rows < (0.55 if total >= 150 else 0.7)


@pytest.mark.parametrize(("total", "share"), CASES)
def test_few_candidates_ten_points_better_are_lost_to_dropping(total: int, share: float) -> None:
    """The bound holds on the average over how many rows differ; here each share by itself."""
    figures = simulate(GATE, total, share, 0.1, SAMPLES)
    assert figures.lost <= GATE.lost * figures.full + noise(GATE.lost * figures.full)
    assert figures.lost <= 0.1
    assert figures.accepted + figures.lost == pytest.approx(figures.full)


@pytest.mark.parametrize(
    ("total", "share"), [(total, share) for total in SIZES for share in (0.2, 0.4)]
)
def test_a_candidate_20_points_better_is_hardly_ever_lost(total: int, share: float) -> None:
    assert simulate(GATE, total, share, 0.2, SAMPLES).lost <= 0.05 + noise(0.05)


@pytest.mark.parametrize("gate", [GATE, Gate(0.1, 0.05, 0.05), Gate(0.025, 0.2, 0.3)])
@pytest.mark.parametrize(("now", "total"), [(8, 10), (8, 50), (18, 300)])
def test_the_ratio_is_one_of_two_laws(gate: Gate, now: int, total: int) -> None:
    """Its mean under an equal candidate is 1: what makes `lost` a bound, by Wald's argument."""
    mean = 0.0
    for wins, losses in product(range(now + 1), repeat=2):
        ties = now - wins - losses
        if ties >= 0:
            ways = math.comb(now, wins) * math.comb(now - wins, losses)
            each = [(share / 2) ** (wins + losses) * (1 - share) ** ties for share in gate.shares]
            weight = ways * sum(each) / len(each)
            mean += weight * gate.ratio(seen(wins, losses, ties), total - now)
    assert mean == pytest.approx(1, abs=1e-9)


def test_nothing_is_dropped_before_a_row_or_after_the_last() -> None:
    assert GATE.drops(Pairs(), 50) == ""
    assert GATE.drops(seen(0, 20, 30), 50) == ""


def test_a_candidate_that_cannot_pass_any_more_is_dropped_and_told_so() -> None:
    reason = Gate(lost=0.0).drops(seen(0, 6, 34), 50)
    assert reason == (
        "better on 0 and worse on 6 of 40 rows: it cannot pass with the 10 rows that are left"
    )
    assert Gate(lost=0.0).drops(seen(0, 5, 20), 50) == ""


@pytest.mark.parametrize("total", [1, 3])
def test_too_few_rows_to_pass_are_not_asked(total: int) -> None:
    assert "cannot pass" in GATE.drops(Pairs(), total)
    assert GATE.drops(Pairs(), 4) == ""


def test_a_drop_says_what_speaks_against_the_candidate() -> None:
    reason = GATE.drops(seen(1, 6, 20), 80)
    assert reason.startswith("better on 1 and worse on 6 of 27 rows, 53 left: an equal candidate ")
    assert reason.endswith("times as often as one that is 0.1 better and passes")


def test_more_wins_never_drop_a_candidate_that_went_on() -> None:
    for losses in range(9):
        dropped = [bool(GATE.drops(seen(wins, losses, 18 - wins), 80)) for wins in range(19)]
        assert dropped == sorted(dropped, reverse=True)


def test_acceptance_is_the_exact_one_sided_test() -> None:
    assert GATE.accepts(seen(5, 0, 45)) == (
        True,
        "better on 5 and worse on 0 of 50 rows: one-sided p = 0.0312, at most 0.1",
    )
    assert GATE.accepts(seen(3, 0, 47))[0] is False
    assert "above" in GATE.accepts(seen(6, 4, 40))[1]
    assert GATE.accepts(Pairs())[0] is False


def test_rows_without_a_grade_are_seen_but_tell_nothing() -> None:
    pairs = seen(3, 2, 5)
    pairs.add(None, 1.0)
    pairs.add(0.0, None)
    assert (pairs.seen, pairs.rows) == (12, 10)
    assert GATE.ratio(pairs, 40) == GATE.ratio(seen(3, 2, 5), 40)


def raced(differences: list[float]) -> tuple[bool, bool, int]:
    """Accepted by the test alone, dropped on the way, rows asked."""
    pairs, dropped, asked = Pairs(), False, 0
    ends = set(looks(len(differences)))
    for row, difference in enumerate(differences, 1):
        pairs.add(0.0, difference)
        if row in ends and not dropped:
            asked, dropped = row, bool(GATE.drops(pairs, len(differences)))
    return GATE.accepts(pairs)[0], dropped, asked


@pytest.mark.parametrize(
    ("spread", "total"),
    [
        (0.2, 50),
        (0.4, 150),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in ((0.2, 150), (0.4, 50))),
    ],
)
def test_graded_values_keep_the_rates(spread: float, total: int) -> None:
    generator = np.random.default_rng(9)
    rates = {}
    for difference in (-0.05, 0.0, 0.1):
        drawn = generator.normal(difference, spread, (300, total)).clip(-1, 1)
        full, dropped, asked = np.array([raced(row) for row in drawn.tolist()]).T
        lost, accepted = np.mean(full * dropped), np.mean(full * (1 - dropped))
        rates[difference] = (accepted, lost, np.mean(full), np.mean(asked) / total)
    assert rates[-0.05][0] <= 0.02 + noise(0.02, 300)
    assert rates[0.0][0] <= GATE.accept + noise(GATE.accept, 300)
    assert rates[0.1][1] <= GATE.lost * rates[0.1][2] + noise(0.05, 300)
    assert rates[-0.05][3] < 0.55


def test_gate_and_verdict_use_one_test() -> None:
    for values in ([0.2, 0.3, -0.1, 0.4, 0.5, 0.1, 0.7], [1.0] * 6 + [-1.0] + [0.0] * 9):
        pairs = Pairs()
        for value in values:
            pairs.add(0.0, value)
        assert 2 * pairs.p_better() == pytest.approx(compare([(0.0, v) for v in values]).p_value)
