"""The engine stands on its own: nothing in it needs the orchestrator."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import autoprompt_assets.engine

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
