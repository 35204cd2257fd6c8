"""One journal, several homes: a search is paid for once, and nothing is pruned under it."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import pruning, run_present, search_turn
from tests.journal_support import start
from tests.loopback import Behaviour, LoopbackServer
from tests.postgres_support import postgresql
from tests.program import Program
from tests.support import ANSWERS, Project, toy_project, without_calls

FIRST, SECOND = "a" * 12, "0123456789ab"
WHO = r"\(process {} on \S+, since \d{{4}}-\d\d-\d\d \d\d:\d\d UTC\)"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'shared' / 'journal.db'}"
    else:
        with postgresql() as server:
            yield server.database()


def test_searches_of_different_ids_run_at_once_and_who_is_at_work_is_known(url: str) -> None:
    both = search_turn(url, FIRST, pytest.fail), search_turn(url, SECOND, pytest.fail)
    with both[0], both[1], pruning(url) as at_work:
        assert [one.search for one in at_work] == sorted([FIRST, SECOND])
        assert all(re.fullmatch(" " + WHO.format(os.getpid()), one.who) for one in at_work)
    with pruning(url) as at_work:
        assert at_work == []


@pytest.mark.slow
def test_search_waits_for_its_turn_and_for_the_end_of_pruning(url: str) -> None:
    said: list[str] = []
    entered = threading.Event()

    def search() -> None:
        with search_turn(url, FIRST, said.append):
            entered.set()

    def waited_for(words: str) -> None:
        deadline = time.monotonic() + 30
        while not any(words in line for line in said):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert not entered.is_set()

    other = threading.Thread(target=search)
    with search_turn(url, FIRST, pytest.fail):
        other.start()
        waited_for(f"is at work on search {FIRST}; waiting for it")
    other.join(30)
    assert entered.is_set()
    assert len(said) == 1
    entered.clear()
    other = threading.Thread(target=search)
    with pruning(url):
        with pytest.raises(JournalError, match="another process prunes this journal"):
            pruning(url).__enter__()
        other.start()
        waited_for("the journal is being pruned; waiting for the end of that")
    other.join(30)
    assert entered.is_set()


def test_runs_of_one_experiment_are_present_together_until_each_ends(url: str) -> None:
    with run_present(url, "toy", pytest.fail):
        with run_present(url, "toy", pytest.fail), pruning(url) as at_work:
            assert [one.runs("toy") for one in at_work] == [True, True]
            assert not any(one.runs("toys") or one.search for one in at_work)
        with pruning(url) as at_work:
            assert [one.runs("toy") for one in at_work] == [True]
            assert re.fullmatch(" " + WHO.format(os.getpid()), at_work[0].who)
    with pruning(url) as at_work:
        assert at_work == []


HOLD = """
import os, sys
from autoprompt_assets.engine.journal import run_present
with run_present(sys.argv[1], "toy", print):
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_killed_run_is_present_no_more(url: str, tmp_path: Path) -> None:
    running = start(HOLD, url)
    assert running.stdout
    assert running.stdout.readline() == "ready\n"
    with pruning(url) as at_work:
        assert [one.runs("toy") for one in at_work] == [True]
    running.kill()
    running.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while True:
        with pruning(url) as at_work:
            if not at_work:
                break
        assert time.monotonic() < deadline
    assert not list(tmp_path.rglob("*run-*"))


# The program


def wait_for(server: LoopbackServer, requests: int, running: Program) -> None:
    deadline = time.monotonic() + 120
    while len(server.ledger) < requests:
        assert running.poll() is None, running.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def homes(folder: Path, base_url: str, url: str) -> list[Project]:
    return [toy_project(folder / name, base_url, AUTOPROMPT_JOURNAL=url) for name in "ab"]


def test_two_homes_pay_for_one_search_once_and_prune_nothing_under_it(
    url: str, tmp_path: Path
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.05)) as server:
        first, second = homes(tmp_path, server.base_url, url)
        running = first.start("run", "--json", "toy")
        wait_for(server, 8, running)
        # The baseline goes on until the others have looked.
        server.behaviour = Behaviour(answers=ANSWERS, delay=1.0)
        waiting = second.start("run", "--json", "toy")
        prune = ("journal", "prune", "--experiment", "toy", "--yes")
        line = second.refused(*prune)
        assert re.match("journal prune: search [0-9a-f]{12} " + WHO.format(r"\d+"), line), line
        server.behaviour = Behaviour(answers=ANSWERS, delay=0.02)
        outputs = [process.communicate(timeout=120) for process in (running, waiting)]
        assert [running.returncode, waiting.returncode] == [0, 0], outputs
        one, other = (without_calls(json.loads(out)) for out, _ in outputs)
        assert one == other
        told = "another run " + WHO.format(r"\d+") + " is at work on search [0-9a-f]{12}; waiting"
        assert any(re.search(told, err) for _, err in outputs), outputs
        # What the first prompt is asked twice on purpose, to tell noise from gain.
        assert server.repeats() == 12
        assert "deleted; the journal takes" in second.run(*prune).stdout


@pytest.mark.slow
def test_killed_run_holds_up_no_other_home(url: str, tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.05)) as server:
        first, second = homes(tmp_path, server.base_url, url)
        running = first.start("run", "--json", "toy")
        wait_for(server, 12, running)
        running.kill()
        running.communicate(timeout=60)
        result = second.run("run", "--json", "toy")
        assert result.returncode == 0, result.stderr
        assert "is at work" not in result.stderr
        asked = Counter(entry["key"] for entry in server.ledger)
        assert asked.total() - len(asked) <= 12 + 4, "asked again is what was in flight"
