"""The pins: recompiled they stay as they are, and they name no download address."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

UV = Path(sys.executable).parent / "uv"
FLAGS = ("--universal", "--generate-hashes", "--no-emit-index-url", "--quiet", "--system-certs")


def test_every_pin_has_hashes_and_no_address_stands_in_the_file() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    assert "://" not in text
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert len(pins) > 100
    assert all(line.endswith("\\") for line in pins)


def test_what_the_tests_of_s3_take_is_pinned_at_the_same_versions() -> None:
    text = (ROOT / "tests/requirements-s3.txt").read_text(encoding="utf-8")
    assert "://" not in text
    own, tested = (
        dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", one, re.MULTILINE))
        for one in (text, (ROOT / "requirements.txt").read_text(encoding="utf-8"))
    )
    assert own["s3fs"] == own["fsspec"]
    shared = own.keys() & tested.keys()
    assert {name: own[name] for name in shared} == {name: tested[name] for name in shared}
    assert text.count("--hash=") > len(own)


@pytest.mark.slow
def test_recompiling_with_the_file_as_preference_changes_nothing(tmp_path: Path) -> None:
    shutil.copy(ROOT / "requirements.txt", tmp_path / "requirements.txt")
    shutil.copy(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    command = [str(UV), "pip", "compile", "pyproject.toml", "--extra", "dev", *FLAGS]
    subprocess.run([*command, "-o", "requirements.txt"], cwd=tmp_path, check=True)
    before, after = (folder / "requirements.txt" for folder in (ROOT, tmp_path))
    assert _pins(after) == _pins(before)


def _pins(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if not line.lstrip().startswith("#")]
