"""The UI as a person uses it: `autoprompt dev`, one experiment, "Materialize all", in Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import Behaviour, LoopbackServer, load_answers
from tests.support import KEY, SHIPPED, Project
from tests.webserver import graphql, served, wait_for

sync_api = pytest.importorskip("playwright.sync_api", reason="tests/requirements-browser.txt")
CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]

FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
ASSETS = ("dataset", "baseline_score", "optimizer_iterations", "best_prompt", "test_comparison")
BACKFILLS = "{partitionBackfillsOrError{... on PartitionBackfills{results{id status}}}}"
EVENTS = "{assetNodes{assetKey{path} assetMaterializations{partition}}}"
ANSWERS = load_answers(SHIPPED / "geometric-shapes" / "shapes.csv")


def partitions(address: str) -> dict[str, list[str]]:
    nodes = graphql(address, EVENTS)["assetNodes"]
    return {
        node["assetKey"]["path"][0]: sorted(e["partition"] for e in node["assetMaterializations"])
        for node in nodes
    }


def materialize_all(page: Any, address: str, experiment: str) -> None:
    """What a person clicks: all assets, one experiment, launch."""
    page.goto(f"{address}/asset-groups")
    page.get_by_role("button", name="Materialize all").click(timeout=60_000)
    page.get_by_text("Select a partition or create one").click()
    page.get_by_role("menuitem").filter(has_text=experiment).click()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Launch backfill").click()


def backfill_status(address: str) -> str:
    found = graphql(address, BACKFILLS)["partitionBackfillsOrError"]["results"]
    return str(found[0]["status"]) if found else ""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, {"OPENAI_API_KEY": KEY})
    shutil.copytree(SHIPPED / "geometric-shapes", project.experiments / "shapes")
    spec = project.experiments / "shapes" / "experiment.yaml"
    small = "{train: 20, validation: 30, test: 30}"
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace("{train: 50, validation: 150, test: 200}", small), "utf-8")
    return project


@contextmanager
def browser_page() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser.new_page(viewport={"width": 1500, "height": 760})
        browser.close()


def test_materialize_all_turns_all_five_assets_green(project: Project) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project.environ["OPENAI_BASE_URL"] = server.base_url
        with served(project) as address, browser_page() as page:
            materialize_all(page, address, "shapes")
            wait_for(lambda: backfill_status(address).startswith("COMPLETED"), 300)
            assert backfill_status(address) == "COMPLETED_SUCCESS"
            found = partitions(address)
            assert set(found) == set(ASSETS)
            assert found["optimizer_iterations"] == ["shapes|001", "shapes|002", "shapes|003"]
            assert all(found[asset] == ["shapes"] for asset in ASSETS if "iter" not in asset)
            page.goto(f"{address}/assets/optimizer_iterations?view=partitions")
            page.get_by_text("Materialized (3)").wait_for(timeout=60_000)
            page.get_by_text("Missing (0)").wait_for()
            page.goto(f"{address}/asset-groups")
            page.get_by_text("test_comparison").first.wait_for(timeout=60_000)
            page.wait_for_timeout(2000)
            page.screenshot(path=str(project.folder / "lineage.png"))


def test_nothing_downstream_of_a_failed_baseline_starts(project: Project) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, unauthorized=True)) as server:
        project.environ["OPENAI_BASE_URL"] = server.base_url
        with served(project) as address, browser_page() as page:
            materialize_all(page, address, "shapes")
            wait_for(lambda: backfill_status(address).startswith(("COMPLETED", "FAIL")), 300)
            assert backfill_status(address) in ("COMPLETED_FAILED", "FAILED")
            assert partitions(address) == {asset: [] for asset in ASSETS} | {"dataset": ["shapes"]}
            assert len(server.ledger) <= 10
