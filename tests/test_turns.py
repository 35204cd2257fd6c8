"""The turn of a search on PostgreSQL, whose server forgets it with its connection."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import pruning, search_turn
from autoprompt_assets.engine.journal.address import parse_location
from autoprompt_assets.engine.journal.lock_server import ServerLocks
from autoprompt_assets.engine.journal.turn import WATCH_EVERY_S
from tests.journal_support import start
from tests.loopback import Behaviour, LoopbackServer
from tests.postgres_support import PostgreSQL, postgresql
from tests.support import ANSWERS, toy_project, without_calls
from tests.test_journal_locks import FIRST, WHO, wait_for
from tests.webserver import wait_for as wait_until

pytestmark = pytest.mark.slow

HELD = """
SELECT pid, split_part(application_name, ' ', 2)::int
FROM pg_locks JOIN pg_database ON pg_database.oid = database JOIN pg_stat_activity USING (pid)
WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND granted
    AND pg_database.datname = '{}' AND application_name LIKE 'autoprompt %'
"""
WAIT = f"""
import sys
from autoprompt_assets.engine.journal import search_turn
with search_turn(sys.argv[1], "{FIRST}", lambda line: print(line, flush=True)):
    sys.stdin.read()
"""
LOST = (
    r"search [0-9a-f]{12}: the connection that held its turn broke, and another run "
    + WHO.format(r"\d+")
    + " is at work on it now"
)


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


def holders(server: PostgreSQL, url: str) -> list[tuple[int, int]]:
    """Connections that hold a search's turn, and their processes."""
    return [(one, two) for one, two in server.execute(HELD.format(url.rsplit("/", 1)[1]))]


def held_anew(server: PostgreSQL, url: str, before: int) -> bool:
    return any(one != before for one, _ in holders(server, url))


def taken_over(server: PostgreSQL, url: str, process: int) -> None:
    """Cut the connection that holds the turn until `process` has it, which is quicker mostly."""
    deadline = time.monotonic() + 60
    while all(one != process for _, one in holders(server, url)):
        assert time.monotonic() < deadline
        for connection, _ in holders(server, url):
            server.execute(f"SELECT pg_terminate_backend({connection})")
        time.sleep(1.0)


def test_the_server_notices_a_machine_that_vanished(server: PostgreSQL) -> None:
    with ServerLocks(parse_location(server.database())) as locks:
        show = "SELECT current_setting('{}')"
        found = [
            locks._connection.exec_driver_sql(show.format(name)).scalar_one()
            for name in (
                *("tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count"),
                *("tcp_user_timeout", "idle_session_timeout"),
            )
        ]
    assert found == ["20", "5", "3", "30000", "0"]


@pytest.mark.parametrize("restarts", [False, True])
def test_a_turn_whose_connection_broke_is_taken_again(restarts: bool, server: PostgreSQL) -> None:
    url = server.database()
    with search_turn(url, FIRST, pytest.fail) as turn:
        [(before, _)] = holders(server, url)
        if restarts:
            server.stop()
            time.sleep(WATCH_EVERY_S + 1)
            server.start()
        else:
            server.execute(f"SELECT pg_terminate_backend({before})")
        wait_until(lambda: held_anew(server, url, before), 60, every_s=0.1)
        turn.refuse()
        with pruning(url) as at_work:
            assert [one.search for one in at_work] == [FIRST]
    assert holders(server, url) == []


def test_a_turn_that_another_took_meanwhile_is_lost(server: PostgreSQL) -> None:
    url = server.database()
    with search_turn(url, FIRST, pytest.fail) as turn:
        waiting = start(WAIT, url)
        assert waiting.stdout
        assert "waiting for it" in waiting.stdout.readline()
        turn.refuse()
        taken_over(server, url, waiting.pid)
        time.sleep(WATCH_EVERY_S + 2)
        with pytest.raises(JournalError, match=LOST) as caught:
            turn.refuse()
        assert f"(process {waiting.pid} on" in str(caught.value)
    waiting.communicate(timeout=60)
    assert waiting.returncode == 0


def test_a_run_that_lost_its_turn_ends_and_the_other_goes_on(
    server: PostgreSQL, tmp_path: Path
) -> None:
    url = server.database()
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.05)) as model:
        first, second = (
            toy_project(tmp_path / name, model.base_url, AUTOPROMPT_JOURNAL=url) for name in "ab"
        )
        running = first.start("run", "--json", "toy")
        wait_for(model, 8, running)
        # The first goes on until the second has looked, and taken its turn.
        model.behaviour = Behaviour(answers=ANSWERS, delay=12.0)
        waiting = second.start_afresh("run", "--json", "toy")
        waits = "SELECT count(DISTINCT application_name) FROM pg_stat_activity WHERE datname = '{}'"
        name = url.rsplit("/", 1)[1]
        named = f"{waits.format(name)} AND application_name LIKE 'autoprompt %'"
        wait_until(lambda: server.execute(named) == [(2,)], 60, every_s=0.1)
        taken_over(server, url, waiting.pid)
        model.behaviour = Behaviour(answers=ANSWERS, delay=0.02)
        outputs = [process.communicate(timeout=120) for process in (running, waiting)]
        assert [running.returncode, waiting.returncode] == [1, 0], outputs
        assert re.search(LOST, outputs[0][1]), outputs
        again = first.run_json("toy")
        assert without_calls(again) == without_calls(json.loads(outputs[1][0]))
        assert again["calls"]["made"] == 0
