"""What was answered is never asked again: by another object, another process, or after a kill.

Each test that takes `url` runs on SQLite every day and on PostgreSQL with what is slow.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.engine.journal.tables import SCHEMA_VERSION
from autoprompt_assets.engine.llm import Completion
from autoprompt_assets.engine.spend import Spend
from tests.engine_support import make_completion
from tests.journal_support import ANSWER, at_once, question, record, replay, replayed, start, use
from tests.postgres_support import PostgreSQL, postgresql

T = TypeVar("T")

WRITER = """
import asyncio, sys
from autoprompt_assets.engine.journal.journal import Journal
from tests.engine_support import make_completion
from tests.journal_support import question

async def main():
    async with Journal(sys.argv[1]) as journal:
        for number in range(100_000):
            await journal.record(question(str(number)), make_completion(f"answer {number}"))
            print(number, flush=True)

asyncio.run(main())
"""
OPENER = """
import sys
from autoprompt_assets.engine.journal.journal import Journal
print("ready", flush=True)
sys.stdin.readline()
Journal(sys.argv[1]).close()
"""
# Half of what each process asks, the others ask at the same time, in another order.
RACER = """
import asyncio, json, random, sys
from autoprompt_assets.engine.journal.journal import Journal
from tests.engine_support import make_completion
from tests.journal_support import question
url, me = sys.argv[1], sys.argv[2]

async def main():
    told = {}
    async with Journal(url, "race", me) as journal:
        async def ask(text):
            told[text] = (await journal.record(question(text), make_completion(me))).text
        texts = [f"all {n}" for n in range(200)] + [f"{me} {n}" for n in range(200)]
        random.Random(me).shuffle(texts)
        print("ready", flush=True)
        sys.stdin.readline()
        for start in range(0, 400, 40):
            await asyncio.gather(*map(ask, texts[start:start + 40]))
    print(json.dumps(told))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def server() -> Iterator[PostgreSQL]:
    with postgresql() as running:
        yield running


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'journal.db'}"
    running: PostgreSQL = request.getfixturevalue("server")
    return running.database()


def read(url: str, statement: str) -> list[tuple[Any, ...]]:
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(statement))]
    finally:
        engine.dispose()


@pytest.mark.parametrize(
    "completion",
    [
        make_completion(
            "yes",
            reasoning="thought",
            usage='{"prompt_tokens":10}',
            prompt_tokens=10,
            completion_tokens=3,
            usd=0.1 + 0.2,
            latency_s=1.5,
            attempts=2,
        ),
        make_completion(None, "length"),
        make_completion("", refusal="no", usd=0),
        make_completion("ünï 日本語 🙂 \u2028 ' \" \\ %s :x ? \n\t", "stop"),
        make_completion("long " * 100_000, "stop"),
    ],
)
def test_answer_comes_back_as_it_was(completion: Completion, url: str) -> None:
    assert record(url, question("q 日本語"), completion) == completion
    assert replay(url, question("q 日本語"), question("other")) == [completion, None]


def test_text_that_no_database_takes_is_stored_with_marks(url: str) -> None:
    request = question("half \ud83d")
    stored = record(url, request, make_completion("a\ud83d\0b", reasoning="\0", refusal="ok"))
    assert (stored.text, stored.reasoning, stored.refusal) == ("a\ufffd\ufffdb", "\ufffd", "ok")
    assert replay(url, request) == [stored]


def test_first_answer_wins_and_both_were_paid(url: str) -> None:
    first, second = (
        make_completion("one", usd=0.5),
        make_completion("two", usd=0.25),
    )
    record(url, question("q"), first, "a")
    assert record(url, question("q"), second, "b") == first
    assert read(url, "SELECT search, made, usd FROM usage ORDER BY search") == [
        ("a", 1, 0.5),
        ("b", 1, 0.25),
    ]


def test_equal_requests_recorded_at_once_have_one_answer(url: str) -> None:
    async def work(journal: Journal) -> set[str | None]:
        answers = [make_completion(str(number)) for number in range(20)]
        told = await asyncio.gather(*(journal.record(question("q"), one) for one in answers))
        return {completion.text for completion in told}

    (only,) = use(url, work)
    assert [one and one.text for one in replay(url, question("q"))] == [only]


