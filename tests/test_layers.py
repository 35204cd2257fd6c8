"""The engine stands on its own: nothing in it needs the orchestrator."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import autoprompt_assets.engine
from tests.program import LIBRARIES, OURS, WARMED
from tests.support import ROOT, toy_project

IMPORT_ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
above = ["dagster", "resources", *(f"autoprompt_assets.{x}" for x in ("assets", "resources"))]
print([name for name in above if name in sys.modules])
"""


def test_engine_loads_without_dagster_and_what_is_above_it() -> None:
    found = pkgutil.walk_packages(autoprompt_assets.engine.__path__, "autoprompt_assets.engine.")
    names = [module.name for module in found]
    assert len(names) > 15
    result = subprocess.run(
        [sys.executable, "-c", IMPORT_ALL, *names], capture_output=True, text=True, check=False
    )
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


HEAVY = """
import sys
import autoprompt_assets.cli, autoprompt_assets.definitions
heavy = (
    *("aiohttp", "genai_prices", "httpx2", "numpy", "openai", "optuna", "pandas", "psycopg"),
    *("pyarrow", "python_calamine", "scipy", "xllamacpp"),
)
print([name for name in heavy if name in sys.modules])
"""


def test_what_is_heavy_loads_only_where_it_is_used() -> None:
    result = subprocess.run(
        [sys.executable, "-c", HEAVY], capture_output=True, text=True, check=False
    )
    assert (result.stdout.strip(), result.stderr) == ("[]", "")


CHECK = """
import sys
from autoprompt_assets.cli import cli
cli.main(["check", "toy"], standalone_mode=False)
print([name for name in ("aiohttp", "dagster", "openai", "pandas") if name in sys.modules])
"""


def test_check_loads_no_dagster(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    result = subprocess.run(
        [sys.executable, "-c", CHECK],
        cwd=tmp_path,
        env=project.variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.stdout.splitlines()[-1], result.stderr) == ("[]", "")


HOST = """
import sys
import autoprompt_assets.commands.webguard, autoprompt_assets.resources.host_run_coordinator
print(sorted(name for name in sys.modules if name.startswith("autoprompt_assets")))
"""


@pytest.mark.slow
def test_the_image_of_the_host_holds_all_that_its_modules_import() -> None:
    result = subprocess.run(
        [sys.executable, "-c", HOST], capture_output=True, text=True, check=False
    )
    assert result.stderr == ""
    copied = (ROOT / "deploy" / "Dockerfile").read_text().split(" AS host\n")[1]
    for name in json.loads(result.stdout.replace("'", '"')):
        place = name.replace("autoprompt_assets.resources", "resources").replace(".", "/")
        module = ROOT / f"{place}.py"
        path = module if module.exists() else ROOT / place / "__init__.py"
        assert str(path.relative_to(ROOT)) in copied


def test_what_programs_of_the_tests_are_forked_with_is_there() -> None:
    """The fork server passes over what it does not find: programs would only be slower."""
    wanted = (*LIBRARIES, *OURS, WARMED)
    assert [name for name in wanted if find_spec(name) is None] == []
    assert not {name for name in wanted if name.endswith((".grid", ".partitions"))}
