"""A grader of somebody else's is named as ours are, and what is wrong with it is said."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoprompt_assets.engine.grading import GRADERS
from tests.loopback import Behaviour, LoopbackServer
from tests.plugin_support import install, release
from tests.support import ANSWERS, ROOT, Project, csv_of, toy_project

GROUP = "autoprompt.graders"
ENDS = '''
from typing import Literal

from autoprompt_assets.engine.grading import Rule, right_or_wrong


class EndsGrader(Rule):
    """Right when the answer ends with the target."""

    kind: Literal["ends"]
    stop: str = "."

    def grade(self, example, answer):
        return right_or_wrong(answer.rstrip(self.stop).endswith(example.target))
'''
FAILS = '''
from typing import Literal

from autoprompt_assets.engine.grading import Grade, Rule, right_or_wrong


class FailsGrader(Rule):
    """Has a fault of its own for what is not the target as it stands."""

    kind: Literal["fails", "beyond"]

    def grade(self, example, answer):
        if answer == example.target:
            return right_or_wrong(True)
        return Grade(2.0, "partial") if self.kind == "beyond" else right_or_wrong([][1])


class Unready(Rule):
    """Lacks a grade."""

    kind: Literal["unready"]
'''
SAID = ("best_prompt", "baseline", "best", "headroom", "candidates", "tokens", "usd")
SPEC = """\
dataset:
  path: rows.csv
  split: {{train: 4, validation: 12, test: 14}}
roles:
  target: {{model: gpt-4.1-mini, prompt: Name the shape., max_tokens: 200}}
