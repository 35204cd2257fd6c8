"""The calls of a search: made once, replayed ever after; and what makes two requests one."""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.engine.journal import Calls, Journal
from autoprompt_assets.engine.llm import Completion, Request, SharedFields
from autoprompt_assets.engine.llm.failures import AuthenticationFailed, RateLimited
from tests.engine_support import Scripted
from tests.journal_support import question, replay, use


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'journal.db'}"


def complete(url: str, llm: Scripted, requests: list[Request]) -> Calls:
    async def run(journal: Journal) -> Calls:
        calls = Calls(llm, journal)
        await asyncio.gather(*map(calls.complete, requests), return_exceptions=True)
        return calls

    return use(url, run)


def test_equal_requests_in_flight_are_made_once(url: str) -> None:
    llm = Scripted(seconds=0.02)
    calls = complete(url, llm, [question("same")] * 20 + [question("other")])
    assert len(llm.requests) == 2
    assert (calls.counts.made, calls.counts.replayed) == (2, 19)


def test_second_run_makes_no_call(url: str) -> None:
    requests = [question(str(number)) for number in range(50)]
    complete(url, Scripted(), requests)
    again = Scripted()
    assert complete(url, again, requests).counts.replayed == 50
    assert again.requests == []


def test_replicates_are_asked_apart(url: str) -> None:
    llm = Scripted()
    complete(url, llm, [question("q", replicate) for replicate in range(3)])
    assert len(llm.requests) == 3


@pytest.mark.parametrize("error", [RateLimited("slow down"), AuthenticationFailed("no")])
def test_errors_are_not_journaled(error: RateLimited, url: str) -> None:
    calls = complete(url, Scripted({"q": error}), [question("q")])
    assert (calls.counts.failed, calls.counts.made) == (1, 0)
    assert replay(url, question("q")) == [None]
    assert complete(url, Scripted(), [question("q")]).counts.made == 1


def test_what_was_answered_during_a_look_up_is_not_asked_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One looks up before an equal one is answered, and hears of it after that one has ended."""
    llm, looked_up, answered = Scripted(), asyncio.Event(), asyncio.Event()

    async def work(journal: Journal) -> tuple[Completion, Completion]:
        look_up = journal.look_up

        async def slowly(request: Request) -> Completion | None:
            monkeypatch.setattr(journal, "look_up", look_up)
            found = await look_up(request)
            looked_up.set()
            await answered.wait()
            return found

        async with Calls(llm, journal) as calls:
            await calls.complete(question("whose form is settled"))
            monkeypatch.setattr(journal, "look_up", slowly)
            slow = asyncio.create_task(calls.complete(question("q")))
            await looked_up.wait()
            fast = await calls.complete(question("q"))
            await asyncio.sleep(0)  # until it is no longer in flight
            answered.set()
            return await slow, fast

    slow, fast = use(url, work)
    assert slow == fast
    assert len(llm.requests) == 2


def test_a_call_is_looked_up_once(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """But the first, whose form is to be found: it may have waited for another meanwhile."""
    looked_up: list[str] = []
    look_up = Journal.look_up

    async def counted(journal: Journal, request: Request) -> Completion | None:
        looked_up.append(request.key)
        return await look_up(journal, request)

    monkeypatch.setattr(Journal, "look_up", counted)
    llm = Scripted()
    complete(url, llm, [question("first")])
    complete(url, llm, [question(str(number)) for number in range(20)])
    assert len(llm.requests) == 21
    assert len(looked_up) == 22


def test_abandoned_call_is_kept_by_those_who_still_wait(url: str) -> None:
    async def work(journal: Journal) -> str | None:
        calls = Calls(Scripted(seconds=0.05), journal)
        first = asyncio.create_task(calls.complete(question("q")))
        second = asyncio.create_task(calls.complete(question("q")))
        await asyncio.sleep(0.01)
        first.cancel()
        return (await second).text

    assert use(url, work) == "yes"


BASE = Request("target", "openai http://a", "m", ({"role": "user", "content": "q"},), {"top_p": 1})


@pytest.mark.parametrize(
    "other",
    [
        replace(BASE, endpoint="openai http://b"),
        replace(BASE, model="n"),
        replace(BASE, messages=({"role": "user", "content": "Q"},)),
        replace(BASE, messages=({"role": "system", "content": "q"},)),
        replace(BASE, messages=BASE.messages * 2),
        replace(BASE, parameters={"top_p": 0}),
        replace(BASE, parameters={}),
        replace(BASE, response_format={"type": "json_object"}),
        replace(BASE, replicate=1),
    ],
)
def test_key_depends_on_each_part_of_the_request(other: Request) -> None:
    assert other.key != BASE.key


def test_key_depends_on_content_alone() -> None:
    ordered = replace(BASE, parameters={"top_p": 1, "seed": 2}).key
    assert replace(BASE, parameters={"seed": 2, "top_p": 1}).key == ordered
    assert replace(BASE, role="review").key == BASE.key


def test_key_survives_a_candidate_s_way_through_json() -> None:
    candidate = Candidate("Sö {input}", parameters={"temperature": 0.5})
    both = (candidate, Candidate.from_json(candidate.as_json()))
    keys = {
        replace(BASE, messages=one.messages(Inputs.single("x"), as_choice=False)).key
        for one in both
    }
    assert len(keys) == 1


TEXTS = ["", "plain", 'a "quoted" \\ back', "a\nb\tc\x7f\x1f", "Grüße 日本 😀", "\ud83d", "\ude00"]
FIELDS = {"top_p": 0.5, "max_tokens": 5, "extra": {"b": 1, "a": []}}
FORMAT = {"type": "json_schema", "b": [1, {"z": None, "a": 2}]}


@pytest.mark.parametrize("schema", [None, FORMAT])
@pytest.mark.parametrize("fields", [{}, FIELDS])
@pytest.mark.parametrize("texts", [TEXTS[:1], TEXTS[1:3], TEXTS])
def test_a_body_is_the_json_of_all_that_is_in_it(
    texts: list[str], fields: dict[str, Any], schema: dict[str, Any] | None
) -> None:
    """It is put together of parts that were encoded for other rows."""
    messages = tuple({"role": "user", "content": text} for text in texts)
    expected = {"model": "m", "messages": messages, **dict(sorted(fields.items()))}
    if schema is not None:
        expected["response_format"] = schema
    whole = json.dumps(expected, separators=(",", ":"))
    shared = SharedFields.of(fields), schema and SharedFields.of(schema)
    for parameters, form in (shared, shared, (fields, schema)):
        request = replace(BASE, messages=messages, parameters=parameters, response_format=form)
        assert request.payload == whole
        hashed = "\0".join(["openai http://a", "0", whole])
        assert request.key == hashlib.sha256(hashed.encode()).hexdigest()
