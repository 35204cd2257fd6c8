"""The pins: recompiled they stay as they are, and they name no download address."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.support import ROOT

UV = Path(sys.executable).parent / "uv"
FLAGS = ("--universal", "--generate-hashes", "--no-emit-index-url", "--quiet", "--system-certs")


DOCKER = "deploy/requirements-docker"
COMPILED = {
    "requirements.txt": ("pyproject.toml", "--extra", "dev"),
    f"{DOCKER}.txt": (f"{DOCKER}.in", "-c", "requirements.txt"),
}


@pytest.mark.parametrize(("pinned", "least"), [("requirements.txt", 100), (f"{DOCKER}.txt", 20)])
def test_every_pin_has_hashes_and_no_address_stands_in_the_file(pinned: str, least: int) -> None:
    text = (ROOT / pinned).read_text(encoding="utf-8")
    assert "://" not in text
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert len(pins) > least
    assert all(line.endswith("\\") for line in pins)


def test_the_deployment_s_pins_are_those_beside_them() -> None:
    ours, docker = (_versions(name) for name in COMPILED)
    assert docker["dagster-docker"].startswith("0.29.")
    assert docker["dagster"] == ours["dagster"]
    shared = ours.keys() & docker.keys()
    assert len(shared) > 20
    assert {name: docker[name] for name in shared} == {name: ours[name] for name in shared}


def test_the_deployment_s_extra_is_what_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / f"{DOCKER}.in").read_text(encoding="utf-8").splitlines()
    wanted = [line for line in lines if not line.startswith("#")]
    assert project["optional-dependencies"]["deploy"] == wanted


@pytest.mark.slow
@pytest.mark.parametrize("pinned", COMPILED)
def test_recompiling_with_the_file_as_preference_changes_nothing(
    pinned: str, tmp_path: Path
) -> None:
    (tmp_path / "deploy").mkdir()
    for name in ("requirements.txt", "pyproject.toml", f"{DOCKER}.in", f"{DOCKER}.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    command = [str(UV), "pip", "compile", *COMPILED[pinned], *FLAGS, "-o", pinned]
    subprocess.run(command, cwd=tmp_path, check=True)
    before, after = (folder / pinned for folder in (ROOT, tmp_path))
    assert _pins(after) == _pins(before)


def _versions(pinned: str) -> dict[str, str]:
    text = (ROOT / pinned).read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", text, re.MULTILINE))


def _pins(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.lstrip().startswith("#")]