def test_many_are_replayed_in_the_order_they_were_asked(url: str) -> None:
    numbers = [number for number in range(1300) if number % 7]

    async def work(journal: Journal) -> list[Completion | None]:
        answers = (journal.record(question(str(n)), make_completion(str(n))) for n in numbers)
        await asyncio.gather(*answers)
        return await replayed(journal, [question(str(n)) for n in reversed(range(1300))])

    found = use(url, work)
    wanted = [str(n) if n % 7 else None for n in reversed(range(1300))]
    assert [one and one.text for one in found] == wanted
    assert replay(url) == []


def test_what_was_acknowledged_survives_a_kill(url: str) -> None:
    process = start(WRITER, url)
    assert process.stdout
    acknowledged = [int(process.stdout.readline()) for _ in range(30)]
    os.kill(process.pid, signal.SIGKILL)
    acknowledged += [int(line) for line in process.communicate()[0].split()]
    assert process.returncode == -signal.SIGKILL
    found = replay(url, *(question(str(number)) for number in acknowledged))
    assert [one and one.text for one in found] == [f"answer {n}" for n in acknowledged]
    assert read(url, "SELECT sum(made) FROM usage") == read(url, "SELECT count(*) FROM completions")


def test_many_processes_write_at_once_and_lose_and_double_nothing(url: str) -> None:
    names = [f"p{number}" for number in range(4)]
    told = [json.loads(out) for out in at_once([start(RACER, url, name) for name in names])]
    answers: dict[str, set[str]] = defaultdict(set)
    for mine in told:
        assert len(mine) == 400
        for text, answer in mine.items():
            answers[text].add(answer)
    assert len(answers) == 200 + 4 * 200
    assert all(len(found) == 1 for found in answers.values())
    texts = sorted(answers)
    found = replay(url, *map(question, texts))
    assert [{one and one.text} for one in found] == [answers[text] for text in texts]
    assert read(url, "SELECT count(*) FROM completions") == [(1000,)]
    made = read(url, "SELECT search, made FROM usage WHERE made > 0 ORDER BY search")
    assert made == [(name, 400) for name in names]


@pytest.mark.slow
def test_journal_may_be_made_by_many_processes_at_once(url: str) -> None:
    at_once([start(OPENER, url) for _ in range(8)])
    assert read(url, "SELECT version FROM schema_version") == [(SCHEMA_VERSION,)]


def test_usage_says_what_each_search_paid_and_replayed(url: str) -> None:
    paid = make_completion("a", prompt_tokens=10, completion_tokens=2, usd=0.5)
    review = replace(question("2"), role="review")

    async def work(journal: Journal) -> None:
        await asyncio.gather(
            journal.record(question("0"), paid), journal.record(question("1"), paid)
        )
        await journal.record(review, replace(paid, usd=None))
        await replayed(journal, [question("0"), question("none"), review])

    use(url, work, "a")
    replay(url, question("0"), question("1"), search="b")
    assert read(url, "SELECT * FROM usage ORDER BY search, role") == [
        ("shapes", "a", "review", 1, 1, 10, 2, 0.0, 1),
        ("shapes", "a", "target", 2, 1, 20, 4, 1.0, 0),
        ("shapes", "b", "target", 0, 2, 0, 0, 0.0, 0),
    ]
    assert read(url, "SELECT DISTINCT experiment FROM completions") == [("shapes",)]


def test_spends_add_up() -> None:
    assert Spend(1, 2, 3, 0.5, 4).plus(Spend(10, 20, 30, 0.25, 40)) == Spend(11, 22, 33, 0.75, 44)


def test_answer_that_nobody_waits_for_any_more_is_kept(url: str) -> None:
    async def work(journal: Journal) -> None:
        task = asyncio.create_task(journal.record(question("q"), make_completion("paid")))
        await asyncio.sleep(0)
        task.cancel()

    use(url, work)
    assert replay(url, question("q")) == [make_completion("paid")]


def test_closed_journal_answers_nobody_and_does_not_hang(url: str) -> None:
    async def work(journal: Journal) -> None:
        journal.close()
        for attempt in (replayed(journal, [question("q")]), journal.record(question("q"), ANSWER)):
            with pytest.raises(JournalError, match="the journal failed: it is closed"):
                await asyncio.wait_for(attempt, 5)

    use(url, work)
