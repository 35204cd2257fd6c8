"""What was answered once is never paid for again: after edits, in a new home, with a new grader."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, KEY, Project, csv_of, toy_project, without_calls

NAME = "toy"
CHANGED = "What shape does this path draw?"


@dataclass(frozen=True)
class Finished:
    """A project with one finished run, and the server that it asked."""

    project: Project
    server: LoopbackServer
    outcome: dict[str, Any]
    ledger: list[dict[str, Any]]

    def validation_row(self) -> str:
        """The input of a validation row that the first prompt gets right."""
        searches = self.project.home / "results" / NAME / "searches"
        baseline = json.loads(next(searches.glob("*/baseline.json")).read_bytes())
        rows = next(searches.glob(f"*/evaluations/validation-{baseline['id']}.parquet"))
        found = pq.read_table(rows, columns=["input", "outcome"]).to_pylist()
        return next(str(row["input"]) for row in found if row["outcome"] == "correct")

    def asked_by(self, project: Project, *arguments: str) -> tuple[dict[str, Any], Asked]:
        """The outcome of another run, and what it asked the server."""
        begin = len(self.server.ledger)
        outcome = project.run_json(NAME, *arguments)
        return outcome, Asked(self.server.ledger[begin:])


@dataclass(frozen=True)
class Asked:
    """The requests of one run."""

    ledger: list[dict[str, Any]]

    def count(self, role: str) -> int:
        return sum(entry["role"] == role for entry in self.ledger)

    def baseline(self) -> Asked:
        """Up to the optimizer's first request: all that the baseline can have asked."""
        roles = [entry["role"] for entry in self.ledger]
        return Asked(self.ledger[: roles.index("optimizer")])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    with LoopbackServer(Behaviour(answers=ANSWERS | {CHANGED: "(A)"})) as server:
        environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        project = Project(tmp_path_factory.mktemp("finished"), environ)
        project.add_toy(NAME)
        outcome = project.run_json(NAME, "--set", "concurrency=16")
        yield Finished(project, server, outcome, list(server.ledger))


def test_a_finished_experiment_runs_again_without_a_call_to_the_same_result(
    finished: Finished, tmp_path: Path
) -> None:
    project = finished.project.copy(tmp_path / "again")
    outcome, asked = finished.asked_by(project)

    assert asked.ledger == []
    assert without_calls(outcome) == without_calls(finished.outcome)
    assert outcome["calls"]["made"] == outcome["calls"]["failed"] == 0
    made, replayed = (finished.outcome["calls"][kind] for kind in ("made", "replayed"))
    assert made == len(finished.ledger)
    assert outcome["calls"]["replayed"] == made + replayed
    assert project.records(NAME) == finished.project.records(NAME)


@pytest.mark.slow
def test_a_new_home_with_the_old_journal_comes_to_the_same_records_without_a_call(
    finished: Finished, tmp_path: Path
) -> None:
    project = Project(tmp_path / "new", finished.project.environ)
    project.add_toy(NAME)
    project.home.mkdir()
    for path in finished.project.home.glob("journal.db*"):
        shutil.copy(path, project.home)
    outcome, asked = finished.asked_by(project)

    assert asked.ledger == []
    assert without_calls(outcome) == without_calls(finished.outcome)
    assert project.records(NAME) == finished.project.records(NAME)


def test_one_call_at_a_time_leaves_the_same_bytes_as_sixteen(
    finished: Finished, tmp_path: Path
) -> None:
    project = Project(tmp_path / "one", finished.project.environ)
    project.add_toy(NAME)
    finished.server.peak_in_flight = 0
    outcome, _ = finished.asked_by(project, "--set", "concurrency=1")

    assert finished.server.peak_in_flight == 1
    assert without_calls(outcome) == without_calls(finished.outcome)
    assert project.records(NAME) == finished.project.records(NAME)
    assert len(project.records(NAME)) > 10


@pytest.mark.slow
def test_a_changed_target_costs_the_new_baseline_one_review_and_no_target_call(
    finished: Finished, tmp_path: Path
) -> None:
    project = finished.project.copy(tmp_path / "target")
    row = finished.validation_row()
    other = "(A)" if ANSWERS[row] != "(A)" else "(B)"
    project.add(NAME, _spec(project), rows_csv=csv_of(ANSWERS | {row: other}))
    _, asked = finished.asked_by(project)

    assert asked.baseline().count("target") == 0
    assert asked.baseline().count("review") <= 1
    assert len(_searches(project)) == 2

    # The same candidates again, where the new scores would have led elsewhere.
    earlier = next(iter(_searches(finished.project)))
    _, again = finished.asked_by(project, "--rescore", earlier)
    assert again.count("optimizer") == 0
    assert again.count("target") == 0
    # The first prompt and two candidates.
    assert again.count("review") <= 3


