"""Answers that were paid for and cannot be written are kept beside; the next run takes them in."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.journal import Journal, read_ledger
from autoprompt_assets.engine.llm import Request
from tests.engine_support import make_completion
from tests.journal_support import failing, question, refused, replay
from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, Project, toy_project, without_calls

TAKEN = "taken in: {} answers that an earlier run paid for and could not write"
QUESTIONS = [question(str(number)) for number in range(30)]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def url(file: Path) -> str:
    return f"sqlite:///{file}?timeout=0.2"


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    other = sqlite3.connect(file, isolation_level=None)
    try:
        other.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        other.close()


def answer(request: Request) -> str:
    return f"{request.messages[0]['content']} é " + "\ud800" * int(request is QUESTIONS[3])


async def record_all(journal: Journal, requests: Sequence[Request]) -> list[str]:
    work = (
        failing(journal.record(one, make_completion(answer(one), "stop", usd=0.1)))
        for one in requests
    )
    return list(await asyncio.gather(*work))


def spill(file: Path, spare: Sequence[Path] = ()) -> list[str]:
    """Have 30 answers that cannot be written; what is said of them."""
    said: list[str] = []

    async def work() -> None:
        async with Journal(url(file), "shapes", "s", said.append, spare) as journal:
            with locked(file):
                lines = await record_all(journal, QUESTIONS[:20])
                began = time.monotonic()
                lines += await record_all(journal, QUESTIONS[20:])
                assert time.monotonic() - began < 0.2, "is not waited for twice"
            assert len(set(lines)) == 1

    asyncio.run(work())
    return said


def opened(place: str, spare: Sequence[Path] = ()) -> list[str]:
    """What opening the journal says."""
    said: list[str] = []
    Journal(place, notice=said.append, spare=spare).close()
    return said


def spilled(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.unwritten-*.jsonl"))


def assert_whole(file: Path) -> None:
    found = replay(url(file), *QUESTIONS)
    assert [one.text if one else None for one in found] == [
        answer(one).replace("\ud800", "\ufffd") for one in QUESTIONS
    ]
    ledger = read_ledger(url(file))
    (account,) = ledger.accounts
    assert (ledger.answers, account.made, account.experiment) == (30, 30, "shapes")
    assert account.usd == pytest.approx(3.0)


def test_answers_that_a_lock_kept_out_are_taken_in_by_the_next_opening(file: Path) -> None:
    (line,) = spill(file)
    first, _ = files = spilled(file.parent)
    assert line.startswith("30 answers, paid for, could not be written ")
    assert any(
        f"kept in {one} and 1 file more: the next run takes them in" in line for one in files
    )
    assert {one.stat().st_mode & 0o777 for one in files} == {0o600}
    assert not list(file.parent.glob(".*")), "nothing is left half written"
    kept = shutil.copy(first, file.parent / "kept")
    assert opened(url(file)) == [TAKEN.format(30)]
    assert spilled(file.parent) == []
    assert_whole(file)
    # A kill between the commit and the file's end has it taken in again: it counts once.
    shutil.copy(kept, first)
    assert opened(url(file)) == []
    assert spilled(file.parent) == []
    assert_whole(file)


def test_answers_wait_until_the_lock_has_ended(file: Path) -> None:
    spill(file)
    with locked(file):
        assert "database is locked" in refused(url(file))
    assert len(spilled(file.parent)) == 2
    assert opened(url(file)) == [TAKEN.format(30)]


def test_torn_file_is_named_and_what_is_whole_in_it_is_taken_in(file: Path) -> None:
    spill(file)
    for one in spilled(file.parent):
        lines = one.read_text().splitlines(keepends=True)
        one.write_text("".join(lines[:-1]) + lines[-1][:-40])
    torn, other, last = opened(url(file))
    assert (torn + other).count("is damaged, or no file of unwritten answers") == 2
    assert last == TAKEN.format(28)
    assert sum(one is not None for one in replay(url(file), *QUESTIONS)) == 28


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\x00 not ours",
        b"[]\n",
        b'{"format": "autoprompt unwritten answers 1"}\n{}\n',
        b'{"format": "autoprompt unwritten answers 1", "experiment": "e", "search": "s", '
        b'"written_at": 1.0}\n{"key": "k", "request": 7, "completion": []}\n',
    ],
)
def test_foreign_file_is_named_and_left_alone(content: bytes, file: Path) -> None:
    place = file.parent / f"{file.name}.unwritten-0.jsonl"
    place.write_bytes(content)
    (line,) = opened(url(file))
    assert line.startswith(f"{place}: is damaged, or no file of unwritten answers; 0 of them")
    assert place.read_bytes() == content
    assert opened(url(file)) == [], "it was said"


def changed(name: str, value: Any) -> Any:
    def change(line: dict[str, Any]) -> None:
        place = line["completion"] if name in line["completion"] else line["request"]
        place[name] = value

    return change


@pytest.mark.parametrize(
    ("name", "value"),
    [("message", '{"content": "no"}'), ("prompt_tokens", 2**63), ("payload", "{}"), ("usd", "1")],
)
def test_changed_answer_is_not_taken_in(name: str, value: Any, file: Path) -> None:
    spill(file)
    one, _ = spilled(file.parent)
    header, *lines = map(json.loads, one.read_text().splitlines())
    changed(name, value)(lines[0])
    one.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))
    named, last = opened(url(file))
    assert named.startswith(f"{one}: is damaged")
    assert last == TAKEN.format(29)


def test_link_is_not_followed(file: Path, tmp_path: Path) -> None:
    spill(file)
    for number, one in enumerate(spilled(file.parent)):
        one.rename(tmp_path / f"elsewhere{number}")
        one.symlink_to(tmp_path / f"elsewhere{number}")
    lines = opened(url(file))
    assert len(lines) == 2
    assert all("holds unwritten answers that cannot be taken in" in line for line in lines)


# Where not even a file fits beside the journal


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def long_named(tmp_path: Path) -> Path:
    """The name of a file beside it would be longer than file systems allow."""
    return tmp_path / ("j" * 236 + ".db")


def test_spare_folder_and_then_the_temporary_one_are_used(tmp_path: Path, temporary: Path) -> None:
    file, home, missing = long_named(tmp_path), tmp_path / "home", tmp_path / "missing"
    home.mkdir()
    (line,) = spill(file, (missing, home))
    assert f"kept in {home}/journal-" in line
    assert opened(url(file), (home,)) == [TAKEN.format(30)]
    assert_whole(file)
    file.unlink()
    (line,) = spill(file, (missing,))
    assert f"kept in {temporary}/journal-" in line
    assert opened(url(file)) == [TAKEN.format(30)]
    assert_whole(file)


def test_another_journal_does_not_take_them_in(tmp_path: Path, temporary: Path) -> None:
    spill(long_named(tmp_path))
    assert opened(url(tmp_path / "other.db")) == []
    assert len(spilled(temporary)) == 2


def test_answers_that_are_lost_are_said(tmp_path: Path, temporary: Path) -> None:
    temporary.rmdir()
    (line,) = spill(long_named(tmp_path), (tmp_path / "missing",))
    assert line.startswith("30 answers, paid for, lost: neither the journal nor any of")
    assert f"{tmp_path / 'missing'}, {temporary} could be written" in line


# The program


def asked(server: LoopbackServer) -> Counter[str]:
    return Counter(entry["key"] for entry in server.ledger)


@contextlib.contextmanager
def undisturbed(folder: Path) -> Iterator[tuple[Counter[str], dict[str, Any]]]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        outcome = toy_project(folder, server.base_url).run_json("toy")
        yield asked(server), result_of(outcome)


def result_of(outcome: dict[str, Any]) -> dict[str, Any]:
    """What does not depend on the server's port."""
    kept = without_calls(outcome)
    return {name: kept[name] for name in kept if name not in ("report", "best_request")}