grader: {grader}
optimizer: {{strategy: demos, iterations: 1}}
concurrency: 4
"""


def project_of(folder: Path, base_url: str = "http://127.0.0.1:9/v1", **graders: str) -> Project:
    packages = folder / "packages"
    project = toy_project(folder, base_url, PYTHONPATH=str(packages))
    install(packages, "toy-ends", GROUP, "ends = toy_ends:EndsGrader", toy_ends=ENDS)
    for name, grader in graders.items():
        project.add(name, SPEC.format(grader=grader), rows_csv=csv_of(ANSWERS))
    return project


def run(project: Project, *arguments: str) -> tuple[int | None, str, str]:
    result = project.run(*arguments)
    return result.returncode, result.stdout, result.stderr


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        yield server


@pytest.mark.slow
def test_an_installed_grader_runs_an_experiment_and_is_part_of_the_search_s_identity(
    tmp_path: Path, server: LoopbackServer
) -> None:
    project = project_of(tmp_path, server.base_url, theirs="{kind: ends}", ours="{kind: contains}")
    outcomes = []
    for name in ("theirs", "ours"):
        code, said, errors = run(project, "run", "--json", name)
        assert code == 0, errors
        outcomes.append(json.loads(said))
    theirs, ours = ({key: one[key] for key in SAID} for one in outcomes)
    assert theirs == ours
    asked = len(server.ledger)
    release(tmp_path / "packages", "toy-ends", "1.1")
    assert run(project, "run", "theirs")[0] == 0
    assert len(server.ledger) == asked
    searches = project.home / "results" / "theirs" / "searches"
    assert len([folder for folder in searches.iterdir() if folder.is_dir()]) == 2


def test_what_is_wrong_with_a_package_is_one_line_that_names_it(tmp_path: Path) -> None:
    project = project_of(
        tmp_path,
        works="{kind: ends}",
        typing="{kind: ends, stopp: x}",
        mistyped="{kind: ends, stop: true}",
        foreign="{kind: ends, pattern: x}",
        unknown="{kind: end}",
        lost="{kind: lost}",
        strange="{kind: strange}",
        unready="{kind: unready}",
        own="{kind: exact}",
        twice="{kind: twice}",
        renamed="{kind: renamed}",
        number="{kind: number}",
    )
    for name, point, text in (
        ("toy-lost", "lost = toy_lost:Lost", "import toy_nowhere\n"),
        ("toy-strange", "strange = toy_strange:Strange", "class Strange: pass\n"),
        ("toy-unready", "unready = toy_fails:Unready", FAILS),
        ("toy-own", "exact = toy_ends:EndsGrader", ""),
        ("toy-renamed", "renamed = toy_ends:EndsGrader", ""),
        ("toy-one", "twice = toy_one:A", ""),
        ("toy-two", "twice = toy_two:A", ""),
    ):
        module = point.partition(" = ")[2].partition(":")[0]
        modules = {module: text} if text else {}
        install(tmp_path / "packages", name, GROUP, point, **modules)
    code, said, errors = run(project, "list")
    assert (code, errors) == (0, "")
    lines = dict(line.split(": ", 1) for line in said.splitlines())
    place, stray = project.experiments, "is no complete GraderSettings; mend it"
    assert "BROKEN" not in lines["works"] + lines["number"] + lines["toy"]
    words = ", ".join([*GRADERS.words, "ends, "])
    assert lines["unknown"].startswith(
        f'BROKEN: {place}/unknown/experiment.yaml: grader.kind = "end": is not known; use one of '
        + words
    )
    expected = {
        "typing": f"{place}/typing/experiment.yaml: grader.stopp: no such field; did you mean "
        "'stop'?",
        "mistyped": f"{place}/mistyped/experiment.yaml: grader.stop = true: is not text; put it "
        "in quotes (YAML reads yes, no, on and off as true and false)",
        "foreign": f"{place}/foreign/experiment.yaml: grader.pattern: no such field; use kind, "
        "stop, weight",
        "lost": "the entry point lost = toy_lost:Lost of toy-lost 1.0 cannot be loaded "
        "(ModuleNotFoundError: No module named 'toy_nowhere'); mend it",
        "strange": f"the entry point strange = toy_strange:Strange of toy-strange 1.0 {stray}",
        "unready": f"the entry point unready = toy_fails:Unready of toy-unready 1.0 {stray}",
        "own": "the entry point exact = toy_ends:EndsGrader of toy-own 1.0 has a name in "
        "autoprompt.graders that is taken by autoprompt's own; rename it, or uninstall the package",
        "renamed": "the entry point renamed = toy_ends:EndsGrader of toy-renamed 1.0 is of "
        "another kind, 'ends'; give both one name",
        "twice": "the entry point twice = toy_one:A of toy-one 1.0 and the entry point twice = "
        "toy_two:A of toy-two 1.0 have one name in autoprompt.graders; uninstall one",
    }
    assert {name: lines[name] for name in expected} == {
        name: f"BROKEN: {line}" for name, line in expected.items()
    }


def test_the_grader_of_the_readme_is_one(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(class EndsGrader.*?)```", text, re.DOTALL)
    said = "from autoprompt_assets.engine.grading import Rule, right_or_wrong"
    assert said in code
    project = project_of(tmp_path, theirs="{kind: ends}")
    module = tmp_path / "packages" / "toy_ends.py"
    module.write_text(f"from typing import Literal\n{said}\n{code}", encoding="utf-8")
    status, _, errors = run(project, "check", "theirs")
    assert (status, errors) == (0, "")


@pytest.mark.slow
def test_a_fault_of_its_grade_is_no_grade(tmp_path: Path, server: LoopbackServer) -> None:
    project = project_of(tmp_path, server.base_url, one="{kind: fails}", two="{kind: beyond}")
    install(
        tmp_path / "packages", "toy-fails", GROUP, "fails = toy_fails:FailsGrader", toy_fails=FAILS
    )
    install(tmp_path / "packages", "toy-beyond", GROUP, "beyond = toy_fails:FailsGrader")
    for name, reason in (
        ("one", "the grader 'fails' failed (IndexError: list index out of range)"),
        ("two", "the grader 'beyond' gave 2.0, which is not from 0 to 1"),
    ):
        code, said, errors = run(project, "run", name)
        assert (code, said) == (1, "")
        assert reason in errors.splitlines()[-1]
