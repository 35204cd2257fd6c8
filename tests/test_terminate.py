"""Dagster's own way of stopping a run: terminate, as the UI does it."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, toy_project
from tests.webserver import graphql, served, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

PLACES = "{repositoriesOrError{... on RepositoryConnection{nodes{name location{name}}}}}"
LAUNCH = """mutation{launchRun(executionParams: {
  selector: {repositoryName: "%s", repositoryLocationName: "%s", jobName: "__ASSET_JOB",
    assetSelection: [{path: ["dataset"]}, {path: ["baseline_score"]}]},
  executionMetadata: {tags: [{key: "dagster/partition", value: "toy"}]}
}){__typename ... on LaunchRunSuccess{run{runId}} ... on PythonError{message}}}"""
TERMINATE = 'mutation{terminateRun(runId: "%s", terminatePolicy: SAFE_TERMINATE){__typename}}'
STATUS = '{runOrError(runId: "%s"){... on Run{status}}}'


def status(address: str, run: str) -> str:
    return str(graphql(address, STATUS % run)["runOrError"]["status"])


def test_terminate_stops_calls_within_two_seconds_and_keeps_what_was_answered(
    tmp_path: Path,
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        with served(project) as address:
            place = graphql(address, PLACES)["repositoriesOrError"]["nodes"][0]
            # The first answers come at once, all later ones never.
            server.behaviour = replace(server.behaviour, delay=0.2)
            started = graphql(address, LAUNCH % (place["name"], place["location"]["name"]))
            run = started["launchRun"]["run"]["runId"]
            wait_for(lambda: len(server.ledger) >= 4, 90, every_s=0.02)
            server.behaviour = replace(server.behaviour, delay=600)
            wait_for(lambda: server.in_flight > 0 and server.answered > 0, 30, every_s=0.02)
            time.sleep(0.5)
            graphql(address, TERMINATE % run)
            sent = time.monotonic()
            wait_for(lambda: server.in_flight == 0, 30, every_s=0.02)
            took = time.monotonic() - sent
            wait_for(
                lambda: graphql(address, STATUS % run)["runOrError"]["status"] == "CANCELED", 30
            )
    assert took < 2
    with sqlite3.connect(project.home / "journal.db") as journal:
        kept = journal.execute("SELECT count(*) FROM completions").fetchone()[0]
    assert kept == server.answered > 0
