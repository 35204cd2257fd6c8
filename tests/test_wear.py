"""The sealed test wears out: each further verdict on its rows is judged more strictly, and says so.

Runs of the program, one after another on one home, as a user makes them who tries again and again.
"""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from autoprompt_assets.engine.dataset import DatasetSpec, build_dataset
from autoprompt_assets.engine.example import SPLITS
from tests.loopback import Behaviour, LoopbackServer
from tests.row_support import text_row
from tests.support import ANSWERS, TOY, Project, csv_of, toy_project, without_calls

FIRST = "the first verdict on these rows: judged at .05, 95% interval"
SECOND = (
    "the 2nd verdict on these rows: judged at .025 (.05/2), 97.5% interval; not corrected for what "
    "was changed after seeing the earlier one"
)
THIRD = (
    "the 3rd verdict on these rows: judged at .0167 (.05/3), 98.33% interval; not corrected for "
    "what was changed after seeing the earlier ones"
)
OTHER = TOY.replace("Name the shape.", "What is drawn here.")
# The first prompt and the sealed test take all of it, so that the first prompt stays.
STAYS = TOY.replace("concurrency: 4", "concurrency: 4\nbudget: {calls: 80}").replace(
    "Name the shape.", "Say the shape."
)


@dataclass
class Story:
    """One home on which several searches read the same rows."""

    project: Project
    server: LoopbackServer
    outcomes: dict[str, dict[str, Any]] = field(default_factory=dict)

    def said(self, *arguments: str) -> str:
        result = self.project.run(*arguments)
        assert result.returncode == 0, result.stderr
        return " ".join(result.stdout.split())

    def report(self, name: str) -> str:
        return Path(self.outcomes[name]["report"]).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path_factory.mktemp("story") / "project", server.base_url)
        story = Story(project, server)
        project.add("other", OTHER, rows_csv=csv_of(ANSWERS))
        story.outcomes["toy"] = project.run_json("toy")
        story.outcomes["other"] = project.run_json("other")
        yield story


def judged(outcome: dict[str, Any]) -> tuple[int, str]:
    return outcome["comparison"]["reading"], outcome["comparison"]["wear"]


def placed(spec: str, *splits: str) -> set[str]:
    """The inputs that the experiment `spec` has in these splits."""
    settings = DatasetSpec.model_validate(yaml.safe_load(spec)["dataset"])
    built = build_dataset([text_row(*pair) for pair in ANSWERS.items()], settings)
    return {row.inputs.text for row in built.examples if row.split in splits}


def counted(project: Project) -> int:
    """How many readings the journal holds."""
    if not (project.home / "journal.db").exists():
        return 0
    with closing(sqlite3.connect(project.home / "journal.db")) as connection:
        made = "SELECT 1 FROM sqlite_master WHERE name = 'readings'"
        if not connection.execute(made).fetchone():
            return 0
        found: int = connection.execute("SELECT count(*) FROM readings").fetchone()[0]
        return found


def test_a_second_experiment_on_the_same_rows_is_judged_at_half_the_level(story: Story) -> None:
    assert judged(story.outcomes["toy"]) == (1, FIRST)
    assert judged(story.outcomes["other"]) == (2, SECOND)
    levels = [story.outcomes[name]["comparison"]["level"] for name in ("toy", "other")]
    sure = [story.outcomes[name]["comparison"]["confidence"] for name in ("toy", "other")]
    assert (levels, sure) == ([0.05, 0.025], [0.95, 0.975])


@pytest.mark.slow
def test_the_same_search_again_keeps_its_number_everywhere_it_stands(story: Story) -> None:
    before = story.project.records("toy")
    shown = story.said("run", "toy")
    assert f"{FIRST} " in shown
    assert "95% interval" in shown.split("verdict: ")[1]
    assert story.project.records("toy") == before
    shown = story.said("run", "other")
    assert f"{SECOND} " in shown
    assert ", 97.5% interval " in shown.split("verdict: ")[1]
    assert counted(story.project) == 2


def test_the_report_says_which_verdict_it_is_and_at_what_level(story: Story) -> None:
    for name, wear, interval in (("toy", FIRST, "95%"), ("other", SECOND, "97.5%")):
        html = story.report(name)
        assert html.count(wear) == 2
        assert f"({interval} interval " in html


def test_stored_outcome_holds_number_and_level(story: Story) -> None:
    path = Path(story.outcomes["other"]["report"]).with_name("comparison.json")
    stored = json.loads(path.read_bytes())
    assert (stored["reading"], stored["comparison"]["level"]) == (2, 0.025)
    assert stored["comparison"]["interval"] == story.outcomes["other"]["comparison"]["interval"]


def test_check_says_before_any_money_what_the_next_verdict_is_judged_at(story: Story) -> None:
    said = story.said("check", "toy")
    assert "sealed test: 2 verdicts have read these 14 test rows, or a set that shares" in said
    assert f"another pair of prompts, or another grader, is {THIRD}" in said
    assert "the least gain that can be shown is 7 rows won and none lost" in said
    assert "fresh rows, which no verdict has read: 0 of 14 test rows" in said
    split = "{train: 4, validation: 6, test: 6}"
    settings = ("--set", f"dataset.split={split}", "--set", "dataset.seed=2")
    said = story.said("check", "toy", *settings)
    assert "is the 3rd verdict on these rows" in said
    assert "no gain can be shown: that takes 7 rows won and none lost; bring fresh rows" in said
    other = TOY.replace("{train: 4, validation: 12, test: 14}", f"{split}\n  seed: 2")
    unread = set(ANSWERS) - placed(TOY, "test")
    fresh, spare = unread & placed(other, "test"), unread - placed(other, *SPLITS)
    assert f"has read: {len(fresh)} of 6 test rows, and {len(spare)} of 14 in no split" in said
    assert counted(story.project) == 2


