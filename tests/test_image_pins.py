"""The pins of the images: hashed, at the versions that the tests ran on, and as compiled."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.support import ROOT

UV = Path(sys.executable).parent / "uv"
FLAGS = ("--universal", "--generate-hashes", "--no-emit-index-url", "--quiet", "--system-certs")
IMAGES = {
    "deploy/requirements-docker-code": ["pyproject.toml", "--excludes", "{}.excludes"],
    "deploy/requirements-docker-host": ["--python-version", "3.11"],
}
"""By image, what its pins are compiled from and how, beside the `.in` of that name."""


def pins(path: Path) -> dict[str, str]:
    text = path.read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([^ ]+)", text, re.MULTILINE))


@pytest.mark.parametrize("image", IMAGES)
def test_every_pin_has_hashes_and_the_version_of_the_requirements(image: str) -> None:
    text = (ROOT / f"{image}.txt").read_text(encoding="utf-8")
    assert "://" not in text
    lines = [line for line in text.splitlines() if "==" in line and not line.startswith("#")]
    assert len(lines) > 80
    assert all(line.endswith("\\") for line in lines)
    own, tested = pins(ROOT / f"{image}.txt"), pins(ROOT / "requirements.txt")
    shared = own.keys() & tested.keys()
    assert len(shared) > 70
    assert {name: own[name] for name in shared} == {name: tested[name] for name in shared}


def test_the_code_has_no_web_server_and_the_host_none_of_the_engine() -> None:
    code, host = (pins(ROOT / f"{image}.txt") for image in IMAGES)
    assert "dagster-webserver" not in code
    assert not {"optuna", "pandas", "xllamacpp", "openai"} & host.keys()
    assert code["dagster"] == host["dagster"]


def test_the_extra_of_the_deployment_is_what_the_host_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    host = pins(ROOT / "deploy/requirements-docker-host.txt")
    (extra,) = map(Requirement, project["optional-dependencies"]["deploy"])
    assert extra.name == "dagster-docker"
    assert extra.specifier.contains(host["dagster-docker"])


@pytest.mark.slow
@pytest.mark.parametrize("image", IMAGES)
def test_recompiling_changes_nothing(image: str, tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    files = (ROOT / "requirements.txt", ROOT / "pyproject.toml", *ROOT.glob(f"{image}*"))
    for path in files:
        shutil.copy(path, tmp_path / path.relative_to(ROOT))
    own = [one.format(image) for one in IMAGES[image]]
    command = [str(UV), "pip", "compile", f"{image}.in", *own, *FLAGS, "-c", "requirements.txt"]
    subprocess.run([*command, "-o", f"{image}.txt"], cwd=tmp_path, check=True)
    assert pins(tmp_path / f"{image}.txt") == pins(ROOT / f"{image}.txt")
