"""A strategy of somebody else's package: installed, named in a file, searched with."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from autoprompt_assets.engine.optimizers import STRATEGIES
from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, TOY, Project, csv_of, toy_project, without_calls

PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "tiny-strategy"
version = "0.3"

[project.entry-points."autoprompt.optimizers"]
endings = "tiny_strategy:EndingsSettings"
absent = "tiny_no_such_module:Settings"
nameless = "tiny_strategy:Endings"
demos = "tiny_strategy:EndingsSettings"
"""
STRATEGY = '''\
"""Ends the first prompt in each of some sentences, after a look at two train rows."""

from typing import Literal

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.optimizers import (
    Probe,
    Proposal,
    Proposals,
    StrategySettings,
    Work,
)


class EndingsSettings(StrategySettings):
    strategy: Literal["endings"]
    endings: tuple[str, ...]

    def problems(self, writer, train):
        yield from self.needs_rows(train, "looks at some")

    def most(self, writes):
        return Work(probes=self.iterations, probe_rows=2)

    def instruction_bytes(self, first, answer):
        return max(len(f"{first} {ending}".encode()) for ending in self.endings)

    def make(self, context):
        return Endings(self.endings, context)


class Endings:
    def __init__(self, endings, context):
        self.endings, self.context, self.step = endings, context, 0

    def ask(self, replies):
        if self.step > len(self.endings):
            return Proposals((), "every ending was tried", strategy="endings")
        first = Candidate(self.context.first.texts)
        if not replies:
            return Probe(first, tuple(row.id for row in self.context.train[:2]))
        right = sum(row.value or 0 for row in replies[0])
        candidate = Candidate(f"{first.instruction} {self.endings[self.step - 1]}")
        note = f"the first prompt had {right:g} of 2 right"
        return Proposals((Proposal(candidate, (first.id,), note),), strategy="endings")

    def tell(self, step):
        self.step += 1
'''
ENDINGS = "[Work step by step., Count every segment.]"
SPEC = TOY.replace("kind: model", "kind: choice")
CALLS = 12 + 12 * 2 + 2 * 14 + 2 * 2
"""Baseline, two candidates, the test comparison, and two looks at two train rows."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the package was installed."""
    package, site = (tmp_path_factory.mktemp(name) for name in ("package", "site"))
    (package / "pyproject.toml").write_text(PYPROJECT)
    (package / "tiny_strategy.py").write_text(STRATEGY)
    install = ("pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    subprocess.run(
        [sys.executable, "-m", *install, "--target", str(site), str(package)], check=True
    )
    return site


def spec_of(strategy: str, **more: str) -> str:
    optimizer = ", ".join([f"strategy: {strategy}", *(f"{key}: {more[key]}" for key in more)])
    spec = SPEC.replace("strategy: opro, iterations: 2", optimizer)
    return f"{spec}headroom: {{rows: 0}}\n"


def project_of(folder: Path, site: Path, url: str, spec: str) -> Project:
    project = toy_project(folder, url, PYTHONPATH=str(site))
    project.add("toy", spec)
    return project


def searches(project: Project) -> set[str]:
    return {path.split("/")[0] for path in project.records("toy")}


@pytest.mark.slow
def test_a_search_by_a_strategy_of_another_package(site: Path, tmp_path: Path) -> None:
    spec = spec_of("endings", iterations="2", endings=ENDINGS)
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = project_of(tmp_path, site, server.base_url, spec)
        checked = project.run("check", "toy")
        assert f"the whole search, at most: {CALLS} calls, " in checked.stdout, checked.stderr
        assert "optimizer: " not in checked.stdout  # it asks no such model
        most = int(checked.stdout.split(f"at most: {CALLS} calls, ")[1].split(" tokens")[0])
        outcome = project.run_json("toy")
        assert 12 + 4 < outcome["calls"]["made"] <= CALLS
        assert 0 < sum(outcome["tokens"].values()) <= most
        records = project.records("toy")
        (search,) = searches(project)
        tried = records[f"{search}/iterations/001.json"].decode()
        assert "Name the shape. Work step by step." in tried
        assert "the first prompt had" in tried
        assert '"strategy": "endings"' in tried
        again = project.run_json("toy")
        assert (again["calls"]["made"], without_calls(again)) == (0, without_calls(outcome))
        assert project.records("toy") == records
        stored = json.loads(records[f"{search}/spec.json"])
        assert stored["optimizer"]["endings"] == ["Work step by step.", "Count every segment."]
        assert stored["optimizer"]["package"] == "tiny-strategy 0.3"
        # A search goes on under the code that it was begun with; what was answered stays known.
        module = site / "tiny_strategy.py"
        module.write_text(f"{STRATEGY}CHANGED = True\n")
        assert project.run_json("toy")["calls"]["made"] == 0
        module.write_text(STRATEGY)
        assert len(searches(project)) == 2


