"""A page of another site in a real browser: what it sends to `autoprompt dev` reaches nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, ROOT, Project, toy_project
from tests.test_browser import browser_page, materialize_all
from tests.webserver import answers, graphql, served, wait_for

pytest.importorskip("playwright.sync_api", reason="tests/requirements-browser.txt")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed"),
]

RUNS = "{runsOrError {... on Runs {results {runId}}}}"
# Each launches one run of `dataset` where it gets through. {query} is the whole mutation.
ATTACKS = {
    "an image by GET": "new Image().src = url + '?query=' + encodeURIComponent(query)",
    "fetch by GET": "fetch(url + '?query=' + encodeURIComponent(query), {mode: 'no-cors'})",
    "a form by POST": """
        const form = document.createElement('form');
        form.method = 'POST'; form.target = 'frame';
        form.action = url + '?query=' + encodeURIComponent(query);
        document.body.append(form); form.submit()""",
    "text that says it is JSON": """
        fetch(url, {method: 'POST', mode: 'no-cors', body: JSON.stringify({query}),
            headers: {'content-type': 'text/plain; application/json'}})""",
    "a beacon": """
        navigator.sendBeacon(url + '?query=' + encodeURIComponent(query),
            new URLSearchParams({query}))""",
}
LISTEN = """
([url, query]) => new Promise(done => {
    const socket = new WebSocket(url.replace('http', 'ws'), 'graphql-ws');
    socket.onopen = () => done('open'); socket.onerror = () => done('refused');
})
"""


class Foreign(BaseHTTPRequestHandler):
    """The page of another site, on another port of this machine."""

    def do_GET(self) -> None:
        body = b"<!doctype html><title>elsewhere</title><iframe name=frame></iframe>"
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(name="elsewhere", scope="module")
def _elsewhere() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Foreign)
    Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()


@contextmanager
def unguarded(project: Project) -> Iterator[str]:
    """Dagster's own webserver on the same home, as `dagster dev` starts it."""
    from autoprompt_assets.commands.webserver import bound

    with bound("127.0.0.1", 0) as probe:
        port = probe.getsockname()[1]
    project.run("list")  # makes the home
    workspace = str(ROOT / "workspace.yaml")
    command = [sys.executable, "-m", "dagster_webserver", "--port", str(port), "-w", workspace]
    with (project.folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            cwd=project.folder,
            env=project.variables(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(lambda: answers(address), 90)
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def mutation() -> str:
    tags = '[{key: "dagster/partition", value: "toy"}]'
    selector = (
        'repositoryLocationName: "autoprompt", repositoryName: "__repository__", '
        'pipelineName: "__ASSET_JOB", assetSelection: [{path: ["dataset"]}], '
        "assetCheckSelection: []"
    )
    parameters = (
        f"{{selector: {{{selector}}}, mode: 'default', executionMetadata: {{tags: {tags}}}}}"
    )
    parameters = parameters.replace("'default'", '"default"')
    return f"mutation {{launchRun(executionParams: {parameters}) {{__typename}}}}"


def runs(address: str) -> int:
    return len(graphql(address, RUNS)["runsOrError"]["results"])


def attack(page: Any, origin: str, address: str, script: str) -> None:
    page.goto(origin)
    page.evaluate(f"([url, query]) => {{ {script} }}", [f"{address}/graphql", mutation()])
    page.wait_for_timeout(1500)


def test_a_foreign_page_launches_runs_through_dagsters_own_webserver(
    tmp_path: Path, elsewhere: int
) -> None:
    """Without the guard each of them succeeds: so they are what the guard is tested by."""
    with unguarded(toy_project(tmp_path)) as address, browser_page() as page:
        through = {}
        for name, script in ATTACKS.items():
            before = runs(address)
            attack(page, f"http://localhost:{elsewhere}", address, script)
            through[name] = runs(address) > before
        opened = page.evaluate(LISTEN, [f"{address}/graphql", ""])
    assert opened == "open"
    assert through == dict.fromkeys(ATTACKS, True)


def test_a_foreign_page_reaches_nothing_and_the_own_page_everything(
    tmp_path: Path, elsewhere: int
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        with served(project) as address, browser_page() as page:
            for origin in (f"http://localhost:{elsewhere}", f"http://127.0.0.1:{elsewhere}"):
                for script in ATTACKS.values():
                    attack(page, origin, address, script)
                assert page.evaluate(LISTEN, [f"{address}/graphql", ""]) == "refused"
            assert (runs(address), len(server.ledger)) == (0, 0)

            materialize_all(page, address, "toy")
            wait_for(lambda: runs(address) > 0, 180)
            run = graphql(address, RUNS)["runsOrError"]["results"][0]["runId"]
            with page.expect_websocket(timeout=60_000) as socket:
                page.goto(f"{address}/runs/{run}")
            assert socket.value.url == f"{address.replace('http', 'ws')}/graphql"
            page.get_by_text(run[:8]).first.wait_for(timeout=60_000)
            assert page.evaluate(LISTEN, [f"{address}/graphql", ""]) == "open"


def test_a_run_config_that_moves_an_endpoint_is_refused_by_the_server(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        config = {"resources": {"experiments": {"config": {"overrides": {"concurrency": "1"}}}}}
        said = json.dumps(json.dumps(config))
        query = mutation().replace('mode: "default"', f'mode: "default", runConfigData: {said}')
        with served(toy_project(tmp_path, server.base_url)) as address:
            wait_for(lambda: "PipelineNotFoundError" not in str(graphql(address, query)), 60)
            found = graphql(address, query)["launchRun"]["__typename"]
        assert found == "RunConfigValidationInvalid"
        assert server.ledger == []
