"""A full disk, a file that cannot be written: a clear error, and no answer wrong or lost.

Root may write what `chmod` forbids, so that read-only and full disks are small file systems in
memory, where this user may mount one; the same faults by SQLite's own means are tested everywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.engine.llm import Completion
from tests.engine_support import make_completion
from tests.journal_support import ANSWER, question, record, refused, replay, use
from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, toy_project

LONG = 20_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 1 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("this user may not mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def url(file: Path) -> str:
    return f"sqlite:///{file}"


def answered(number: int) -> Completion:
    return make_completion(f"{number} " * (LONG // len(f"{number} ")), "stop")


# A full disk


async def fill(journal: Journal) -> tuple[int, str]:
    """How many answers were acknowledged until one was not, and why that was not."""
    for number in range(1000):
        try:
            await journal.record(question(str(number)), answered(number))
        except JournalError as error:
            return number, str(error)
    raise AssertionError("is never full")


def texts(place: str, numbers: range) -> list[str | None]:
    found = replay(place, *(question(str(n)) for n in numbers))
    return [one.text if one else None for one in found]


def test_full_disk_is_said_and_what_was_acknowledged_is_kept(small_disk: Path) -> None:
    place = url(small_disk / "journal.db")
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"." * 300_000)

    async def work(journal: Journal) -> int:
        count, line = await fill(journal)
        assert line == (
            f"the journal failed: {place}: database or disk is full; "
            "free some space, then run again"
        )
        several = [journal.record(question(f"{count + n}"), answered(count + n)) for n in range(4)]
        failed = await asyncio.wait_for(asyncio.gather(*several, return_exceptions=True), 10)
        assert {type(one) for one in failed} == {JournalError}
        return count + 4

    count = use(place, work)
    ballast.unlink()
    assert count > 7
    assert texts(place, range(count)) == [answered(number).text for number in range(count)]


def test_journal_is_not_opened_on_a_full_disk(small_disk: Path) -> None:
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"." * 4096)
    line = refused(url(small_disk / "journal.db"))
    assert "free some space" in line


def test_file_that_may_not_grow_is_said_and_what_was_acknowledged_is_kept(file: Path) -> None:
    @sa.event.listens_for(sa.Engine, "connect")
    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute("PRAGMA max_page_count = 100")

    try:
        count, line = use(url(file), fill)
    finally:
        sa.event.remove(sa.Engine, "connect", limit)
    assert line.endswith("database or disk is full; free some space, then run again")
    assert count > 3
    kept = [answered(number).text for number in range(count + 1)]
    assert texts(url(file), range(count + 1)) == kept


@pytest.mark.slow
def test_run_on_a_full_disk_shows_no_score_and_goes_on_once_there_is_space(
    small_disk: Path, tmp_path: Path
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        place = url(small_disk / "journal.db")
        project = toy_project(tmp_path / "p", server.base_url, AUTOPROMPT_JOURNAL=place)
        ballast = small_disk / "ballast"
        ballast.write_bytes(b"." * 860_000)
        result = project.run("run", "--json", "toy")
        assert (result.returncode, result.stdout) == (1, "")
        assert "database or disk is full; free some space, then run again" in result.stderr
        assert "Traceback" not in result.stderr
        ballast.unlink()
        kept = set(texts_of(small_disk / "journal.db"))
        assert server.answered == len(server.ledger) > len(kept), "those in flight were let in"
        outcome = project.run_json("toy")
        assert outcome["calls"]["failed"] == 0
        assert len(texts_of(small_disk / "journal.db")) == len(server.ledger), "none is paid twice"
        assert kept <= set(texts_of(small_disk / "journal.db"))


def texts_of(file: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        return [key for (key,) in connection.execute("SELECT key FROM completions")]


# A file that cannot be written


def test_read_only_journal_is_refused_before_anything_is_paid(file: Path) -> None:
    record(url(file), question("q"), ANSWER)
    line = refused(f"sqlite:///file:{file}?mode=ro&uri=true")
    assert line.endswith("attempt to write a readonly database; make it writable")


def test_read_only_disk_is_refused(small_disk: Path) -> None:
    place = url(small_disk / "journal.db")
    record(place, question("q"), ANSWER)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert refused(place).endswith("; make it writable")
    missing = refused(url(small_disk / "folder" / "journal.db"))
    assert "Read-only file system" in missing
    assert missing.endswith("; make it writable")


@pytest.mark.parametrize("case", ["a file for a folder", "a folder for a file"])
def test_path_that_cannot_be_a_file_is_refused(case: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file")
    place = tmp_path / "file" / "journal.db" if case == "a file for a folder" else tmp_path
    assert str(place) in refused(url(place))


@pytest.mark.parametrize(
    "place", ["", "journal.db", "nosuch:///journal.db", "sqlite://", "sqlite:///:memory:"]
)
def test_url_that_is_no_journal_is_refused(place: str) -> None:
    assert "write sqlite:////folder/journal.db or postgresql://" in refused(place)


def test_url_that_cannot_be_read_is_not_shown() -> None:
    assert "secret" not in refused("postgresql://me:se/secret@host:port/journal")
    assert "secret" not in refused("mysql://me:secret@host/journal")
    for driver in ("postgresql", "postgres", "mysql"):
        for password in ("x@secret", "@secret", "x/secret", "x?secret", "x#secret", "x@s/secret@"):
            said = refused(f"{driver}://me:{password}@127.0.0.1:9/journal")
            assert "secret" not in said
            assert "/ ? # @ within a password as %2F %3F %23 %40" in said
    assert "secret" not in refused("postgresql://127.0.0.1:9/none?password=x@secret")
