"""What several test files need: a project of their own, and the program as its users run it."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.program import Program

ROOT = Path(__file__).resolve().parent.parent
_TOOK = re.compile(rb'<span class="took">[^<]*</span>')
"""What answers took, in a report: it may differ between equal searches."""
SHIPPED = ROOT / "autoprompt_assets" / "experiments"
PROGRAM = Path(sys.executable).parent / "autoprompt"
PAID = ("calls", "usd_paid", "cached_tokens")
"""What `run --json` tells of how a run's calls were had."""
KEY = "sk-test-0123456789abcdef"
OPTIONS = ("(A)", "(B)", "(C)", "(D)")
ANSWERS = {f"Which shape is path {i}?": OPTIONS[i % 4] for i in range(30)}
# All three roles, in the form that the loopback server tells apart.
TOY = """\
description: A toy.
dataset:
  path: rows.csv
  split: {train: 4, validation: 12, test: 14}
roles:
  target: {model: gpt-4.1-mini, prompt: Name the shape., max_tokens: 200}
  review:
    model: gpt-4.1-mini
    max_tokens: 50
    prompt: "Is it right? Model Response: {response} Ground Truth: {answer}"
  optimizer:
    model: gpt-4.1
    max_tokens: 400
    prompt: "{prompt_scores_str}\\nWrite a better one in [[...]]."
grader: {kind: model}
optimizer: {strategy: opro, iterations: 2}
concurrency: 4
"""


def csv_of(rows: Mapping[str, str] | Iterable[tuple[str, str]]) -> str:
    """Inputs and targets as a CSV file's text."""
    text = io.StringIO()
    pairs = rows.items() if isinstance(rows, Mapping) else rows
    csv.writer(text, lineterminator="\n").writerows([("input", "target"), *pairs])
    return text.getvalue()


@dataclass
class Project:
    """A home and a folder of experiments of a test's own, and `autoprompt` run on them."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def experiments(self) -> Path:
        return self.folder / "experiments"

    def variables(self) -> dict[str, str]:
        kept = {key: os.environ[key] for key in ("PATH", "HOME", "LANG") if key in os.environ}
        own = {
            "AUTOPROMPT_HOME": str(self.home),
            "AUTOPROMPT_EXPERIMENTS": str(self.experiments),
            "DAGSTER_HOME": str(self.home),
        }
        return {**kept, **own, **self.environ}

    def add(self, name: str, spec: str, **files: str | bytes) -> Path:
        """Write an experiment; the keywords name its files with `_` for the dot."""
        folder = self.experiments / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "experiment.yaml").write_text(spec, encoding="utf-8")
        for key, content in files.items():
            path = folder / key.replace("_", ".")
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    def start(self, *arguments: str) -> Program:
        self.folder.mkdir(parents=True, exist_ok=True)
        return Program("autoprompt_assets.cli", arguments, self.variables(), self.folder)

    def start_afresh(self, *arguments: str) -> subprocess.Popen[str]:
        """The installed program in an interpreter of its own, as users start it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(
            [str(PROGRAM), *arguments],
            cwd=self.folder,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        return ended(self.start(*arguments), timeout)

    def shell(self, command: str) -> subprocess.CompletedProcess[str]:
        """`command` as a shell runs it; `$0` in it is the program."""
        return subprocess.run(
            ["bash", "-c", command, str(PROGRAM)],
            env=self.variables(),
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
        )

    def run_json(self, *arguments: str) -> dict[str, Any]:
        result = self.run("run", "--json", *arguments)
        assert result.returncode == 0, result.stderr
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def refused(self, *arguments: str, code: int = 2) -> str:
        """The one line that the program says when it refuses, notes aside."""
        result = self.run(*arguments)
        assert result.returncode == code, result.stderr
        assert result.stdout == ""
        *notes, line = result.stderr.splitlines()
        assert all(note.startswith("note: ") for note in notes), notes
        return line

    def assert_key_is_nowhere(self, said: str, key: str = KEY) -> None:
        """Not in what was printed, nor in a byte of the home, databases included, nor in what
        Dagster packs there.
        """
        assert key not in said
        files = [path for path in self.home.rglob("*") if path.is_file()]
        assert files
        assert not [path for path in files if key.encode() in path.read_bytes()]
        assert not [one for one in self._snapshots() if key.encode() in one]

    def _snapshots(self) -> list[bytes]:
        """What Dagster keeps of jobs and plans, their resources' config included."""
        path = self.home / "history" / "runs.db"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(path)) as runs:
            rows = runs.execute("SELECT snapshot_body FROM snapshots").fetchall()
        return [zlib.decompress(body) for (body,) in rows]

    def add_toy(self, name: str = "toy") -> Path:
        return self.add(name, TOY, rows_csv=csv_of(ANSWERS))

    def copy(self, folder: Path) -> Project:
        """The same project, with all that it has made, at another place."""
        shutil.copytree(self.folder, folder)
        return Project(folder, dict(self.environ))

    def records(self, experiment: str) -> dict[str, bytes]:
        """The files of every search, by path, without what may differ between equal searches."""
        root = self.home / "results" / experiment / "searches"
        # A kill may leave a file half written beside its place; its name begins with a dot.
        return {
            str(path.relative_to(root)): _TOOK.sub(b"", path.read_bytes())
            for path in sorted(root.rglob("*"))
            if path.is_file()
            and not path.name.startswith(".")
            and not path.name.endswith(".timings.parquet")
        }


def ended(
    process: Program | subprocess.Popen[str], timeout: float
) -> subprocess.CompletedProcess[str]:
    """What it ended with; killed where it has not ended after `timeout` seconds."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    assert process.returncode is not None
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def without_calls(outcome: Mapping[str, Any]) -> dict[str, Any]:
    """What two equal runs must agree on: not how the calls were had, nor where the home is."""
    places = {name: outcome[name].split("/home/")[-1] for name in ("report", "best_request")}
    kept = {key: outcome[key] for key in outcome if key not in PAID}
    timeless: dict[str, Any] = _timeless(kept | places)
    return timeless


def _timeless(found: Any) -> Any:
    """JSON without the seconds that answers took."""
    if isinstance(found, dict):
        return {key: _timeless(one) for key, one in found.items() if key != "seconds"}
    return [_timeless(one) for one in found] if isinstance(found, list) else found


def toy_project(folder: Path, base_url: str = "http://127.0.0.1:9/v1", **environ: str) -> Project:
    """A project with the toy and a key; nobody listens at the default address."""
    own = {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": KEY, **environ}
    project = Project(folder, own)
    project.add_toy()
    return project
