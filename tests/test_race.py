"""Candidates race: one path at any concurrency, and what is dropped is asked no further."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.loopback import LoopbackServer
from tests.scene import SLOW, Scene, Undisturbed, scene_of, undisturbed
from tests.support import without_calls

ROWS = 60
SETTINGS = (
    *("--set", f"dataset.split={{train: 12, validation: {ROWS}, test: 20}}"),
    *("--set", "optimizer.candidates=2"),
    *("--set", "optimizer.iterations=5"),
)


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(SLOW) as server:
        yield server


def scene(folder: Path, server: LoopbackServer, strategy: str, concurrency: int) -> Scene:
    own = ("--set", f"optimizer.strategy={strategy}", "--set", f"concurrency={concurrency}")
    found = scene_of(folder, server, (*SETTINGS, *own))
    server.behaviour = replace(SLOW, delay=0.0, optimizer_delay=0.0)
    return found


def candidates(records: dict[str, bytes]) -> list[dict[str, Any]]:
    paths = sorted(path for path in records if "/iterations/" in path)
    return [one for path in paths for one in json.loads(records[path])["candidates"]]


def asked_of_target(measure: Undisturbed, candidate: dict[str, Any]) -> int:
    """Requests with the candidate's prompt and no demos, before the sealed test."""
    prompt = dict(candidate["candidate"]["texts"])["prompt"]
    return sum(
        entry["role"] == "target"
        and entry["body"]["messages"][0]["content"] == prompt
        and len(entry["body"]["messages"]) == 2
        for entry in measure.ledger
    )


@pytest.fixture(scope="module")
def raced(server: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed(scene(tmp_path_factory.mktemp("one"), server, "opro", 1))


def test_a_dropped_candidate_is_asked_about_the_rows_that_it_saw_and_no_other(
    raced: Undisturbed,
) -> None:
    found = candidates(raced.records)
    dropped = [one for one in found if one["decision"] == "dropped"]
    assert dropped
    for one in dropped:
        assert one["validation"]["rows"] in {8, 12, 18, 27, 41}
        assert asked_of_target(raced, one) == one["validation"]["rows"]
        assert " rows" in one["why"]
    for one in found:
        if one["decision"] != "dropped":
            assert one["validation"]["rows"] == ROWS


def test_the_best_prompt_is_the_one_with_the_highest_score_on_all_rows(raced: Undisturbed) -> None:
    found = candidates(raced.records)
    accepted = [one for one in found if one["decision"] == "accepted"]
    assert accepted
    whole = [one for one in found if one["decision"] != "dropped"]
    best = max(whole, key=lambda one: one["validation"]["score"])
    assert raced.outcome["best_candidate"] == best["candidate"]
    counted = raced.outcome["candidates"]
    assert counted["accepted"] == len(accepted)
    assert counted["dropped"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["opro", "gepa", "auto"])
def test_concurrency_does_not_move_a_race(
    strategy: str, tmp_path: Path, server: LoopbackServer, raced: Undisturbed
) -> None:
    alone = raced
    if strategy != "opro":
        alone = undisturbed(scene(tmp_path / "alone", server, strategy, 1))
    crowd = undisturbed(scene(tmp_path / "crowd", server, strategy, 64))
    assert crowd.records == alone.records
    assert without_calls(crowd.outcome) == without_calls(alone.outcome)
    assert len(crowd.ledger) == len(alone.ledger)


@pytest.mark.slow
def test_without_a_race_every_candidate_sees_every_row(
    tmp_path: Path, server: LoopbackServer
) -> None:
    whole = scene(tmp_path, server, "opro", 16)
    whole.settings += ("--set", "optimizer.race=false")
    assert {one["validation"]["rows"] for one in candidates(undisturbed(whole).records)} == {ROWS}
