"""Do the strategies find better prompts for fewer calls? All of them at equal call budgets.

    python -m tests.benchmarks.proof.suite [--quick] [--tuning] [--print] [SECTION ...]

Prints Markdown. Sections: `simulated` (true scores are known exactly), `peers` (beside the `gepa`
package and DSPy's MIPROv2), `null` (nothing can be gained), `embedded` (the model that the product
ships, no optimizer model). Final figures come from landscapes and seeds that nothing was tuned on;
`--tuning` is for tuning, on others; so is `--quick`, which only asks whether everything runs.

Scores are of the best prompt so far as the method itself judges it. Intervals are 95 %, from
resampling seeds within each task. Each run's curve is kept in .autoprompt/benchmarks/proof.jsonl as
it ends: a suite that was killed goes on, and `--print` shows what is kept without running.

Run time of all of it on two cores, beside other work: an hour and a half. `simulated`, `peers` and
`null` take 16 minutes of it, `embedded` 68 (its answers are journaled: 13 seconds the second time).
`--quick` takes two minutes.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tests.benchmarks.environment import OPTIMIZERS
from tests.benchmarks.proof import embedded, tables
from tests.benchmarks.proof.curves import Curve, Unit
from tests.benchmarks.proof.jobs import METHODS, PEERS, Job, Lines, run_all
from tests.benchmarks.simulated.landscape import landscape
from tests.benchmarks.simulated.shapes import FINAL, NULL_FINAL, NULL_TUNING, TUNING, Shape

PROCESSES = 2
OURS = ("auto", "opro-full", "opro", "gepa", "mipro", "demos")
BESIDE_PEERS = ("auto", *PEERS)
ALONE = ("auto", "mipro", "demos")
"""Strategies that can do without an optimizer model."""


@dataclass(frozen=True)
class Sizes:
    """How much is run; figures of small sizes prove nothing."""

    seeds: int = 5
    budget: int = 3000
    landscapes: int = 5
    splits: tuple[int, int, int] = (60, 100, 150)
    null_runs: int = 200
    null_budget: int = 1000
    embedded_tasks: int = len(embedded.TASKS)
    embedded_budget: int = 300
    embedded_splits: tuple[int, int, int] = (60, 50, 60)


QUICK = Sizes(1, 400, 2, (40, 60, 60), 4, 300, 1, 100, (40, 30, 20))


@dataclass(frozen=True)
class Plan:
    """What was asked for: sizes, which landscapes and seeds, and which methods."""

    sizes: Sizes
    tuning: bool
    methods: Sequence[str]

    @property
    def first_seed(self) -> int:
        return 0 if self.tuning else 200

    def simulated(self, methods: Iterable[str]) -> list[Job]:
        """Seeds outermost, so that a suite that is cut off has whole seeds."""
        shapes = (TUNING if self.tuning else FINAL)[: self.sizes.landscapes]
        return self._jobs(methods, names(shapes), self.sizes.budget, self.sizes.splits)

    def null(self, methods: Iterable[str]) -> list[Job]:
        shapes = names(NULL_TUNING if self.tuning else NULL_FINAL)
        seeds = self.sizes.null_runs // len(shapes)
        budget = self.sizes.null_budget
        return self._jobs(methods, shapes, budget, self.sizes.splits, seeds)

    def embedded(self, methods: Iterable[str]) -> list[Job]:
        tasks = embedded.TASKS[: self.sizes.embedded_tasks]
        sizes = self.sizes
        return self._jobs(methods, tasks, sizes.embedded_budget, sizes.embedded_splits)

    def _jobs(
        self,
        methods: Iterable[str],
        tasks: Sequence[str],
        budget: int,
        splits: tuple[int, int, int],
        seeds: int = 0,
    ) -> list[Job]:
        chosen = [name for name in methods if name in self.methods]
        numbers = range(self.first_seed, self.first_seed + (seeds or self.sizes.seeds))
        return [
            Job(method, task, seed, budget, splits)
            for seed in numbers
            for task in tasks
            for method in chosen
        ]


def names(shapes: Sequence[Shape]) -> tuple[str, ...]:
    return tuple(shape.name for shape in shapes)


Runs = Mapping[tuple[str, Unit], Curve]


class Suite:
    """Runs what has no curve yet, a section at a time, and makes its tables."""

    def __init__(self, plan: Plan, processes: int = PROCESSES, *, running: bool = True) -> None:
        self._plan, self._processes, self._running = plan, processes, running
        self._lines = Lines()

    def simulated(self) -> str:
        jobs = self._plan.simulated(OURS)
        results = self._results(self._made(jobs), most_there_is)
        what = "landscapes of a simulated model"
        parts = [
            tables.figures(results, f"True score over calls, mean over {what}"),
            tables.by_task(results, f"True score after {results.budget:,} calls"),
        ]
        if {"auto", "opro-full"} <= set(results.curves):
            parts.append(tables.speed(results, "Calls to the same true score"))
        return "\n".join(parts)

    def peers(self) -> str:
        jobs = self._plan.simulated(BESIDE_PEERS)
        results = self._results(self._made(jobs), most_there_is)
        parts = [
            tables.figures(results, "Beside published optimizers: true score over calls"),
            tables.by_task(results, f"True score after {results.budget:,} calls"),
        ]
        if "auto" in results.curves:
            rivals = [name for name in results.curves if name in PEERS]
            parts.append(tables.paired(results, "True score at equal calls, paired", rivals))
        return "\n".join(parts)

    def null(self) -> str:
        # Of all of ours it would tell more, at six times the run time.
        methods = ("auto",) if "auto" in self._plan.methods else OURS
        runs = self._made(self._plan.null(methods))
        title = f"Nothing can be gained: verdicts after {self._plan.sizes.null_budget:,} calls"
        return tables.verdicts(runs, title)

    def embedded(self) -> str:
        # The model takes all cores, and all runs share one journal.
        runs = self._made(self._plan.embedded(ALONE), most=1)
        results = self._results(runs, lambda unit: 1.0)
        return "\n".join(
            (
                tables.figures(results, "Test score over calls, embedded model"),
                tables.by_task(results, f"Test score after {results.budget:,} calls"),
                tables.verdicts(runs, "Verdicts of the sealed test"),
            )
        )

    def _results(self, runs: Runs, top: Callable[[Unit], float]) -> tables.Results:
        embedded_runs = any(unit[0] in embedded.TASKS for _, unit in runs)
        sizes = self._plan.sizes
        budget = sizes.embedded_budget if embedded_runs else sizes.budget
        return tables.Results.of(runs, top, budget)

    def _made(self, jobs: Sequence[Job], most: int = 64) -> Runs:
        if self._running:
            started, processes = time.perf_counter(), min(most, self._processes)
            for number, (job, curve) in enumerate(run_all(jobs, self._lines, processes), 1):
                line = f"{number}: {job.method} on {job.task}, seed {job.seed}: "
                line += f"{curve.first:.3f} to {curve.scores[-1]:.3f} {curve.verdict}"
                print(f"{time.perf_counter() - started:5.0f} s {line}", file=sys.stderr, flush=True)
        found = {job: self._lines.get(job, any_code=not self._running) for job in jobs}
        return {
            (job.method, (job.task, job.seed)): curve
            for job, curve in found.items()
            if curve is not None
        }


def most_there_is(unit: Unit) -> float:
    """The exact optimum, with as many demos as a strategy may show."""
    return landscape(*unit).best().score


SECTIONS: dict[str, Callable[[Suite], str]] = {
    "simulated": Suite.simulated,
    "peers": Suite.peers,
    "null": Suite.null,
    "embedded": Suite.embedded,
}


def without_peers(chosen: Sequence[str], *, quick: bool) -> list[str]:
    """The sections that can run: a quick run leaves the peers out where they cannot be installed.

    Raises:
        subprocess.CalledProcessError: they cannot be, and the run is not a quick one.
    """
    if "peers" in chosen:
        try:
            OPTIMIZERS.python()  # its set-up is no part of the time below
        except subprocess.CalledProcessError as error:
            if not quick:
                raise
            print(f"The peers cannot be installed ({error}): they are left out.\n", flush=True)
            return [name for name in chosen if name != "peers"]
    return list(chosen)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.proof.suite")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    parser.add_argument("--quick", action="store_true", help="small sizes: does everything run?")
    parser.add_argument("--tuning", action="store_true", help="other landscapes and seeds")
    parser.add_argument("--print", action="store_true", help="only show the curves that are kept")
    parser.add_argument("--methods", default=",".join(METHODS), help="only these, with commas")
    parser.add_argument("--seeds", type=int, help="how many seeds, but for `null`")
    parser.add_argument("--processes", type=int, default=PROCESSES, help="runs at a time")
    chosen = parser.parse_args()
    unknown = {*chosen.sections} - {*SECTIONS} | {*chosen.methods.split(",")} - {*METHODS}
    if unknown:
        parser.error(f"not known: {', '.join(sorted(unknown))}")
    return chosen


def main() -> None:
    chosen = parsed()
    sizes = QUICK if chosen.quick else Sizes()
    if chosen.seeds:
        sizes = Sizes(**{**vars(sizes), "seeds": chosen.seeds})
    plan = Plan(sizes, chosen.tuning or chosen.quick, chosen.methods.split(","))
    suite = Suite(plan, chosen.processes, running=not chosen.print)
    started = time.perf_counter()
    sections = chosen.sections or list(SECTIONS)
    if not chosen.print:
        sections = without_peers(sections, quick=chosen.quick)
    for name in sections:
        print(SECTIONS[name](suite), flush=True)
    print(f"{'Tuning' if plan.tuning else 'Final'} landscapes and seeds; {sizes}.")
    print(f"The run took {time.perf_counter() - started:.0f} s.")


if __name__ == "__main__":
    main()
