"""A server that the user names is asked as he says: as Azure wants it, with his headers and query;
and what of these is secret stands nowhere.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from autoprompt_assets.engine.llm import failures
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS
from tests.recording_server import RecordingServer, recording
from tests.test_chat import SPEC, scripted
from tests.test_chat import ask as ask_once
from tests.test_sent_headers import _hostile, _server, ask, common  # noqa: F401

MINE, GATE, CODE = "sk-mine-0123456789", "gate-0123456789-abc", "code/&=+0123456789"
ENVIRON = {"MINE_KEY": MINE, "GATE_KEY": GATE, "GATE_CODE": CODE}
AZURE = {
    "kind": "azure",
    "base_url": "{root}",
    "api_version": "2024-10-21",
    "api_key_env": "MINE_KEY",
    "deployment": "my-gpt.4o_1",
}
PLAIN = {"base_url": "{root}/v1", "model": "m"}
OURS = "/openai/deployments/my-gpt.4o_1/chat/completions?api-version=2024-10-21"
# The fields of the endpoint, those of the role, the request's address and what is sent beside.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str, dict[str, str]]] = {
    "a deployment": (AZURE, {}, OURS, {"api-key": MINE}),
    "another deployment": (
        AZURE,
        {"model": "other"},
        "/openai/deployments/other/chat/completions?api-version=2024-10-21",
        {"api-key": MINE},
    ),
    "a deployment behind a gateway": (
        {**AZURE, "base_url": "{root}/team/a/", "query": {"route": "b"}, "headers": {"X-A": "1"}},
        {},
        f"/team/a{OURS.replace('?', '?route=b&')}",
        {"api-key": MINE, "x-a": "1"},
    ),
    "a deployment by a token": (
        {
            **{name: AZURE[name] for name in AZURE if name != "api_key_env"},
            "headers": {"Authorization": {"env": "TOKEN"}},
        },
        {},
        OURS,
        {"authorization": f"Bearer {MINE}"},
    ),
    "azure as the environment has it": (
        {},
        {"endpoint": "azure", "model": "prod"},
        "/openai/deployments/prod/chat/completions?api-version=2025-01-01-preview",
        {"api-key": MINE},
    ),
    "headers and a query": (
        {
            **PLAIN,
            "api_key_env": "MINE_KEY",
            "headers": {"X-Team": "search, or so", "X-Gate-Key": {"env": "GATE_KEY"}},
            "query": {"route a": "b&c=d+e f", "code": {"env": "GATE_CODE"}},
        },
        {},
        "/v1/chat/completions?route+a=b%26c%3Dd%2Be+f&code=code/%26%3D%2B0123456789",
        {"authorization": f"Bearer {MINE}", "x-team": "search, or so", "x-gate-key": GATE},
    ),
    "a scheme and an agent of one's own": (
        {
            **PLAIN,
            "headers": {"Authorization": {"env": "BASIC"}, "User-Agent": "ours/1", "X-Beta": "x"},
        },
        {},
        "/v1/chat/completions",
        {"authorization": f"Basic {GATE}", "user-agent": "ours/1", "x-beta": "x"},
    ),
    "elsewhere": (
        {
            **PLAIN,
            "base_url": "http://127.0.0.1:9/v1",
            "api_key_env": "MINE_KEY",
            "headers": {"X-Team": "a", "X-Gate-Key": {"env": "GATE_KEY"}},
            "query": {"route": "b"},
        },
        {"hosted_model_uri": "{root}/v1"},
        "/v1/chat/completions",
        {},
    ),
}  # fmt: skip


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch, server: RecordingServer) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TOKEN", f"Bearer {MINE}")
    monkeypatch.setenv("BASIC", f"Basic {GATE} ")


def spec_of(
    fields: Mapping[str, Any], role: Mapping[str, Any], root: str, **others: Any
) -> ExperimentSpec:
    def here(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: here(one) for key, one in value.items()}
        return value.replace("{root}", root) if isinstance(value, str) else value

    target = {"prompt": "Answer.", "timeout": 5, "deadline": 1, "endpoint": "mine", **here(role)}
    named = {"mine": here(fields)} if fields else {}
    data = {**SPEC, "roles": {"target": target}, "endpoints": named, **others}
    return ExperimentSpec.model_validate(data, context=ENDPOINT_WORDS)


@pytest.mark.parametrize("case", CASES)
def test_this_address_and_these_headers_are_asked_and_no_others(
    case: str, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fields, role, address, own = CASES[case]
    root = server.url.removesuffix("/v1")
    if not fields:
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", root)
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", MINE)
        monkeypatch.setenv("OPENAI_API_VERSION", "2025-01-01-preview")
    asked = ask(spec_of(fields, role, root), "Is it?", "And é?")
    assert len(server.requests) == 2
    for (request, completion), sent in zip(asked, server.requests, strict=True):
        assert completion.text == "yes"
        assert sent.line == f"POST {address} HTTP/1.1"
        assert dict(sent.headers) == common(server.url, sent.body) | own
        assert len(sent.headers) == len(dict(sent.headers))
        assert sent.body == request.payload.encode()
        assert json.loads(sent.body)["model"] == request.model
        assert not [one for one in (MINE, GATE, CODE) if one in request.endpoint]


@pytest.mark.parametrize("status", [301, 307, 308])
@pytest.mark.parametrize("case", ["a deployment", "headers and a query"])
def test_a_redirect_takes_no_header_and_no_query_to_another_host(
    status: int, case: str, server: RecordingServer
) -> None:
    with recording() as other:
        server.status = status
        server.headers = {"location": f"{other.url}/chat/completions"}
        fields, role, _, _ = CASES[case]
        with pytest.raises(failures.RequestRefused, match="a redirect; mend its base URL"):
            ask(spec_of(fields, role, server.url.removesuffix("/v1")), "Is it?")
        assert (len(server.requests), other.requests) == (1, [])


def quoting(text: str) -> str:
    choice = {"message": {"content": text}, "finish_reason": "stop"}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 1}})


def gated(url: str) -> ExperimentSpec:
    fields, role, _, _ = CASES["headers and a query"]
    return spec_of(fields, role, url.removesuffix("/v1"))


def test_what_is_secret_of_a_server_is_in_no_answer_and_no_error() -> None:
    written = f"{MINE} {GATE} {CODE} {quote(CODE)} {quote(CODE, safe='')} {GATE.upper()}"
    said: list[str] = []
    with scripted((200, quoting(f"You sent {written}!"), {})) as (url, _):
        assert ask_once(gated(url), notice=said.append).text == f"You sent {' '.join(6 * ['***'])}!"
    assert said == [
        "mine: an answer quotes the key of MINE_KEY or GATE_KEY or GATE_CODE; such answers are "
        "kept and graded with *** in its place: mend the server, which must not repeat it"
    ]
    for status in (400, 404, 500):
        with (
            scripted((status, json.dumps({"error": f"no {written}"}), {})) as (url, _),
            pytest.raises(failures.CallError) as caught,
        ):
            ask_once(gated(url))
        assert not [one for one in (MINE, GATE, CODE, "code/") if one in str(caught.value)]
        assert "no *** ***" in str(caught.value)


def test_a_token_is_masked_with_and_without_its_scheme() -> None:
    fields, role, _, _ = CASES["a scheme and an agent of one's own"]
    for quoted in (f"Basic {GATE}", GATE, f"basic {GATE.upper()}"):
        with scripted((200, quoting(quoted), {})) as (url, _):
            spec = spec_of(fields, role, url.removesuffix("/v1"))
            assert GATE.lower() not in str(ask_once(spec).text).lower()


def test_who_is_not_let_in_is_told_all_that_says_who_he_is() -> None:
    with (
        scripted((401, "{}", {})) as (url, _),
        pytest.raises(failures.AuthenticationFailed) as caught,
    ):
        ask_once(gated(url))
    assert str(caught.value) == (
        "mine: HTTP 401: not authorized; check MINE_KEY and GATE_KEY and GATE_CODE"
    )


def test_no_logger_prints_what_is_secret_in_an_address(
    server: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("openai", "httpx2", "httpcore2", "aiohttp"):
        logging.getLogger(name).setLevel(logging.DEBUG)
    with caplog.at_level(logging.DEBUG):
        ask(gated(server.url), "Is it?")
    assert len(server.requests) == 1
    assert "code" not in caplog.text
    assert not [one for one in (MINE, GATE) if one in caplog.text]
