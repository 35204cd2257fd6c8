"""A search on a deployment of Azure OpenAI, from its file and its environment to its end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, KEY, Project, csv_of, toy_project, without_calls
from tests.test_key_hosts import spec_with

MINE, GATE, CODE = "sk-mine-0123456789", "gate-0123456789-abc", "code/&=+0123456789"
ENVIRON = {"MINE_KEY": MINE, "GATE_KEY": GATE, "GATE_CODE": CODE}
AZURE_YAML = """{mine: {kind: azure, base_url: '%s', api_version: 2024-10-21, deployment: prod,
  api_key_env: MINE_KEY, prices: {provider: azure, model: gpt-4.1-mini},
  headers: {X-Team: search, X-Gate: {env: GATE_KEY}}, query: {code: {env: GATE_CODE}}}}"""


@pytest.fixture(name="answering", scope="module")
def _answering() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        yield server


def on_azure(folder: Path, server: LoopbackServer) -> Project:
    project = Project(folder, {**ENVIRON, "AZURE_OPENAI_AD_TOKEN": "leak-0123456789"})
    spec = spec_with(AZURE_YAML % server.base_url.removesuffix("/v1"))
    role = "target: {model: gpt-4.1-mini"
    assert role in spec
    spec = spec.replace(role, "target: {endpoint: mine").replace(
        "concurrency", "budget: {usd: 1}\nconcurrency"
    )
    project.add("toy", spec, rows_csv=csv_of(ANSWERS))
    return project


@pytest.mark.slow
def test_a_search_on_azure_ends_resumes_without_a_call_and_leaves_no_secret(
    tmp_path: Path, answering: LoopbackServer
) -> None:
    project = on_azure(tmp_path, answering)
    checked = project.run("check", "toy")
    assert f"target: prod at mine ({answering.base_url.removesuffix('/v1')})" in checked.stdout
    first = project.run_json("toy")
    sent = answering.ledger[:]
    assert {entry["path"] for entry in sent} == {"/openai/deployments/prod/chat/completions"}
    assert {entry["query"] for entry in sent} == {
        "code=code/%26%3D%2B0123456789&api-version=2024-10-21"
    }
    assert {entry["headers"]["api-key"] for entry in sent} == {MINE}
    assert {entry["headers"]["x-gate"] for entry in sent} == {GATE}
    assert {entry["authorization"] for entry in sent} == {None}
    assert first["calls"]["made"] == len(sent) > 0
    assert first["usd"] > 0
    # What is secret may change: it says who asks.
    project.environ["GATE_KEY"] = "another-0123456789-abc"
    again = project.run_json("toy")
    assert without_calls(again) == without_calls(first)
    assert (again["calls"]["made"], len(answering.ledger)) == (0, len(sent))
    said = checked.stdout + checked.stderr + json.dumps([first, again])
    for secret in (*ENVIRON.values(), quote(CODE), quote(CODE, safe="")):
        project.assert_key_is_nowhere(said, secret)
    # Another version may answer otherwise.
    moved = ("--set", "endpoints.mine.api_version=2025-01-01")
    assert project.run_json("toy", *moved)["calls"]["made"] == len(sent)


def test_a_server_that_quotes_every_secret_in_its_errors_leaves_none(
    tmp_path: Path, answering: LoopbackServer
) -> None:
    project = on_azure(tmp_path, answering)
    quoted = f"who is {MINE}? {GATE}, {CODE}, {quote(CODE, safe='')}"
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.refuses = lambda body: {"message": quoted, "status": 400}
        project = on_azure(tmp_path, server)
        line = project.refused("run", "toy", code=1)
    assert "who is ***? ***, ***, ***" in line
    for secret in ENVIRON.values():
        project.assert_key_is_nowhere(line, secret)


def test_a_secret_that_is_not_set_is_one_line_before_anything_is_asked(
    tmp_path: Path, answering: LoopbackServer
) -> None:
    project = on_azure(tmp_path, answering)
    del project.environ["GATE_CODE"]
    begin = len(answering.ledger)
    line = project.refused("run", "toy")
    assert line.startswith("GATE_CODE is not set; the role target needs it: export it, or write it")
    assert len(answering.ledger) == begin


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "ALL_PROXY"])
def test_a_folders_env_file_puts_nobody_between_a_secret_and_its_server(
    name: str, tmp_path: Path, answering: LoopbackServer
) -> None:
    project = on_azure(tmp_path, answering)
    begin = len(answering.ledger)
    written = "".join(f"{key}='{value}'\n" for key, value in ENVIRON.items() if key != "GATE_KEY")
    del project.environ["MINE_KEY"], project.environ["GATE_CODE"]
    env = project.folder / ".env"
    env.parent.mkdir(exist_ok=True)
    env.write_text(f"{name}=http://127.0.0.1:9\n{written}", encoding="utf-8")
    line = project.refused("run", "toy")
    assert line.startswith(f"{name} comes from .env here and GATE_KEY does not: write the key")
    assert len(answering.ledger) == begin


def test_azures_address_in_a_folders_env_file_takes_no_exported_key(
    tmp_path: Path, answering: LoopbackServer
) -> None:
    root = answering.base_url.removesuffix("/v1")
    project = Project(tmp_path, {"AZURE_OPENAI_API_KEY": MINE, "OPENAI_API_VERSION": "2024-10-21"})
    spec = spec_with("{}").replace("{model: gpt-4.1-mini", "{endpoint: azure, model: prod")
    project.add("toy", spec, rows_csv=csv_of(ANSWERS))
    env = tmp_path / ".env"
    env.write_text(f"AZURE_OPENAI_ENDPOINT={root}\n", encoding="utf-8")
    begin = len(answering.ledger)
    line = project.refused("run", "toy")
    assert line.startswith("AZURE_OPENAI_ENDPOINT comes from .env here and AZURE_OPENAI_API_KEY do")
    assert len(answering.ledger) == begin
    env.write_text(f"AZURE_OPENAI_ENDPOINT={root}\nAZURE_OPENAI_API_KEY={MINE}\n", encoding="utf-8")
    assert project.run("run", "toy").returncode == 0
    assert {entry["headers"]["api-key"] for entry in answering.ledger[begin:]} == {MINE}


@pytest.mark.slow
def test_an_organization_goes_where_the_key_goes_and_by_no_folders_address(
    tmp_path: Path, answering: LoopbackServer
) -> None:
    project = toy_project(tmp_path, answering.base_url)
    project.add("toy", spec_with("{}"))
    env = tmp_path / ".env"
    env.write_text("OPENAI_ORG_ID=org-9\n", encoding="utf-8")
    begin = len(answering.ledger)
    first = project.run_json("toy")
    assert {entry["headers"]["openai-organization"] for entry in answering.ledger[begin:]} == {
        "org-9"
    }
    # It says who pays, and not who answers.
    project.environ["OPENAI_ORG_ID"], project.environ["OPENAI_PROJECT_ID"] = "org-1", "proj-1"
    assert project.run_json("toy")["calls"]["made"] == 0
    assert first["calls"]["made"] > 0
    del project.environ["OPENAI_BASE_URL"], project.environ["OPENAI_PROJECT_ID"]
    env.write_text(
        f"OPENAI_BASE_URL={answering.base_url}\nOPENAI_API_KEY={KEY}\n", encoding="utf-8"
    )
    line = project.refused("run", "toy")
    assert line.startswith("OPENAI_BASE_URL comes from .env here and OPENAI_ORG_ID does not: write")
