"""Rate limits: the limiter against simulated servers, in virtual time (see `limiter_support`).

`used` is the number of accepted calls over what the server allows, R times the run's seconds, from
the first call on, ramp included; a bucket that is full at the start can push it above 1. `refused`
is refusals over all attempts. A refusal comes after 20 ms, as a gateway's does.
"""

from __future__ import annotations

import pytest

from autoprompt_assets.resources.endpoints.learned import Learned
from tests.limiter_support import BUCKETS, KINDS, Bucket, Faulty, Run, ask_for


# The busiest servers, twelve times the calls of the slowest, are simulated with the slow tests.
@pytest.mark.parametrize("header", ["fraction", "none"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rate", "latency", "seconds"),
    [
        (5, 0.2, 120),
        (20, 0.2, 80),
        pytest.param(50, 0.05, 120, marks=pytest.mark.slow),
        pytest.param(60, 0.05, 80, marks=pytest.mark.slow),
    ],
)
def test_a_rate_limit_is_used_and_hardly_hit(
    kind: str, header: str, rate: int, latency: float, seconds: float
) -> None:
    """A slow server may refuse fifteen calls while it is learned."""
    run = Run(KINDS[kind](rate), latency, header, seconds=seconds)
    assert run.used >= 0.9
    assert run.refused <= 0.02 or len(run.refusals) <= 15
    assert run.highest <= run.most


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("rate", "latency"),
    [(5, 0.2), (20, 0.2), pytest.param(50, 0.05, marks=pytest.mark.slow)],
)
def test_a_pause_of_whole_seconds_is_hardly_incurred(kind: str, rate: int, latency: float) -> None:
    """Each refusal costs a second here, while it learns too: a bucket of one gives no such second
    back, and reaches its share later."""
    run = Run(KINDS[kind](rate), latency, "whole", seconds=120)
    assert run.per_second(60 if kind == "one" else 0, 120) >= 0.9 * rate
    assert run.refused <= 0.02


@pytest.mark.parametrize(
    ("kind", "header"),
    [("few", "none"), pytest.param("second", "zero", marks=pytest.mark.slow)],
)
def test_a_high_rate_is_used_within_half_a_minute(kind: str, header: str) -> None:
    run = Run(KINDS[kind](500), 0.05, header, seconds=30)
    assert run.used >= 0.9
    assert run.refused <= 0.02


@pytest.mark.parametrize("kind", KINDS)
def test_slow_answers_only_make_the_ramp_longer(kind: str) -> None:
    """Six round trips of two seconds pass before forty calls are in flight."""
    run = Run(KINDS[kind](20), 2.0, seconds=120)
    assert run.per_second(20, 120) >= 0.9 * 20
    assert run.refused <= 0.02


@pytest.mark.parametrize(("kind", "header"), [("few", "none"), ("second", "whole")])
@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_changed_rate_is_found_again(kind: str, header: str, factor: float) -> None:
    run = Run(BUCKETS[kind](20), 0.2, header, seconds=190, changes=(40.0, 20 * factor))
    assert run.per_second(160, 190) >= 0.9 * 20 * factor
    assert run.refused <= 0.02


@pytest.mark.parametrize("share", [0.02, 0.05])
@pytest.mark.parametrize(
    ("latency", "most", "header"), [(0.01, 10, 0.0), (0.2, 10, None), (0.1, 64, 0.0)]
)
def test_refusals_at_random_do_not_slow_the_calls(
    share: float, latency: float, most: int, header: float | None
) -> None:
    server = Faulty(share, latency, most, header=header)
    server.seconds(int(most / latency * 12))
    assert server.per_second(8, 11) >= 0.85 * most / latency


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("share", [0.02, 0.05])
def test_faults_of_every_kind_at_random_do_not_slow_the_calls(share: float, seed: int) -> None:
    faults = ("429", "hang", "500", "reset", "malformed")
    assert Faulty(share, 0.01, 10, faults, 0.0, seed).seconds(1700) <= 25


