"""What the image `host` holds, of the project and of packages, is enough for what it runs."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.support import ROOT
from tests.test_image_pins import pins

PLACE = "/opt/autoprompt/"
OWN = "autoprompt-assets"
"""The project itself, whose files are those that are copied."""
LOAD = """
import importlib.metadata as metadata, json, re, sys
from importlib import import_module

class Lacking:
    def __init__(self, there):
        self.there, self.owners = {*there}, metadata.packages_distributions()

    def find_spec(self, name, path=None, target=None):
        names = self.owners.get(name.split(".")[0], ())
        if names and not {re.sub("[-_.]+", "-", one).lower() for one in names} & self.there:
            raise ModuleNotFoundError(f"not in the image: {name}", name=name)

sys.meta_path.insert(0, Lacking(json.loads(sys.argv[1])))
for name in sys.argv[2:]:
    import_module(name)
own = [one.__file__ for name, one in sys.modules.items() if name.startswith("autoprompt_")]
print(json.dumps(own))
"""


def copied() -> Iterator[tuple[Path, str]]:
    """Source and target of each COPY into the place of the project, in the target `host`."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    (stage,) = re.findall(r"^FROM base AS host$(.*?)(?=^FROM|\Z)", text, re.MULTILINE | re.DOTALL)
    for line in re.findall(r"^COPY (.*)$", stage, re.MULTILINE):
        *sources, target = shlex.split(line)
        if target.startswith(PLACE):
            yield from ((ROOT / source, target.removeprefix(PLACE)) for source in sources)


def test_what_the_host_runs_loads_from_its_files_and_its_pins(tmp_path: Path) -> None:
    for source, target in copied():
        if source.is_dir():
            shutil.copytree(source, tmp_path / target, dirs_exist_ok=True)
        else:
            (tmp_path / target).mkdir(parents=True, exist_ok=True)
            shutil.copy(source, tmp_path / target)
    programs = [path.stem for path in tmp_path.glob("*.py")]
    assert {"webserver", "docker_gate", "sleep_gate"} <= {*programs}
    coordinator = "autoprompt_assets.resources.host_run_coordinator"
    known = json.dumps([*pins(ROOT / "deploy" / "requirements-docker-host.txt"), OWN])
    done = subprocess.run(
        [sys.executable, "-c", LOAD, known, coordinator, *programs],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    own = json.loads(done.stdout)
    assert len(own) > 3
    assert not [file for file in own if not Path(file).is_relative_to(tmp_path)]
