"""What a reading of a sealed test is, and how the journal numbers them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.chat import Chat, ChatTurn
from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.judge import ModelGrader
from autoprompt_assets.engine.grading.multiple_choice import ChoiceGrader
from autoprompt_assets.engine.grading.numbers import NumberGrader
from autoprompt_assets.engine.journal import Journal, read_wear
from autoprompt_assets.engine.journal import address as journal_address
from autoprompt_assets.engine.llm import Asked, Models, Role, RoleSpec
from autoprompt_assets.engine.statistics import Reading, RowSet, grader_key, pair_key
from tests.journal_support import at_once, failing, start, use
from tests.row_support import text_demo, text_example

FIRST, SECOND = Candidate("Name it."), Candidate("Name the shape.", (text_demo("a", "b"),))
MANY = """
import asyncio, json, random, sys
from autoprompt_assets.engine.journal.journal import Journal
from tests.test_readings import reading
url, me = sys.argv[1], sys.argv[2]
shared = [f"shared {n}" for n in range(20)]
pairs = [*shared, *(f"{me} {n}" for n in range(5))]
random.Random(me).shuffle(pairs)

async def main():
    async with Journal(url, "race", me) as journal:
        print("ready", flush=True)
        sys.stdin.readline()
        numbers = await asyncio.gather(*(journal.register(reading(pair)) for pair in pairs))
    print(json.dumps(dict(zip(pairs, numbers))))