def test_a_changed_input_costs_each_candidate_one_target_call_at_most(
    finished: Finished, tmp_path: Path
) -> None:
    project = finished.project.copy(tmp_path / "input")
    row = finished.validation_row()
    rows = {CHANGED if text == row else text: target for text, target in ANSWERS.items()}
    project.add(NAME, _spec(project), rows_csv=csv_of(rows))
    earlier = next(iter(_searches(finished.project)))
    _, asked = finished.asked_by(project, "--rescore", earlier)

    assert len(_searches(project)) == 2
    # The first prompt asks it once more, to tell noise from gain.
    assert 0 < asked.count("target") <= 3 + 1
    questions = {
        entry["body"]["messages"][-1]["content"]
        for entry in asked.ledger
        if entry["role"] == "target"
    }
    assert questions == {CHANGED}


def test_a_changed_grader_scores_the_whole_search_again_without_a_target_call(
    finished: Finished, tmp_path: Path
) -> None:
    project = finished.project.copy(tmp_path / "grader")
    settings = ("--rescore", "latest", "--set", "grader={kind: choice}")
    outcome, asked = finished.asked_by(project, *settings)

    assert asked.ledger == []
    assert len(_searches(project)) == 2
    # The review model and the letter agree on this server's answers.
    assert outcome["best_prompt"] == finished.outcome["best_prompt"]
    assert outcome["baseline"] == finished.outcome["baseline"]
    assert outcome["best"] == finished.outcome["best"]
    assert outcome["calls"]["made"] == 0


def test_rescoring_a_search_that_is_not_there_is_one_line(
    finished: Finished, tmp_path: Path
) -> None:
    project = finished.project.copy(tmp_path / "none")
    result = project.run("run", NAME, "--rescore", "000000000000")

    earlier = next(iter(_searches(finished.project)))
    assert result.returncode == 2
    assert result.stderr == (
        f"--rescore 000000000000: no such search of {NAME}; there are {earlier}\n"
    )


def _spec(project: Project) -> str:
    return (project.experiments / NAME / "experiment.yaml").read_text(encoding="utf-8")


def _searches(project: Project) -> set[str]:
    return {path.split("/")[0] for path in project.records(NAME)}


def test_two_runs_at_once_pay_for_each_call_once(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.05)) as server:
        project = toy_project(tmp_path, server.base_url)
        both = [project.start("run", "toy", "--json") for _ in range(2)]
        ended = [process.communicate(timeout=120) for process in both]
        assert [process.returncode for process in both] == [0, 0], ended
        # What the first prompt is asked twice on purpose, to tell noise from gain.
        assert server.repeats() == 12
        assert any("is at work on search" in err for _, err in ended), ended
        first, second = (without_calls(json.loads(out)) for out, _ in ended)
        assert first == second


@pytest.mark.slow
def test_runs_that_make_one_home_at_the_same_moment_all_end_well(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        for name in ("one", "two", "three"):
            project.add_toy(name)
        processes = [project.start("run", name, "--json") for name in ("one", "two", "three")]
        ends = [(process.communicate(timeout=200), process.returncode) for process in processes]
    assert [code for _, code in ends] == [0, 0, 0], ends


def test_what_a_killed_run_left_half_written_is_swept(finished: Finished, tmp_path: Path) -> None:
    project = finished.project.copy(tmp_path / "swept")
    search = next((project.home / "results" / NAME / "searches").iterdir())
    results = search.parents[1]
    (rows,) = results.glob("datasets/*/rows.parquet")
    left = [search / "evaluations" / ".x1.parquet", search / "iterations" / ".y2001.json"]
    left += [rows.parent / ".z1rows.parquet", results / "membership" / ".w1.parquet"]
    kept = sorted(path.name for path in results.rglob("*") if path.is_file())
    for path in left:
        path.write_bytes(b"PAR1")
    project.run_json(NAME)
    assert sorted(path.name for path in results.rglob("*") if path.is_file()) == kept
