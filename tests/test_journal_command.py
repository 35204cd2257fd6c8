"""`autoprompt journal`: what it prints agrees with what was paid, and it deletes only when told."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.commands import prune
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.journal import Journal, run_present, search_turn
from autoprompt_assets.engine.llm import Completion
from tests.engine_support import make_completion
from tests.journal_support import question, replayed
from tests.loopback import Behaviour, LoopbackServer
from tests.program import Program
from tests.support import ANSWERS, KEY, Project, toy_project

DAY_S = 86400
PAID = make_completion("word " * 2000, "stop", prompt_tokens=100, completion_tokens=10, usd=0.5)


def fill(project: Project) -> None:
    """40 answers of `old` made 40 days ago, of which `new` uses two; 10 of `new` made now."""

    async def work() -> None:
        async with Journal(url(project), "old", "a" * 12) as journal:
            await asyncio.gather(
                *(journal.record(question(f"old {n}"), PAID) for n in range(39)),
                journal.record(question("old 39"), replace(PAID, usd=None)),
            )
        with closing(connect(project)) as connection, connection:
            connection.execute("UPDATE completions SET created_at = created_at - ?", (40 * DAY_S,))
        async with Journal(url(project), "new", "b" * 12) as journal:
            await replayed(journal, [question(f"old {n}") for n in range(2)])
            await asyncio.gather(*(journal.record(question(f"new {n}"), PAID) for n in range(10)))

    project.home.mkdir(parents=True, exist_ok=True)
    asyncio.run(work())


def url(project: Project) -> str:
    return f"sqlite:///{project.home / 'journal.db'}"


def connect(project: Project) -> sqlite3.Connection:
    return sqlite3.connect(project.home / "journal.db")


def held(project: Project) -> dict[str, int]:
    """How many answers each experiment has in the journal."""
    with closing(connect(project)) as connection:
        query = "SELECT experiment, count(*) FROM completions GROUP BY experiment"
        return dict(connection.execute(query).fetchall())


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    fill(project)
    return project


def said(project: Project, *arguments: str) -> list[str]:
    result = project.run("journal", *arguments)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return result.stdout.splitlines()


def ledger(project: Project) -> dict[str, Any]:
    (line,) = said(project, "--json")
    found: dict[str, Any] = json.loads(line)
    return found


# What it prints


def test_empty_journal_is_said_to_be_empty(tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    found = ledger(project)
    assert found.pop("journal") == url(project)
    assert found.pop("bytes") > 0
    assert found == {
        "answers": 0,
        "oldest": None,
        "newest": None,
        "made": 0,
        "replayed": 0,
        "hit_rate": None,
        "usd": 0,
        "unpriced": 0,
        "readings": 0,
        "experiments": [],
    }
    lines = said(project)
    assert lines[1].startswith("0 answers in 0.0")
    assert lines[2] == "calls: 0 made, 0 replayed, hit rate -; paid: $0.0000"


def test_json_says_what_each_experiment_made_replayed_and_paid(project: Project) -> None:
    found = ledger(project)
    assert found["bytes"] == (project.home / "journal.db").stat().st_size
    assert (found["answers"], found["made"], found["replayed"]) == (50, 50, 2)
    assert (found["hit_rate"], found["usd"], found["unpriced"]) == (2 / 52, 24.5, 1)
    assert found["oldest"] < found["newest"]
    new, old = found["experiments"]
    assert new == {
        "experiment": "new",
        "answers": 10,
        "searches": 1,
        "made": 10,
        "replayed": 2,
        "hit_rate": 2 / 12,
        "prompt_tokens": 1000,
        "completion_tokens": 100,
        "usd": 5.0,
        "unpriced": 0,
    }
    assert (old["experiment"], old["usd"], old["unpriced"]) == ("old", 19.5, 1)


def test_table_has_a_row_for_each_experiment(project: Project) -> None:
    place, answers, calls, read, *table = said(project)
    assert place == f"journal: {url(project)}"
    assert answers.startswith("50 answers in 0.")
    assert " UTC to " in answers
    assert calls == (
        "calls: 50 made, 2 replayed, hit rate 3.8%; paid: $24.5000 and 1 call without a known price"
    )
    assert read == "sealed tests: 0 verdicts counted"
    rows = [line.split() for line in table]
    assert rows[0] == "experiment searches answers made replayed hit rate tokens paid".split()
    assert ["new", "1", "10", "10", "2", "16.7%", "1,100", "$5.0000"] in rows
    assert "≥ $19.5000" in next(line for line in table if line.startswith("old"))


@pytest.mark.slow
def test_accounts_of_a_run_agree_with_what_it_reported(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path / "project", server.base_url)
        first = project.run_json("toy")
        (account,) = ledger(project)["experiments"]
        made = first["calls"]["made"]
        assert (account["experiment"], account["searches"]) == ("toy", 1)
        assert account["made"] == account["answers"] == made == len(server.ledger)
        with closing(connect(project)) as connection:
            paid = connection.execute("SELECT sum(usd), sum(prompt_tokens) FROM completions")
            usd, tokens = paid.fetchone()
        assert (account["usd"], account["prompt_tokens"]) == (pytest.approx(usd), tokens)
        project.assert_key_is_nowhere("".join(said(project)))


# Pruning


def files(project: Project) -> Mapping[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in project.home.rglob("*")
        if path.is_file() and not path.name.startswith("journal.db")
    }


def test_prune_says_what_it_would_delete_and_deletes_nothing(project: Project) -> None:
    assert said(project, "prune", "--older-than", "30d") == [
        "would delete 40 answers, which cost $19.5000 and 1 call without a known price: old 40",
        "give --yes to delete them; whatever asks for them again pays again",
    ]
    assert held(project) == {"new": 10, "old": 40}


@pytest.mark.parametrize(
    ("flags", "kept"),
    [
        (["--older-than", "30d"], {"new": 10}),
        (["--older-than", "6w"], {"new": 10, "old": 40}),
        (["--experiment", "new"], {"old": 40}),
        (["--experiment", "new", "--older-than", "1h"], {"new": 10, "old": 40}),
        (["--experiment", "old", "--older-than", "900h"], {"new": 10}),
    ],
)
def test_prune_deletes_what_its_flags_say_and_nothing_else(
    flags: list[str], kept: dict[str, int], project: Project
) -> None:
    (project.home / "results").mkdir()
    (project.home / "results" / "score.json").write_text("{}")
    said(project)
    before, paid = files(project), ledger(project)["experiments"]
    lines = said(project, "prune", *flags, "--yes")
    assert held(project) == kept
    assert files(project) == before
    for now, then in zip(ledger(project)["experiments"], paid, strict=True):
        assert now == {**then, "answers": kept.get(then["experiment"], 0)}
    assert lines[-1].startswith("there is nothing" if len(kept) == 2 else "deleted; the journal")


@pytest.mark.parametrize("arguments", [(), ("forms",), ("prune", "--experiment", "old")])
def test_reading_waits_for_no_program_that_writes(
    arguments: tuple[str, ...], project: Project
) -> None:
    # It would wait for an hour.
    project.environ["AUTOPROMPT_JOURNAL"] = f"{url(project)}?timeout=3600"
    with closing(connect(project)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert said(project, *arguments)


def test_prune_gives_the_space_back(project: Project) -> None:
    before = ledger(project)["bytes"]
    said(project, "prune", "--experiment", "old", "--yes")
    assert ledger(project)["bytes"] < before / 2
    assert not (project.home / "journal.db-wal").exists()


def test_what_was_pruned_is_asked_again_and_the_rest_is_not(project: Project) -> None:
    said(project, "prune", "--older-than", "30d", "--yes")

    async def work() -> list[Completion | None]:
        async with Journal(url(project)) as journal:
            return await replayed(journal, [question("old 1"), question("new 1")])

    assert asyncio.run(work()) == [None, PAID]


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        ([], "journal prune: says nothing of what to delete; give --older-than 30d, or "),
        (["--older-than", "30"], "--older-than = '30': is no age; write a whole number from 1 "),
        (["--experiment", "odl"], "--experiment = 'odl': the journal holds no answers of it; "),
    ],
)
def test_bad_flags_are_refused_in_one_line(flags: list[str], line: str, project: Project) -> None:
    assert project.refused("journal", "prune", "--yes", *flags).startswith(line)
    assert held(project) == {"new": 10, "old": 40}


@pytest.mark.parametrize("age", ["", "0d", "-1d", "1.5d", "30d\n", "٣d", "d", "9" * 5000 + "d"])
def test_what_is_no_age_is_refused(age: str, project: Project) -> None:
    with pytest.raises(InputError, match=r"^--older-than = '.*: is no age; write ") as caught:
        prune(url(project), age, None, yes=True, say=pytest.fail)
    assert len(str(caught.value)) < 200


@contextlib.contextmanager
def at_work(project: Project, search: str) -> Iterator[None]:
    with search_turn(url(project), search, pytest.fail):
        yield


def test_prune_is_refused_while_a_search_it_concerns_is_at_work(project: Project) -> None:
    for search in ("a" * 12, "c" * 12):  # the journal does not know the second one yet
        with at_work(project, search):
            line = project.refused("journal", "prune", "--experiment", "old", "--yes")
            who = rf"\(process {os.getpid()} on \S+, since [-0-9: ]+ UTC\)"
            known = f"journal prune: search {search} {who} is at work on these answers; "
            assert re.match(known, line), line
    with at_work(project, "b" * 12):
        said(project, "prune", "--experiment", "old", "--yes")
    assert held(project) == {"new": 10}


def test_prune_is_refused_while_a_run_is_between_two_searches(project: Project) -> None:
    with run_present(url(project), "old", pytest.fail):
        for flags in (["--experiment", "old"], ["--older-than", "1h"]):
            line = project.refused("journal", "prune", *flags, "--yes")
            who = rf"\(process {os.getpid()} on \S+, since [-0-9: ]+ UTC\)"
            assert re.match(f"journal prune: a run of old {who} is at work on these answers", line)
        said(project, "prune", "--experiment", "new", "--yes")
    said(project, "prune", "--experiment", "old", "--yes")
    assert held(project) == {}


@pytest.mark.slow
def test_prune_is_refused_while_a_run_goes_on(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.05)) as server:
        project = toy_project(tmp_path / "project", server.base_url)
        running = project.start("run", "toy")
        try:
            wait_for_answers(project, running)
            command = ("journal", "prune", "--experiment", "toy", "--yes")
            # From its first asset to its last, also where none is at work.
            while not list(project.home.rglob("best_prompt.txt")):
                assert running.poll() is None
                refusal = project.run(*command)
                if not list(project.home.rglob("best_prompt.txt")):
                    assert refusal.returncode == 2, refusal
                    assert "is at work on these answers" in refusal.stderr
            _, err = running.communicate(timeout=120)
            assert running.returncode == 0, err
        finally:
            running.kill()
        assert said(project, *command[1:])[-1].startswith("deleted; ")


def wait_for_answers(project: Project, running: Program) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert running.poll() is None
        assert time.monotonic() < deadline
        with contextlib.suppress(sqlite3.OperationalError):
            if (project.home / "journal.db").exists() and held(project):
                return
        time.sleep(0.02)


def test_empty_file_is_no_journal_until_a_run_begins_one(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path / "project", server.base_url)
        project.home.mkdir(parents=True)
        (project.home / "journal.db").touch()
        for command in (["journal"], ["journal", "prune", "--older-than", "1d"]):
            line = project.refused(*command, code=1)
            assert (
                "is an empty file, as one that was cut off; put back a copy of it, or run" in line
            )
        result = project.run("run", "toy")
        assert result.returncode == 0, result.stderr
        assert result.stderr.count("is an empty file, as one that was cut off: a new journal") == 1


def test_journal_that_cannot_be_read_is_said_in_one_line(project: Project) -> None:
    (project.home / "journal.db").write_text("not a database " * 99)
    for command in (["journal"], ["journal", "prune", "--older-than", "1d"]):
        line = project.refused(*command, code=1)
        assert "file is not a database; put back a copy of it" in line
    project.environ["AUTOPROMPT_JOURNAL"] = f"postgresql://me:{KEY}@127.0.0.1:9/none"
    line = project.refused("journal", code=1)
    assert KEY not in line
    assert line.endswith("start its server, or correct AUTOPROMPT_JOURNAL")