asyncio.run(main())
"""


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'journal.db'}"


def rows(numbers: Iterable[int], target: str = "yes") -> list[Example]:
    return [text_example(f"{n} {target}", f"in{n}", f"{n}", target, "test") for n in numbers]


def reading(pair: str, numbers: Iterable[int] = range(30), grader: str = "exact") -> Reading:
    return Reading(RowSet.of(rows(numbers)), pair, grader)


def numbered(url: str, *wanted: Reading) -> list[int]:
    async def work(journal: Journal) -> list[int]:
        return [await journal.register(one) for one in wanted]

    return use(url, work)


# Which verdict it is


def test_each_distinct_pair_and_grader_on_the_same_rows_counts_once_for_good(url: str) -> None:
    asked = (reading("a"), reading("b"), reading("a"), reading("a", grader="choice"))
    assert numbered(url, *asked) == [1, 2, 1, 3]
    assert numbered(url, *reversed(asked)) == [3, 1, 2, 1]


@pytest.mark.parametrize(
    ("other", "number"),
    [
        (range(30, 60), 1),
        (range(28, 58), 1),
        (range(27, 57), 2),
        (range(29, 39), 2),
        (range(29, 40), 1),
        (range(27, 10_000), 2),
        ([5], 2),
        (range(31), 2),
    ],
)
def test_sets_that_share_a_tenth_of_the_smaller_one_share_their_wear(
    other: Iterable[int], number: int, url: str
) -> None:
    assert numbered(url, reading("a"), reading("b", other)) == [1, number]
    assert numbered(url.replace("journal.db", "swapped.db"), reading("b", other), reading("a")) == [
        1,
        number,
    ]


def test_rows_that_no_earlier_set_shares_are_not_worn_by_what_those_share(url: str) -> None:
    sets = (range(30), range(25, 55), range(50, 80), range(25, 55), range(30))
    asked = [reading(str(n), numbers) for n, numbers in enumerate(sets)]
    assert numbered(url, *asked) == [1, 2, 2, 4, 4]


def test_the_order_of_rows_does_not_matter_and_a_changed_target_is_another_reading(
    url: str,
) -> None:
    turned = reading("a", reversed(range(30)))
    changed = Reading(RowSet.of([*rows(range(29)), *rows([29], "no")]), "a", "exact")
    assert numbered(url, reading("a"), turned, changed) == [1, 1, 2]


def test_spellings_of_one_input_are_one_row_of_what_is_shared() -> None:
    twice = [*rows([1]), text_example("other", "in1", "1 ", "yes", "test")]
    assert RowSet.of(twice).size == 1
    assert RowSet.of(twice) != RowSet.of(rows([1]))


def role(name: Role, **settings: Any) -> Asked:
    endpoint, model = settings.pop("endpoint", "http://host"), settings.pop("model", "m")
    return Asked(name, RoleSpec(**{"prompt": "p", **settings}), endpoint, model)


@pytest.mark.parametrize(
    "settings",
    [
        {"model": "other"},
        {"endpoint": "http://other"},
        {"temperature": 1},
        {"max_tokens": 5},
        {"extra": {"top_p": 0.5}},
        {"choices": ("a", "b")},
    ],
)
def test_the_same_texts_asked_otherwise_are_another_pair(settings: Mapping[str, Any]) -> None:
    known, other = role("target"), role("target", **settings)
    pairs = [pair_key(Models(one, None, None), FIRST, SECOND) for one in (known, other)]
    assert pairs[0] != pairs[1]
    models = [Models(known, role("review"), None), Models(known, role("review", **settings), None)]
    judged = {grader_key(ModelGrader(kind="model"), each) for each in models}
    assert len(judged) == 2
    assert len({grader_key(ChoiceGrader(kind="choice"), each) for each in models}) == 1


@pytest.mark.parametrize(
    "chat",
    [
        Chat(turns=(ChatTurn("user", "prompt"),)),
        Chat(turns=(ChatTurn("history", "input"), ChatTurn("user", "prompt"))),
        Chat(images=("input",)),
        Chat(tools=({"type": "function", "function": {"name": "f"}},)),
    ],
)
def test_the_same_texts_in_another_form_are_another_pair(chat: Chat) -> None:
    one, other = (Models(role("target"), None, None, form) for form in (Chat(), chat))
    assert pair_key(one, FIRST, SECOND) != pair_key(other, FIRST, SECOND)


def test_how_long_is_waited_and_which_prompt_was_first_make_no_other_pair() -> None:
    waiting = role("target", timeout=5, deadline=9, prompt="another first prompt")
    patient = Models(waiting, None, None)
    known = pair_key(Models(role("target"), None, None), FIRST, SECOND)
    assert pair_key(patient, SECOND, FIRST) == known
    assert pair_key(patient, FIRST, FIRST) != known


def test_what_decides_which_answer_is_right_makes_another_grader() -> None:
    models = Models(role("target"), role("review"), None)
    other = Models(role("target"), role("review", prompt="Is it?"), None)
    graders = (
        grader_key(ChoiceGrader(kind="choice"), models),
        grader_key(NumberGrader(kind="number"), models),
        grader_key(NumberGrader(kind="number", tolerance=0.1), models),
        grader_key(ModelGrader(kind="model"), models),
        grader_key(ModelGrader(kind="model"), other),
    )
    assert len(set(graders)) == 5


# How it is kept


def test_processes_at_once_give_each_reading_one_number_and_leave_none_out(url: str) -> None:
    use(url, lambda journal: asyncio.sleep(0))
    found: dict[str, int] = {}
    for out in at_once([start(MANY, url, f"p{n}") for n in range(3)]):
        for pair, number in json.loads(out).items():
            assert found.setdefault(pair, number) == number
    assert sorted(found.values()) == list(range(1, 36))


def test_a_set_is_stored_once_however_often_it_is_read(url: str, tmp_path: Path) -> None:
    numbered(url, *(reading(str(pair)) for pair in range(10)))
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection:
        assert connection.execute("SELECT count(*) FROM set_rows").fetchone() == (30,)
        assert connection.execute("SELECT count(*) FROM readings").fetchone() == (10,)


@pytest.mark.slow
def test_a_hundred_thousand_rows_are_numbered(url: str) -> None:
    several = [range(start, start + 100_000) for start in (0, 80_000, 500_000)]
    asked = [reading("a", numbers) for numbers in several]
    assert numbered(url, *asked, asked[1]) == [1, 2, 1, 2]
    found = read_wear(
        url, rows(range(90_000, 190_000)), [f"in{n}" for n in range(170_000, 200_000)]
    )
    assert (found.verdicts, found.fresh, found.spare) == (2, 10_000, 20_000)


def test_a_journal_that_is_locked_or_closed_says_so_and_numbers_nothing(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_address, "BUSY_TIMEOUT_S", 0.2)

    async def work(journal: Journal) -> None:
        with closing(sqlite3.connect(tmp_path / "journal.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            assert "another program holds it" in await failing(journal.register(reading("a")))
        assert await journal.register(reading("b")) == 1
        await asyncio.to_thread(journal.close)
        assert "it is closed" in await failing(journal.register(reading("c")))

    use(url, work)
    assert numbered(url, reading("d")) == [2]


# What `check` reads


def test_where_there_is_no_journal_none_is_made_and_all_rows_are_fresh(
    url: str, tmp_path: Path
) -> None:
    for address in (url, f"{url}?timeout=5", f"sqlite:///file:{tmp_path}/j%20l.db?uri=true"):
        found = read_wear(address, rows(range(5)), ["x", "y"])
        assert (found.verdicts, found.fresh, found.spare) == (0, 5, 2)
    assert list(tmp_path.iterdir()) == []


def test_rows_that_were_read_are_not_fresh_even_where_the_sets_share_too_few(url: str) -> None:
    numbered(url, reading("a"))
    test = [*rows(range(29, 59)), text_example("again", "in29", "29 ", "yes", "test")]
    found = read_wear(url, test, ["in1", "in1", "in2", "in99"])
    assert (found.verdicts, found.fresh, found.spare) == (0, 29, 1)
    assert read_wear(url, rows(range(27, 57)), []).verdicts == 1


def test_an_older_journal_is_refused(url: str, tmp_path: Path) -> None:
    use(url, lambda journal: asyncio.sleep(0))
    with closing(sqlite3.connect(tmp_path / "journal.db")) as connection, connection:
        connection.execute("UPDATE schema_version SET version = 3")
    with pytest.raises(JournalError, match=r"it has schema 3, this program writes 4; use the"):
        read_wear(url, rows(range(5)), [])
