"""The gate before Docker's socket: it makes, starts, stops and shows containers of runs alone."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.support import KEY, ROOT
from tests.webserver import wait_for

Json = dict[str, Any]
RUN, OTHER = "a" * 64, "b" * 64
LABELS = {"com.docker.compose.project": "shop", "com.docker.compose.service": "run"}
SETTINGS = {
    "RUN_IMAGE": "code:1",
    "RUN_NETWORK": "shop_runs",
    "RUN_BINDS": '["shop_home:/var/lib/autoprompt:rw", "/srv/experiments:/experiments:ro"]',
    "RUN_LABELS": json.dumps(LABELS),
}
ASKED: Json = {
    "Image": "code:1",
    "Cmd": ["dagster", "api", "execute_run", "{}"],
    "Env": [f"OPENAI_API_KEY={KEY}"],
    "Labels": {"dagster/run_id": "1"},
    "Tty": False,
    "Volumes": {"/var/lib/autoprompt": {}},
    "HostConfig": {
        "NetworkMode": "shop_runs",
        "Binds": ["shop_home:/var/lib/autoprompt:rw"],
        "AutoRemove": True,
        "Privileged": False,
    },
}


class Engine:
    """Answers on a Unix socket as Docker does, and notes what it was asked."""

    def __init__(self, path: Path) -> None:
        self.asked: list[tuple[str, str, Json]] = []
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._serve(str(path)), self._loop).result(30)

    async def _serve(self, path: str) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, path).start()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else {}
        self.asked.append((request.method, request.path_qs, body))
        if request.path.endswith("/json"):
            owner = LABELS if RUN in request.path else {}
            config = {"Image": "code:1", "Labels": owner, "Env": [f"OPENAI_API_KEY={KEY}"]}
            state = {"Status": "running"}
            return web.json_response({"Id": RUN, "Name": "/run", "State": state, "Config": config})
        return web.json_response({"Id": RUN}, status=201)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)


class Launcher:
    """What stands behind the gate: Dagster's side."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Json]:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self._url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=20) as reply:
                return reply.status, json.loads(reply.read() or "{}")
        except urllib.error.HTTPError as error:
            said = error.read().decode()
            return error.code, json.loads(said) if said.startswith("{") else {"message": said}

    def answers(self) -> bool:
        try:
            return self.ask("GET", "/version")[0] < 300
        except OSError:
            return False


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Engine, Launcher]]:
    path = tmp_path_factory.mktemp("engine") / "docker.sock"
    engine = Engine(path)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {"GATE_PORT": str(port), "GATE_SOCKET": str(path)}
    command = [sys.executable, str(ROOT / "deploy" / "host" / "docker_gate.py")]
    process = subprocess.Popen(command, env={**os.environ, **SETTINGS, **own})
    try:
        launcher = Launcher(port)
        wait_for(launcher.answers, 60, 0.1)
        yield engine, launcher
    finally:
        process.terminate()
        process.wait(30)
        engine.stop()


def test_a_runs_container_is_made_without_rights(engine: tuple[Engine, Launcher]) -> None:
    docker, launcher = engine
    assert launcher.ask("POST", "/v1.41/containers/create", ASKED)[0] == 201
    method, path, body = docker.asked[-1]
    assert (method, path) == ("POST", "/v1.41/containers/create")
    assert {key: body[key] for key in ("Image", "Cmd", "Env")} == {
        key: ASKED[key] for key in ("Image", "Cmd", "Env")
    }
    assert body["Labels"] == {"dagster/run_id": "1", **LABELS}
    host = body["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["Binds"] == ["shop_home:/var/lib/autoprompt:rw"]
    assert host["AutoRemove"]
    assert "Privileged" not in host


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"Image": "debian:12"}, "Image"),
        ({"Cmd": ["bash"]}, "Cmd"),
        ({"Entrypoint": ["bash"]}, "Entrypoint"),
        ({"User": "root"}, "User"),
        ({"Volumes": {"/etc": {}}}, "Volumes"),
        ({"Env": ["=x"]}, "Env"),
        ({"hostconfig": {"Privileged": True}}, "hostconfig"),
        ({"HostConfig": {"NetworkMode": "host"}}, "NetworkMode"),
        ({"HostConfig": {"NetworkMode": "shop_runs", "Privileged": True}}, "Privileged"),
        ({"HostConfig": {"NetworkMode": "shop_runs", "privileged": True}}, "privileged"),
        ({"HostConfig": {"NetworkMode": "shop_runs", "Binds": ["/:/host"]}}, "Binds"),
        ({"HostConfig": {"NetworkMode": "shop_runs", "CapAdd": ["SYS_ADMIN"]}}, "CapAdd"),
        ({"HostConfig": {"NetworkMode": "shop_runs", "PidMode": "host"}}, "PidMode"),
        ({"HostConfig": {"NetworkMode": "shop_runs", "Mounts": [{"Source": "/"}]}}, "Mounts"),
        ({"HostConfig": ["NetworkMode"]}, "refused"),
    ],
)
def test_a_container_that_could_do_more_is_not_made(
    engine: tuple[Engine, Launcher], change: Json, says: str
) -> None:
    docker, launcher = engine
    before = len(docker.asked)
    status, body = launcher.ask("POST", "/v1.41/containers/create", {**ASKED, **change})
    assert status == 403
    assert says in body["message"]
    assert "\n" not in body["message"]
    assert KEY not in body["message"]
    assert len(docker.asked) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1.41/containers/json"),
        ("GET", "/v1.41/images/json"),
        ("POST", "/v1.41/images/create?fromImage=debian"),
        ("POST", f"/v1.41/containers/{RUN}/exec"),
        ("GET", f"/v1.41/containers/{RUN}/logs"),
        ("GET", f"/v1.41/containers/{RUN}/archive?path=/"),
        ("DELETE", f"/v1.41/containers/{RUN}"),
        ("POST", f"/v1.41/containers/{RUN}/start/../update"),
        ("POST", "/v1.41/containers/%2e%2e/start"),
        ("GET", "/v1.41/containers/name/json"),
        ("GET", "/v1.41/secrets"),
    ],
)
def test_nothing_else_of_docker_is_reached(
    engine: tuple[Engine, Launcher], method: str, path: str
) -> None:
    docker, launcher = engine
    before = len(docker.asked)
    assert launcher.ask(method, path)[0] in (404, 405)
    assert len(docker.asked) == before


@pytest.mark.parametrize("action", ["start", "stop?t=5"])
def test_runs_alone_are_started_and_stopped(engine: tuple[Engine, Launcher], action: str) -> None:
    docker, launcher = engine
    assert launcher.ask("POST", f"/v1.41/containers/{RUN}/{action}")[0] == 201
    assert docker.asked[-1][:2] == ("POST", f"/v1.41/containers/{RUN}/{action}")
    assert launcher.ask("POST", f"/v1.41/containers/{OTHER}/{action}")[0] == 404
    assert docker.asked[-1][:2] == ("GET", f"/v1.41/containers/{OTHER}/json")


def test_a_runs_state_is_told_and_its_environment_is_not(engine: tuple[Engine, Launcher]) -> None:
    status, shown = engine[1].ask("GET", f"/v1.41/containers/{RUN}/json")
    assert status == 200
    assert shown["State"] == {"Status": "running"}
    assert KEY not in json.dumps(shown)
    assert engine[1].ask("GET", f"/v1.41/containers/{OTHER}/json")[0] == 404
