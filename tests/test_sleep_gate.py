"""The gate before vLLM: it sleeps when nobody asks, and no request ever meets it asleep."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.loopback import Behaviour
from tests.sleeping_vllm import BODY, GATE, Client, SleepingVllm, gated
from tests.support import ANSWERS, KEY, TOY, Project, csv_of
from tests.webserver import wait_for

STREAM = {**BODY, "stream": True}
ONE_REPLICA_GONE = "http://127.0.0.1:9"


@pytest.fixture
def engine() -> Iterator[SleepingVllm]:
    with SleepingVllm() as engine:
        yield engine
        # What must hold whatever a test does.
        assert engine.told["hung"] == 0
        assert engine.told["aborted"] == 0


def test_it_sleeps_when_idle_and_a_request_wakes_it(engine: SleepingVllm, tmp_path: Path) -> None:
    with gated(tmp_path, engine.address, idle=0.2) as client:
        for times in (1, 2):
            wait_for(lambda: engine.asleep, 20, 0.02)
            status, _, body = client.ask()
            assert (status, body["object"]) == (200, "chat.completion")
            assert engine.count("/wake_up") == times
        assert "asleep" in client.said()
        assert KEY not in client.said()


def test_many_requests_at_once_wake_it_once(engine: SleepingVllm, tmp_path: Path) -> None:
    engine.wake_s = 0.3
    with gated(tmp_path, engine.address, idle=0.2) as client:
        wait_for(lambda: engine.asleep, 20, 0.02)
        with ThreadPoolExecutor(40) as pool:
            statuses = [status for status, _, _ in pool.map(lambda _: client.ask(), range(40))]
        assert statuses == [200] * 40
        assert engine.count("/wake_up") == 1


def test_work_under_way_keeps_it_awake(engine: SleepingVllm, tmp_path: Path) -> None:
    engine.answer_s = 1.0
    with gated(tmp_path, engine.address, idle=0.2) as client:
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps(STREAM))
        before = engine.count("/sleep")
        said = connection.getresponse().read()
        assert said == b"".join(b"data: %d\n\n" % number for number in range(4))
        # Not one during the answer, which took five times the idle time.
        assert engine.count("/sleep") == before
        wait_for(lambda: engine.asleep, 20, 0.02)


def test_who_comes_while_it_falls_asleep_waits_and_wakes_it(
    engine: SleepingVllm, tmp_path: Path
) -> None:
    engine.sleep_s = 0.5
    with gated(tmp_path, engine.address, idle=0.2) as client:
        wait_for(lambda: engine.falling, 20, 0.01)
        assert client.ask()[0] == 200
        told = [path for _, path in engine.asked if path != "/is_sleeping"]
        assert told == ["/sleep", "/wake_up", "/v1/chat/completions"]


def test_looking_at_it_does_not_wake_it(engine: SleepingVllm, tmp_path: Path) -> None:
    with gated(tmp_path, engine.address, idle=0.2) as client:
        wait_for(lambda: engine.asleep, 20, 0.02)
        for path in ("/health", "/version", "/metrics", "/v1/models"):
            assert client.ask(path, method="GET")[2] == {"path": path}
        assert engine.asleep


@pytest.mark.parametrize("way", ["status", "still"])
def test_what_does_not_wake_up_is_503_and_tried_again(
    engine: SleepingVllm, tmp_path: Path, way: str
) -> None:
    engine.failing = way
    with gated(tmp_path, engine.address, idle=0.2) as client:
        wait_for(lambda: engine.asleep, 20, 0.02)
        status, headers, body = client.ask()
        assert (status, headers["Retry-After"]) == (503, "5")
        assert body["error"].keys() == {"message", "type", "param", "code"}
        assert body["error"]["type"] == "server_error"
        engine.failing = ""
        assert client.ask()[0] == 200


@pytest.mark.slow
def test_waking_that_takes_too_long_is_503(engine: SleepingVllm, tmp_path: Path) -> None:
    engine.wake_s = 60
    with gated(tmp_path, engine.address, idle=0.2, WAKE_SECONDS="0.5") as client:
        wait_for(lambda: engine.asleep, 20, 0.02)
        status, _, body = client.ask()
        assert (status, body["error"]["message"]) == (503, "the engine did not answer in time")


def test_an_engine_that_is_not_there_is_503(tmp_path: Path) -> None:
    with gated(tmp_path, ONE_REPLICA_GONE) as client:
        for method, path in (("POST", "/v1/completions"), ("GET", "/health")):
            status, headers, body = client.ask(path, method=method)
            assert (status, headers["Retry-After"]) == (503, "5")
            assert body["error"]["message"] == "the engine cannot be reached"


@pytest.mark.slow
def test_an_experiment_runs_through_a_gate_whose_engine_first_does_not_wake(
    engine: SleepingVllm, tmp_path: Path
) -> None:
    engine.behaviour = Behaviour(answers=ANSWERS)
    engine.failing = "status"
    project = Project(tmp_path / "project")
    project.add("toy", TOY, rows_csv=csv_of(ANSWERS))
    with gated(tmp_path, engine.address, idle=0.2) as client:
        project.environ |= {"VLLM_BASE_URL": f"{client.address}/v1", "VLLM_API_KEY": KEY}
        project.environ["AUTOPROMPT_ENDPOINT"] = "vllm"
        wait_for(lambda: engine.asleep, 20, 0.02)
        program = project.start("run", "toy")
        wait_for(lambda: engine.count("/wake_up") > 1, 60, 0.05)
        engine.failing = ""
        said, errors = program.communicate(timeout=120)
        assert program.returncode == 0, said + errors
        assert "verdict" in said
        assert KEY not in client.said()


def test_a_client_that_goes_away_is_ended_at_the_engine_too(
    engine: SleepingVllm, tmp_path: Path
) -> None:
    engine.answer_s = 60
    with gated(tmp_path, engine.address, idle=0.3) as client:
        for body in (BODY, STREAM):
            connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
            connection.request("POST", "/v1/chat/completions", json.dumps(body))
            wait_for(lambda: engine.under_way == 1, 20, 0.02)
            connection.close()
            wait_for(lambda: engine.under_way == 0, 20, 0.02)
        # And who was held goes without a trace: the waking is not the first one's alone.
        engine.answer_s, engine.wake_s = 0, 0.5
        wait_for(lambda: engine.asleep, 20, 0.02)
        first = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
        first.request("POST", "/v1/chat/completions", json.dumps(BODY))
        wakings = engine.count("/wake_up")
        wait_for(lambda: engine.count("/wake_up") == wakings + 1, 20, 0.01)
        first.close()
        assert client.ask()[0] == 200
        assert engine.count("/wake_up") == wakings + 1
        assert engine.count("/v1/chat/completions") == 3


def test_bodies_and_headers_pass_as_they_are_but_for_those_of_one_connection(
    engine: SleepingVllm, tmp_path: Path
) -> None:
    body = gzip.compress(b"\x00binary\xff" * 50_000)
    head = (
        b"POST /v1/completions?a=%2F..%2Fsleep&a=%20b HTTP/1.1\r\nHost: elsewhere\r\n"
        b"Authorization: Bearer sk-passed\r\nX-Two: a\r\nX-Two: b\r\nContent-Encoding: gzip\r\n"
        b"Connection: close, x-hop\r\nX-Hop: 1\r\nTE: trailers\r\nUpgrade: h2c\r\n"
        b"Proxy-Authorization: Basic x\r\n"
    )
    with gated(tmp_path, engine.address) as client:
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        said, _, content = client.raw(head + length + body).partition(b"\r\n\r\n")
        pieces = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        again = client.raw(head + b"Transfer-Encoding: chunked\r\n\r\n" + pieces)
    assert said.startswith(b"HTTP/1.1 200")
    assert content == body
    assert again.partition(b"\r\n\r\n")[2] == body
    assert engine.bodies == [body, body]
    assert {b"content-encoding: gzip", b"set-cookie: crumb=1"} <= {
        line.lower() for line in said.split(b"\r\n")
    }
    first, second = ([(key.lower(), value) for key, value in it] for it in engine.headers)
    assert ("authorization", "Bearer sk-passed") in first
    assert [value for key, value in first if key == "x-two"] == ["a", "b"]
    assert ("content-length", str(len(body))) in first
    wrong = {"x-hop", "te", "upgrade", "proxy-authorization", "cookie", "user-agent", "accept"}
    for sent in (first, second):
        assert not wrong & {key for key, _ in sent}
        assert dict(sent)["host"] == f"127.0.0.1:{engine.port}"
        assert dict(sent)["connection"] == "close"
    assert "sk-passed" not in client.said()


@pytest.mark.parametrize(
    "line",
    [
        *("POST /sleep", "POST /wake_up", "GET /is_sleeping", "POST /collective_rpc"),
        *("POST /reset_prefix_cache", "POST /pause", "POST /update_weights", "GET /server_info"),
        *("POST /v1/load_lora_adapter", "POST /invocations", "GET /docs", "GET /"),
        *(
            "POST /v1/../sleep",
            "POST /v1/%2e%2e/sleep",
            "POST //sleep",
            "POST /v1/chat/../../sleep",
        ),
        *("POST http://127.0.0.1/sleep", "POST /v1/completions/../../sleep", "POST /SLEEP"),
        *("GET /v1/chat/completions", "DELETE /v1/models", "HEAD /health", "OPTIONS /sleep"),
    ],
)
def test_no_other_route_is_passed_on(shared: tuple[SleepingVllm, Client], line: str) -> None:
    engine, client = shared
    sent = f"{line} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    said = client.raw(sent.encode())
    assert said.split()[1] in (b"404", b"405")
    assert engine.asked == []
    if not line.startswith("HEAD"):
        assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["type"]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SleepingVllm, Client]]:
    with SleepingVllm() as engine, gated(tmp_path_factory.mktemp("gate"), engine.address) as client:
        yield engine, client


@pytest.mark.slow
def test_a_gate_that_was_killed_asks_first_and_goes_on(
    engine: SleepingVllm, tmp_path: Path
) -> None:
    with gated(tmp_path, engine.address, idle=0.2) as client:
        wait_for(lambda: engine.asleep, 20, 0.02)
        client.process.kill()
    with gated(tmp_path, engine.address, port=client.port) as client:
        assert client.ask()[0] == 200
        engine.answer_s = 60
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps(BODY))
        wait_for(lambda: engine.under_way == 1, 20, 0.02)
        client.process.kill()
        # Nobody waits for that answer any more.
        wait_for(lambda: engine.under_way == 0, 20, 0.02)
    engine.answer_s = 0
    with gated(tmp_path, engine.address, idle=0.2, port=client.port) as client:
        assert client.ask()[0] == 200
        wait_for(lambda: engine.asleep, 20, 0.02)


def test_an_answer_that_breaks_off_does_not_look_whole(tmp_path: Path) -> None:
    with SleepingVllm(answer_s=60) as engine, gated(tmp_path, engine.address) as client:
        connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=30)
        connection.request("POST", "/v1/chat/completions", json.dumps(STREAM))
        reply = connection.getresponse()
        assert reply.read(9) == b"data: 0\n\n"
        engine.__exit__()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            reply.read()
        assert client.ask()[0] == 503
        engine.__enter__()
        engine.answer_s = 0
        assert client.ask()[0] == 200
        assert "Traceback" not in client.said()


@pytest.mark.slow
def test_an_engine_that_comes_back_awake_is_put_to_sleep_again(
    engine: SleepingVllm, tmp_path: Path
) -> None:
    with gated(tmp_path, engine.address, idle=0.2):
        wait_for(lambda: engine.asleep, 20, 0.02)
        engine.asleep = False
        wait_for(lambda: engine.asleep, 20, 0.02)


def test_replicas_sleep_and_wake_together_and_one_may_be_gone(
    engine: SleepingVllm, tmp_path: Path
) -> None:
    with SleepingVllm() as other, SleepingVllm() as router:
        both = f"{engine.address} {other.address} {ONE_REPLICA_GONE}"
        with gated(tmp_path, both, idle=0.2, UPSTREAM=router.address) as client:
            wait_for(lambda: engine.asleep and other.asleep, 20, 0.02)
            assert client.ask()[0] == 200
            assert (router.count("/v1/chat/completions"), router.count("/wake_up")) == (1, 0)
            assert (engine.count("/wake_up"), other.count("/wake_up")) == (1, 1)
            # One that is there and sleeps on would be asked by the router all the same.
            wait_for(lambda: engine.asleep and other.asleep, 20, 0.02)
            other.failing = "still"
            assert client.ask()[0] == 503
            assert router.count("/v1/chat/completions") == 1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_no_request_meets_it_asleep_however_they_come(
    engine: SleepingVllm, tmp_path: Path, seed: int
) -> None:
    engine.sleep_s = engine.wake_s = 0.02
    engine.answer_s = 0.01
    rolls = random.Random(seed)
    pauses = [[rolls.choice((0, 0.03, 0.06, 0.1)) for _ in range(12)] for _ in range(12)]

    async def caller(session: ClientSession, address: str, own: list[float]) -> int:
        right = 0
        for pause in own:
            await asyncio.sleep(pause)
            async with session.post(f"{address}/v1/chat/completions", json=BODY) as reply:
                right += (await reply.json())["object"] == "chat.completion"
        return right

    async def all_of_them(address: str) -> list[int]:
        async with ClientSession() as session:
            # A part of them at a time, so that it falls asleep in between.
            ends: list[int] = []
            for start in range(0, len(pauses), 3):
                ends += await asyncio.gather(
                    *(caller(session, address, own) for own in pauses[start : start + 3])
                )
                await asyncio.sleep(0.08)
            return ends

    with gated(tmp_path, engine.address, idle=0.03) as client:
        assert asyncio.run(all_of_them(client.address)) == [12] * 12
        assert engine.count("/sleep") > 3
        assert abs(engine.count("/sleep") - engine.count("/wake_up")) <= 1


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "ENGINES is not set"),
        ({"ENGINES": "vllm:8000"}, "'vllm:8000' is no address"),
        ({"ENGINES": "http://a http://b"}, "UPSTREAM is not set"),
        ({"ENGINES": "http://a", "IDLE_SECONDS": "soon"}, "IDLE_SECONDS=soon"),
        ({"ENGINES": "http://a", "WAKE_SECONDS": "0"}, "WAKE_SECONDS=0"),
    ],
)
def test_a_wrong_setting_is_one_line(settings: dict[str, str], says: str) -> None:
    bare = {"PATH": os.environ["PATH"]}
    command = [sys.executable, str(GATE)]
    done = subprocess.run(
        command, env=bare | settings, capture_output=True, text=True, check=False, timeout=60
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert says in done.stderr
