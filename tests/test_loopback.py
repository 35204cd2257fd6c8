"""The loopback server, asked through the real client."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletion

from tests.loopback import Behaviour, LoopbackServer, accuracy_of, load_answers

OPTIONS = ("(A)", "(B)", "(C)", "(D)")
ANSWERS = {f"Which shape is path {i}?": OPTIONS[i % 4] for i in range(200)}
BEHAVIOUR = Behaviour(answers=ANSWERS)
PLAIN = "Name the shape."
BETTER = "Go step by step: count the vertices, write the coordinates, then check."
HISTORY = (
    "<prompt>\nPoor one.\n</prompt>\nScore: 0.20\n\n"
    "<prompt>\nGood one.\n</prompt>\nScore: {score:.2f}\n\nReply in [[...]]."
)
SCHEMA = {"type": "object", "properties": {"answer": {"type": "string", "enum": [*OPTIONS]}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}}


def message(text: str, role: str = "user") -> dict[str, str]:
    return {"role": role, "content": text}


def asked(instruction: str, question: str, **extra: Any) -> dict[str, Any]:
    messages = [message(instruction, "system"), message(question)]
    return {"model": "gpt-4.1-mini", "messages": messages, **extra}


def optimizer(*turns: str) -> dict[str, Any]:
    return {"model": "gpt-4.1", "messages": [message(turn) for turn in turns]}


async def gather(
    url: str, bodies: Sequence[dict[str, Any]], timeout: float = 20
) -> list[ChatCompletion | BaseException]:
    async with openai.AsyncOpenAI(
        base_url=url, api_key="test", max_retries=0, timeout=timeout
    ) as client:
        calls = (client.chat.completions.create(**body) for body in bodies)
        return await asyncio.gather(*calls, return_exceptions=True)


def ask_all(
    server: LoopbackServer, bodies: Sequence[dict[str, Any]], timeout: float = 20
) -> list[ChatCompletion | BaseException]:
    return asyncio.run(gather(server.base_url, bodies, timeout))


def ask(server: LoopbackServer, body: dict[str, Any], timeout: float = 20) -> ChatCompletion:
    reply = ask_all(server, [body], timeout)[0]
    if isinstance(reply, BaseException):
        raise reply
    return reply


def content(server: LoopbackServer, body: dict[str, Any]) -> str:
    return ask(server, body).choices[0].message.content or ""


def test_equal_requests_get_equal_replies_from_another_server() -> None:
    bodies = [asked(PLAIN, question) for question in list(ANSWERS)[:20]]
    bodies.append(optimizer(HISTORY.format(score=0.5)))
    with LoopbackServer(BEHAVIOUR) as one, LoopbackServer(BEHAVIOUR) as other:
        assert ask_all(one, bodies) == ask_all(other, bodies) == ask_all(one, bodies)
        assert one.repeats() == 21
        assert other.repeats() == 0
        assert one.counts() == {"target": 40, "optimizer": 2}


def measured(server: LoopbackServer, instruction: str) -> float:
    replies = ask_all(server, [asked(instruction, question) for question in ANSWERS])
    pairs = zip(replies, ANSWERS.values(), strict=True)
    return sum(
        isinstance(reply, ChatCompletion) and right in (reply.choices[0].message.content or "")
        for reply, right in pairs
    ) / len(ANSWERS)


def test_a_better_instruction_gives_a_higher_accuracy() -> None:
    with LoopbackServer(replace(BEHAVIOUR, delay=0.05)) as server:
        plain, better = measured(server, PLAIN), measured(server, BETTER)
        assert server.peak_in_flight > 10
    assert accuracy_of(PLAIN, 0) == pytest.approx(0.35)
    assert accuracy_of(BETTER, 0) == pytest.approx(0.85)
    assert accuracy_of(BETTER, 8) == pytest.approx(0.97)
    assert plain == pytest.approx(0.35, abs=0.1)
    assert better == pytest.approx(0.85, abs=0.1)


def test_the_enum_of_the_response_format_is_honoured() -> None:
    with LoopbackServer(BEHAVIOUR) as server:
        given = [
            json.loads(content(server, asked(PLAIN, question, response_format=FORMAT)))
            for question in list(ANSWERS)[:20]
        ]
    assert all(list(found) == ["answer"] and found["answer"] in OPTIONS for found in given)


def test_the_review_compares_the_response_with_the_truth() -> None:
    with LoopbackServer(BEHAVIOUR) as server:
        for truth, verdict in (("(B)", "True"), ("(C)", "False")):
            text = (
                f"Model Response:\nThe answer is (B).\n\nGround Truth:\n{truth}\n\nTrue or False?"
            )
            body = {"model": "gpt-4.1-mini", "messages": [message(text)]}
            assert content(server, body) == verdict
        assert server.counts() == {"review": 2}


def test_proposals_start_from_the_best_prompt_and_change_with_the_history() -> None:
    first, second = (optimizer(HISTORY.format(score=score)) for score in (0.5, 0.6))
    with LoopbackServer(BEHAVIOUR) as server:
        proposals = [content(server, body) for body in (first, second)]
        assert all("[[Good one." in text and text.endswith("]]") for text in proposals)
        assert proposals[0] != proposals[1]
        server.behaviour = replace(BEHAVIOUR, unusable_proposals=1)
        assert "[[" not in content(server, first)
        assert "[[" in content(server, optimizer(HISTORY, "No brackets. Again."))


def test_a_share_of_attempts_fails_and_retries_are_answered() -> None:
    left = [asked(PLAIN, question) for question in ANSWERS]
    kinds: set[str] = set()
    with LoopbackServer(replace(BEHAVIOUR, faults=0.4)) as server:
        for attempt in range(20):
            replies = ask_all(server, left, timeout=1)
            failed = [reply for reply in replies if isinstance(reply, BaseException)]
            if attempt == 0:
                faulty = [entry for entry in server.ledger if entry["fault"]]
                assert len(faulty) / len(left) == pytest.approx(0.4, abs=0.1)
            kinds |= {type(reply).__name__ for reply in failed}
            pairs = zip(left, replies, strict=True)
            left = [body for body, reply in pairs if isinstance(reply, BaseException)]
            if not left:
                break
        assert not left
        assert {entry["fault"] for entry in server.ledger} == {
            None, "429", "500", "reset", "malformed", "hang",
        }  # fmt: skip
    assert {"RateLimitError", "InternalServerError", "APITimeoutError"} <= kinds
    assert "APIConnectionError" in kinds
    assert len(kinds) == 5


def test_hang_lets_the_client_time_out_and_the_server_close() -> None:
    with LoopbackServer(replace(BEHAVIOUR, hang=True)) as server:
        with pytest.raises(openai.APITimeoutError):
            ask(server, asked(PLAIN, "any"), timeout=0.3)
        server.behaviour = BEHAVIOUR
        assert content(server, asked(PLAIN, "any"))


def test_statuses_empty_content_and_the_token_limit() -> None:
    body = asked(PLAIN, next(iter(ANSWERS)))
    with LoopbackServer(replace(BEHAVIOUR, unauthorized=True)) as server:
        with pytest.raises(openai.AuthenticationError):
            ask(server, body)
        server.behaviour = replace(BEHAVIOUR, only_status=503)
        with pytest.raises(openai.InternalServerError):
            ask(server, body)
        server.behaviour = replace(BEHAVIOUR, null_content=1.0)
        empty = ask(server, body).choices[0]
        assert empty.message.content is None
        assert empty.finish_reason == "stop"
        server.behaviour = BEHAVIOUR
        cut = ask(server, {**body, "max_tokens": 2})
        assert len(cut.choices[0].message.content or "") == 8
        assert cut.choices[0].finish_reason == "length"
        assert cut.usage is not None
        assert cut.usage.completion_tokens == 2


def test_the_process_answers_alike_and_writes_its_ledger(tmp_path: Path) -> None:
    table, ledger = tmp_path / "rows.csv", tmp_path / "ledger.jsonl"
    with table.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("input", "target"), *ANSWERS.items()])
    assert load_answers(table) == ANSWERS
    files = ["--csv", str(table), "--ledger", str(ledger)]
    command = [sys.executable, "-m", "tests.loopback", *files]
    bodies = [asked(PLAIN, question) for question in list(ANSWERS)[:5]]
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        [*command, "--seed", "3"], stdout=subprocess.PIPE, text=True, cwd=root
    ) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        replies = asyncio.run(gather(url, bodies))
        lines = [json.loads(line) for line in ledger.read_text(encoding="utf-8").splitlines()]
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0
    assert [line["role"] for line in lines] == ["target"] * 5
    with LoopbackServer(replace(BEHAVIOUR, seed=3)) as server:
        assert ask_all(server, bodies) == replies
        assert {entry["key"] for entry in server.ledger} == {line["key"] for line in lines}
