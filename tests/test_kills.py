"""A run that is killed and started again ends as if nothing had happened."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from upath import UPath

from resources.store import ExperimentStore
from tests.loopback import Behaviour, LoopbackServer, completion, digest, load_answers
from tests.support import KEY, SHIPPED, Project, without_calls

NAME = "geometric-shapes"
SMALL = ("--set", "dataset.split={train: 4, validation: 20, test: 20}", "--set", "concurrency=4")
PATIENCE_S = 60.0
# Slow enough for a kill to find calls in flight, the optimizer's above all.
SLOW = Behaviour(
    delay=0.01,
    optimizer_delay=0.3,
    answers=load_answers(SHIPPED / NAME / "shapes.csv"),
)


@dataclass
class Scene:
    """A project, the server that it asks, and where in the ledger its first request stands."""

    project: Project
    server: LoopbackServer
    settings: tuple[str, ...]
    begin: int

    def run(self) -> dict[str, Any]:
        return self.project.run_json(NAME, *self.settings)

    def ledger(self) -> list[dict[str, Any]]:
        return self.server.ledger[self.begin :]

    def asked(self, *roles: str) -> int:
        return sum(not roles or entry["role"] in roles for entry in self.ledger())

    def files(self, pattern: str) -> int:
        return len(list((self.project.home / "results" / NAME).glob(pattern)))

    def acknowledged(self) -> set[str]:
        """What the journal holds, as the server would name the requests."""
        journal = self.project.home / "journal.db"
        if not journal.exists():
            return set()
        connection = sqlite3.connect(journal)
        try:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            table = "SELECT 1 FROM sqlite_master WHERE name = 'completions'"
            found = connection.execute(table).fetchone()
            rows = connection.execute("SELECT body FROM completions").fetchall() if found else []
        finally:
            connection.close()
        return {digest(json.loads(body)) for (body,) in rows}

    def interrupt(self, where: str, reached: Callable[[Scene], bool], how: signal.Signals) -> Stop:
        """Start a run and send it `how` once `reached` says so."""
        assert not reached(self), f"{where}: is behind us before the run has begun"
        process = self.project.start("run", NAME, *self.settings)
        try:
            deadline = time.monotonic() + PATIENCE_S
            while not reached(self):
                assert process.poll() is None, f"{where}: the run ended before"
                assert time.monotonic() < deadline, f"{where}: was not reached"
                time.sleep(0.002)
            sent = time.monotonic()
            process.send_signal(how)
            _, said = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        took = time.monotonic() - sent
        return Stop(where, process.returncode, said, took, self.acknowledged(), self.asked())


@dataclass(frozen=True)
class Stop:
    """How a run ended, what the journal had acknowledged then, and how many requests were made."""

    where: str
    code: int
    said: str
    took: float
    acknowledged: set[str]
    asked: int


def requests(number: int) -> Callable[[Scene], bool]:
    return lambda scene: scene.asked() >= number


def optimizer_asked(number: int) -> Callable[[Scene], bool]:
    """The delay keeps the request in flight while the kill is on its way."""
    return lambda scene: scene.asked("optimizer") >= number


def appeared(pattern: str, number: int = 1) -> Callable[[Scene], bool]:
    return lambda scene: scene.files(pattern) >= number


def asked_since(seen: Callable[[Scene], bool], number: int) -> Callable[[Scene], bool]:
    """`number` requests were made after `seen` became true."""
    first: list[int] = []

    def reached(scene: Scene) -> bool:
        if not first and seen(scene):
            first.append(scene.asked())
        return bool(first) and scene.asked() >= first[0] + number

    return reached


EVALUATED = "searches/*/evaluations/validation-*.json"
TESTED = "searches/*/evaluations/test-*.json"
KILLS: dict[str, Callable[[Scene], bool]] = {
    "the dataset has just been stored": appeared("datasets/*.json"),
    "the first request is in flight": requests(1),
    "inside the baseline": requests(120),
    "between the baseline's evaluation and its score": appeared(EVALUATED),
    "between the baseline's score and its event": appeared("searches/*/baseline.json"),
    "inside the first optimizer call": optimizer_asked(1),
    "inside the same optimizer call again": optimizer_asked(2),
    "inside the first iteration": asked_since(optimizer_asked(3), 80),
    "between an evaluation and its iteration": appeared(EVALUATED, 2),
    "between an iteration and its event": appeared("searches/*/iterations/001.json"),
    "inside the second optimizer call": optimizer_asked(4),
    "between the second iteration and its event": appeared("searches/*/iterations/002.json"),
    "inside the third optimizer call": optimizer_asked(6),
    "between the last stopped iteration and its event": appeared("searches/*/iterations/006.json"),
    "between the best prompt and its event": appeared("searches/*/best_candidate.json"),
    "inside the test of the baseline": asked_since(appeared("searches/*/best_candidate.json"), 60),
    "between the two candidates' tests": appeared(TESTED),
    "between the test and its comparison": appeared(TESTED, 2),
    "between the comparison and its report": appeared("searches/*/comparison.json"),
    "between the report and its event": appeared("searches/*/report.html"),
}
FEW_KILLS: dict[str, Callable[[Scene], bool]] = {
    "inside the baseline": requests(15),
    "inside the second optimizer call": optimizer_asked(2),
    "between the two candidates' tests": appeared(TESTED),
}


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(SLOW) as server:
        yield server


def scene_of(folder: Path, server: LoopbackServer, settings: Sequence[str] = SMALL) -> Scene:
    server.behaviour = SLOW
    environ = {
        "OPENAI_BASE_URL": server.base_url,
        "OPENAI_API_KEY": KEY,
        "AUTOPROMPT_EXPERIMENTS": str(SHIPPED),
    }
    return Scene(Project(folder, environ), server, tuple(settings), len(server.ledger))


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to: the measure of all others."""

    outcome: dict[str, Any]
    records: dict[str, bytes]
    ledger: list[dict[str, Any]]


