"""What a server may send, by the hundred: each reply comes to what it should, and to one line.

All that end no run are rows of one evaluation, through the real client, over HTTP, into a real
journal; those that do are each the last row of one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.engine.llm import failures
from tests import hostile_bodies, hostile_headers
from tests.hostile_search import PROMPT, Told, search
from tests.hostile_server import ANSWER, HostileServer
from tests.postgres_support import postgresql

CASES = {**hostile_bodies.cases(), **hostile_headers.cases()}
ENDING = [name for name, case in CASES.items() if hasattr(failures, case.want)]
PASSING = [name for name in CASES if name not in ENDING]
GOOD = [f"good {number}" for number in range(8)]


def searched(database: str, names: Collection[str], late: Collection[str] = ()) -> Told:
    """What came of it, and what the server was asked once it answers everything."""
    told, sent = Told(), {name: CASES[name].sent for name in names if name in CASES}
    once = frozenset(name for name in sent if CASES[name].want == "again")
    with HostileServer(sent, once, frozenset(late)) as server:
        try:
            asyncio.run(search(Journal(database), server.url, names, told))
        except Exception as error:
            told.error = error
        told.asked = dict(server.asked)
    with HostileServer({}) as healed:
        asyncio.run(search(Journal(database), healed.url, names, Told()))
        told.again = dict(healed.asked)
    return told


@pytest.fixture(autouse=True, scope="module")
def _quick() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    for name, value in {
        **{"call.FIRST_WAIT_S": 0.01, "call.ATTEMPTS": 3},
        **{"client.NOTICE_EVERY_S": 0.0, "client._UNCOUNTED": set()},
    }.items():
        patch.setattr(f"autoprompt_assets.resources.endpoints.{name}", value)
    yield
    patch.undo()


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]
)
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Told:
    names = [*GOOD[:4], *PASSING, *GOOD[4:]]
    if request.param == "sqlite":
        return searched(sqlite_at(tmp_path_factory.mktemp("passing")), names)
    with postgresql() as server:
        return searched(server.database(), names)


def sqlite_at(folder: Path) -> str:
    return f"sqlite:///{folder / 'journal.db'}"


def is_a_line(text: str) -> bool:
    return text.isprintable() and 0 < len(text) < 700


def test_there_are_many() -> None:
    assert len(CASES) >= 135


def test_rows_beside_hostile_ones_keep_their_answers(told: Told) -> None:
    assert told.error is None
    assert [told.rows[name].grade.outcome for name in GOOD] == ["correct"] * len(GOOD)
    assert [told.asked[name] for name in GOOD] == [1] * len(GOOD)


def test_every_notice_is_a_line(told: Told) -> None:
    assert told.notices
    assert all(map(is_a_line, told.notices)), [one for one in told.notices if not is_a_line(one)]
    assert len([one for one in told.notices if "do not say how many tokens" in one]) == 1


def test_what_was_answered_is_not_asked_again(told: Told) -> None:
    unanswered = {name for name, row in told.rows.items() if row.completion is None}
    assert set(told.again) == unanswered


@pytest.mark.parametrize("name", PASSING)
def test_a_row_comes_to_what_its_reply_is(name: str, told: Told) -> None:
    case, row = CASES[name], told.rows[name]
    again = case.want == "again"
    want = "correct" if case.want in ("answer", "again") else case.want
    assert row.grade.outcome == want, row.grade.reason
    assert told.asked[name] == (2 if again else 1)
    assert row.completion is not None or is_a_line(row.grade.reason)
    if case.tokens is not None:
        assert row.completion is not None
        prompt, completion = case.tokens
        most = len(PROMPT) + len(name.encode()), len(ANSWER)
        wanted = (
            most[0] if prompt is None else prompt,
            most[1] if completion is None else completion,
        )
        assert (row.completion.prompt_tokens, row.completion.completion_tokens) == wanted


@pytest.mark.parametrize("name", ENDING)
def test_a_reply_that_ends_the_run_says_so_and_loses_no_answer(name: str, tmp_path: Path) -> None:
    told = searched(sqlite_at(tmp_path), [*GOOD, name], late=[name])
    assert type(told.error).__name__ == CASES[name].want
    assert is_a_line(str(told.error)), str(told.error)
    assert told.asked == dict.fromkeys([*GOOD, name], 1)
    assert told.again == {name: 1}
