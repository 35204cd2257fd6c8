"""The journal on a real PostgreSQL server: what is the server's own. The rest: `test_journal`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import Journal, read_wear
from autoprompt_assets.engine.journal import address as journal_address
from autoprompt_assets.engine.journal.tables import SCHEMA_VERSION
from tests.engine_support import make_completion
from tests.journal_support import (
    ANSWER,
    at_once,
    question,
    record,
    refused,
    replay,
    replayed,
    start,
    use,
)
from tests.loopback import Behaviour, LoopbackServer
from tests.postgres_support import PASSWORD, PostgreSQL, postgresql
from tests.support import ANSWERS, toy_project, without_calls
from tests.test_readings import MANY, numbered, reading, rows

pytestmark = pytest.mark.slow

START = "; start its server, or correct AUTOPROMPT_JOURNAL"
# All write the same keys, each in an order of its own, in transactions of many rows.
CROSSING = """
import asyncio, random, sys
from autoprompt_assets.engine.journal.journal import Journal
from tests.engine_support import make_completion
from tests.journal_support import question
url, me = sys.argv[1], sys.argv[2]

async def main():
    async with Journal(url, "race", "one search") as journal:
        print("ready", flush=True)
        sys.stdin.readline()
        for step in range(20):
            texts = [f"{step} {n}" for n in range(100)]
            random.Random(me + str(step)).shuffle(texts)
            answer = make_completion(me)
            await asyncio.gather(*(journal.record(question(text), answer) for text in texts))

asyncio.run(main())
"""

# All settle the same shapes, each in an order and in a form of its own.
SETTLING = """
import asyncio, random, sys
from autoprompt_assets.engine.journal.journal import Journal
from autoprompt_assets.engine.journal.forms import ShapeKey
from autoprompt_assets.engine.llm.request_form import RequestForm
url, me = sys.argv[1], sys.argv[2]

async def main():
    async with Journal(url, "race", "one search") as journal:
        print("ready", flush=True)
        sys.stdin.readline()
        keys = [ShapeKey("endpoint", "model", str(number)) for number in range(100)]
        random.Random(me).shuffle(keys)
        form = RequestForm(dropped={"seed": me})
        found = await asyncio.gather(*(journal.forms.settle(key, form) for key in keys))
        pairs = zip(keys, found, strict=True)
        print(sorted((int(key.shape), form.dropped["seed"]) for key, form in pairs))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_each_form_of_the_address_works(scheme: str, server: PostgreSQL) -> None:
    url = server.database().replace("postgresql", scheme, 1)
    record(url, question("q"), ANSWER)
    assert replay(url, question("q")) == [ANSWER]


def test_processes_that_write_the_same_answers_do_not_block_each_other(server: PostgreSQL) -> None:
    url = server.database()
    at_once([start(CROSSING, url, f"p{number}") for number in range(5)])
    assert server.execute("SELECT count(*) FROM completions", url) == [(2000,)]
    assert server.execute("SELECT made FROM usage", url) == [(10_000,)]
    assert "deadlock" not in server.log()


def test_processes_that_settle_forms_at_once_agree_and_do_not_block_each_other(
    server: PostgreSQL,
) -> None:
    url = server.database()
    found = at_once([start(SETTLING, url, f"p{number}") for number in range(5)])
    assert len(set(found)) == 1
    assert server.execute("SELECT count(*) FROM request_forms", url) == [(100,)]
    assert "deadlock" not in server.log()


def test_readings_are_numbered_as_on_sqlite_by_processes_at_once(server: PostgreSQL) -> None:
    url = server.database()
    use(url, lambda journal: asyncio.sleep(0))
    found: dict[str, int] = {}
    for out in at_once([start(MANY, url, f"p{number}") for number in range(3)]):
        for pair, number in json.loads(out).items():
            assert found.setdefault(pair, number) == number
    assert sorted(found.values()) == list(range(1, 36))
    several = [range(start, start + 20_000) for start in (0, 16_000, 50_000)]
    asked = [reading("a", numbers) for numbers in several]
    # Every earlier set is of thirty rows that the first of these holds.
    assert numbered(url, *asked, asked[0]) == [36, 2, 1, 36]
    wear = read_wear(url, rows(range(30_000, 40_000)), ["in1", "in99999"])
    assert (wear.verdicts, wear.fresh, wear.spare) == (1, 4_000, 1)


def test_what_was_learned_of_an_endpoint_is_kept_and_no_lock_is_waited_for(
    server: PostgreSQL,
) -> None:
    url = server.database()

    async def work(journal: Journal) -> None:
        limits = journal.limits
        assert await limits.read("http://a") is None
        for text in ("first", "second"):
            await limits.write("http://a", text)
            found = await limits.read("http://a")
            assert found is not None
            assert found[0] == text
            assert abs(found[1]) < 60
        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE endpoint_limits IN ACCESS EXCLUSIVE MODE")
            await limits.write("http://a", "third")
        found = await limits.read("http://a")
        assert found is not None
        assert found[0] == "second"
        # Only that one transaction was impatient.
        await journal.record(question("q"), ANSWER)

    use(url, work)