def lock_in_mid_run(project: Project, server: LoopbackServer, file: Path) -> str:
    """Lock the journal once 20 requests were made, until the run has ended; what it said."""
    running = project.start("run", "toy")
    try:
        while len(server.ledger) < 20:
            assert running.poll() is None, running.communicate()[1]
            time.sleep(0.002)
        with locked(file):
            out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert (running.returncode, out) == (1, "")
    return err


@pytest.mark.slow
def test_run_whose_journal_is_locked_pays_for_nothing_twice(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    place = f"sqlite:///{file}?timeout=0.3"
    with (
        undisturbed(tmp_path / "other") as (requests, expected),
        LoopbackServer(Behaviour(answers=ANSWERS, delay=0.1)) as server,
    ):
        project = toy_project(tmp_path / "p", server.base_url, AUTOPROMPT_JOURNAL=place)
        err = lock_in_mid_run(project, server, file)
        assert "Traceback" not in err
        assert "never retrieved" not in err
        assert "database is locked; another program holds it" in err
        assert "answers, paid for, could not be written to the journal; kept" in err
        assert server.in_flight == 0
        assert spilled(tmp_path)
        made = server.answered
        assert made == len(server.ledger), "those in flight were let in"
        server.behaviour = Behaviour(answers=ANSWERS)
        result = project.run("run", "--json", "toy")
        assert result.returncode == 0, result.stderr
        assert "paid for and could not write" in result.stderr
        assert result_of(json.loads(result.stdout)) == expected
        assert asked(server) == requests, "each as often as in a run without a lock"
        assert spilled(tmp_path) == []
    project.assert_key_is_nowhere(err)