def test_check_of_an_unread_table_makes_no_journal(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    result = project.run("check", "toy")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"  another pair of prompts, or another grader, is {FIRST}\n" in result.stdout
    assert result.stdout.endswith("  fresh rows, which no verdict has read: 14 of 14 test rows\n")
    assert not (project.home / "journal.db").exists()


def test_check_makes_no_journal_in_place_of_one_that_was_moved_away(
    story: Story, tmp_path: Path
) -> None:
    project = story.project.copy(tmp_path / "copy")
    for path in project.home.glob("journal.db*"):
        path.unlink()
    result = project.run("check", "toy")
    assert (result.returncode, result.stderr) == (0, "")
    assert "taken, not measured" in result.stdout
    assert not (project.home / "journal.db").exists()


def test_check_refuses_a_journal_that_cannot_be_read(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    project.home.mkdir()
    (project.home / "journal.db").write_bytes(b"no database " * 100)
    result = project.run("check", "toy")
    assert (result.returncode, result.stdout.count("\n") > 5) == (1, False)
    assert result.stderr.startswith("the journal cannot be opened: ")
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.slow
def test_another_grader_is_another_verdict_and_fresh_rows_are_a_first_one(
    story: Story, tmp_path: Path
) -> None:
    project = story.project.copy(tmp_path / "copy")
    choice = ("--rescore", "latest", "--set", "grader={kind: choice}")
    assert judged(project.run_json("toy", *choice)) == (3, THIRD)
    assert judged(project.run_json("toy", *choice)) == (3, THIRD)
    fresh = {text.replace("path", "line"): target for text, target in ANSWERS.items()}
    project.add("fresh", TOY, rows_csv=csv_of(fresh))
    story.server.behaviour = Behaviour(answers=ANSWERS | fresh)
    assert judged(project.run_json("fresh")) == (1, FIRST)


def test_a_first_prompt_that_stays_has_read_the_rows(story: Story, tmp_path: Path) -> None:
    project = story.project.copy(tmp_path / "copy")
    project.add("stays", STAYS, rows_csv=csv_of(ANSWERS))
    outcome = project.run_json("stays")
    assert outcome["best"]["iteration"] == 0
    assert judged(outcome) == (3, THIRD)
    assert counted(project) == 3


def test_pruning_answers_forgets_no_reading(story: Story, tmp_path: Path) -> None:
    project = story.project.copy(tmp_path / "copy")
    for name in ("toy", "other"):
        assert project.run("journal", "prune", "--experiment", name, "--yes").returncode == 0
    ledger = json.loads(project.run("journal", "--json").stdout)
    assert (ledger["answers"], ledger["readings"]) == (0, 2)
    assert "sealed tests: 2 verdicts counted" in project.run("journal").stdout
    assert f"is {THIRD}" in " ".join(project.run("check", "toy").stdout.split())


@pytest.mark.slow
def test_failed_rows_asked_again_are_the_same_reading(tmp_path: Path) -> None:
    hanging = set(sorted(placed(TOY, "test"))[:2])
    settings = [
        *("--set", "roles.target.timeout=0.4", "--set", "roles.target.deadline=1"),
        *("--set", "unmeasured=0.3"),
    ]
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.slow = lambda body: body["messages"][-1]["content"] in hanging
        project = toy_project(tmp_path, server.base_url)
        first = project.run_json("toy", *settings)
        hanging.clear()
        again = project.run_json("toy", *settings, "--retry-failed")
    assert (first["calls"]["failed"], again["calls"]["failed"]) == (4, 0)
    assert again["report"] != first["report"]
    assert again["best_prompt"] == first["best_prompt"]
    assert judged(again) == judged(first) == (1, FIRST)


@pytest.mark.slow
def test_a_run_killed_while_it_reads_keeps_its_number_when_others_came_between(
    tmp_path: Path,
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.015)) as server:
        project = toy_project(tmp_path / "killed", server.base_url)
        project.add("other", OTHER, rows_csv=csv_of(ANSWERS))
        process = project.start("run", "toy")
        deadline = time.monotonic() + 60
        while not counted(project):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not list(project.home.glob("results/toy/searches/*/comparison.json"))
        other = project.run_json("other")
        resumed = project.run_json("toy")
        clean = toy_project(tmp_path / "clean", server.base_url)
        undisturbed = clean.run_json("toy")
    assert judged(other)[0] == 2
    assert judged(resumed) == (1, FIRST)
    assert without_calls(resumed) == without_calls(undisturbed)
    assert project.records("toy") == clean.records("toy")


@pytest.mark.slow
def test_two_experiments_at_once_on_the_same_rows_are_first_and_second(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        project.add("other", OTHER, rows_csv=csv_of(ANSWERS))
        both = [project.start("run", name, "--json") for name in ("toy", "other")]
        ended = [(process.communicate(timeout=120), process.returncode) for process in both]
    assert [code for _, code in ended] == [0, 0], ended
    numbers = [judged(json.loads(out))[0] for (out, _), _ in ended]
    assert sorted(numbers) == [1, 2]
