"""What openai's client sends is what is meant: these headers, that body, and nothing around it."""

from __future__ import annotations

import asyncio
import gc
import logging
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import openai
import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import Completion, Models, Request, failures
from autoprompt_assets.engine.llm.request import request_key
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.openai import OpenAI
from autoprompt_assets.resources.endpoints.sender import Sender, Server
from autoprompt_assets.resources.llm import LLMResource
from tests.engine_support import unkept
from tests.recording_server import RecordingServer, recording
from tests.support import PROGRAM, TOY, Project, ended, toy_project
from tests.test_chat import SPEC

KEY, MINE = "sk-openai-0123456789", "sk-mine-0123456789"
LEAK = "leak-0123456789"
HOSTILE = {
    **{"OPENAI_API_KEY": KEY, "VLLM_API_KEY": "", "MINE_KEY": MINE},
    **{"OPENAI_ORG_ID": "org-1", "OPENAI_PROJECT_ID": "proj-1"},
    "OPENAI_CUSTOM_HEADERS": (
        f"X-Leak: {LEAK}\nAuthorization: Bearer {LEAK}\nCookie: {LEAK}\naccept: {LEAK}\n"
        f"user-agent: {LEAK}\nX-Stainless-OS: {LEAK}\nOpenAI-Beta: {LEAK}"
    ),
    **dict.fromkeys(("OPENAI_ADMIN_KEY", "OPENAI_WEBHOOK_SECRET", "OPENAI_ORGANIZATION"), LEAK),
    **dict.fromkeys(("AZURE_OPENAI_API_KEY", "AZURE_OPENAI_AD_TOKEN"), LEAK),
    **dict.fromkeys(("AWS_BEARER_TOKEN_BEDROCK", "ANTHROPIC_API_KEY"), LEAK),
    **{"AZURE_OPENAI_ENDPOINT": "https://leak.example", "OPENAI_API_VERSION": "2026-01-01"},
    **{"OPENAI_API_TYPE": "azure", "OPENAI_LOG": "debug"},
    **dict.fromkeys(("HTTP_PROXY", "http_proxy", "ALL_PROXY"), f"http://u:{LEAK}@127.0.0.1:9"),
}
ORGANIZED = {"openai-organization": "org-1", "openai-project": "proj-1"}
BEARER = {"authorization": f"Bearer {KEY}"}
NAMED = {"mine": {"base_url": "{url}", "api_key_env": "MINE_KEY", "model": "m"}}
FREE = {"free": {"base_url": "{url}", "model": "m"}}
# The role's endpoint and named ones, what the environment says beside, and what is sent with it.
CASES: dict[str, tuple[dict[str, Any], dict[str, str], dict[str, str]]] = {
    "openai at home": ({"endpoint": "openai"}, {}, {**BEARER, **ORGANIZED}),
    "openai moved": (
        {"endpoint": "openai"},
        {"OPENAI_BASE_URL": "{url}"},
        {**BEARER, **ORGANIZED},
    ),
    "openai without an organization": (
        {"endpoint": "openai"},
        {"OPENAI_ORG_ID": "", "OPENAI_PROJECT_ID": " "},
        BEARER,
    ),
    "openai hosted elsewhere": (
        {"endpoint": "openai", "hosted_model_uri": "{url}"},
        {"OPENAI_BASE_URL": "http://127.0.0.1:9/v1"},
        {},
    ),
    "vllm without a key": ({"endpoint": "vllm"}, {"VLLM_BASE_URL": "{url}"}, {}),
    "vllm with a key": (
        {"endpoint": "vllm"},
        {"VLLM_BASE_URL": "{url}", "VLLM_API_KEY": MINE},
        {"authorization": f"Bearer {MINE}"},
    ),
    "vllm hosted elsewhere": (
        {"endpoint": "vllm", "hosted_model_uri": "{url}"},
        {"VLLM_BASE_URL": "http://127.0.0.1:9/v1", "VLLM_API_KEY": MINE},
        {},
    ),
    "named with a key": (
        {"endpoint": "mine", "named": NAMED},
        {},
        {"authorization": f"Bearer {MINE}"},
    ),
    "named without a key": ({"endpoint": "free", "named": FREE}, {}, {}),
    "named and hosted elsewhere": (
        {
            **{"endpoint": "mine", "hosted_model_uri": "{url}"},
            "named": {"mine": {**NAMED["mine"], "base_url": "http://127.0.0.1:9/v1"}},
        },
        {},
        {},
    ),
    "local": ({"endpoint": "local"}, {}, {}),
}