@pytest.mark.parametrize(
    ("line", "broken", "said"),
    [
        ("self.step += 1", "self.step += [][1]", "IndexError: list index out of range"),
        pytest.param(
            "return Probe(",
            "return (",
            "TypeError: asked for tuple: no question, probe, proposals",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "row.id for",
            "row.inputs.text for",
            "ValueError: a probe's rows are no train rows",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_fault_of_its_code_is_told_in_a_line(
    site: Path, tmp_path: Path, line: str, broken: str, said: str
) -> None:
    spec = spec_of("endings", iterations="1", endings=ENDINGS)
    own = tmp_path / "site"
    shutil.copytree(site, own)
    (own / "tiny_strategy.py").write_text(STRATEGY.replace(line, broken))
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        done = project_of(tmp_path / "project", own, server.base_url, spec).run("run", "toy")
    assert done.returncode == 1
    told = f"optimizer.strategy = 'endings' failed ({said}); mend its package"
    assert told in done.stderr.splitlines()[-1]


BROKEN = {
    "absent": (
        spec_of("absent"),
        "the entry point absent = tiny_no_such_module:Settings of tiny-strategy 0.3 cannot be "
        "loaded (ModuleNotFoundError: No module named 'tiny_no_such_module'); mend it",
    ),
    "nameless": (
        spec_of("nameless"),
        "the entry point nameless = tiny_strategy:Endings of tiny-strategy 0.3 is no complete "
        "StrategySettings; mend it",
    ),
    "taken": (
        spec_of("demos"),
        "the entry point demos = tiny_strategy:EndingsSettings of tiny-strategy 0.3 has a name in "
        "autoprompt.optimizers that is taken by autoprompt's own; rename it, or uninstall the "
        "package",
    ),
    "unknown": (
        spec_of("ending"),
        'optimizer.strategy = "ending": is not known; use one of '
        f"{', '.join(STRATEGIES.words)}, absent, endings, nameless",
    ),
    "lacking": (spec_of("endings"), "optimizer.endings: is missing; add it"),
    "misspelt": (
        spec_of("endings", endingz=ENDINGS, endings=ENDINGS),
        "optimizer.endingz: no such field; did you mean 'endings'?",
    ),
    "rowless": (
        spec_of("endings", endings=ENDINGS).replace("train: 4", "train: 0"),
        "dataset.split.train is 0; raise it, optimizer 'endings' looks at some",
    ),
}


def test_what_is_wrong_with_a_package_is_told_in_a_line_each(site: Path, tmp_path: Path) -> None:
    project = project_of(tmp_path, site, "http://127.0.0.1:9/v1", spec_of("gepa"))
    for name, (spec, _) in BROKEN.items():
        project.add(name, spec, rows_csv=csv_of(ANSWERS))
    told = project.run("list").stdout.splitlines()
    for name, (_, said) in BROKEN.items():
        line = next(line for line in told if line.startswith(f"{name}: "))
        assert said in line
        assert line.startswith(f"{name}: BROKEN: ")
    # A package is not looked into where the file names another strategy.
    assert any(line.startswith("toy: gpt-4.1-mini at openai, gepa") for line in told)
    assert BROKEN["absent"][1] in project.refused("check", "absent")
