"""No call outlives its deadline, and an endpoint that does not answer ends the run."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.llm import Completion, Request, failures
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.llm import LLMResource
from tests.engine_support import unkept
from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, KEY, toy_project
from tests.test_chat import scripted
from tests.webserver import wait_for

Answer = Completion | BaseException


def spec_of(url: str, concurrency: int = 64, **role: Any) -> ExperimentSpec:
    """Target and review at one endpoint."""
    target = {"endpoint": "here", "prompt": "Sort it.", **role}
    review = {**target, "prompt": "Right? {response}"}
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "x.csv"},
            "endpoints": {"here": {"base_url": url, "model": "m"}},
            "roles": {"target": target, "review": review},
            "grader": {"kind": "model"},
            "optimizer": {"strategy": "demos"},
            "concurrency": concurrency,
        }
    )


def ask(spec: ExperimentSpec, questions: int) -> tuple[list[Answer], float]:
    """What each of as many calls of both roles ended with, and the seconds that all took."""
    resource = LLMResource()
    models = resource.models(spec)
    assert models.review is not None

    def requests() -> list[Request]:
        return [
            role.request(({"role": "user", "content": f"{role.role} {number}"},))
            for number in range(questions)
            for role in (models.target, models.review)
            if role is not None
        ]

    async def go() -> list[Answer]:
        async with resource.connect(spec) as client:
            calls = (client.complete(one, unkept) for one in requests())
            return await asyncio.gather(*calls, return_exceptions=True)

    started = time.monotonic()
    return asyncio.run(go()), time.monotonic() - started


@pytest.mark.parametrize("concurrency", [1, 3, 20])
def test_roles_share_what_an_endpoint_may_have_in_flight(concurrency: int) -> None:
    with LoopbackServer(Behaviour(delay=0.01)) as server:
        answers, _ = ask(spec_of(server.base_url, concurrency), 60)
        assert all(isinstance(answer, Completion) for answer in answers)
        assert 1 <= server.peak_in_flight <= concurrency
        assert len(server.ledger) == 120


def test_an_endpoint_s_own_limit_stands_below_the_experiment_s() -> None:
    with LoopbackServer(Behaviour(delay=0.01)) as server:
        spec = spec_of(server.base_url, 20)
        limits = {"concurrency": 3, "requests_per_minute": 6000}
        here = spec.endpoints["here"].model_copy(update=limits)
        began = time.monotonic()
        ask(spec.model_copy(update={"endpoints": {"here": here}}), 25)
        assert 1 <= server.peak_in_flight <= 3
        assert time.monotonic() - began >= 49 / 100


def test_a_fault_that_does_not_pass_ends_at_the_deadline() -> None:
    with LoopbackServer(Behaviour(only_status=500)) as server:
        answers, took = ask(spec_of(server.base_url, deadline=0.8), 2)
    assert all(isinstance(answer, failures.ServerFailed) for answer in answers)
    assert took < 4


def test_a_last_attempt_that_the_deadline_cuts_short_does_not_hide_the_fault() -> None:
    with LoopbackServer(Behaviour(only_status=500, delay=0.3)) as server:
        answers, _ = ask(spec_of(server.base_url, deadline=0.5), 1)
    assert [str(answer).partition(";")[0] for answer in answers] == [
        "here: HTTP 500: simulated 500"
    ] * 2


def test_a_server_that_only_refuses_counts_as_down(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, only_status=429)) as server:
        project = toy_project(tmp_path, server.base_url)
        result = project.run("run", "toy", "--set", "roles.target.deadline=0.5", timeout=60)
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith("baseline_score: openai: HTTP 429: simulated 429; 3 calls in a row")


def test_a_wait_that_is_longer_than_the_deadline_ends_the_run(tmp_path: Path) -> None:
    with scripted((429, "{}", {"retry-after": "86400"})) as (url, sent):
        project = toy_project(tmp_path, url)
        result = project.run("run", "toy", "--set", "roles.target.deadline=600", timeout=30)
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert "it asks to wait 86400 s, longer than the deadline of roles.target, 600 s" in line
    assert len(sent) <= 4


def test_a_server_that_never_answers_counts_as_down() -> None:
    with LoopbackServer(Behaviour(hang=True)) as server:
        answers, took = ask(spec_of(server.base_url, timeout=0.1, deadline=0.4), 10)
        assert took < 15
        wait_for(lambda: server.in_flight == 0, 2, every_s=0.01)
    ends = [answer for answer in answers if isinstance(answer, failures.EndpointDown)]
    assert all(end.fatal and str(end).startswith("here: no answer within ") for end in ends)
    said = "; 3 calls in a row were given up, and none was answered in between"
    assert sum(said in str(end) for end in ends) == 1


def test_a_call_that_times_out_among_answers_is_only_that_call_s_failure() -> None:
    question = {"role": "user", "content": "target 3"}
    with LoopbackServer(Behaviour()) as server:
        server.slow = lambda body: question in body["messages"]
        answers, took = ask(spec_of(server.base_url, timeout=0.2, deadline=1), 10)
    failed = [answer for answer in answers if not isinstance(answer, Completion)]
    assert [type(answer) for answer in failed] == [failures.CallTimedOut]
    assert took < 4


def test_a_run_against_a_hung_server_fails_with_the_reason_and_the_count(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, hang=True)) as server:
        project = toy_project(tmp_path, server.base_url)
        settings = ("--set", "roles.target.timeout=0.1", "--set", "roles.target.deadline=0.4")
        result = project.run("run", "toy", *settings)
    assert result.returncode == 1
    line = result.stderr.splitlines()[-1]
    assert line.startswith("baseline_score: openai: no answer within ")
    assert "3 calls in a row were given up" in line
    assert KEY not in result.stderr


@pytest.mark.slow
def test_a_wrong_key_stops_the_run_at_the_first_calls(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, unauthorized=True, delay=0.05)) as server:
        project = toy_project(tmp_path, server.base_url)
        result = project.run("run", "toy", "--set", "concurrency=100")
        assert len(server.ledger) <= 4
    assert result.returncode == 1
    assert "openai: HTTP 401: not authorized; check OPENAI_API_KEY" in result.stderr


def test_a_key_that_is_withdrawn_in_mid_run_ends_it_in_one_line(tmp_path: Path) -> None:
    """Several calls are refused at once, and nobody waits any more for all but the first."""
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.02)) as server:
        project = toy_project(tmp_path, server.base_url)
        running = project.start("run", "toy", "--set", "concurrency=16")
        while len(server.ledger) < 20:
            assert running.poll() is None, running.communicate()[1]
            time.sleep(0.002)
        server.behaviour = Behaviour(answers=ANSWERS, unauthorized=True, delay=0.02)
        out, err = running.communicate(timeout=60)
    assert (running.returncode, out) == (1, "")
    assert err.splitlines()[-1].endswith("HTTP 401: not authorized; check OPENAI_API_KEY")
    assert "never retrieved" not in err
    assert "Traceback" not in err
