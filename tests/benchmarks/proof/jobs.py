"""Runs of the proof: what one is, how it is made, and where its curve is kept.

A curve is a line of JSON, written as its run ends, with a hash of the code that made it: a suite
that was killed goes on where it was, and a change of the code makes no old curve a new one.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.benchmarks.environment import FOLDER, OPTIMIZERS
from tests.benchmarks.measure import ROOT
from tests.benchmarks.proof import embedded, ours
from tests.benchmarks.proof.curves import Curve
from tests.benchmarks.simulated.server import simulating

LINES = FOLDER / "proof.jsonl"
JOURNAL = FOLDER / "proof-embedded.db"
_SHARED = ("tests/benchmarks/simulated/*.py", "tests/benchmarks/proof/ours.py")
_PEERS = ("tests/benchmarks/proof/peers.py", "tests/benchmarks/proof/requirements.txt")
_OURS = (
    "autoprompt_assets/engine/*.py",
    "autoprompt_assets/engine/optimizers/*.py",
    "resources/*.py",
    "tests/benchmarks/proof/embedded.py",
    "tests/benchmarks/proof/searching.py",
    "tests/benchmarks/proof/sentences.py",
)


@dataclass(frozen=True)
class Method:
    """A strategy of ours with its settings, or a peer."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    peer: str = ""


METHODS = {
    "auto": Method({"strategy": "auto"}),
    # The tutorial's: all rows of each candidate, and all of the history.
    "opro-full": Method({"strategy": "opro", "race": False, "history": 1000}),
    "opro": Method({"strategy": "opro"}),
    "gepa": Method({"strategy": "gepa"}),
    "mipro": Method({"strategy": "mipro"}),
    "demos": Method({"strategy": "demos"}),
    "gepa package": Method(peer="gepa"),
    "MIPROv2": Method(peer="mipro"),
}
PEERS = tuple(name for name, method in METHODS.items() if method.peer)


@dataclass(frozen=True)
class Job:
    """One search: `method` on `task` with `seed` until `budget` calls are spent.

    `splits` are the numbers of train, validation and test rows.
    """

    method: str
    task: str
    seed: int
    budget: int
    splits: tuple[int, int, int]

    @property
    def key(self) -> str:
        """Equal for equal jobs under equal settings."""
        return json.dumps([asdict(self), asdict(METHODS[self.method])], sort_keys=True)

    @property
    def code(self) -> str:
        """A hash of what the curve depends on."""
        return code_hash((*_SHARED, *(_PEERS if METHODS[self.method].peer else _OURS)))

    def run(self, root: str) -> Curve:
        """The search itself; `root` is the simulated server's address."""
        method = METHODS[self.method]
        if self.task in embedded.TASKS:
            local = embedded.Task(self.task, self.seed, *self.splits)
            return embedded.run(local, method.settings, self.budget, JOURNAL)
        word = hashlib.sha256(self.key.encode()).hexdigest()[:12]
        base_url = f"{root}/{self.task}/{self.seed}/{word}/v1"
        task = ours.Task(self.task, self.seed, *self.splits)
        if method.peer:
            return _peer(method.peer, task, base_url, self.budget)
        return ours.run(task, base_url, method.settings, self.budget)


def _peer(peer: str, task: ours.Task, base_url: str, budget: int) -> Curve:
    rows = task.rows()
    job = {
        "peer": peer,
        "landscape": task.name,
        "seed": task.seed,
        "base_url": base_url,
        "budget": budget,
        "train": [(row.inputs.text, row.target) for row in rows["train"]],
        "validation": [(row.inputs.text, row.target) for row in rows["validation"]],
    }
    command = [OPTIMIZERS.python(), "-m", "tests.benchmarks.proof.peers"]
    done = subprocess.run(
        command, input=json.dumps(job), capture_output=True, text=True, cwd=ROOT, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{peer} on {task}: {done.stderr[-2000:]}")
    return Curve.from_json(json.loads(done.stdout.splitlines()[-1]))


@cache
def code_hash(patterns: tuple[str, ...]) -> str:
    """Twelve digits over the files that the patterns name."""
    made = hashlib.sha256()
    for path in sorted(path for pattern in patterns for path in ROOT.glob(pattern)):
        made.update(path.name.encode() + path.read_bytes())
    return made.hexdigest()[:12]


class Lines:
    """The curves that were kept, by job; a torn last line is passed over."""

    def __init__(self, path: Path = LINES) -> None:
        self._path = path
        self._known: dict[str, tuple[str, Curve]] = {}
        for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
            try:
                data = json.loads(line)
            except ValueError:
                continue
            self._known[data["key"]] = (data["code"], Curve.from_json(data["curve"]))

    def get(self, job: Job, *, any_code: bool = False) -> Curve | None:
        """The job's curve; of the code as it is now, or the last one of `any_code`."""
        code, curve = self._known.get(job.key, ("", None))
        return curve if any_code or code == job.code else None

    def add(self, job: Job, curve: Curve) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        data = {"key": job.key, "code": job.code, "curve": asdict(curve)}
        torn = self._path.exists() and not self._path.read_bytes().endswith(b"\n")
        with self._path.open("a", encoding="utf-8") as file:
            file.write("\n" * torn + json.dumps(data) + "\n")
        self._known[job.key] = (job.code, curve)


def run_all(jobs: Sequence[Job], lines: Lines, processes: int) -> Iterator[tuple[Job, Curve]]:
    """Run those that have no curve yet, in their order, and keep each as it ends.

    Raises:
        Exception: the first one that a run ended with; the runs under way are waited for.
    """
    left = [job for job in jobs if lines.get(job) is None]
    if not left:
        return
    with _workers(processes) as workers, simulating() as server:
        under_way: dict[Future[Curve], Job] = {
            workers.submit(job.run, server.root): job for job in left
        }
        for ended in as_completed(under_way):
            job, curve = under_way[ended], ended.result()
            lines.add(job, curve)
            yield job, curve


@contextmanager
def _workers(processes: int) -> Iterator[ProcessPoolExecutor]:
    # Not forked: the embedded model and the journal have threads.
    context = multiprocessing.get_context("spawn")
    workers = ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent)
    try:
        yield workers
    finally:
        workers.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """A worker waits for the next job for ever, also where the suite was killed."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
