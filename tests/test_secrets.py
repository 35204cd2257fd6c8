"""A password in an address stands nowhere: not in an error, not in a file, not in what Dagster
keeps or tells.
"""

from __future__ import annotations

import json
import threading
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.postgres_support import PASSWORD, postgresql
from tests.program import Program
from tests.support import ANSWERS, KEY, TOY, csv_of, ended, toy_project
from tests.webserver import graphql, served

SECRET = "hunter2"
NOWHERE = "127.0.0.1:9"
REFUSED = {
    "an @ within": {"AUTOPROMPT_JOURNAL": f"postgresql://me:x@{SECRET}@{NOWHERE}/none"},
    "a slash within": {"AUTOPROMPT_JOURNAL": f"postgresql://me:x/{SECRET}@{NOWHERE}/none"},
    "an @ in a query": {"AUTOPROMPT_JOURNAL": f"postgres://{NOWHERE}/a?password=x@{SECRET}"},
    "no journal": {"AUTOPROMPT_JOURNAL": f"mysql://me:{SECRET}@{NOWHERE}/none"},
    "a store": {"AUTOPROMPT_STORE": f"ftp://me:{SECRET}@{NOWHERE}/results"},
    "a store with a slash": {"AUTOPROMPT_STORE": f"ftp://me:x/{SECRET}@{NOWHERE}/results"},
    "a store behind a cache": {"AUTOPROMPT_STORE": f"simplecache::ftp://me:{SECRET}@h/results"},
}
TOLD = """{
  repositoriesOrError { ... on RepositoryConnection { nodes {
    allTopLevelResourceDetails {
      name description resourceType
      configFields { name description configTypeKey defaultValueAsJson }
      configuredValues { key value type }
    }
  } } }
  runsOrError { ... on Runs { results { runConfigYaml tags { key value } } } }
  instance { info }
  assetNodes { description metadataEntries { label } assetMaterializations { metadataEntries {
    label description
    ... on TextMetadataEntry { text }
    ... on PathMetadataEntry { path }
    ... on UrlMetadataEntry { url }
  } } }
}"""


@pytest.mark.parametrize("case", REFUSED)
def test_a_password_that_would_be_shown_is_refused_before_anything_is_done(
    case: str, tmp_path: Path
) -> None:
    project = toy_project(tmp_path, **REFUSED[case])
    line = project.refused("run", "toy")
    assert line.startswith(f"{next(iter(REFUSED[case]))}: ")
    project.assert_key_is_nowhere(line, SECRET)


@pytest.mark.parametrize(
    "url",
    ["me:{}@{}/none", pytest.param("{1}/none?user=me&password={0}", marks=pytest.mark.slow)],
)
def test_a_journal_that_cannot_be_reached_leaves_its_password_nowhere(
    url: str, tmp_path: Path
) -> None:
    url = f"postgresql://{url.format(SECRET, NOWHERE)}"
    project = toy_project(tmp_path, AUTOPROMPT_JOURNAL=url)
    line = project.refused("run", "toy", code=1)
    assert "Connection refused" in line
    steps = [{"asset": asset, "partition": "toy"} for asset in ("dataset", "baseline_score")]
    stages = Program("tests.stages", [json.dumps(steps)], project.variables(), project.folder)
    found = ended(stages, timeout=100).stdout
    assert "Connection refused" in found
    assert (project.home / "history" / "runs.db").exists()
    project.assert_key_is_nowhere(line + found, SECRET)


@pytest.mark.slow
def test_neither_key_nor_password_is_in_what_dagster_keeps_and_its_pages_are_told(
    tmp_path: Path,
) -> None:
    with postgresql() as database, LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url, AUTOPROMPT_JOURNAL=database.database())
        done = project.run("run", "toy", "--set", "optimizer.iterations=1")
        assert done.returncode == 0, done.stderr
        with served(project) as address:
            told = json.dumps(graphql(address, TOLD))
        log = (project.folder / "dev.log").read_text(encoding="utf-8")
    assert '"configuredValues"' in told
    assert "search" in told
    for secret in (KEY, PASSWORD):
        project.assert_key_is_nowhere(told + log + done.stdout + done.stderr, secret)


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.mark.slow
def test_a_signed_datasets_signature_is_kept_nowhere_and_decides_nothing(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "rows.csv").write_text(csv_of(ANSWERS), encoding="utf-8")
    with (
        LoopbackServer(Behaviour(answers=ANSWERS)) as server,
        HTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(files))) as serving,
    ):
        threading.Thread(target=serving.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{serving.server_port}/rows.csv?X-Amz-Signature="
        project = toy_project(tmp_path / "toy", server.base_url)
        short = TOY.replace("iterations: 2", "iterations: 1")
        found = []
        for signature in (f"{SECRET}%2Fone", f"{SECRET}two"):
            project.add("toy", short.replace("rows.csv", f"'{url}{signature}'"))
            assert f"{url}***" in project.run("check", "toy").stdout
            found.append(project.run_json("toy"))
        (search,) = (project.home / "results" / "toy" / "searches").iterdir()
        again = project.run("run", "toy", "--rescore", search.name)
        serving.shutdown()
    assert found[1]["calls"]["made"] == 0
    assert again.returncode == 0, again.stderr
    kept = [path for path in project.home.rglob("*") if path.is_file()]
    assert [path for path in kept if SECRET.encode() in path.read_bytes()] == []