@pytest.fixture(name="server")
def _server() -> Iterator[RecordingServer]:
    # By name, for cookies of bare addresses are kept by no jar.
    with recording("localhost") as server:
        yield server


@pytest.fixture(autouse=True)
def _hostile(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: RecordingServer) -> None:
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    for name in ("NO_PROXY", "no_proxy", "OPENAI_BASE_URL", "VLLM_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("api_key", "organization", "project", "base_url", "azure_endpoint"):
        monkeypatch.setattr(openai, name, LEAK)
    monkeypatch.setattr(openai, "default_headers", {"X-Leak": LEAK})
    netrc = tmp_path / ".netrc"
    netrc.write_text(f"machine localhost login u password {LEAK}\ndefault login u password x\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(OpenAI, "url", server.url)
    monkeypatch.setattr(
        "autoprompt_assets.resources.endpoints.embedded.embedded_base_url", lambda: server.url
    )


def placed(value: Any, url: str) -> Any:
    """`value` with the server's address in its place."""
    if isinstance(value, Mapping):
        return {key: placed(one, url) for key, one in value.items()}
    return value.replace("{url}", url) if isinstance(value, str) else value


def spec_of(role: Mapping[str, Any]) -> ExperimentSpec:
    target = {"prompt": "Answer.", "timeout": 5, **role}
    named = target.pop("named", {})
    return ExperimentSpec.model_validate({**SPEC, "roles": {"target": target}, "endpoints": named})


def ask(spec: ExperimentSpec, *texts: str) -> list[tuple[Request, Completion]]:
    """Each in turn, over one client."""
    resource = LLMResource()
    models: Models = resource.models(spec)
    requests = [models.target.request(({"role": "user", "content": text},)) for text in texts]

    async def go() -> list[Completion]:
        async with resource.connect(spec) as client:
            return [await client.complete(request, unkept) for request in requests]

    return list(zip(requests, asyncio.run(go()), strict=True))


def common(url: str, body: bytes) -> dict[str, str]:
    """The whole of what is sent anywhere."""
    return {
        "host": url.split("/")[2],
        "accept": "application/json",
        "accept-encoding": "gzip, deflate",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "user-agent": f"openai-python/{openai.__version__}",
    }


@pytest.mark.parametrize("case", CASES)
def test_these_headers_are_sent_and_no_others(
    case: str, server: RecordingServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    role, environ, own = CASES[case]
    for name, value in placed(environ, server.url).items():
        monkeypatch.setenv(name, value)
    server.headers = {"set-cookie": "session=1; Path=/"}
    asked = ask(spec_of(placed(role, server.url)), "Is it?", "And é \ud83d?")
    assert len(server.requests) == 2
    for (request, completion), sent in zip(asked, server.requests, strict=True):
        assert completion.text == "yes"
        assert sent.line == "POST /v1/chat/completions HTTP/1.1"
        assert len(sent.headers) == len(dict(sent.headers))
        assert dict(sent.headers) == common(server.url, sent.body) | own
        assert sent.body == request.payload.encode()
        assert request.key == request_key(request.endpoint, 0, sent.body.decode())


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_nothing_to_another_host(status: int, server: RecordingServer) -> None:
    with recording() as other:
        server.status = status
        server.headers = {"location": f"{other.url}/chat/completions"}
        with pytest.raises(failures.RequestRefused, match="a redirect; mend its base URL"):
            ask(spec_of({"endpoint": "openai"}), "Is it?")
        assert (len(server.requests), other.requests) == (1, [])


def test_calls_in_turn_share_one_connection(server: RecordingServer) -> None:
    ask(spec_of({"endpoint": "openai"}), *"abcde")
    assert len({sent.port for sent in server.requests}) == 1


def test_a_connection_that_the_server_closed_is_not_used_again(server: RecordingServer) -> None:
    server.drops = True
    asked = ask(spec_of({"endpoint": "openai"}), *"abcde")
    assert [completion.text for _, completion in asked] == ["yes"] * 5
    assert len({sent.port for sent in server.requests}) == 5


def test_as_many_connections_are_open_as_calls_are_made() -> None:
    """The package's own client opens no more than 1,000, aiohttp's 100."""
    arrived, total = 0, 300
    everyone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal arrived
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().split(b"content-length:")[1].split(b"\r")[0]))
        arrived += 1
        if arrived == total:
            everyone.set()
        await everyone.wait()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    async def go() -> list[int]:
        async with await asyncio.start_server(serve, "127.0.0.1", 0, backlog=total) as listening:
            url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/v1"
            sender = Sender(Server(Endpoint("mine", url, None, False, "m", url), url, "", None))
            role = LLMResource().models(spec_of({"endpoint": "openai"})).target
            sender.prepare(role)
            replies = await asyncio.gather(*(sender.post("{}", role, 60.0) for _ in range(total)))
            await sender.close()
            return [reply.status for reply in replies]

    assert asyncio.run(go()) == [204] * total


def test_nothing_is_left_open_when_a_run_ends(server: RecordingServer) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        ask(spec_of({"endpoint": "openai"}), "Is it?")
        gc.collect()
    assert [str(one.message) for one in said if one.category is ResourceWarning] == []


@pytest.mark.parametrize("base_url", ["http://☃/v1"])
def test_an_address_that_no_client_can_ask_is_one_line(base_url: str) -> None:
    named = {"mine": {"base_url": base_url, "model": "m"}}
    with pytest.raises(InputError, match=r"mine: .* is no address"):
        ask(spec_of({"endpoint": "mine", "named": named}), "Is it?")


def test_no_logger_prints_an_address(
    server: RecordingServer, caplog: pytest.LogCaptureFixture
) -> None:
    """As where Dagster listens to everything, and `OPENAI_LOG` has been heard."""
    names = ("openai", "httpx", "httpx2", "httpcore", "httpcore2")
    caplog.set_level(logging.DEBUG)
    for name in names:
        caplog.set_level(logging.DEBUG, name)
    ask(spec_of({"endpoint": "openai"}), "Is it?")
    assert [one.getMessage() for one in caplog.records if one.name.split(".")[0] in names] == []


def plain_project(tmp_path: Path, server: RecordingServer, **environ: str) -> Project:
    """One whose only role is the target, with one iteration."""
    project = toy_project(tmp_path, server.url, **environ)
    head, _, rest = TOY.partition("  review:")
    tail = rest[rest.index("grader:") :].replace("kind: model", "kind: choice")
    tail = tail.replace("strategy: opro, iterations: 2", "strategy: demos, iterations: 1")
    (project.experiments / "toy" / "experiment.yaml").write_text(head + tail)
    return project


@pytest.mark.slow
def test_a_program_that_is_told_to_log_prints_no_address(
    tmp_path: Path, server: RecordingServer
) -> None:
    custom = f"X-Leak: {LEAK}"
    project = plain_project(tmp_path, server, OPENAI_LOG="debug", OPENAI_CUSTOM_HEADERS=custom)
    result = ended(project.start_afresh("run", "toy"), 120)
    assert result.returncode == 0, result.stderr
    assert server.requests
    assert "HTTP Request" not in result.stderr
    assert "chat/completions" not in result.stderr
    assert all(LEAK not in str(sent.headers) for sent in server.requests)


@pytest.mark.slow
def test_a_replay_asks_nobody_and_loads_no_client(tmp_path: Path, server: RecordingServer) -> None:
    project = plain_project(tmp_path, server)
    loaded = []
    for _ in range(2):
        server.requests.clear()
        result = subprocess.run(
            [sys.executable, "-X", "importtime", str(PROGRAM), "run", "toy"],
            env=project.variables(),
            cwd=project.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        loaded.append({line.split("|")[-1].strip() for line in result.stderr.splitlines()})
    assert server.requests == []
    assert {"openai", "aiohttp"} <= loaded[0]
    assert not {"openai", "aiohttp"} & loaded[1]