@pytest.mark.parametrize(
    ("kind", "rate", "allowed"),
    [("one", 20, 10), ("second", 20, 22), ("second", 200, 70), ("calendar", 200, 110)],
)
def test_the_ramp_costs_few_refusals(kind: str, rate: int, allowed: int) -> None:
    """When it doubled, and cut blindly, they were 10, 24, 88 and 216."""
    run = Run(KINDS[kind](rate), most=100, seconds=30)
    assert len(run.refusals) <= allowed


def learned(run: Run, age_s: float = 0.0) -> Learned:
    """What a run ended with, after so long."""
    assert run.limiter.learned is not None
    found = Learned.recalled(run.limiter.learned.model_dump_json(), age_s)
    assert found is not None
    return found


@pytest.mark.parametrize("kind", BUCKETS)
def test_a_known_rate_is_begun_with(kind: str) -> None:
    before = learned(Run(BUCKETS[kind](50), 0.2, seconds=60))
    run = Run(BUCKETS[kind](50), 0.2, seconds=30, learned=before)
    assert before.limited
    assert run.per_second(1, 10) >= 0.8 * 50
    assert len(run.refusals) <= 6


@pytest.mark.parametrize("before", [40.0, 1e6])
def test_a_server_that_has_become_strict_is_backed_off_from_at_once(before: float) -> None:
    """Those that had started by the first refusal are lost, and few more."""
    known = learned(Run(Bucket(before, before), 0.2, most=100, seconds=10))
    run = Run(Bucket(10, 10), 0.2, most=100, seconds=60, learned=known)
    after = [at for at in run.refusals if at > run.refusals[0] + 0.02]
    assert len(after) <= 15
    assert run.per_second(30, 60) >= 0.9 * 10


def test_a_rate_that_was_known_is_found_again_where_it_has_risen() -> None:
    before = learned(Run(Bucket(20, 20), 0.2, seconds=60), age_s=11 * 60)
    run = Run(Bucket(200, 200), 0.2, seconds=30, learned=before)
    assert run.per_second(5, 30) >= 0.9 * 200


def test_a_rate_is_as_it_was_known_for_ten_minutes_and_believed_less_with_each_day() -> None:
    limited = learned(Run(Bucket(20, 20), 0.2, seconds=60))
    free = learned(Run(Bucket(1e6, 1e6), 0.2, most=100, seconds=10))
    day = 24 * 3600.0
    assert not free.limited
    ages = [Learned.recalled(free.model_dump_json(), days * day) for days in (0, 1, 3)]
    windows = [found.window for found in ages if found is not None]
    assert windows == [100, 16 + 84 // 2, 26]
    assert Learned.recalled(free.model_dump_json(), 31 * day) is None
    young = Learned.recalled(limited.model_dump_json(), 9 * 60)
    assert young is not None
    assert (young.rate, young.limited) == (limited.rate, True)
    old = Learned.recalled(limited.model_dump_json(), day)
    assert old is not None
    assert (old.rate, old.limited) == (limited.rate, False)


def test_a_run_of_few_calls_at_once_forgets_nothing_of_a_wide_one() -> None:
    wide = learned(Run(Bucket(1e6, 1e6), 0.2, most=100, seconds=10))
    narrow = Run(Bucket(1e6, 1e6), 0.2, most=4, seconds=10, learned=wide)
    assert narrow.highest == 4
    kept = learned(narrow)
    assert kept.window == wide.window == 100
    assert kept.rate == pytest.approx(wide.rate, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("burst", [5, 200])
def test_a_real_server_is_used_at_its_rate(burst: int) -> None:
    accepted, refused = ask_for(Bucket(200, burst), seconds=20.0)
    assert accepted >= 0.9 * 200 * 20
    assert refused <= 0.02 * (accepted + refused)
