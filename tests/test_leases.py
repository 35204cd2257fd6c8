"""Processes that ask one endpoint keep its limits together, on a real PostgreSQL server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from autoprompt_assets.engine.journal.leases import LEASE_S
from tests.asking import Watched, asking
from tests.loopback import Behaviour, LoopbackServer
from tests.postgres_support import PostgreSQL, postgresql
from tests.support import ANSWERS, ended, toy_project, without_calls
from tests.webserver import wait_for as wait_seldom

pytestmark = pytest.mark.slow

MOST = 8
RENEWED_S = 4.0
"""A renewal of each, and the calls that were in flight."""


def wait_for(condition: Callable[[], object], limit_s: float) -> None:
    wait_seldom(lambda: bool(condition()), limit_s, every_s=0.01)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


@pytest.fixture
def url(server: PostgreSQL) -> str:
    return server.database()


def test_calls_at_once_are_divided_and_taken_over(url: str, server: PostgreSQL) -> None:
    with Watched(0.1) as model, asking(model.base_url, url, "a", MOST) as first:
        wait_for(lambda: model.now["a"] == MOST, 30)
        with asking(model.base_url, url, "b", MOST) as second:
            wait_for(lambda: model.now["b"] == MOST // 2, 30)
            wait_for(lambda: model.now["a"] == MOST // 2, 30)
            second.kill()
            wait_for(lambda: model.now["a"] == MOST, LEASE_S + RENEWED_S)
        with asking(model.base_url, url, "c", MOST) as third:
            wait_for(lambda: model.now["c"] == MOST // 2, 30)
            third.end()
            wait_for(lambda: model.now["a"] == MOST, RENEWED_S)
        assert first.end() == ""
        assert model.peak_in_flight == MOST
    assert server.execute("SELECT count(*) FROM endpoint_leases", url) == [(0,)]


def test_an_endpoint_s_own_limit_holds_for_all_who_ask_it(url: str) -> None:
    with (
        Watched(0.1) as model,
        asking(model.base_url, url, "a", 64, concurrency=MOST),
        asking(model.base_url, url, "b", 64),
    ):
        wait_for(lambda: model.now["a"] == model.now["b"] == MOST // 2, 30)
        time.sleep(2)
        assert model.peak_in_flight <= 64
        model.peak_in_flight = 0
        time.sleep(2)
        assert model.peak_in_flight == MOST


def test_starts_per_minute_hold_for_all_who_ask(url: str) -> None:
    limit = {"requests_per_minute": 1200}
    with (
        Watched(0.05) as model,
        asking(model.base_url, url, "a", 64, **limit),
        asking(model.base_url, url, "b", 64, **limit) as second,
    ):
        wait_for(lambda: model.count(0, "a") > 0 and model.count(0, "b") > 0, 30)
        time.sleep(RENEWED_S)
        began = time.monotonic()
        time.sleep(5)
        assert abs(model.count(began, "a") - model.count(began, "b")) < 20
        assert 50 < model.count(began) <= 100
        second.kill()
        time.sleep(LEASE_S + RENEWED_S)
        began = time.monotonic()
        time.sleep(3)
        assert 30 < model.count(began, "a") <= 60, "half is what it had beside the other"
        assert model.busiest(0) <= 22


def test_a_rate_that_refusals_have_shown_is_divided_and_taken_over(
    url: str, server: PostgreSQL
) -> None:
    with Watched(0.05, rate=40) as model, asking(model.base_url, url, "a", 64) as first:
        wait_for(lambda: len(model.starts) > 300, 60)
        with asking(model.base_url, url, "b", 64) as second:
            wait_for(lambda: model.count(0, "b") > 0, 30)
            time.sleep(RENEWED_S)
            began = time.monotonic()
            time.sleep(10)
            assert model.count(began) > 0.5 * 400
            assert 0.5 < model.count(began, "a") / model.count(began, "b") < 2
            assert sum(at >= began for at in model.refusals) < 0.1 * model.count(began)
            second.kill()
        time.sleep(LEASE_S + RENEWED_S)
        began = time.monotonic()
        time.sleep(5)
        assert model.count(began, "a") > 0.55 * 200, "half is what it had beside the other"
        first.end()
    [(rate,)] = server.execute("SELECT (record::json->>'rate')::float FROM endpoint_limits", url)
    assert 22 < rate < 45


def test_the_database_is_not_visited_per_call(url: str, server: PostgreSQL) -> None:
    name = url.rsplit("/", 1)[1]
    server.execute(f"ALTER DATABASE {name} SET log_statement = 'all'")
    statements = {}
    for delay in (2.0, 0.01):
        with Watched(delay) as model, asking(model.base_url, url, "a", 16) as only:
            wait_for(partial(model.count, 0), 30)
            before = server.log().count("LOG:  ")
            time.sleep(5)
            statements[len(model.starts)] = server.log().count("LOG:  ") - before
            only.end()
    few, many = sorted(statements)
    assert many > 10 * few
    assert statements[many] <= statements[few] + 10
    assert statements[few] < 60


def test_while_the_database_is_away_each_keeps_its_share_and_says_so_once(
    url: str, server: PostgreSQL
) -> None:
    with (
        Watched(0.1) as model,
        asking(model.base_url, url, "a", MOST) as first,
        asking(model.base_url, url, "b", MOST) as second,
    ):
        wait_for(lambda: model.now["a"] == model.now["b"] == MOST // 2, 30)
        time.sleep(RENEWED_S)
        server.stop()
        time.sleep(LEASE_S + RENEWED_S)
        began = time.monotonic()
        wait_for(lambda: model.now["a"] == model.now["b"] == MOST // 2, 30)
        server.start()
        time.sleep(RENEWED_S)
        second.end()
        wait_for(lambda: model.now["a"] == MOST, RENEWED_S)
        assert model.count(began, "a") > model.count(began, "b") > 0
        assert model.peak_in_flight == MOST
        said = first.end()
    assert said.count("\n") == 1, said
    assert "this process goes on with the share" in said


def test_two_experiments_at_once_keep_one_limit_and_their_paths(url: str, tmp_path: Path) -> None:
    settings = [("--set", "optimizer.iterations=1"), ("--set", "optimizer.iterations=2")]
    with LoopbackServer(Behaviour(answers=ANSWERS)) as model:
        alone = toy_project(tmp_path / "alone", model.base_url)
        expected = [alone.run_json("toy", *one) for one in settings]
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.1)) as model:
        shared = toy_project(tmp_path / "shared", model.base_url, AUTOPROMPT_JOURNAL=url)
        runs = [shared.start("run", "--json", "toy", *one) for one in settings]
        results = [ended(run, 240) for run in runs]
        assert [one.returncode for one in results] == [0, 0], results
        assert 1 < model.peak_in_flight <= 4
    for one, found in zip(expected, results, strict=True):
        assert decided(json.loads(found.stdout)) == decided(one)


def decided(outcome: dict[str, object]) -> dict[str, object]:
    """Without what belongs to a home, or to who was first."""
    own = {"best_request", "report", "search", "comparison"}
    return {key: value for key, value in without_calls(outcome).items() if key not in own}
