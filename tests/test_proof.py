"""The proof benchmark's arithmetic, and that a suite that was killed goes on where it was."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from tests.benchmarks.proof import embedded, jobs, ours, suite, tables
from tests.benchmarks.proof.curves import (
    Bootstrap,
    Curve,
    estimate,
    grid_of,
    reached,
    sampled,
)
from tests.benchmarks.proof.jobs import METHODS, Job, Lines, run_all
from tests.benchmarks.proof.ours import Task, run
from tests.benchmarks.proof.peers import MOST_CANDIDATES, mipro_sizes
from tests.benchmarks.simulated.server import simulating

STEPS = Curve((0, 10, 30), (0.4, 0.6, 0.9))
JOB = Job("demos", "shown", 0, 60, (12, 15, 20))


def test_a_curve_is_worth_what_its_last_step_was() -> None:
    assert [STEPS.at(calls) for calls in (0, 9, 10, 29, 1000)] == [0.4, 0.4, 0.6, 0.6, 0.9]


def test_the_area_is_the_mean_score_over_the_calls() -> None:
    assert STEPS.area(40) == pytest.approx((10 * 0.4 + 20 * 0.6 + 10 * 0.9) / 40)
    assert STEPS.area(20) == pytest.approx((10 * 0.4 + 10 * 0.6) / 20), "later steps do not count"
    assert Curve((0,), (0.5,)).area(7) == pytest.approx(0.5)


def test_shares_say_how_much_of_the_possible_gain_is_there() -> None:
    assert STEPS.shares(1.4).scores == pytest.approx((0.0, 0.2, 0.5))


def test_the_calls_to_a_goal_are_the_fewest_at_which_the_mean_is_there() -> None:
    curves = [STEPS, Curve((0, 20), (0.4, 0.8))]
    grid = grid_of(curves, 25)
    assert grid == [0, 10, 20, 25], "a step beyond the budget is none"
    means = np.repeat(sampled(curves, grid).mean(axis=0)[None], 3, axis=0)
    found = reached(means, np.array([0.5, 0.7, 0.8]), grid)
    assert found.tolist() == [10, 20, math.inf]


def test_the_interval_holds_the_mean_and_weighs_tasks_alike() -> None:
    units = [("a", 0), ("a", 1), ("a", 2), ("b", 0)]
    found = Bootstrap(units).mean([0.0, 0.3, 0.6, 1.0])
    assert found.value == pytest.approx((0.3 + 1.0) / 2)
    assert 0.5 <= found.low < found.value < found.high <= 0.8


def test_an_infinite_figure_keeps_an_interval() -> None:
    values = np.array([100.0] + [100.0] * 1500 + [math.inf] * 500)
    found = estimate(values)
    assert (found.value, found.low, found.high) == (100, 100, math.inf)
    assert tables.calls_shown(found, 3000) == "100 [100, > 3,000]"


def test_the_ratio_of_calls_compares_the_same_true_score() -> None:
    runs = {
        ("opro-full", ("t", 0)): Curve((0, 300, 900), (0.4, 0.5, 0.6)),
        ("auto", ("t", 0)): Curve((0, 100, 300, 500), (0.4, 0.55, 0.65, 0.8)),
    }
    results = tables.Results.of(runs, lambda unit: 0.9, 1000)
    lines = tables.speed(results, "speed").splitlines()
    found = next(line for line in lines if "t: all" in line)
    assert [cell.strip() for cell in found.split("|")[2:5]] == ["900", "300", "0.33"]


def test_units_that_a_method_lacks_are_left_out_for_all() -> None:
    runs = {(name, ("t", seed)): STEPS for name in ("auto", "demos") for seed in (0, 1)}
    runs["auto", ("t", 2)] = STEPS
    assert tables.Results.of(runs, lambda unit: 1.0, 40).units == [("t", 0), ("t", 1)]


def test_a_search_of_ours_gives_a_curve() -> None:
    task = Task(JOB.task, JOB.seed, *JOB.splits)
    with simulating() as server:
        url = server.base_url(task.name, task.seed)
        curve = run(task, url, METHODS["demos"].settings, JOB.budget)
        ledger = server.ledger(url)
    assert curve.calls[0] == 0
    assert curve.first == task.landscape.true_score(task.landscape.first_prompt)
    assert curve.spent >= JOB.budget
    assert curve.verdict in ("better", "worse", "not shown")
    assert set(ledger) == {"sim-target"}, "demos ask no optimizer model"


def test_a_killed_suite_goes_on_after_the_lines_it_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "lines.jsonl"
    Lines(path).add(JOB, STEPS)
    with path.open("a") as file:
        file.write('{"key": "torn')
    again = Lines(path)
    assert again.get(JOB) == STEPS
    assert list(run_all([JOB], again, 1)) == [], "what is kept is not run again"
    other = Job("gepa", "shown", 0, 60, (12, 15, 20))
    again.add(other, STEPS)
    assert Lines(path).get(other) == STEPS, "a torn line does not spoil the next"
    monkeypatch.setattr(jobs, "code_hash", lambda patterns: "changed")
    assert Lines(path).get(JOB) is None
    assert Lines(path).get(JOB, any_code=True) == STEPS


def test_mipro_gets_trials_for_its_budget() -> None:
    candidates, trials, minibatch = mipro_sizes(3000, 100)
    assert (candidates, minibatch) == (MOST_CANDIDATES, True)
    assert 50 <= trials <= 70
    assert mipro_sizes(100, 30)[2] is False, "a minibatch would be larger than its validation"


@pytest.mark.parametrize("name", embedded.TASKS)
def test_embedded_tasks_are_balanced_and_share_no_input(name: str) -> None:
    rows = embedded.Task(name, 3).rows()
    inputs = [row.inputs for part in rows.values() for row in part]
    assert len(set(inputs)) == len(inputs) == 200
    targets = [row.target for row in rows["validation"]]
    assert set(targets) == set(embedded.kind(name).choices)
    assert max(map(targets.count, set(targets))) <= len(targets) / 2


@pytest.mark.parametrize("name", [name for name in METHODS if name not in jobs.PEERS])
def test_every_strategy_of_ours_is_an_experiment_that_could_be_written(name: str) -> None:
    settings = METHODS[name].settings
    for task in (Task("warm", 0), Task("effortful", 100)):
        spec = ours.spec_of(task, "http://127.0.0.1:1/v1", settings)
        assert spec.optimizer.strategy == settings["strategy"]
        assert (spec.roles.optimizer is None) == (name == "demos")
        assert bool(getattr(spec.optimizer, "wordings", ())) == (name == "demos"), "a fair start"
    if name in suite.ALONE:
        embedded.spec_of(embedded.Task("topic", 0), settings)
