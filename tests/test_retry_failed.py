"""Rows whose calls failed stay as they ended, until somebody asks for them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, Project, toy_project

SETTINGS = (
    *("--set", "roles.target.timeout=0.4"),
    *("--set", "roles.target.deadline=1"),
    *("--set", "unmeasured=0.3"),
)


def hangs(body: Mapping[str, Any]) -> bool:
    return body["messages"][-1]["content"] in sorted(ANSWERS)[3:5]


class Story:
    """A toy searched while two of its rows got no answer."""

    def __init__(self, project: Project, server: LoopbackServer, outcome: dict[str, Any]) -> None:
        self.project, self.server, self.outcome = project, server, outcome

    def run(self, *arguments: str) -> dict[str, Any]:
        return self.project.run_json("toy", *SETTINGS, *arguments)

    def failed(self, search: Path) -> list[str]:
        paths = [
            path for path in search.glob("evaluations/*.parquet") if "timings" not in path.name
        ]
        rows = [row for path in paths for row in pq.read_table(path).to_pylist()]
        return [row["input"] for row in rows if row["outcome"] == "error"]

    @property
    def searches(self) -> set[Path]:
        return set((self.project.home / "results" / "toy" / "searches").iterdir())


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("first") / "project"
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        story = Story(toy_project(folder, server.base_url), server, {})
        server.slow = hangs
        story.outcome = story.run()
        server.slow = lambda body: False
        yield story


@pytest.fixture
def story(first: Story, tmp_path: Path) -> Story:
    return Story(first.project.copy(tmp_path / "project"), first.server, first.outcome)


@pytest.mark.slow
def test_a_search_goes_on_without_asking_failed_rows_again(story: Story) -> None:
    (search,) = story.searches
    failed = story.failed(search)
    assert failed
    begun = len(story.server.ledger)
    again = story.run()
    assert len(story.server.ledger) == begun
    assert again["best_prompt"] == story.outcome["best_prompt"]
    assert story.failed(search) == failed


@pytest.mark.slow
def test_retry_failed_starts_a_new_path_and_asks_no_answered_call_again(story: Story) -> None:
    (first,) = story.searches
    answered = {entry["key"] for entry in story.server.ledger if not hangs(entry["body"])}
    begun = len(story.server.ledger)
    result = story.project.run("run", "toy", *SETTINGS, "--retry-failed")
    assert result.returncode == 0, result.stderr
    told = [line for line in result.stderr.splitlines() if not line.startswith("note: ")]
    assert told[0] == (
        f"{len(story.failed(first))} rows of search {first.name} failed: asked again, on a new "
        "path, as a search of its own; what was answered is replayed"
    )
    (second,) = story.searches - {first}
    assert story.failed(second) == []
    asked = story.server.ledger[begun:]
    assert {entry["body"]["messages"][-1]["content"] for entry in asked} >= {*story.failed(first)}
    assert not answered & {entry["key"] for entry in asked}
    assert story.failed(first), "the old path stays as it ended"


def test_rows_that_ended_a_run_are_asked_by_a_plain_one_and_the_flag_says_so(
    tmp_path: Path,
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path / "project", server.base_url)
        settings = (*SETTINGS[:-1], "unmeasured=0.01")
        server.slow = hangs
        ended = project.run("run", "toy", *settings)
        assert ended.returncode == 1, ended
        assert "rows have no grade, more than the 1.0%" in ended.stderr
        server.slow = lambda body: False
        line = project.refused("run", "toy", *settings, "--retry-failed")
        assert line.endswith(
            "has ended without an answer, and the search has not ended; leave the flag out: a "
            "plain `autoprompt run toy` goes on with it, and asks the rows that got none"
        )
        begun = len(server.ledger)
        project.run_json("toy", *settings)
        assert any(hangs(entry["body"]) for entry in server.ledger[begun:])


@pytest.mark.slow
def test_retry_failed_with_nothing_to_retry_is_refused(story: Story) -> None:
    story.project.run("run", "toy", *SETTINGS, "--retry-failed")
    line = story.project.refused("run", "toy", *SETTINGS, "--retry-failed")
    assert line.startswith("--retry-failed: no row of search ")
    assert " has ended without an answer; leave the flag out" in line
    other = story.project.refused("run", "toy", "--set", "unmeasured=0.9", "--retry-failed")
    assert other == (
        "--retry-failed: toy has no search under these settings; run it without the flag"
    )
