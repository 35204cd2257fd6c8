"""What stands before Dagster's webserver, over loopback: whose requests get through."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from autoprompt_assets.commands.webguard import Address, Guard, refusal
from tests.support import toy_project

JSON = {"content-type": "application/json"}
LAUNCH = "mutation { launchRun(executionParams: {}) { __typename } }"
HANDSHAKE = {
    "upgrade": "websocket",
    "connection": "Upgrade",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
    "sec-websocket-version": "13",
}


@dataclass
class Site:
    """An application behind the guard that notes what reaches it."""

    port: int = 0
    reached: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.reached.append(f"{scope.get('method', 'WS')} {scope['path']}")
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.accept"})
            await send({"type": "websocket.close"})
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"done"})

    def ask(
        self, method: str, path: str, body: str = "", **headers: str
    ) -> tuple[int, str, dict[str, str]]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body or None, given)
        reply = connection.getresponse()
        said = "" if reply.status == 101 else reply.read().decode()
        connection.close()
        return reply.status, said, dict(reply.getheaders())


@pytest.fixture(name="site", scope="module")
def _site() -> Iterator[Site]:
    site = Site()
    # Dagster's webserver takes a second to load: not where tests are only collected.
    from autoprompt_assets.commands.webserver import bound

    with bound("127.0.0.1", 0) as listener:
        site.port = listener.getsockname()[1]
        guard = Guard(site, Address("127.0.0.1", site.port))
        config = uvicorn.Config(guard, log_level="critical", lifespan="off", proxy_headers=False)
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        yield site
        server.should_exit = True
        thread.join()


@pytest.fixture(autouse=True)
def _nothing_yet(site: Site) -> None:
    site.reached.clear()


def graphql(query: str) -> str:
    return f"/graphql?query={quote(query)}"


def test_the_servers_own_pages_and_plain_programs_get_through(site: Site) -> None:
    own = f"127.0.0.1:{site.port}"
    body = json.dumps({"query": LAUNCH})
    page = {"origin": f"http://{own}", "sec_fetch_site": "same-origin", **JSON}
    asked = [
        site.ask("GET", "/runs/1?query=anything", sec_fetch_site="none"),
        site.ask("GET", graphql("query A {version} # mutation\n query B {version}")),
        site.ask("POST", "/graphql", body, **page),
        site.ask("POST", "/graphql", body, **{"content-type": "Application/JSON; charset=utf-8"}),
        site.ask("GET", "/", host=f"localhost:{site.port}"),
        site.ask("GET", "/", host=f"LOCALHOST:{site.port}"),
        site.ask("GET", "/", host=f"[::1]:{site.port}"),
    ]
    assert [status for status, _, _ in asked] == [200] * 7
    assert len(site.reached) == 7
    assert asked[0][2]["x-frame-options"] == "SAMEORIGIN"


FOREIGN = {
    "another site": {"origin": "http://evil.example"},
    "another port": {"origin": "http://127.0.0.1:9"},
    "another scheme": {"origin": "https://{own}"},
    "another name of this machine": {"origin": "http://localhost:{port}"},
    "a page without an origin of its own": {"origin": "null"},
    "cross-site": {"sec_fetch_site": "cross-site"},
    "same-site": {"sec_fetch_site": "same-site"},
    "half": {"sec_fetch_site": "same-origin", "origin": "http://evil.example"},
    "a name made to point here": {"host": "evil.example:{port}"},
    "a port that is another's": {"host": "127.0.0.1:1"},
    "no port": {"host": "127.0.0.1"},
    "a longer name": {"host": "localhost.evil.example:{port}"},
    "credentials": {"host": "localhost:{port}@evil.example:{port}"},
    "another number": {"host": "10.0.0.1:{port}"},
    "nobody": {"host": ""},
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_a_foreign_page_can_send_does_not_get_through(site: Site, case: str) -> None:
    own = f"127.0.0.1:{site.port}"
    headers = {k: v.format(own=own, port=site.port) for k, v in FOREIGN[case].items()}
    body = json.dumps({"query": LAUNCH})
    asked = [
        site.ask("GET", "/", **headers),
        site.ask("HEAD", "/", **headers),
        site.ask("POST", "/graphql", body, **JSON, **headers),
        site.ask("POST", "/report_asset_materialization/dataset", "{}", **JSON, **headers),
        site.ask("OPTIONS", "/graphql", **headers),
        site.ask("GET", "/graphql", **HANDSHAKE, **headers),
    ]
    assert [status for status, _, _ in asked] == [403] * 6
    assert site.reached == []
    for _, said, _ in asked[::2]:
        assert said.startswith("refused: ")
        assert said.count("\n") == 1
        assert f"http://{own}" in said
    assert asked[5][1] in ("", asked[0][1])


def test_a_websocket_of_the_own_page_or_of_a_program_gets_through(site: Site) -> None:
    page = {"origin": f"http://127.0.0.1:{site.port}"}
    statuses = [site.ask("GET", "/graphql", **HANDSHAKE, **more)[0] for more in (page, {})]
    assert (statuses, site.reached) == ([101, 101], ["WS /graphql"] * 2)


MUTATIONS = {
    "plain": LAUNCH,
    "beside a query": f"query A {{version}} {LAUNCH}",
    "behind a comment": f"# query\n{LAUNCH}",
    "by a fragment": "mutation {...F} fragment F on Mutation {__typename}",
    "a subscription": "subscription {pipelineRunLogs(runId: 1) {__typename}}",
    "broken": "{not a query",
    "too deep to read": "{a" * 3_000,
}


@pytest.mark.parametrize("case", MUTATIONS)
def test_a_mutation_by_get_is_refused_whoever_asks(site: Site, case: str) -> None:
    path = graphql(MUTATIONS[case])
    paths = [path, f"{path}&query=%7Bversion%7D&operationName=A", path.replace("ql?", "ql/?")]
    for each in [*paths, path.replace("/graphql", "/%67raphql")]:
        status, said, _ = site.ask("GET", each, sec_fetch_site="same-origin")
        assert (status, "send this by POST, as JSON" in said) == (405, True)
        assert site.ask("HEAD", each)[0] == 405
    assert site.reached == []


@pytest.mark.parametrize(
    "kind",
    [
        *("", "text/plain", "text/plain; application/json", "application/graphql", "*/json"),
        *("application/x-www-form-urlencoded", "multipart/form-data; boundary=a"),
    ],
)
def test_a_post_of_anything_but_json_is_refused(site: Site, kind: str) -> None:
    """Dagster takes the query from the address where the body is no JSON."""
    headers = {"content-type": kind} if kind else {}
    for path in (graphql(LAUNCH), "/graphql", "/report_asset_check/dataset"):
        status, said, _ = site.ask("POST", path, json.dumps({"query": LAUNCH}), **headers)
        assert (status, "Content-Type: application/json" in said) == (415, True)
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert site.ask(method, "/graphql")[0] == 405
    assert site.reached == []


@pytest.mark.parametrize(
    ("bind", "host", "named"),
    [
        ("0.0.0.0", "192.168.1.7:80", True),
        ("0.0.0.0", "192.168.1.7", True),
        ("::", "[fe80::1]", True),
        ("0.0.0.0", "evil.example", False),
        ("0.0.0.0", "2130706433", False),
        ("box.local", "BOX.local", True),
        ("box.local", "localhost", False),
        ("192.168.1.7", "192.168.1.7:80", True),
        ("192.168.1.7", "192.168.1.8", False),
        ("localhost", "127.0.0.1:080", True),
        ("localhost", "127.0.0.1:", False),
        ("localhost", "127.0.0.1:8o", False),
    ],
)
def test_the_server_answers_to_the_name_it_was_given(bind: str, host: str, named: bool) -> None:
    assert Address(bind, 80).named_by(host) is named


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8888", "http://localhost:49153", "null"])
def test_without_a_port_it_answers_under_any_and_to_its_own_pages_alone(origin: str) -> None:
    address = Address("0.0.0.0", None)
    assert address.named_by("127.0.0.1:49153")
    assert not address.named_by("evil.example:49153")
    host = (b"host", b"127.0.0.1:49153")
    scope = {"type": "websocket", "headers": [host, (b"origin", b"http://127.0.0.1:49153")]}
    assert refusal(scope, address) is None
    foreign = {"type": "websocket", "headers": [host, (b"origin", origin.encode())]}
    refused = refusal(foreign, address)
    assert refused is not None
    assert "http://127.0.0.1 instead" in refused.reason


def test_two_hosts_are_none() -> None:
    host = (b"host", b"localhost:80")
    scope = {"type": "websocket", "headers": [host]}
    assert refusal(scope, Address("localhost", 80)) is None
    assert refusal({**scope, "headers": [host, host]}, Address("localhost", 80)) is not None
    assert refusal({**scope, "headers": []}, Address("localhost", 80)) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "{port}"], "--host 127.0.0.1 --port {port}: cannot listen there (Address alre"),
        (["--host", "192.0.2.1"], "--host 192.0.2.1 --port 3000: cannot listen there (Cannot assi"),
        (["--host", "a..b"], "--host 'a..b': there is no such host ("),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(
    tmp_path: Path, site: Site, arguments: list[str], said: str
) -> None:
    project = toy_project(tmp_path)
    line = project.refused("dev", *(part.format(port=site.port) for part in arguments))
    assert line.startswith(said.format(port=site.port))
