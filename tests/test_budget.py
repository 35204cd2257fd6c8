"""A budget ends a search at one place, whatever the concurrency and however often it is killed."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import LoopbackServer
from tests.scene import (
    NAME,
    SLOW,
    Scene,
    Undisturbed,
    asked_since,
    optimizer_asked,
    requests,
    scene_of,
    undisturbed,
)
from tests.support import without_calls

# The test comparison's worst case is 60 rows x 2 prompts x 2 calls. The baseline takes 300 calls,
# its repeat on 20 rows 40, the first iteration 301; what is left then covers one batch of 64 rows
# and not two.
SPLIT = (
    *("--set", "dataset.split={train: 4, validation: 150, test: 60}"),
    *("--set", "optimizer.race=false"),
)
CALLS = (*SPLIT, "--set", "budget={calls: 1030}")
# Answers are far shorter than they may be: bounds alone would end this one inside the baseline.
TOKENS = (
    *SPLIT,
    *("--set", "roles.target.max_tokens=100"),
    *("--set", "roles.review.max_tokens=40"),
    *("--set", "roles.optimizer.max_tokens=300"),
    *("--set", "budget={tokens: 910000}"),
)
KILLS = {
    "the first request is in flight": requests(1),
    "inside the baseline": requests(150),
    "inside the first optimizer call": optimizer_asked(1),
    "inside the first iteration": asked_since(optimizer_asked(2), 100),
    "inside the batch that is the last": asked_since(optimizer_asked(3), 30),
}


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(SLOW) as server:
        yield server


def scene(folder: Path, server: LoopbackServer, settings: tuple[str, ...]) -> Scene:
    found = scene_of(folder, server, settings)
    server.behaviour = replace(SLOW, delay=0.0, optimizer_delay=0.0)
    return found


@pytest.fixture(scope="module")
def measure(server: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed(scene(tmp_path_factory.mktemp("measure"), server, CALLS))


def iterations(records: dict[str, bytes]) -> list[dict[str, Any]]:
    paths = sorted(path for path in records if "/iterations/" in path)
    return [json.loads(records[path]) for path in paths]


def test_a_spent_budget_ends_the_search_with_the_best_so_far_and_its_verdict(
    measure: Undisturbed,
) -> None:
    first, second, third = iterations(measure.records)[:3]
    assert first["status"] == "scored"
    assert (second["status"], second["candidates"]) == ("stopped", [])
    assert second["reason"].startswith("the budget does not cover the next step: ")
    assert second["reason"].endswith(" calls of 1030")
    # The batch that was asked stands in what was spent, though no score came of it.
    assert 64 < second["spend"]["calls"] <= 129
    assert (third["status"], third["reason"]) == ("stopped", second["reason"])
    assert measure.outcome["best"]["iteration"] == 1
    assert measure.outcome["comparison"]["verdict"] in ("better", "worse", "not shown")


@pytest.mark.slow
@pytest.mark.parametrize("concurrency", [1, 8, 64])
def test_concurrency_does_not_move_the_stop(
    concurrency: int, tmp_path: Path, server: LoopbackServer, measure: Undisturbed
) -> None:
    settings = (*CALLS, "--set", f"concurrency={concurrency}")
    found = undisturbed(scene(tmp_path, server, settings))
    assert found.records == measure.records
    assert without_calls(found.outcome) == without_calls(measure.outcome)


@pytest.mark.slow
def test_five_kills_do_not_move_the_stop(
    tmp_path: Path, server: LoopbackServer, measure: Undisturbed
) -> None:
    killed = scene_of(tmp_path, server, CALLS)
    for where, reached in KILLS.items():
        assert killed.interrupt(where, reached, signal.SIGKILL).code == -signal.SIGKILL
    assert without_calls(killed.run()) == without_calls(measure.outcome)
    assert killed.project.records(NAME) == measure.records


@pytest.mark.slow
def test_a_budget_in_tokens_is_settled_batch_by_batch(
    tmp_path: Path, server: LoopbackServer
) -> None:
    both = [
        undisturbed(scene(tmp_path / str(n), server, (*TOKENS, "--set", f"concurrency={n}")))
        for n in (1, 64)
    ]
    assert both[0].records == both[1].records
    steps = iterations(both[0].records)
    assert steps[0]["status"] == "scored"
    assert any(step["reason"].endswith(" tokens of 910000") for step in steps)
    spent = both[0].outcome["tokens"]
    assert spent["prompt"] + spent["completion"] <= 910_000
