"""What a run learns of an endpoint's limits is where the next one begins."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import subprocess
import sys
import time
from collections.abc import Awaitable
from contextlib import closing
from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.resources.endpoints.endpoint import Endpoint, SentField
from autoprompt_assets.resources.endpoints.knee import LEAST_CEILING
from autoprompt_assets.resources.endpoints.learned import Learned
from autoprompt_assets.resources.endpoints.limiter import Limiter
from autoprompt_assets.resources.endpoints.limiters import Limiters
from tests.benchmarks.server import serving, stats_of
from tests.journal_support import ANSWER, question
from tests.limiter_support import now, virtually
from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, KEY, toy_project

CALLS, MOST, DELAY, SLOW = 300, 40, 0.05, 1.0
# One run of a process of its own: what it learned is gone with it, but for the journal.
RUN = """
import asyncio, sys
from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.resources.llm import LLMResource
from tests.engine_support import unkept
from tests.test_deadlines import spec_of

async def main(url, database, calls, most):
    spec, resource = spec_of(url, most), LLMResource()
    target = resource.models(spec).target
    requests = [target.request(({"role": "user", "content": str(n)},)) for n in range(calls)]
    async with Journal(database) as journal:
        async with resource.connect(spec, limits=journal.limits) as client:
            await asyncio.gather(*(client.complete(one, unkept) for one in requests))

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
"""


def run(url: str, folder: Path, calls: int = CALLS, most: int = MOST) -> None:
    command = [sys.executable, "-c", RUN, url, database(folder), str(calls), str(most)]
    subprocess.run(command, check=True)


def database(folder: Path) -> str:
    return f"sqlite:///{folder / 'journal.db'}"


def query(folder: Path, statement: str, *values: object) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(folder / "journal.db")) as connection, connection:
        return connection.execute(statement, values).fetchall()


@pytest.mark.slow
def test_the_next_process_begins_where_one_ended(tmp_path: Path) -> None:
    """All that may be in flight are within the first round trip then."""
    with serving(delay=DELAY) as url:
        run(url, tmp_path)
        [(place, record)] = query(tmp_path, "SELECT endpoint, record FROM endpoint_limits")
        assert place == url
        assert json.loads(str(record))["window"] == MOST
        known = [str(place), str(record)]
    peaks = []
    for learned in ([], known):
        # No answer has come before the last of so few calls has started, if it starts in time.
        with serving(delay=SLOW) as url:
            query(tmp_path, "DELETE FROM endpoint_limits")
            if learned:
                values = (url, learned[1], time.time())
                query(tmp_path, "INSERT INTO endpoint_limits VALUES (?, ?, ?)", *values)
            run(url, tmp_path, MOST)
            peaks.append(stats_of(url).peak_in_flight)
    assert peaks[0] <= 32
    assert peaks[1] == MOST


@pytest.mark.parametrize(
    "record",
    [
        "",
        "{",
        "[]",
        '{"version": 2, "window": 40, "rate": 100, "limited": false}',
        '{"version": 1, "window": NaN, "rate": 100, "limited": false}',
        '{"version": 1, "window": -40, "rate": 100, "limited": false}',
        '{"version": 1, "window": 1e300, "rate": 1e300, "limited": false}',
        '{"version": 1, "window": 40, "rate": 0, "limited": true}',
    ],
)
def test_a_record_that_is_none_is_not_believed(record: str) -> None:
    assert Learned.recalled(record, 0.0) is None


@pytest.mark.parametrize("ceiling", [1.0, 4.0, 40.0])
def test_runs_too_short_to_look_for_a_ceiling_keep_it(ceiling: float) -> None:
    """Each begins at half of it, which is not what was found."""
    learned = Learned.of(ceiling, 60.0, False, ceiling)
    for _ in range(8):
        found = Learned.recalled(learned.model_dump_json(), 60.0)
        limiter = Limiter(MOST, found)
        virtually(answered(limiter, 20))
        assert limiter.learned is not None
        learned = limiter.learned
        assert learned.ceiling == max(ceiling, LEAST_CEILING)


def test_a_server_that_took_nothing_for_a_while_is_not_asked_slowly_ever_after() -> None:
    before = Limiter(MOST)
    virtually(answered(before, 40))
    virtually(refused(before, 60.0))
    assert before.rate is not None
    assert before.rate < 1.0
    assert before.learned is not None
    after = Limiter(MOST, Learned.recalled(before.learned.model_dump_json(), 60.0))
    took: list[float] = []
    virtually(timed(answered(after, 200), took))
    assert took[0] < 5.0


async def timed(work: Awaitable[None], took: list[float]) -> None:
    began = now()
    await work
    took.append(now() - began)


async def refused(limiter: Limiter, seconds: float) -> None:
    until = now() + seconds

    async def call() -> None:
        while now() < until:
            async with limiter.slot(first=True) as slot:
                await asyncio.sleep(DELAY)
                slot.refused(None)

    await asyncio.gather(*(call() for _ in range(8)))


async def answered(limiter: Limiter, calls: int) -> None:
    async def call() -> None:
        async with limiter.slot() as slot:
            await asyncio.sleep(DELAY)
            slot.answered()

    await asyncio.gather(*(call() for _ in range(calls)))


@pytest.mark.slow
def test_a_run_takes_a_damaged_record_for_none_and_writes_another(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour()) as server:
        run(server.base_url, tmp_path, 20)
        query(tmp_path, "UPDATE endpoint_limits SET record = ?", b"\xff{")
        run(server.base_url, tmp_path, 20)
        [(found,)] = query(tmp_path, "SELECT record FROM endpoint_limits")
        assert json.loads(str(found))["version"] == 1


def test_a_journal_that_lacks_the_table_gets_it(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour()) as server:
        asyncio.run(opened(tmp_path))
        query(tmp_path, "DROP TABLE endpoint_limits")
        run(server.base_url, tmp_path, 20)
        assert len(query(tmp_path, "SELECT * FROM endpoint_limits")) == 1


async def opened(folder: Path) -> None:
    async with Journal(database(folder)):
        pass


def test_a_record_that_cannot_be_kept_fails_no_run(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour()) as server:
        asyncio.run(opened(tmp_path))
        query(tmp_path, "DROP TABLE endpoint_limits")
        query(tmp_path, "CREATE VIEW endpoint_limits AS SELECT 1 AS one")
        run(server.base_url, tmp_path, 20)
        assert len(server.ledger) == 20


def test_a_journal_that_is_locked_is_not_waited_for(tmp_path: Path) -> None:
    """An answer waits as long as the address says, before and after."""
    asyncio.run(beside_a_lock(tmp_path))
    [(record,)] = query(tmp_path, "SELECT record FROM endpoint_limits")
    assert record == "second"


async def beside_a_lock(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "journal.db", isolation_level=None)) as other:
        async with Journal(f"{database(folder)}?timeout=20") as journal:
            other.execute("BEGIN IMMEDIATE")
            began = time.monotonic()
            await journal.limits.write("http://a/v1", "first")
            assert time.monotonic() - began < 5
            assert await journal.limits.read("http://a/v1") is None
            asyncio.get_running_loop().call_later(2, other.execute, "ROLLBACK")
            await journal.record(question("1"), ANSWER)
            await journal.limits.write("http://a/v1", "second")


def test_a_journal_that_failed_is_not_tried_again(tmp_path: Path) -> None:
    asyncio.run(after_a_failure(tmp_path))
    assert query(tmp_path, "SELECT * FROM endpoint_limits") == []


async def after_a_failure(folder: Path) -> None:
    with closing(sqlite3.connect(folder / "journal.db", isolation_level=None)) as other:
        async with Journal(f"{database(folder)}?timeout=0.1") as journal:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(JournalError, match="locked"):
                await journal.record(question("1"), ANSWER)
            other.execute("ROLLBACK")
            await journal.limits.write("http://a/v1", "first")


def test_two_routes_of_one_gateway_have_limits_of_their_own(tmp_path: Path) -> None:
    def endpoint(route: str, key: str) -> Endpoint:
        sent = (SentField("X-Route", route), SentField("X-Key", env=key))
        return Endpoint("a", "http://a/v1", None, False, "m", "the gateway", headers=sent)

    async def limiters_of() -> list[Limiter]:
        async with Journal(database(tmp_path)) as journal:
            limiters = Limiters(4, journal.limits)
            asked = (endpoint("x", "ONE"), endpoint("y", "ONE"), endpoint("x", "TWO"))
            return [await limiters.of(one) for one in asked]

    one, other, again = asyncio.run(limiters_of())
    assert one is again
    assert one is not other


def test_a_search_keeps_what_it_learned_and_no_key(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        assert project.run("check", "toy").returncode == 0
        assert not (project.home / "journal.db").exists()
        result = project.run("run", "toy")
        assert result.returncode == 0, result.stderr
    [(place, record, at)] = query(project.home, "SELECT * FROM endpoint_limits")
    assert place == server.base_url
    assert set(json.loads(str(record))) == {"version", "window", "rate", "limited", "ceiling"}
    assert abs(time.time() - float(str(at))) < 600
    project.assert_key_is_nowhere(result.stdout + result.stderr, KEY)
