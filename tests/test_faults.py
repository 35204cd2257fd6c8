"""An endpoint that fails in every way, and a program that is killed all the while."""

from __future__ import annotations

import io
import random
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.loopback import FAULTS, LoopbackServer
from tests.scene import NAME, SLOW, Stop, requests_since_start, scene_of, undisturbed
from tests.support import without_calls

KILLS = 20
CONCURRENCY = 10
SETTINGS = (
    *("--set", f"concurrency={CONCURRENCY}"),
    # The review model's null answers leave rows without a grade, in every run the same.
    *("--set", "unmeasured=0.2"),
    *(f"--set=roles.{role}.timeout=1" for role in ("target", "review", "optimizer")),
    *(f"--set=roles.{role}.deadline=60" for role in ("target", "review", "optimizer")),
)
# What a request is answered with is a function of the request, null content included; a quarter
# of the attempts gets no answer, each kind of fault as often as the others.
CALM = replace(SLOW, seed=5, null_content=0.05, optimizer_delay=0.05)
FAULTY = replace(CALM, faults=0.25)

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def outcomes(records: dict[str, bytes]) -> list[str]:
    found: list[str] = []
    for path, content in records.items():
        if "/evaluations/" in path and path.endswith(".parquet"):
            found += pq.read_table(io.BytesIO(content))["outcome"].to_pylist()
    return found


def answered(ledger: list[dict[str, Any]]) -> Counter[str]:
    """How often the server answered each request, or was about to at a kill."""
    return Counter(entry["key"] for entry in ledger if entry["fault"] is None)


def test_faults_and_twenty_kills_leave_no_trace_in_what_is_found(tmp_path: Path) -> None:
    draw = random.Random(3)
    # One server for both: its address is part of what a search is.
    with LoopbackServer(CALM) as server:
        calm = scene_of(tmp_path / "calm", server, SETTINGS)
        server.behaviour = CALM
        measure = undisturbed(calm)
        scene = scene_of(tmp_path / "faulty", server, SETTINGS)
        server.behaviour = FAULTY
        stops: list[Stop] = []
        for number in range(KILLS):
            reached = requests_since_start(draw.randint(1, 120))
            stops.append(scene.interrupt(f"kill {number + 1}", reached, signal.SIGKILL))
        outcome = scene.run()
    ledger = scene.ledger()

    assert {entry["fault"] for entry in ledger} == {None, *FAULTS}
    assert without_calls(outcome) == without_calls(measure.outcome)
    assert scene.project.records(NAME) == measure.records
    graded = outcomes(measure.records)
    assert "error" not in graded
    assert "empty" in graded

    different = {entry["key"] for entry in ledger}
    assert different == {entry["key"] for entry in measure.ledger}
    lost: list[int] = []
    for stop in stops:
        assert stop.code == -signal.SIGKILL, stop.where
        again = stop.again(ledger, measure)
        assert not again, f"{stop.where}: acknowledged calls were made again"
        answers = answered(ledger[: stop.asked])
        lost.append((answers - stop.acknowledged).total() - sum(lost))
    print(f"{len(ledger)} requests, {len(different)} different; answers lost per kill: {lost}")
    assert max(lost) <= CONCURRENCY