def undisturbed(scene: Scene) -> Undisturbed:
    outcome = scene.run()
    return Undisturbed(outcome, scene.project.records(NAME), scene.ledger())


@pytest.fixture(scope="module")
def small(server: LoopbackServer, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed(scene_of(tmp_path_factory.mktemp("undisturbed"), server))


def kill_and_compare(
    scene: Scene,
    kills: dict[str, Callable[[Scene], bool]],
    measure: Undisturbed,
    concurrency: int,
) -> None:
    stops = [scene.interrupt(where, at, signal.SIGKILL) for where, at in kills.items()]
    outcome = scene.run()

    assert without_calls(outcome) == without_calls(measure.outcome)
    assert scene.project.records(NAME) == measure.records
    ledger = [entry["key"] for entry in scene.ledger()]
    for stop in stops:
        assert stop.code == -signal.SIGKILL, stop.where
        again = stop.acknowledged & set(ledger[stop.asked :])
        assert not again, f"{stop.where}: {len(again)} acknowledged calls were made again"
    assert set(ledger) == {entry["key"] for entry in measure.ledger}
    assert len(ledger) - len(set(ledger)) <= len(kills) * concurrency


def test_a_run_killed_three_times_ends_as_if_undisturbed(
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
        assert stop.took < 5, f"{stop.where}: ended only after {stop.took:.1f} s"
        assert stop.code == 130, stop.said
        assert stop.said.splitlines()[-1].startswith("interrupted; what was answered is kept")
        assert "Traceback" not in stop.said
    assert without_calls(scene.run()) == without_calls(small.outcome)
    assert scene.project.records(NAME) == small.records
    ledger = [entry["key"] for entry in scene.ledger()]
    for stop in (inside, later):
        assert stop.acknowledged
        assert not stop.acknowledged & set(ledger[stop.asked :])


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
    assert outcome["best_prompt"] != small.outcome["best_prompt"]


def test_a_file_that_a_kill_left_half_written_is_not_taken_for_an_evaluation(
    tmp_path: Path,
) -> None:
    search = ExperimentStore(UPath(tmp_path), "toy").search("0123456789ab")
    folder = tmp_path / "results" / "toy" / "searches" / "0123456789ab" / "evaluations"
    folder.mkdir(parents=True)
    (folder / "validation-0123456789ab.json").write_text("{}")
    (folder / ".x1y2z3validation-ba9876543210.json").write_text('{"rows": 1')

    assert search.evaluations() == [("validation", "0123456789ab")]
