"""Runs of a shipped experiment that are stopped at chosen moments, and what may differ then."""

from __future__ import annotations

import json
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.loopback import Behaviour, LoopbackServer, digest, load_answers
from tests.program import Program
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


Moment = str | Callable[["Scene"], bool]
"""When to kill: what `reached` says of the scene, or the pattern of a file just written."""


@dataclass
class Scene:
    """A project, the server that it asks, and where in the ledger its first request stands."""

    project: Project
    server: LoopbackServer
    settings: tuple[str, ...]
    begin: int
    name: str = NAME
    """The experiment's."""

    def run(self) -> dict[str, Any]:
        return self.project.run_json(self.name, *self.settings)

    def ledger(self) -> list[dict[str, Any]]:
        return self.server.ledger[self.begin :]

    def asked(self, *roles: str) -> int:
        return sum(not roles or entry["role"] in roles for entry in self.ledger())

    def files(self, pattern: str) -> int:
        return len(list((self.project.home / "results" / self.name).glob(pattern)))

    def acknowledged(self) -> Counter[str]:
        """What the journal holds, as the server would name the requests.

        A request that is asked again on purpose, as another replicate, has the same name.
        """
        journal = self.project.home / "journal.db"
        if not journal.exists():
            return Counter()
        connection = sqlite3.connect(journal)
        try:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            table = "SELECT 1 FROM sqlite_master WHERE name = 'completions'"
            found = connection.execute(table).fetchone()
            rows = connection.execute("SELECT body FROM completions").fetchall() if found else []
        finally:
            connection.close()
        return Counter(digest(json.loads(body)) for (body,) in rows)

    def interrupt(self, where: str, reached: Callable[[Scene], bool], how: signal.Signals) -> Stop:
        """Start a run and send it `how` once `reached` says so."""
        assert not reached(self), f"{where}: is behind us before the run has begun"
        process = self.project.start("run", self.name, *self.settings)
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
        return self._stop(where, process.returncode, said, time.monotonic() - sent)

    def kill_once_written(self, where: str, pattern: str) -> Stop:
        """Start a run that is killed as soon as it has written a file that matches."""
        project, arguments = self.project, ("run", self.name, *self.settings)
        environ = project.variables() | {"KILL_AFTER_WRITING": f"*/results/{self.name}/{pattern}"}
        project.folder.mkdir(parents=True, exist_ok=True)
        process = Program("tests.killer", arguments, environ, project.folder)
        try:
            _, said = process.communicate(timeout=PATIENCE_S)
        finally:
            process.kill()
        return self._stop(where, process.returncode, said, 0.0)

    def kill(self, where: str, at: Moment) -> Stop:
        """Start a run and kill it at that moment."""
        if isinstance(at, str):
            return self.kill_once_written(where, at)
        return self.interrupt(where, at, signal.SIGKILL)

    def _stop(self, where: str, code: int | None, said: str, took: float) -> Stop:
        assert code is not None
        return Stop(where, code, said, took, self.acknowledged(), self.asked())


@dataclass(frozen=True)
class Stop:
    """How a run ended, what the journal had acknowledged then, and how many requests were made."""

    where: str
    code: int
    said: str
    took: float
    acknowledged: Counter[str]
    asked: int

    def again(self, ledger: Sequence[dict[str, Any]], measure: Undisturbed) -> set[str]:
        """Requests that an undisturbed run would not have made after this, and `ledger` has."""
        wanted = Counter(entry["key"] for entry in measure.ledger)
        done = {key for key, count in self.acknowledged.items() if count >= wanted[key]}
        return done & {entry["key"] for entry in ledger[self.asked :]}


def requests(number: int) -> Callable[[Scene], bool]:
    return lambda scene: scene.asked() >= number


def requests_since_start(number: int) -> Callable[[Scene], bool]:
    """`number` requests were made since the run began."""
    first: list[int] = []

    def reached(scene: Scene) -> bool:
        first.append(scene.asked())
        return first[-1] >= first[0] + number

    return reached


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
    return Undisturbed(outcome, scene.project.records(scene.name), scene.ledger())


def kill_and_compare(
    scene: Scene,
    kills: dict[str, Moment],
    measure: Undisturbed,
    concurrency: int,
) -> None:
    stops = [scene.kill(where, at) for where, at in kills.items()]
    outcome = scene.run()

    assert without_calls(outcome) == without_calls(measure.outcome)
    assert scene.project.records(scene.name) == measure.records
    ledger = scene.ledger()
    for stop in stops:
        assert stop.code == -signal.SIGKILL, stop.where
        again = stop.again(ledger, measure)
        assert not again, f"{stop.where}: {len(again)} acknowledged calls were made again"
    assert {entry["key"] for entry in ledger} == {entry["key"] for entry in measure.ledger}
    assert len(ledger) - len(measure.ledger) <= len(kills) * concurrency
