"""The vLLM deployment: its command, its refusals, its lock."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "deploy" / "vllm.py"
LOCK = ROOT / "deploy" / "requirements-vllm.txt"
KEY = "sk-must-not-be-seen"


def run(*args: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "VLLM_API_KEY": KEY}
    if path is not None:
        env["PATH"] = str(path)
    command = [sys.executable, str(SCRIPT), *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def dry(profile: str, *args: str, path: Path | None = None) -> list[str]:
    """vLLM's command, as it is printed."""
    done = run("--dry-run", "--profile", profile, *args, path=path)
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    return shlex.split(done.stdout.splitlines()[0])


def value(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def fake_smi(folder: Path, output: str, code: int = 0) -> Path:
    smi = folder / "nvidia-smi"
    smi.write_text(f"#!/bin/sh\nprintf '{output}'\nexit {code}\n")
    smi.chmod(0o755)
    return folder


def assert_refused(done: subprocess.CompletedProcess[str], says: str) -> None:
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr


@pytest.mark.parametrize("profile", ["24gb", "h100"])
def test_dry_run_serves_the_pinned_weights_on_a_socket_behind_the_gate(profile: str) -> None:
    command = dry(profile)
    assert "VLLM_SERVER_DEV_MODE=1" in command
    serve = command.index("serve")
    assert Path(command[serve - 1]).name == "vllm"
    assert re.fullmatch("[0-9a-f]{40}", Path(command[serve + 1]).name)
    names = command.index("--served-model-name")
    assert command[names + 1 : names + 3] == ["gpt-oss-20b", "openai/gpt-oss-20b"]
    assert not {"--api-key", "--host", "--port"} & {*command}
    gate = run("--dry-run", "--profile", profile).stdout.splitlines()[1]
    assert f"ENGINES=unix:{value(command, '--uds')} " in gate
    assert "GATE_HOST=127.0.0.1 GATE_PORT=8000 " in gate


def test_profiles_differ_in_their_settings() -> None:
    small, large = dry("24gb"), dry("h100")
    for flag in ("--max-model-len", "--max-cudagraph-capture-size"):
        assert int(value(small, flag)) < int(value(large, flag))
    assert value(small, "--max-num-seqs") == "128"
    assert "--max-num-seqs" not in large


def test_host_and_port_are_passed_on() -> None:
    done = run("--dry-run", "--profile", "h100", "--host", "10.0.0.5", "--port", "9000")
    assert "GATE_HOST=10.0.0.5 GATE_PORT=9000 " in done.stdout.splitlines()[1]


linux = pytest.mark.skipif(sys.platform != "linux", reason="vLLM serves on Linux only")


@linux
@pytest.mark.parametrize(
    ("memory", "profile"),
    [("23028", "24gb"), ("24564", "24gb"), ("46068", "24gb"), ("81559", "h100")],
)
def test_auto_picks_the_profile_from_the_gpu(tmp_path: Path, memory: str, profile: str) -> None:
    assert dry("auto", path=fake_smi(tmp_path, memory + "\\n")) == dry(profile)


@linux
def test_auto_fits_the_smallest_gpu(tmp_path: Path) -> None:
    assert dry("auto", path=fake_smi(tmp_path, "81559\\n24564\\n")) == dry("24gb")


@linux
@pytest.mark.parametrize("args", [("--dry-run",), (), ("--profile", "h100")])
def test_no_nvidia_smi_is_one_line(tmp_path: Path, args: tuple[str, ...]) -> None:
    assert_refused(run(*args, path=tmp_path), "install the NVIDIA driver")


@linux
def test_no_gpu_and_a_small_gpu_are_one_line(tmp_path: Path) -> None:
    none = fake_smi(tmp_path, "No devices were found\\n", code=6)
    assert_refused(run("--dry-run", path=none), "check the driver")
    small = fake_smi(tmp_path, "16376\\n")
    assert_refused(run("--dry-run", path=small), "24 GB or more")


def test_dry_run_installs_nothing() -> None:
    before = (ROOT / ".venv-vllm").exists()
    dry("24gb")
    assert (ROOT / ".venv-vllm").exists() == before


def test_lock_pins_and_hashes_every_requirement() -> None:
    text = LOCK.read_text()
    assert not re.search(r"https?:", text)
    assert "--index-url" not in text
    assert "--find-links" not in text
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    requirements = "\n".join(lines).replace("\\\n", " ").splitlines()
    assert any(line.startswith("vllm==") for line in requirements)
    for line in requirements:
        assert re.match(r"[a-z0-9][a-z0-9._\[\],-]*==\S+ ", line), line[:80]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", line), line[:80]
