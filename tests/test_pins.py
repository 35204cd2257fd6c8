"""The pins: recompiled they stay as they are, and they name no download address."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT

UV = Path(sys.executable).parent / "uv"
FLAGS = ("--universal", "--generate-hashes", "--no-emit-index-url", "--quiet", "--system-certs")


IMAGES = {
    "deploy/requirements-docker-code.txt": ["pyproject.toml", "--excludes", "{}.excludes"],
    "deploy/requirements-docker-host.txt": ["--python-version", "3.11"],
}
"""What is pinned for the images, and how, beside the `.in` of the same name."""


@pytest.mark.parametrize("name", ["requirements.txt", *IMAGES])
def test_every_pin_has_hashes_and_no_address_stands_in_the_file(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    pins = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert len(pins) > 80
    assert all(line.endswith("\\") for line in pins)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_has_the_versions_that_the_tests_ran_on(name: str) -> None:
    def versions(path: Path) -> dict[str, str]:
        pins = (line.split(";")[0].rstrip(" \\").split("==") for line in _pins(path))
        return {pin[0]: pin[1] for pin in pins if len(pin) == 2}

    tested, image = versions(ROOT / "requirements.txt"), versions(ROOT / name)
    assert {one for one in image if tested.get(one, image[one]) != image[one]} == set()


@pytest.mark.slow
@pytest.mark.parametrize("name", IMAGES)
def test_recompiling_an_images_pins_changes_nothing(name: str, tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    for path in (ROOT / "requirements.txt", ROOT / "pyproject.toml", *ROOT.glob("deploy/*docker*")):
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    stem = name.removesuffix(".txt")
    own = [one.format(stem) for one in IMAGES[name]]
    command = [str(UV), "pip", "compile", f"{stem}.in", *own, *FLAGS, "-c", "requirements.txt"]
    subprocess.run([*command, "-o", name], cwd=tmp_path, check=True)
    assert _pins(tmp_path / name) == _pins(ROOT / name)


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
