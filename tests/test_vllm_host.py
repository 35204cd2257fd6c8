"""deploy/vllm.py on a bare host, whole: with stand-ins for nvidia-smi and for vLLM itself."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.sleeping_vllm import Client
from tests.support import KEY, ROOT
from tests.webserver import wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="vLLM serves on Linux only"),
]
REVISION = re.findall(r'^REVISION = "(\w+)"', (ROOT / "deploy/weights.py").read_text(), re.M)[0]


@dataclass
class Host:
    """A checkout with its virtual environment made, the weights there, and a small GPU."""

    folder: Path
    port: int
    temporary: Path

    @property
    def socket(self) -> Path:
        return self.temporary / f"autoprompt-vllm-{self.port}" / "vllm.sock"

    def make(self) -> None:
        deploy, binaries = self.folder / "deploy", self.folder / ".venv-vllm" / "bin"
        shutil.copytree(ROOT / "deploy", deploy)
        lock = (deploy / "requirements-vllm.txt").read_bytes()
        stand_in = f"cd {ROOT} && exec {sys.executable} -m tests.sleeping_vllm"
        scripts = {
            binaries / "python": f'exec {sys.executable} "$@"',
            binaries / "vllm": f'{stand_in} "$@"',
            self.folder / "bin" / "nvidia-smi": "echo 24564",
        }
        for path, script in scripts.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
            path.chmod(0o755)
        stamp = self.folder / ".venv-vllm" / ".requirements-sha256"
        stamp.write_text(hashlib.sha256(lock).hexdigest(), encoding="utf-8")
        whole = self.folder / "weights" / REVISION / ".whole"
        whole.parent.mkdir(parents=True)
        whole.touch()

    @contextmanager
    def serving(self, *arguments: str) -> Iterator[Client]:
        own = {"TMPDIR": str(self.temporary), "WEIGHTS": str(self.folder / "weights")}
        own |= {"PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "VLLM_API_KEY": KEY}
        command = [sys.executable, str(self.folder / "deploy" / "vllm.py"), *arguments]
        log = self.folder / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                env={**os.environ, **own, "HF_TOKEN": KEY},
                stderr=file,
                start_new_session=True,
            )
        try:
            yield Client(self.port, process, log)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(30)


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    pytest.importorskip("huggingface_hub", reason="tests/requirements-hub.txt is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    # A socket's path may not be long, as tmp_path is.
    with tempfile.TemporaryDirectory() as temporary:
        made = Host(tmp_path, port, Path(temporary))
        made.make()
        yield made


def ready(client: Client) -> bool:
    assert client.process.poll() is None, client.said()
    try:
        return client.ask("/health", method="GET")[0] == 200
    except OSError:
        return False


def children(client: Client) -> dict[str, int]:
    """The processes `gate` and `vllm`."""
    own = client.process.pid
    numbers = Path(f"/proc/{own}/task/{own}/children").read_text(encoding="utf-8").split()
    commands = {int(one): Path(f"/proc/{one}/cmdline").read_bytes() for one in numbers}
    return {"gate" if b"sleep_gate" in said else "vllm": one for one, said in commands.items()}


def environment(number: int) -> str:
    return Path(f"/proc/{number}/environ").read_text(encoding="utf-8")


def test_it_serves_behind_the_gate_and_ends_whole(host: Host) -> None:
    with host.serving("--idle", "1") as client:
        wait_for(lambda: ready(client), 60, 0.1)
        assert client.ask()[0] == 200
        assert client.ask("/sleep?level=1")[0] == 404
        assert host.socket.parent.stat().st_mode & 0o777 == 0o700
        wait_for(lambda: "asleep" in client.said(), 60, 0.1)
        assert client.ask()[0] == 200
        running = children(client)
        assert KEY not in environment(running["gate"])
        told = environment(running["vllm"])
        assert f"VLLM_API_KEY={KEY}" in told
        assert "HF_TOKEN" not in told
        assert "VLLM_SERVER_DEV_MODE=1" in told
        client.process.send_signal(signal.SIGTERM)
        client.process.wait(30)
        wait_for(lambda: not any(Path(f"/proc/{one}").exists() for one in running.values()), 30)


@pytest.mark.parametrize("which", ["gate", "vllm"])
def test_with_one_of_them_the_other_ends(host: Host, which: str) -> None:
    with host.serving() as client:
        wait_for(lambda: ready(client), 60, 0.1)
        os.kill(children(client)[which], signal.SIGKILL)
        assert client.process.wait(30) != 0
    # What was left of the socket is in nobody's way.
    with host.serving() as client:
        wait_for(lambda: ready(client), 60, 0.1)


def test_a_folder_that_others_may_enter_is_refused(host: Host) -> None:
    host.socket.parent.mkdir(mode=0o777)
    host.socket.parent.chmod(0o777)
    with host.serving() as client:
        assert client.process.wait(60) == 2
        assert "is not this user's alone" in client.said().splitlines()[-1]


def test_a_path_too_long_for_a_socket_is_refused(host: Host) -> None:
    host.temporary /= "x" * 80
    host.temporary.mkdir()
    with host.serving() as client:
        assert client.process.wait(60) == 2
        assert "set TMPDIR to a folder of a short path" in client.said().splitlines()[-1]
