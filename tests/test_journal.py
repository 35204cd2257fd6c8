"""What was answered is never asked again: by another object, another process, or after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import pytest

from autoprompt_assets.engine.calls import Calls
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import Journal, Spend
from autoprompt_assets.engine.llm import AuthenticationFailed, Completion, RateLimited, Request
from tests.engine_support import SEARCH, Scripted, asked, journal_at

T = TypeVar("T")

WRITER = """
import asyncio, sys
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.engine.llm import Completion
from tests.test_journal import SEARCH, question

async def main():
    async with Journal(sys.argv[1]) as journal:
        for number in range(100_000):
            answer = Completion(f"answer {number}", "stop")
            await journal.record(question(str(number)), answer, SEARCH)
            print(number, flush=True)

asyncio.run(main())
"""
OPENER = """
import sys
from autoprompt_assets.engine.journal import Journal
print("ready", flush=True)
sys.stdin.readline()
Journal(sys.argv[1]).close()
"""


def question(text: str, replicate: int = 0) -> Request:
    return asked("target").request(({"role": "user", "content": text},), replicate)


def use(folder: Path, work: Callable[[Journal], Awaitable[T]]) -> T:
    async def run() -> T:
        async with journal_at(folder) as journal:
            return await work(journal)

    return asyncio.run(run())


def start(script: str, url: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, url],
        cwd=Path(__file__).parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize(
    "completion",
    [
        Completion("yes", "stop", "thought", None, 10, 3, 0.25, 1.5, 2),
        Completion(None, "length"),
        Completion("", "stop", refusal="no"),
        Completion("ünï 日本語 🙂 \u2028 ' \" \\ \n\t", "stop"),
    ],
)
def test_answer_comes_back_as_it_was(completion: Completion, tmp_path: Path) -> None:
    use(tmp_path, lambda journal: journal.record(question("q 日本語"), completion, SEARCH))
    assert use(tmp_path, lambda journal: journal.replay(question("q 日本語"), SEARCH)) == completion
    assert use(tmp_path, lambda journal: journal.replay(question("other"), SEARCH)) is None


def test_text_that_no_database_takes_is_stored_with_marks(tmp_path: Path) -> None:
    broken = Completion("a\ud83d\0b", "stop")
    request = question("half \ud83d")
    stored = use(tmp_path, lambda journal: journal.record(request, broken, SEARCH))
    assert stored.text == "a\ufffd\ufffdb"
    assert use(tmp_path, lambda journal: journal.replay(request, SEARCH)) == stored


def test_first_answer_wins(tmp_path: Path) -> None:
    first, second = Completion("one", "stop"), Completion("two", "stop")
    use(tmp_path, lambda journal: journal.record(question("q"), first, SEARCH))
    assert use(tmp_path, lambda j: j.record(question("q"), second, SEARCH)) == first


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    process = start(WRITER, f"sqlite:///{tmp_path / 'journal.db'}")
    assert process.stdout
    acknowledged = [int(process.stdout.readline()) for _ in range(30)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.communicate()[0].split()]
    assert process.returncode == -signal.SIGKILL

    async def read(journal: Journal) -> list[Completion | None]:
        replays = (journal.replay(question(str(number)), SEARCH) for number in acknowledged)
        return await asyncio.gather(*replays)

    found = use(tmp_path, read)
    assert [one and one.text for one in found] == [f"answer {n}" for n in acknowledged]


def test_two_processes_write_one_journal(tmp_path: Path) -> None:
    process = start(WRITER, f"sqlite:///{tmp_path / 'journal.db'}")
    assert process.stdout
    process.stdout.readline()

    async def write(journal: Journal) -> None:
        answer = Completion("a", "stop")
        answers = (journal.record(question(f"mine {n}"), answer, SEARCH) for n in range(99))
        await asyncio.gather(*answers)

    use(tmp_path, write)
    assert process.poll() is None
    process.kill()
    process.communicate()
    assert spend(tmp_path, SEARCH).calls >= 100


def test_journal_may_be_made_by_many_processes_at_once(tmp_path: Path) -> None:
    processes = [start(OPENER, f"sqlite:///{tmp_path / 'new' / 'journal.db'}") for _ in range(8)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, results


def spend(folder: Path, search: str) -> Spend:
    journal = journal_at(folder)
    try:
        return journal.spend(search)
    finally:
        journal.close()


def complete(folder: Path, llm: Scripted, requests: list[Request], search: str = SEARCH) -> Calls:
    async def run(journal: Journal) -> Calls:
        calls = Calls(llm, journal, search)
        await asyncio.gather(*map(calls.complete, requests), return_exceptions=True)
        return calls

    return use(folder, run)


def test_equal_requests_in_flight_are_made_once(tmp_path: Path) -> None:
    llm = Scripted(seconds=0.02)
    calls = complete(tmp_path, llm, [question("same")] * 20 + [question("other")])
    assert len(llm.requests) == 2
    assert (calls.counts.made, calls.counts.replayed) == (2, 19)


def test_second_run_makes_no_call(tmp_path: Path) -> None:
    requests = [question(str(number)) for number in range(50)]
    complete(tmp_path, Scripted(), requests)
    again = Scripted()
    assert complete(tmp_path, again, requests).counts.replayed == 50
    assert again.requests == []


def test_replicates_are_asked_apart(tmp_path: Path) -> None:
    llm = Scripted()
    complete(tmp_path, llm, [question("q", replicate) for replicate in range(3)])
    assert len(llm.requests) == 3


@pytest.mark.parametrize("error", [RateLimited("slow down"), AuthenticationFailed("no")])
def test_errors_are_not_journaled(error: RateLimited, tmp_path: Path) -> None:
    calls = complete(tmp_path, Scripted({"q": error}), [question("q")])
    assert (calls.counts.failed, calls.counts.made) == (1, 0)
    assert use(tmp_path, lambda journal: journal.replay(question("q"), SEARCH)) is None
    assert complete(tmp_path, Scripted(), [question("q")]).counts.made == 1


def test_each_search_is_charged_for_each_call_on_its_path_once(tmp_path: Path) -> None:
    paid = Completion("a", "stop", prompt_tokens=10, completion_tokens=2, usd=0.5)
    free = replace(paid, usd=None)
    llm = Scripted({"0": paid, "1": paid, "2": free})
    both = [question("0"), question("1")]
    complete(tmp_path, llm, both, "a" * 12)
    complete(tmp_path, llm, both, "a" * 12)
    complete(tmp_path, llm, [question("1"), question("2")], "b" * 12)
    assert len(llm.requests) == 3
    spends = [spend(tmp_path, search * 12) for search in "abc"]
    assert spends == [Spend(2, 20, 4, 1.0, 0), Spend(2, 20, 4, 0.5, 1), Spend()]


def test_abandoned_call_is_kept_by_those_who_still_wait(tmp_path: Path) -> None:
    async def work(journal: Journal) -> str | None:
        calls = Calls(Scripted(seconds=0.05), journal, SEARCH)
        first = asyncio.create_task(calls.complete(question("q")))
        second = asyncio.create_task(calls.complete(question("q")))
        await asyncio.sleep(0.01)
        first.cancel()
        return (await second).text

    assert use(tmp_path, work) == "yes"


def refused(url: str) -> str:
    with pytest.raises(JournalError) as caught:
        Journal(url)
    line = str(caught.value)
    assert line.isprintable()
    return line


def test_newer_schema_is_refused(tmp_path: Path) -> None:
    journal_at(tmp_path).close()
    with sqlite3.connect(tmp_path / "journal.db") as connection:
        connection.execute("UPDATE schema_version SET version = 99")
    connection.close()
    line = refused(f"sqlite:///{tmp_path / 'journal.db'}")
    assert "has schema 99, this program writes" in line


@pytest.mark.parametrize("case", ["a file for a folder", "a folder for a file", "no database"])
def test_path_that_cannot_be_written_is_refused(case: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a database, whatever its length; " * 9)
    places = {
        "a file for a folder": tmp_path / "file" / "journal.db",
        "a folder for a file": tmp_path,
        "no database": tmp_path / "file",
    }
    assert "the journal cannot be opened" in refused(f"sqlite:///{places[case]}")


@pytest.mark.parametrize("url", ["", "journal.db", "nosuch:///journal.db"])
def test_url_that_is_none_is_refused(url: str) -> None:
    assert "the journal cannot be opened" in refused(url)


def test_failing_write_reaches_the_caller_and_does_not_hang(tmp_path: Path) -> None:
    async def work(journal: Journal) -> None:
        with sqlite3.connect(tmp_path / "journal.db") as connection:
            connection.execute("DROP TABLE completions")
        connection.close()
        with pytest.raises(JournalError, match="the journal failed"):
            await asyncio.wait_for(Calls(Scripted(), journal, SEARCH).complete(question("q")), 5)
        journal.close()
        with pytest.raises(JournalError, match="the journal failed"):
            await asyncio.wait_for(journal.replay(question("q"), SEARCH), 5)

    use(tmp_path, work)


BASE = Request("target", "openai http://a", "m", ({"role": "user", "content": "q"},), {"top_p": 1})


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, endpoint="openai http://b"),
        replace(BASE, model="n"),
        replace(BASE, messages=({"role": "user", "content": "Q"},)),
        replace(BASE, messages=({"role": "system", "content": "q"},)),
        replace(BASE, messages=BASE.messages * 2),
        replace(BASE, parameters={"top_p": 0}),
        replace(BASE, parameters={}),
        replace(BASE, response_format={"type": "json_object"}),
        replace(BASE, replicate=1),
    ],
)
def test_key_depends_on_each_part_of_the_request(other: Request) -> None:
    assert other.key != BASE.key


def test_key_depends_on_content_alone() -> None:
    ordered = replace(BASE, parameters={"top_p": 1, "seed": 2}).key
    assert replace(BASE, parameters={"seed": 2, "top_p": 1}).key == ordered
    assert replace(BASE, role="review").key == BASE.key


def test_key_survives_a_candidate_s_way_through_json() -> None:
    candidate = Candidate("Sö {input}", parameters={"temperature": 0.5})
    both = (candidate, Candidate.from_json(candidate.as_json()))
    keys = {asked("target").request(one.messages("x", as_choice=False)).key for one in both}
    assert len(keys) == 1
