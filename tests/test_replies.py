"""What is read from a reply's headers, and how an endpoint is reached."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

import pytest

from autoprompt_assets.engine.llm import Completion, failures
from autoprompt_assets.resources.endpoints import Endpoint
from autoprompt_assets.resources.endpoints.replies import Reader, Reply
from tests.engine_support import asked
from tests.support import KEY
from tests.test_chat import REPLY, ask, scripted, spec_of

TARGET = asked("target")
QUESTION = TARGET.request(({"role": "user", "content": "Wie heißt es?"},))
READER = Reader(Endpoint("mine", "http://a/v1", None, False, "m", "http://a/v1"), (KEY,))


def error_of(
    status: int, body: bytes = b"{}", headers: dict[str, str] | None = None
) -> failures.CallError:
    with pytest.raises(failures.CallError) as caught:
        READER.completion(Reply(status, headers or {}, body, 0.1), QUESTION, TARGET, 1)
    return caught.value


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "0.25"}, 0.25),
        ({"retry-after": "-1"}, 0.0),
        ({"retry-after-ms": "1500", "retry-after": "2"}, 1.5),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
    ],
)
def test_retry_after_is_read_in_each_of_its_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    for status in (429, 503, 529):
        assert error_of(status, headers=headers).retry_after == seconds


def test_retry_after_may_be_a_date() -> None:
    date = formatdate(time.time() + 30, usegmt=True)
    after = error_of(429, headers={"retry-after": date}).retry_after
    assert after is not None
    assert 25 < after <= 30


@pytest.mark.parametrize(
    "body",
    [
        *(b"<html>", b"[]", b'{"error": "odd"}', b'{"message": "odd"}', b"\xff", b"[" * 99_999),
        *(b'{"message": "\\u001b[31m \\u202e"}', b"\x1b[2J\x07", "\u2066".encode()),
    ],
)
def test_any_body_of_an_error_gives_one_line(body: bytes) -> None:
    line = str(error_of(500, body))
    assert line.startswith("mine: HTTP 500: ")
    assert line.isprintable()


def completion_of(text: str, usage: object) -> Completion:
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    body = json.dumps({"choices": [choice], "usage": usage}).encode()
    return READER.completion(Reply(200, {}, body, 0.1), QUESTION, TARGET, 1)


def test_tokens_that_a_server_does_not_count_are_counted_at_their_most() -> None:
    empty: list[object] = [None, {}, [], {"prompt_tokens": 0, "completion_tokens": 0}]
    for usage in (*empty, {"total_tokens": 9}):
        uncounted = completion_of("Straße", usage)
        assert (uncounted.prompt_tokens, uncounted.completion_tokens) == (14, 7)
    assert completion_of("x" * 5000, None).completion_tokens == 1000


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        ({"prompt_tokens": 7, "completion_tokens": 1}, (7, 1)),
        ({"input_tokens": 7, "output_tokens": 1}, (7, 1)),
        ({"prompt_tokens": 7.0, "completion_tokens": 1.0}, (7, 1)),
        ({"prompt_tokens": 7, "completion_tokens": None}, (7, 2)),
        ({"prompt_tokens": 7, "completion_tokens": 0}, (7, 2)),
        ({"prompt_tokens": -7, "completion_tokens": 1}, (14, 1)),
        ({"prompt_tokens": True, "completion_tokens": "1"}, (14, 2)),
        ({"prompt_tokens": 2**64, "completion_tokens": 1e999}, (14, 2)),
        ({"prompt_tokens": 7.5, "completion_tokens": float("nan")}, (14, 2)),
    ],
)
def test_each_count_is_the_servers_or_its_most(usage: object, tokens: tuple[int, int]) -> None:
    counted = completion_of("ja", usage)
    assert (counted.prompt_tokens, counted.completion_tokens) == tokens


def test_an_empty_answer_may_have_no_tokens() -> None:
    counted = completion_of("", {"prompt_tokens": 7, "completion_tokens": 0})
    assert (counted.prompt_tokens, counted.completion_tokens) == (7, 0)


@pytest.mark.parametrize("body", [b"Bad gateway", b'{"choices": [', b'{"choices": []}', b"{}"])
def test_a_reply_that_is_no_completion_is_shown(body: bytes) -> None:
    line = str(error_of(200, body))
    assert line.startswith("mine: the reply is no chat completion: ")
    assert body.decode() in line


@pytest.mark.parametrize("status", [200, 403, 404, 502])
@pytest.mark.parametrize(
    ("body", "title"),
    [
        (b"<!DOCTYPE html><html><head><title>Just a\n moment&hellip;</title>", "Just a moment…"),
        (b"\n<HTML><style>p {}</style><body><p>Access <b>denied</b>", "Access denied"),
    ],
)
def test_a_web_page_is_said_to_be_one(status: int, body: bytes, title: str) -> None:
    """A firewall's, a proxy's: what it says stands in its title."""
    assert f"a web page, not an API's reply: {title}" in str(error_of(status, body))


def test_a_redirect_is_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key must not be sent where a server points to."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with scripted((307, "", {"location": "http://127.0.0.1:9/v1/chat/completions"})) as (url, sent):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        with pytest.raises(
            failures.RequestRefused, match="HTTP 307: a redirect; mend its base URL"
        ):
            ask(spec_of())
    assert len(sent) == 1


def test_a_proxy_of_the_environment_is_used_where_it_is_not_excepted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with scripted((200, json.dumps(REPLY), {})) as (proxy, through):
        monkeypatch.setenv("http_proxy", proxy.removesuffix("/v1"))
        monkeypatch.setenv("OPENAI_BASE_URL", "http://models.invalid/v1")
        assert ask(spec_of()).text == "yes"
        assert through[0][0]["host"] == "models.invalid"
        monkeypatch.setenv("no_proxy", "models.invalid")
        with pytest.raises(failures.ConnectionFailed):
            ask(spec_of(deadline=0.5))
    assert len(through) == 1
