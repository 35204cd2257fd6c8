"""The LLM client against a real HTTP server on loopback: what it sends, and how a call fails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import Completion, Models, failures
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.endpoints import DEFAULT_MODELS
from autoprompt_assets.resources.llm import LLMResource
from tests.engine_support import unkept
from tests.loopback import Behaviour, LoopbackServer
from tests.support import KEY

SPEC: dict[str, Any] = {
    "dataset": {"path": "x.csv"},
    "roles": {"target": {"endpoint": "openai", "prompt": "Answer.", "timeout": 5}},
    "grader": {"kind": "exact"},
    "optimizer": {"strategy": "demos"},
}
REPLY: dict[str, Any] = {
    "choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


def spec_of(**target: Any) -> ExperimentSpec:
    roles = {"target": {**SPEC["roles"]["target"], **target}}
    return ExperimentSpec.model_validate({**SPEC, "roles": roles})


def ask(
    spec: ExperimentSpec, text: str = "Is it?", notice: Callable[[str], None] = lambda said: None
) -> Completion:
    resource = LLMResource()
    models: Models = resource.models(spec)

    async def go() -> Completion:
        async with resource.connect(spec, notice) as client:
            return await client.complete(
                models.target.request(({"role": "user", "content": text},)), unkept
            )

    return asyncio.run(go())


@contextmanager
def scripted(*replies: tuple[int, str, dict[str, str]]) -> Iterator[tuple[str, list[Any]]]:
    """A server that gives the replies in order, the last one for ever; also what it was sent."""
    sent: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            sent.append((headers, json.loads(body)))
            status, text, headers = replies[min(len(sent), len(replies)) - 1]
            self.send_response(status)
            for name, value in {"content-type": "application/json", **headers}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1", sent
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def use(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)


def test_what_the_spec_says_is_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted((200, json.dumps(REPLY), {})) as (url, sent):
        use(monkeypatch, url)
        spec = spec_of(
            temperature=None, max_tokens=7, extra={"reasoning_effort": "low"}, choices=["yes", "no"]
        )
        assert ask(spec).text == "yes"
    headers, body = sent[0]
    assert headers["authorization"] == f"Bearer {KEY}"
    assert body["model"] == DEFAULT_MODELS["openai"]
    assert (body["max_tokens"], body["reasoning_effort"]) == (7, "low")
    assert "temperature" not in body
    schema = body["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["answer"]["enum"] == ["yes", "no"]


@pytest.mark.parametrize(
    ("message", "finish", "text", "reasoning", "refusal"),
    [
        ({"content": None, "reasoning": "hm"}, "stop", None, "hm", None),
        ({"content": None, "reasoning_content": "hm"}, "stop", None, "hm", None),
        ({"content": "", "refusal": "I can't"}, "stop", "", None, "I can't"),
        ({"content": "cut"}, "length", "cut", None, None),
        ({"content": "half \ud83d pair"}, "stop", "half \ufffd pair", None, None),
    ],
)
def test_unusual_completions_are_completions(
    monkeypatch: pytest.MonkeyPatch,
    message: dict[str, Any],
    finish: str,
    text: str | None,
    reasoning: str | None,
    refusal: str | None,
) -> None:
    reply = {**REPLY, "choices": [{"message": message, "finish_reason": finish}]}
    with scripted((200, json.dumps(reply), {})) as (url, _):
        use(monkeypatch, url)
        found = ask(spec_of())
    assert (found.text, found.finish_reason) == (text, finish)
    assert (found.reasoning, found.refusal) == (reasoning, refusal)


@pytest.mark.parametrize(
    ("status", "error", "kind"),
    [
        (401, {"message": f"Incorrect API key provided: {KEY}"}, failures.AuthenticationFailed),
        (200, {"message": "no", "code": 401}, failures.AuthenticationFailed),
        (403, {"message": "no"}, failures.Forbidden),
        (404, {"message": "no such model", "code": "model_not_found"}, failures.ModelNotFound),
        (402, {"message": "pay first"}, failures.QuotaExhausted),
        (429, {"message": "pay first", "code": "insufficient_quota"}, failures.QuotaExhausted),
        (400, {"message": "too long", "code": "context_length_exceeded"}, failures.ContextTooLong),
        (400, {"message": "m", "type": "exceed_context_size_error"}, failures.ContextTooLong),
        (400, {"message": "filtered", "code": "content_filter"}, failures.ContentFiltered),
        (400, {"message": f"odd {KEY}"}, failures.RequestRefused),
        (422, {"message": "odd"}, failures.RequestRefused),
    ],
)
def test_errors_that_waiting_does_not_cure_are_not_retried(
    monkeypatch: pytest.MonkeyPatch,
    status: int,
    error: dict[str, str],
    kind: type[failures.CallError],
) -> None:
    with scripted((status, json.dumps({"error": error}), {})) as (url, sent):
        use(monkeypatch, url)
        with pytest.raises(kind) as caught:
            ask(spec_of())
    assert len(sent) == 1
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "first",
    [
        (429, "{}", {"retry-after": "0"}),
        (500, "{}", {}),
        (529, "oops", {}),
        (200, '{"choices": [', {}),
        (200, '{"choices": []}', {}),
        (200, '{"choices": [{"message": {"content": 3}}]}', {}),
        (200, "<html>", {"content-type": "text/html"}),
    ],
)
def test_errors_that_pass_are_retried(
    monkeypatch: pytest.MonkeyPatch, first: tuple[int, str, dict[str, str]]
) -> None:
    with scripted(first, (200, json.dumps(REPLY), {})) as (url, sent):
        use(monkeypatch, url)
        found = ask(spec_of())
    assert (found.text, found.attempts, len(sent)) == ("yes", 2, 2)


def test_a_server_that_never_answers_ends_in_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoprompt_assets.resources.endpoints.call.ATTEMPTS", 2)
    with LoopbackServer(Behaviour(hang=True)) as server:
        use(monkeypatch, server.base_url)
        with pytest.raises(failures.CallTimedOut, match=r"no answer within 0\.3 s"):
            ask(spec_of(timeout=0.3))
        assert len(server.ledger) == 2


def test_a_key_for_openai_is_not_sent_to_a_server_that_somebody_else_hosts() -> None:
    with scripted((200, json.dumps(REPLY), {})) as (url, sent):
        ask(spec_of(hosted_model_uri=url))
    assert KEY not in json.dumps(sent)


def test_one_setting_moves_all_roles_to_another_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    with scripted((200, json.dumps(REPLY), {})) as (url, sent):
        monkeypatch.setenv("VLLM_BASE_URL", url)
        monkeypatch.setenv("VLLM_API_KEY", "vllm-key")
        moved, spec = LLMResource(endpoint="vllm"), spec_of(model="gpt-4.1-mini")

        async def go() -> None:
            async with moved.connect(spec) as client:
                await client.complete(moved.models(spec).target.request(()), unkept)

        asyncio.run(go())
    headers, body = sent[0]
    assert body["model"] == "openai/gpt-oss-20b"
    assert headers["authorization"] == "Bearer vllm-key"


def test_a_missing_key_is_named_before_any_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(InputError, match="OPENAI_API_KEY is not set"):
        ask(spec_of())


def test_credentials_in_an_address_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://user:secret@127.0.0.1/v1")
    with pytest.raises(InputError) as caught:
        LLMResource().models(spec_of())
    assert "OPENAI_BASE_URL" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_key_quoted_in_an_answer_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    message = {"content": f"you sent {KEY}", "reasoning": KEY}
    reply = {**REPLY, "choices": [{"message": message, "finish_reason": "stop"}]}
    with scripted((200, json.dumps(reply), {})) as (url, _):
        use(monkeypatch, url)
        found = ask(spec_of())
    assert (found.text, found.reasoning) == ("you sent ***", "***")


@pytest.mark.parametrize(("key", "said"), [("none", "none of them"), ("o7Key", "*** of them")])
def test_a_word_that_stands_for_no_key_is_left_in_answers_and_a_short_key_is_not(
    key: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    reply = {
        **REPLY,
        "choices": [{"message": {"content": f"{key} of them"}, "finish_reason": "stop"}],
    }
    with scripted((200, json.dumps(reply), {})) as (url, _):
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        assert ask(spec_of()).text == said


def test_an_identity_stands_for_the_named_server_only() -> None:
    named = {"mine": {"base_url": "http://a/v1", "model": "m", "identity": "cluster"}}
    roles = {"target": {**SPEC["roles"]["target"], "endpoint": "mine"}}
    spec = ExperimentSpec.model_validate({**SPEC, "endpoints": named, "roles": roles})
    assert LLMResource().models(spec).target.endpoint == "cluster"
    roles["target"]["hosted_model_uri"] = "http://b/v1"
    moved = ExperimentSpec.model_validate({**SPEC, "endpoints": named, "roles": roles})
    assert LLMResource().models(moved).target.endpoint == "http://b/v1"
