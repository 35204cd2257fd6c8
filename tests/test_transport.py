"""The way to a server: what a reply may hold before it is let go of, and which proxy is taken."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import resource
import threading
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import failures
from autoprompt_assets.resources.endpoints.proxy import find_proxy
from tests.support import KEY, toy_project
from tests.test_chat import REPLY, ask, scripted, spec_of, use

PIECE = b" " * 2**16


async def endless(response: web.StreamResponse) -> None:
    while True:
        await response.write(PIECE)


async def bomb(response: web.StreamResponse) -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    for _ in range(64_000):
        await response.write(packer.compress(PIECE))


async def padded(response: web.StreamResponse) -> None:
    await response.write(gzip.compress(json.dumps(REPLY).encode() + b" " * 3_000_000))


@contextmanager
def serving(body: Any, **headers: str) -> Iterator[tuple[str, list[int]]]:
    """A server whose replies `body` writes; also how many it was asked for."""
    loop, asked = asyncio.new_event_loop(), [0]

    async def chat(request: web.Request) -> web.StreamResponse:
        asked[0] += 1
        response = web.StreamResponse(headers=headers)
        response.enable_chunked_encoding()
        await response.prepare(request)
        with suppress(ConnectionError):  # let go of, as it should be
            await body(response)
        return response

    async def served() -> AsyncIterator[int]:
        app = web.Application()
        app.router.add_post("/v1/chat/completions", chat)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        yield runner.addresses[0][1]
        await runner.cleanup()

    steps = served()
    port = loop.run_until_complete(anext(steps))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{port}/v1", asked
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(anext(steps, None))
        loop.close()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr("autoprompt_assets.resources.endpoints.call.ATTEMPTS", 2)


@pytest.mark.parametrize(("body", "headers"), [(endless, {}), (bomb, {"Content-Encoding": "gzip"})])
def test_a_reply_without_end_is_a_malformed_one(
    monkeypatch: pytest.MonkeyPatch, body: Any, headers: dict[str, str]
) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with serving(body, **headers) as (url, asked):
        use(monkeypatch, url)
        with pytest.raises(
            failures.MalformedResponse, match="more than 1,007,000 bytes; raise the"
        ):
            ask(spec_of(max_tokens=7))
    assert asked[0] == 2
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 200_000


@pytest.mark.parametrize("charset", ["zlib", "hex", "rot13", "idna", "undefined", "utf-16"])
def test_an_errors_charset_may_be_none(monkeypatch: pytest.MonkeyPatch, charset: str) -> None:
    headers = {"content-type": f"application/json; charset={charset}"}
    with scripted((400, '{"error": "no such field"}', headers)) as (url, _):
        use(monkeypatch, url)
        with pytest.raises(failures.RequestRefused, match="HTTP 400: no such field"):
            ask(spec_of())


def test_what_a_reply_may_hold_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(padded, **{"Content-Encoding": "gzip"}) as (url, _):
        use(monkeypatch, url)
        with pytest.raises(failures.MalformedResponse, match="max_reply_bytes"):
            ask(spec_of(max_tokens=7))
        assert ask(spec_of(max_tokens=7, max_reply_bytes=4_000_000)).text == "yes"


def test_a_reply_is_never_larger_than_a_journal_can_hold(tmp_path: Path) -> None:
    assert spec_of(max_tokens=10**9).roles.target.longest_reply == 2**29
    project = toy_project(tmp_path)
    line = project.refused("check", "toy", "--set", "roles.target.max_reply_bytes=1000000000")
    assert "roles.target.max_reply_bytes" in line
    assert line.endswith("is too large; make it 536870912 or less")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.8.0.1",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "a.localhost",
        "0.0.0.0",
        "[::ffff:127.0.0.1]",
    ],
)
def test_this_machine_is_never_asked_through_a_proxy(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    for name in ("ALL_PROXY", "HTTP_PROXY"):
        proxy = f"http://{name.lower()}.example:9"
        monkeypatch.setenv(name, proxy)
        assert find_proxy(f"http://{host}:8000/v1") is None
        assert find_proxy("http://models.example/v1") == proxy


def test_calls_to_loopback_do_not_see_the_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with scripted((200, json.dumps(REPLY), {})) as (url, sent):
        use(monkeypatch, url)
        assert ask(spec_of()).text == "yes"
    assert len(sent) == 1


@pytest.mark.parametrize("name", ["https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize(
    "proxy",
    [
        *("socks5://u:pw@127.0.0.1:9", "socks5h://127.0.0.1:9", "127.0.0.1:9", "proxy.example"),
        *("http://u:pw@host:port", "http://u:pw@host:99999", "http://[u:pw@host", "http://u:pw@"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named_before_a_call(
    name: str, proxy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for other in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, proxy)
    for other in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(other, raising=False)
    use(monkeypatch, "https://models.example/v1")
    with pytest.raises(InputError) as caught:
        ask(spec_of())
    assert str(caught.value) == (
        f"{name.upper()}: is no address of an HTTP proxy; write http://host:port, or name "
        "models.example in NO_PROXY"
    )


@pytest.mark.parametrize("host", ["127.0.0.1", "proxy.invalid"])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_not_reached_is_named_without_its_password(
    host: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(f"{scheme}_proxy", f"http://user:secret@{host}:9")
    use(monkeypatch, f"{scheme}://models.example/v1")
    with pytest.raises(failures.CallError) as caught:
        ask(spec_of(deadline=0.2))
    said = f"no connection to the proxy {host}:9, through which {scheme}://models.example/v1 is "
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_proxy_that_quotes_its_password_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    use(monkeypatch, "http://models.example/v1")
    packed = base64.b64encode(b"user:s3cret/9").decode()
    with scripted((407, json.dumps({"error": f"not s3cret/9, not Basic {packed}!"}), {})) as (
        url,
        sent,
    ):
        place = url.removeprefix("http://").removesuffix("/v1")
        monkeypatch.setenv("http_proxy", f"http://user:s3cret%2F9@{place}")
        with pytest.raises(failures.RequestRefused, match=r"not \*\*\*, not Basic \*\*\*"):
            ask(spec_of())
    assert sent[0][0]["proxy-authorization"] == f"Basic {packed}"


@pytest.mark.slow
def test_too_few_files_for_the_connections_are_named(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    command = 'ulimit -n 200 && exec "$0" run toy --set concurrency=500'
    done = project.shell(command)
    assert done.returncode == 1
    assert "concurrency = 500: this process may have 200 files open, and needs 600" in done.stderr
    assert "Traceback" not in done.stderr
