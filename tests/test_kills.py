"""A run that is killed and started again ends as if nothing had happened."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from autoprompt_assets.resources.storage import ExperimentStore
from tests.loopback import LoopbackServer, completion
from tests.scene import (
    NAME,
    SLOW,
    Moment,
    Undisturbed,
    appeared,
    asked_since,
    kill_and_compare,
    optimizer_asked,
    requests,
    scene_of,
    undisturbed,
)
from tests.support import without_calls

EVALUATED = "searches/*/evaluations/validation-*.json"
TESTED = "searches/*/evaluations/test-*.json"
KILLS: dict[str, Moment] = {
    "the dataset has just been stored": "datasets/*.json",
    "the first request is in flight": requests(1),
    "inside the baseline": requests(120),
    "between the baseline's evaluation and its score": EVALUATED,
    "between the baseline's score and its event": "searches/*/baseline.json",
    "inside the first optimizer call": optimizer_asked(1),
    "inside the same optimizer call again": optimizer_asked(2),
    "inside the first iteration": asked_since(optimizer_asked(3), 80),
    "between an evaluation and its iteration": EVALUATED,
    "between an iteration and its event": "searches/*/iterations/001.json",
    "inside the second optimizer call": optimizer_asked(4),
    "between the second iteration and its event": "searches/*/iterations/002.json",
    "inside the third optimizer call": optimizer_asked(6),
    "between the last stopped iteration and its event": "searches/*/iterations/006.json",
    "between the best prompt and its event": "searches/*/best_candidate.json",
    "inside the test of the baseline": asked_since(appeared("searches/*/best_candidate.json"), 60),
    "between the two candidates' tests": TESTED,
    "between the test and its comparison": TESTED,
    "between the comparison and its report": "searches/*/comparison.json",
    "between the report and its event": "searches/*/report.html",
}
FEW_KILLS: dict[str, Moment] = {
    "inside the second optimizer call": optimizer_asked(2),
    "between the two candidates' tests": TESTED,
}


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(SLOW) as server:
        yield server


@pytest.fixture(scope="module")
def small(server: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed(scene_of(tmp_path_factory.mktemp("undisturbed"), server))


def test_a_run_killed_twice_ends_as_if_undisturbed(
    tmp_path: Path, server: LoopbackServer, small: Undisturbed
) -> None:
    kill_and_compare(scene_of(tmp_path, server), FEW_KILLS, small, concurrency=4)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_shipped_experiment_killed_at_twenty_points_ends_as_if_undisturbed(
    tmp_path: Path, server: LoopbackServer
) -> None:
    measure = undisturbed(scene_of(tmp_path / "undisturbed", server, ()))
    killed = scene_of(tmp_path / "killed", server, ())
    kill_and_compare(killed, KILLS, measure, concurrency=10)


def test_an_interrupted_run_ends_soon_in_one_line_and_goes_on_later(
    tmp_path: Path, server: LoopbackServer, small: Undisturbed
) -> None:
    scene = scene_of(tmp_path, server)
    inside = scene.interrupt("inside the baseline", requests(15), signal.SIGINT)
    later = scene.interrupt("inside the optimizer call", optimizer_asked(1), signal.SIGTERM)

    for stop in (inside, later):
        assert stop.took < 2, f"{stop.where}: ended only after {stop.took:.1f} s"
        assert stop.code == 130, stop.said
        assert stop.said.splitlines()[-1].startswith("interrupted; what was answered is kept")
        assert "Traceback" not in stop.said
    assert without_calls(scene.run()) == without_calls(small.outcome)
    assert scene.project.records(NAME) == small.records
    for stop in (inside, later):
        assert stop.acknowledged
        assert not stop.again(scene.ledger(), small)


@pytest.mark.slow
def test_another_early_reply_makes_another_result(
    tmp_path: Path, server: LoopbackServer, small: Undisturbed
) -> None:
    """Else the other tests here would pass on a program that ignores what models say."""
    scene = scene_of(tmp_path, server)
    first = small.ledger[0]
    reply = completion(SLOW, first["body"], first["key"])["choices"][0]["message"]["content"]
    right = SLOW.answers[first["body"]["messages"][-1]["content"]]
    wrong = next(option for option in ("(A)", "(B)") if option != right)
    other = wrong if right in reply else right
    server.behaviour = replace(SLOW, altered={first["key"]: f"The answer is {other}."})
    outcome = scene.run()

    change = -1 if other == wrong else 1
    before = small.outcome["baseline"]["validation"]
    assert round(20 * outcome["baseline"]["validation"]) == round(20 * before) + change
    # The optimizer model is shown the scores: what is asked from then on is another search's.
    assert not optimizer_keys(scene.ledger()) & optimizer_keys(small.ledger)


def optimizer_keys(ledger: list[dict[str, Any]]) -> set[str]:
    return {entry["key"] for entry in ledger if entry["role"] == "optimizer"}


def test_a_file_that_a_kill_left_half_written_is_not_taken_for_an_evaluation(
    tmp_path: Path,
) -> None:
    search = ExperimentStore(UPath(tmp_path), "toy").search("0123456789ab")
    folder = tmp_path / "results" / "toy" / "searches" / "0123456789ab" / "evaluations"
    folder.mkdir(parents=True)
    (folder / "validation-0123456789ab.json").write_text("{}")
    (folder / ".x1y2z3validation-ba9876543210.json").write_text('{"rows": 1')

    assert search.evaluations() == [("validation", "0123456789ab")]
