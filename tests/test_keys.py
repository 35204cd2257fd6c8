"""Keys are asked for by name, stand nowhere, and an endpoint that fails is said in one line."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.program import Program
from tests.support import ANSWERS, KEY, Project, toy_project
from tests.test_chat import scripted


@dataclass(frozen=True)
class Outage:
    """A run whose endpoint is not there."""

    project: Project
    url: str
    process: Program


@pytest.fixture(scope="module", autouse=True)
def outage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Outage]:
    """Begun before the other tests: its retries wait for half a minute, idly."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    # The port is free again: nobody listens there.
    url = f"http://127.0.0.1:{port}/v1"
    project = toy_project(tmp_path_factory.mktemp("outage"), url)
    process = project.start("run", "toy", "--set", "concurrency=12")
    yield Outage(project, url, process)
    process.kill()
    process.communicate()


def test_a_run_without_a_key_is_refused_in_one_line_that_names_the_variable(
    tmp_path: Path,
) -> None:
    line = toy_project(tmp_path, OPENAI_API_KEY="").refused("run", "toy")
    assert line.startswith("OPENAI_API_KEY is not set; the roles target, review, optimizer need it")


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (f"{KEY}\n", "ends in a line break; set it without one"),
        (f"{KEY}\r\n", "ends in a line break; set it without one"),
        (f"{KEY[:9]}\n{KEY[9:]}", "holds a character that no key has"),
        (f"“{KEY}”", "holds a character that no key has"),
        (f"{KEY}\x7f", "holds a character that no key has"),
        (f"{KEY}é", "holds a character that no key has"),
        (f"{KEY}\u200b\n", "holds a character that no key has"),
        (f'"{KEY}"', "is in quotes; take them off"),
        (f"'{KEY}", "is in quotes; take them off"),
        (f"Bearer {KEY}", "starts with 'Bearer '; leave that out"),
        (f"bearer  {KEY}", "starts with 'bearer '; leave that out"),
        (f"{KEY} # mine", "holds a blank, which no key does"),
        (f"OPENAI_API_KEY={KEY}", "starts with its own name; leave that out"),
    ],
)
def test_a_key_that_no_header_can_carry_is_one_line_before_anything_is_asked(
    tmp_path: Path, key: str, said: str
) -> None:
    line = toy_project(tmp_path, OPENAI_API_KEY=key).refused("run", "toy")
    assert line.startswith(f"OPENAI_API_KEY {said}")
    assert KEY[:9] not in line


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (
            403,
            '{"error": {"message": "Country, region, or territory not supported", '
            '"code": "unsupported_country_region_territory"}}',
            "HTTP 403: Country, region, or territory not supported",
        ),
        pytest.param(
            403,
            "<html><head><title>Access denied | Firewall</title></head></html>",
            "HTTP 403: a web page, not an API's reply: Access denied | Firewall",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            403,
            '{"error": {"message": "Key limit exceeded (total limit)", "code": 403}}',
            "HTTP 403: Key limit exceeded (total limit)",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_403_ends_the_run_with_what_the_server_said(
    tmp_path: Path, status: int, body: str, said: str
) -> None:
    with scripted((status, body, {})) as (url, sent):
        line = toy_project(tmp_path, url).refused("run", "toy", code=1)
        assert len(sent) == 1
    assert line == f"baseline_score: openai: {said}; what was answered is kept"


@pytest.mark.parametrize(
    "line", [pytest.param("", marks=pytest.mark.slow), "OPENAI_API_KEY=${OPENAI_API_KEY}\n"]
)
def test_a_folders_env_file_cannot_lead_an_exported_key_to_its_own_server(
    line: str, tmp_path: Path
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path)
        del project.environ["OPENAI_BASE_URL"]
        env = tmp_path / ".env"
        env.write_text(f"OPENAI_BASE_URL={server.base_url}\n{line}", encoding="utf-8")
        said = project.refused("run", "toy")
        assert said == (
            "OPENAI_BASE_URL comes from .env here and OPENAI_API_KEY does not: write the key "
            "beside it, or export OPENAI_BASE_URL, so that no folder's file takes a key to "
            "another server"
        )
        assert server.ledger == []
        assert (
            f"target: gpt-4.1-mini at openai ({server.base_url})"
            in project.run("check", "toy").stdout
        )
        env.write_text(
            f"OPENAI_BASE_URL={server.base_url}\nOPENAI_API_KEY={KEY}\n", encoding="utf-8"
        )
        assert project.run("run", "toy", "--set", "optimizer.iterations=1").returncode == 0


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "http_proxy", "ALL_PROXY", "SSL_CERT_FILE"])
def test_a_folders_env_file_cannot_put_anybody_between_a_key_and_its_server(
    name: str, tmp_path: Path
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        value = "/dev/null" if name.startswith("SSL") else "http://127.0.0.1:9"
        (tmp_path / ".env").write_text(f"{name}={value}\n", encoding="utf-8")
        line = project.refused("run", "toy")
        assert line.startswith(f"{name} comes from .env here and OPENAI_API_KEY does not: write ")
        assert server.ledger == []


def test_a_wrong_key_stops_at_the_first_refusals_and_stands_nowhere(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, unauthorized=True)) as server:
        project = toy_project(tmp_path, server.base_url)
        del project.environ["OPENAI_API_KEY"]
        # As `run` advises: a key may stand in the .env of the working directory.
        (tmp_path / ".env").write_text(f"OPENAI_API_KEY={KEY}\n", encoding="utf-8")
        line = project.refused("run", "toy", code=1)

        assert line == "baseline_score: openai: HTTP 401: not authorized; check OPENAI_API_KEY"
        assert 1 <= len(server.ledger) <= 4
    project.assert_key_is_nowhere(line)


def test_an_outage_fails_in_one_line_that_says_why_and_that_nothing_is_lost(
    outage: Outage,
) -> None:
    out, said = outage.process.communicate(timeout=120)

    assert outage.process.returncode == 1
    assert out == ""
    assert "Traceback" not in said
    line = said.splitlines()[-1]
    refused = f"openai: no connection to {outage.url} (ConnectionRefusedError)"
    assert line.startswith(f"baseline_score: {refused}; 3 calls in a row were given up, ")
    assert line.endswith("What was answered is kept: mend the cause and run again")
    outage.project.assert_key_is_nowhere(said)