def test_two_connections_at_most_are_held(server: PostgreSQL) -> None:
    url = server.database()

    async def work(journal: Journal) -> int:
        for _ in range(5):
            answers = (journal.record(question(str(n)), ANSWER) for n in range(20))
            reads = (replayed(journal, [question(str(n))]) for n in range(20))
            await asyncio.gather(*answers, *reads)
        name = url.rsplit("/", 1)[1]
        ((count,),) = server.execute(
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        return int(count)

    assert use(url, work) <= 2


def test_stopped_server_is_said_and_has_every_answer_when_it_is_back(
    server: PostgreSQL,
) -> None:
    url = server.database()
    acknowledged: list[str] = []
    submitted: list[str] = []

    async def write(journal: Journal, writer: int, enough: asyncio.Event) -> None:
        for number in range(10_000):
            name = f"{writer} {number}"
            submitted.append(name)
            await journal.record(question(name), make_completion(name))
            acknowledged.append(name)
            if len(acknowledged) == 100:
                enough.set()

    async def work(journal: Journal) -> None:
        enough = asyncio.Event()
        writers = [asyncio.create_task(write(journal, n, enough)) for n in range(20)]
        await enough.wait()
        await asyncio.to_thread(server.stop)
        everyone = asyncio.gather(
            *writers, replayed(journal, [question("q")]), return_exceptions=True
        )
        ended = await asyncio.wait_for(everyone, 20)
        for error in ended:
            assert isinstance(error, JournalError)
            assert str(error).endswith(START), str(error)
            assert PASSWORD not in str(error)
        assert START in refused(url)

    use(url, work)
    server.start()
    found = replay(url, *map(question, submitted))
    assert [one.text if one else None for one in found] == submitted


def test_lock_that_lasts_is_said(server: PostgreSQL, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal_address, "BUSY_TIMEOUT_S", 0.5)
    url = server.database()

    async def work(journal: Journal) -> None:
        with server.connect(url) as other, other.transaction():
            other.execute("LOCK TABLE completions")
            for attempt in (
                journal.record(question("q"), ANSWER),
                replayed(journal, [question("q")]),
            ):
                with pytest.raises(JournalError, match="another program holds it"):
                    await asyncio.wait_for(attempt, 5)

    use(url, work)
    assert replay(url, question("q")) == [ANSWER]


def test_journal_that_may_only_be_read_is_refused(server: PostgreSQL) -> None:
    url = server.database()
    record(url, question("q"), ANSWER)
    server.execute(f"ALTER DATABASE {url.rsplit('/', 1)[1]} SET default_transaction_read_only = on")
    assert refused(url).endswith("; make it writable")


def test_changed_answer_is_asked_again_and_takes_its_place(server: PostgreSQL) -> None:
    url = server.database()
    record(url, question("q"), ANSWER)
    server.execute("UPDATE completions SET message = '{}'", url)

    async def work(journal: Journal) -> None:
        assert await replayed(journal, [question("q")]) == [None]
        assert await journal.record(question("q"), ANSWER) == ANSWER

    use(url, work)
    assert replay(url, question("q")) == [ANSWER]


def test_password_is_in_no_error(server: PostgreSQL) -> None:
    for url in (
        server.url(password=f"wrong-{PASSWORD}"),
        server.url("nosuch"),
        f"postgresql://127.0.0.1:9/journal?password={PASSWORD}",
        f"postgresql://nobody:{PASSWORD}@no-such-host.invalid/journal",
    ):
        line = refused(url)
        assert PASSWORD not in line
        assert line.endswith(START)


def test_other_schema_is_refused(server: PostgreSQL) -> None:
    url = server.database()
    server.execute("CREATE TABLE schema_version (version int NOT NULL)", url)
    server.execute("INSERT INTO schema_version VALUES (1)", url)
    version = SCHEMA_VERSION
    assert f"it has schema 1, this program writes {version}" in refused(url)


@pytest.mark.parametrize("encoding", ["LATIN1", "SQL_ASCII"])
def test_a_database_that_cannot_hold_every_answer_is_refused(
    encoding: str, server: PostgreSQL
) -> None:
    """One that it cannot hold takes those along that are written beside it."""
    name = f"journal_{encoding.lower()}"
    kind = f"ENCODING '{encoding}' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    server.execute(f"CREATE DATABASE {name} {kind}")
    line = refused(server.url(name))
    assert f"PostgreSQL's database '{name}' has the encoding {encoding}, which cannot" in line
    assert PASSWORD not in line


def test_program_runs_replays_and_prunes_on_postgresql(server: PostgreSQL, tmp_path: Path) -> None:
    url = server.database()
    with LoopbackServer(Behaviour(answers=ANSWERS)) as model:
        project = toy_project(tmp_path / "p", model.base_url, AUTOPROMPT_JOURNAL=url)
        assert "sealed test: no verdict so far" in project.run("check", "toy").stdout
        tables = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        assert server.execute(tables, url) == []
        first = project.run_json("toy")
        again = project.run_json("toy")
        assert without_calls(first) == without_calls(again)
        assert again["calls"]["made"] == 0
        assert len(model.ledger) == first["calls"]["made"]
        assert not (project.home / "journal.db").exists()
    found = json.loads(project.run("journal", "--json").stdout)
    assert PASSWORD not in found["journal"]
    assert found["answers"] == found["made"] == first["calls"]["made"]
    assert found["bytes"] > 0
    result = project.run("journal", "prune", "--experiment", "toy", "--yes")
    assert (result.returncode, result.stderr) == (0, "")
    assert server.execute("SELECT count(*) FROM completions", url) == [(0,)]
    assert first["comparison"]["reading"] == again["comparison"]["reading"] == 1
    assert server.execute("SELECT number, experiment FROM readings", url) == [(1, "toy")]
    checked = project.run("check", "toy").stdout
    assert "is the 2nd verdict on these rows: judged at .025" in checked
    assert "no verdict has read: 0 of 14 test rows" in checked
    project.environ["AUTOPROMPT_JOURNAL"] = server.url(password=f"wrong-{PASSWORD}")
    refused_run = project.run("run", "toy")
    assert refused_run.returncode == 1
    assert PASSWORD not in refused_run.stdout + refused_run.stderr
