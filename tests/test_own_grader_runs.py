"""Searches whose answers are graded by a function of the user's, run as their users run them."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, KEY, Project, csv_of, toy_project, without_calls

SPEC = """\
dataset:
  path: rows.csv
  split: {{train: 4, validation: 12, test: 14}}
roles:
  target: {{model: gpt-4.1-mini, prompt: Name the shape., max_tokens: 200}}
{review}grader: {grader}
optimizer: {{strategy: demos, iterations: 1}}
headroom: {{rows: 0}}
concurrency: 4
"""
GRADER = "{kind: python, function: grade.py:grade}"
CODE = """
def grade(row, answer):
    share = (0.75 if row["target"] in answer else 0.25) / 1
    return {"value": share, "feedback": f"{share:.0%} of it", "metrics": {"length": len(answer)}}
"""


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        yield server


REVIEW = "  review: {model: gpt-4.1-mini, max_tokens: 50}\n"


def project_of(
    folder: Path, base_url: str, code: str, grader: str = GRADER, review: str = ""
) -> Project:
    project = toy_project(folder, base_url)
    spec = SPEC.format(grader=grader, review=review)
    project.add("own", spec, rows_csv=csv_of(ANSWERS), grade_py=code)
    return project


def test_a_search_is_graded_in_part_and_an_edit_grades_anew_and_asks_nothing(
    tmp_path: Path, server: LoopbackServer
) -> None:
    project = project_of(tmp_path, server.base_url, CODE)
    first = project.run_json("own")
    assert 0 < first["baseline"]["test"] < 1
    assert first["baseline"]["metrics"]["length"] > 0
    asked = len(server.ledger)
    code = CODE.replace("/ 1", "/ 2")
    (project.experiments / "own" / "grade.py").write_text(code, encoding="utf-8")
    second = project.run_json("own")
    assert second["baseline"]["test"] == pytest.approx(first["baseline"]["test"] / 2)
    assert len(server.ledger) - asked <= 14  # where another candidate is the best
    page = Path(second["report"]).read_text(encoding="utf-8")
    assert "Metrics on the test rows" in page
    assert '<span class="took">, ' in page
    for one in (second["baseline"], second["best"], *second["tried"]):
        assert one["answer"]["seconds"] > 0
        assert one["answer"]["usd"] > 0
        assert one["metrics"]["length"] > 0
    assert set(second["baseline"]["confusion"]["f1"]) == set("(A) (B) (C) (D)".split())
    searches = project.home / "results" / "own" / "searches"
    assert len([folder for folder in searches.iterdir() if folder.is_dir()]) == 2
    project.assert_key_is_nowhere(json.dumps(second), KEY)


def test_a_function_that_fails_on_every_row_ends_the_run_after_few_calls(
    tmp_path: Path, server: LoopbackServer
) -> None:
    project = project_of(tmp_path, server.base_url, "def grade(row, answer):\n    return 1 / 0\n")
    asked = len(server.ledger)
    result = project.run("run", "own")
    assert (result.returncode, result.stdout) == (1, "")
    line = result.stderr.splitlines()[-1]
    assert "5 times unreviewed: grade.py:grade failed: ZeroDivisionError: division by zero" in line
    assert "(grade.py, line 2)" in line
    assert len(server.ledger) - asked <= 12


@pytest.mark.parametrize(
    ("grader", "code", "said"),
    [
        (
            "{kind: python, function: lost.py:grade}",
            CODE,
            "grader.function = 'lost.py:grade': there is no lost.py in ",
        ),
        (GRADER, "import nowhere", "grader.function = 'grade.py:grade': cannot be loaded: Module"),
        ("{kind: python, function: grade}", CODE, "grader.function: is no function of a"),
        (
            "{kind: python, function: grade.py:grade, reviews: 1}",
            CODE,
            "grader.kind is 'python' and roles.review is missing; add it",
        ),
    ],
)
def test_what_cannot_be_called_is_refused_before_anything_is_paid(
    tmp_path: Path, server: LoopbackServer, grader: str, code: str, said: str
) -> None:
    project = project_of(tmp_path, server.base_url, code, grader)
    asked = len(server.ledger)
    for command in ("check", "run"):
        line = project.refused(command, "own")
        assert line.startswith(str(project.experiments / "own" / "experiment.yaml"))
        assert said in line
    assert len(server.ledger) == asked


ASKS = """
import asyncio

async def grade(row, answer, ask):
    await asyncio.sleep(0.01)
    said = await ask(f"Model Response: {answer} Ground Truth: {row['target']}")
    return {"value": 0.25 + 0.75 * ("true" in said.lower()), "feedback": said}
"""
ASKING = "{kind: python, function: grade.py:grade, reviews: 1}"


@pytest.mark.slow
def test_a_killed_search_leaves_no_worker_and_goes_on_where_it_was(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.05)) as server:
        reference = project_of(tmp_path / "a", server.base_url, ASKS, ASKING, REVIEW)
        whole = reference.run_json("own")
        calls = len(server.ledger)
        assert calls == whole["calls"]["made"]
        assert server.counts()["review"] > 12
        killed = project_of(tmp_path / "b", server.base_url, ASKS, ASKING, REVIEW)
        program = killed.start("run", "own")
        patience = time.monotonic() + 60
        while len(server.ledger) < calls + 20 and time.monotonic() < patience:
            time.sleep(0.02)
        program.kill()
        program.communicate(timeout=60)
        assert len(server.ledger) > calls
        patience = time.monotonic() + 10
        while workers_in(killed) and time.monotonic() < patience:
            time.sleep(0.1)
        assert workers_in(killed) == []
        again = killed.run_json("own")
        assert without_calls(again) == without_calls(whole)
        in_flight = 2 * 4
        assert len(server.ledger) - calls <= calls + in_flight
    assert killed.records("own") == reference.records("own")


def workers_in(project: Project) -> list[str]:
    """Processes at work in the folder of the experiment."""
    folder = str((project.experiments / "own").resolve())
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if str(path.readlink()) == folder:
                found.append(path.parent.name)
    return found
