"""A lock, damage, another version: a clear error, and no answer wrong or lost."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.engine.journal import address as journal_address
from autoprompt_assets.engine.journal.tables import SCHEMA_VERSION
from autoprompt_assets.engine.llm import Completion
from tests.engine_support import make_completion
from tests.journal_support import (
    ANSWER,
    MOVE_AWAY,
    failing,
    question,
    refused,
    replay,
    replayed,
    use,
)

COPY = f"put back a copy of it, or {MOVE_AWAY}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def url(file: Path) -> str:
    return f"sqlite:///{file}"


# A locked file


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    try:
        other.execute("BEGIN IMMEDIATE")
        yield
    finally:
        other.close()


def test_lock_that_lasts_is_said_to_all_who_wait(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_address, "BUSY_TIMEOUT_S", 0.3)

    async def work(journal: Journal) -> None:
        await journal.record(question("before"), ANSWER)
        with locked(file):
            waiting = [failing(journal.record(question(str(n)), ANSWER)) for n in range(1200)]
            for line in await asyncio.gather(*waiting):
                assert line.endswith(
                    "database is locked; another program holds it: let that end, then run again"
                )
            assert await replayed(journal, [question("before"), question("0")]) == [ANSWER, None]
            assert "database is locked" in refused(url(file))

    use(url(file), work)
    assert replay(url(file), *(question(str(n)) for n in range(1200))) == [ANSWER] * 1200


def test_lock_that_passes_is_survived(file: Path) -> None:
    async def work(journal: Journal) -> float:
        held = locked(file)
        held.__enter__()
        threading.Timer(0.6, held.__exit__, (None, None, None)).start()
        began = time.monotonic()
        await asyncio.gather(*(journal.record(question(str(n)), ANSWER) for n in range(20)))
        return time.monotonic() - began

    assert use(url(file), work) >= 0.5
    assert replay(url(file), *(question(str(n)) for n in range(20))) == [ANSWER] * 20


def test_journal_opens_once_another_has_made_the_file(file: Path) -> None:
    """The first who opens a new file writes to it before it keeps a write-ahead log."""
    held = locked(file)
    held.__enter__()
    threading.Timer(0.6, held.__exit__, (None, None, None)).start()
    began = time.monotonic()
    assert replay(url(file), question("0")) == [None]
    assert time.monotonic() - began >= 0.5


# A damaged file

ROWS = 200


def written(file: Path) -> bytes:
    """A closed journal of `ROWS` answers, some of them longer than a page."""

    async def work(journal: Journal) -> None:
        answers = (journal.record(question(str(n)), answer(n)) for n in range(ROWS))
        await asyncio.gather(*answers)

    use(url(file), work)
    return file.read_bytes()


def answer(number: int) -> Completion:
    return make_completion(f"answer {number} " * (1 + number % 9 * 60), "stop", usd=0.5)


def outcomes(file: Path) -> list[str]:
    """How each answer fared: `right`, `missing`, `wrong`, or the line of the error."""

    async def one(journal: Journal, number: int) -> str:
        try:
            (found,) = await replayed(journal, [question(str(number))])
        except JournalError as error:
            return str(error)
        return "missing" if found is None else "right" if found == answer(number) else "wrong"

    async def work(journal: Journal) -> list[str]:
        return [await one(journal, number) for number in range(ROWS)]

    try:
        return use(url(file), work)
    except JournalError as error:
        return [str(error)]


def pages(data: bytearray, change: Callable[[bytearray, int], None]) -> None:
    for start in range(4096 * 4, len(data) - 4096, 4096 * 5):
        change(data, start)


def garbage(data: bytearray, start: int) -> None:
    data[start : start + 4096] = random.Random(start).randbytes(4096)


def zeros(data: bytearray, start: int) -> None:
    data[start : start + 4096] = bytes(4096)


def another_page(data: bytearray, start: int) -> None:
    data[start : start + 4096] = data[start - 4096 : start]


@pytest.mark.parametrize("change", [garbage, zeros, another_page])
def test_damaged_pages_are_said_and_no_wrong_answer_is_given(
    change: Callable[[bytearray, int], None], file: Path
) -> None:
    data = bytearray(written(file))
    pages(data, change)
    file.write_bytes(data)
    found = outcomes(file)
    assert "wrong" not in found
    lines = [line for line in found if line not in ("right", "missing")]
    assert lines
    assert all(line.endswith(f"; {COPY}") for line in lines), lines


@pytest.mark.parametrize("changed", [b"answer 81 ", b"answer \xff8 "])
def test_single_damaged_answer_is_said_and_asked_again(changed: bytes, file: Path) -> None:
    data = written(file)
    # SQLite's own structure stays whole: only what was stored can tell.
    file.write_bytes(data.replace(b"answer 18 ", changed))
    said: list[str] = []
    questions = [question(str(number)) for number in range(ROWS)]

    async def work() -> None:
        async with Journal(url(file), notice=said.append) as journal:
            found = await replayed(journal, questions)
            assert [number for number, one in enumerate(found) if one is None] == [18]
            assert await journal.record(questions[18], answer(18)) == answer(18)
            assert await replayed(journal, questions) == [answer(number) for number in range(ROWS)]

    asyncio.run(work())
    (line,) = said
    assert "1 of its answers are not what was written, and are asked again" in line
    assert outcomes(file) == ["right"] * ROWS


@pytest.mark.parametrize("share", [0.05, 0.5, 0.95])
def test_file_that_lost_its_end_is_said(share: float, file: Path) -> None:
    data = written(file)
    file.write_bytes(data[: int(len(data) * share)])
    found = outcomes(file)
    assert set(found) & {"right", "missing", "wrong"} == set()
    assert all("malformed" in line and line.endswith(f"; {COPY}") for line in found)


def test_file_that_is_no_database_is_refused(file: Path) -> None:
    file.write_text("not a database, whatever its length; " * 99)
    assert refused(url(file)).endswith(f"file is not a database; {COPY}")


def test_table_that_went_away_is_said_to_who_waits(file: Path) -> None:
    async def work(journal: Journal) -> None:
        with contextlib.closing(sqlite3.connect(file)) as connection:
            connection.execute("DROP TABLE completions")
        await failing(replayed(journal, [question("q")]))
        await failing(journal.record(question("q"), ANSWER))

    use(url(file), work)


@pytest.mark.parametrize("version", [1, 99])
def test_other_schema_is_refused_and_left_alone(version: int, file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE schema_version (version INTEGER NOT NULL)")
        connection.execute("INSERT INTO schema_version VALUES (?)", (version,))
    writes = f"this program writes {SCHEMA_VERSION}; use the version"
    assert f"it has schema {version}, {writes}" in refused(url(file))
    with contextlib.closing(sqlite3.connect(file)) as connection:
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert names == [("schema_version",)]


@pytest.mark.parametrize(
    "made",
    [
        "CREATE TABLE cookies (host TEXT)",
        "CREATE TABLE schema_version (script TEXT, version TEXT)",
        "PRAGMA user_version = 7",
        "PRAGMA application_id = 7",
    ],
)
def test_database_of_another_program_is_refused_and_left_alone(made: str, file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute(made)
    before = file.read_bytes()
    assert "is a database of another program; name a file of its own" in refused(url(file))
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def test_empty_file_is_said_once_and_begins_a_new_journal(file: Path) -> None:
    file.touch()
    said: list[str] = []
    for _ in range(2):
        Journal(url(file), notice=said.append).close()
    (line,) = said
    assert line.startswith(f"{url(file)}: is an empty file, as one that was cut off: a new journal")
    assert line.endswith("put back a copy of it: they are paid for again else")


def test_new_file_is_nothing_to_say(file: Path) -> None:
    Journal(url(file), notice=pytest.fail).close()


@pytest.mark.parametrize("timeout", ["soon", "0", "-1", "nan", "1e9"])
def test_timeout_that_is_no_number_of_seconds_is_refused(timeout: str, file: Path) -> None:
    assert "timeout is no number of seconds up to 3600" in refused(f"{url(file)}?timeout={timeout}")
