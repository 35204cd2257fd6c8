"""The first rows of an evaluation end it where all are refused for one reason, and not else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.llm import (
    CallError,
    ContentFiltered,
    ContextTooLong,
    RefusedAlike,
    RequestRefused,
)
from autoprompt_assets.engine.llm.failures import ServerFailed
from tests.engine_support import Scripted, evaluate, evaluator, examples

NO = RequestRefused("no", 400, "bad", "x")


class Said(Scripted):
    """Refuses every row that `ends` does not name."""

    def __init__(self, ends: Mapping[int, CallError | str]) -> None:
        rows = {str(number): ends.get(number, NO) for number in range(200)}
        super().__init__(rows)


def run(folder: Path, llm: Scripted, rows: int, concurrency: int = 4) -> int:
    """How many rows were handed on."""

    async def work() -> int:
        async with evaluator(folder, llm, concurrency=concurrency) as subject:
            return len((await evaluate(subject, Candidate("Say."), examples(rows)))[1])

    return asyncio.run(work())


@pytest.mark.parametrize("concurrency", [1, 100])
def test_five_refused_alike_end_it_at_the_fifth(tmp_path: Path, concurrency: int) -> None:
    llm = Said({})
    with pytest.raises(RefusedAlike, match="baseline: the target model refused the first 5 of 200"):
        run(tmp_path, llm, 200, concurrency)
    assert [one.messages[-1]["content"] for one in llm.requests] == list("01234")


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize(
    "other",
    [
        "yes",
        ContentFiltered("no"),
        ContextTooLong("no"),
        ServerFailed("no"),
        RequestRefused("no", 422, "bad", "x"),
        RequestRefused("no", 400, "worse", "x"),
        RequestRefused("no", 400, "bad", "y"),
    ],
)
def test_one_that_ends_otherwise_shows_that_not_every_request_is_refused(
    tmp_path: Path, place: int, other: CallError | str
) -> None:
    assert run(tmp_path, Said({place: other}), 20) == 20


def test_four_are_not_enough_where_there_are_more(tmp_path: Path) -> None:
    assert run(tmp_path, Said(dict.fromkeys(range(4, 20), "yes")), 20) == 20


def test_all_rows_are_enough_where_there_are_fewer_than_five(tmp_path: Path) -> None:
    with pytest.raises(RefusedAlike, match="the first 3 of 3 rows"):
        run(tmp_path, Said({}), 3)


def test_a_few_rows_more_of_a_scored_candidate_end_nothing(tmp_path: Path) -> None:
    """A server may refuse some rows for what they say: a minibatch may hold those alone."""

    async def work() -> int:
        async with evaluator(tmp_path, Said({})) as subject:
            return len((await evaluate(subject.again(), Candidate("Say."), examples(3)))[1])

    assert asyncio.run(work()) == 3


def test_rows_that_the_journal_answers_are_answered(tmp_path: Path) -> None:
    run(tmp_path, Said({2: "yes"}), 3)
    again = Said({})
    assert run(tmp_path, again, 20) == 20
    assert "2" not in [one.messages[-1]["content"] for one in again.requests]
