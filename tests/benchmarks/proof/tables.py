"""The tables of the proof, from curves alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tests.benchmarks.markdown import table
from tests.benchmarks.proof.curves import (
    Array,
    Bootstrap,
    Curve,
    Estimate,
    Unit,
    estimate,
    grid_of,
    reached,
    sampled,
)

DASH = "–"
PARTS = (0.25, 0.5, 1.0)
ENOUGH = 0.9
"""The part of the best gain that a strategy is timed to."""
LEVELS = (0.5, 0.9, 1.0)
"""Parts of the tutorial's gain that `auto` is timed to."""


@dataclass(frozen=True)
class Results:
    """Curves of each method over the same units, in one order; `tops` are the best scores there."""

    units: Sequence[Unit]
    curves: Mapping[str, Sequence[Curve]]
    tops: Sequence[float]
    budget: int

    @classmethod
    def of(
        cls, runs: Mapping[tuple[str, Unit], Curve], top: Callable[[Unit], float], budget: int
    ) -> Results:
        """Over the units that every method has run on."""
        methods = list(dict.fromkeys(method for method, _ in runs))
        units = [
            unit
            for unit in dict.fromkeys(unit for _, unit in runs)
            if all((method, unit) in runs for method in methods)
        ]
        curves = {method: [runs[method, unit] for unit in units] for method in methods}
        return cls(units, curves, [top(unit) for unit in units], budget)

    @property
    def tasks(self) -> list[str]:
        return list(dict.fromkeys(task for task, _ in self.units))

    def only(self, task: str) -> Results:
        """Of one task."""
        places = [at for at, unit in enumerate(self.units) if unit[0] == task]
        curves = {name: [all_[at] for at in places] for name, all_ in self.curves.items()}
        units, tops = [self.units[at] for at in places], [self.tops[at] for at in places]
        return Results(units, curves, tops, self.budget)

    @cached_property
    def bootstrap(self) -> Bootstrap:
        return Bootstrap(self.units)

    @cached_property
    def shares(self) -> dict[str, list[Curve]]:
        """Curves in shares of what could be gained."""
        return {
            name: [curve.shares(top) for curve, top in zip(all_, self.tops, strict=True)]
            for name, all_ in self.curves.items()
        }

    def scores(self, method: str, calls: float) -> list[float]:
        """True scores at a number of calls, by unit."""
        return [curve.at(calls) for curve in self.curves[method]]

    def calls_to(self, method: str, goals: Array) -> Array:
        """Calls until the mean share of the possible gain is at a goal; one per resample."""
        grid = grid_of(self.shares[method], self.budget)
        return reached(self.bootstrap.means(sampled(self.shares[method], grid)), goals, grid)

    def gains(self, method: str) -> Array:
        """The mean share of the possible gain at the budget, as it is and resampled."""
        return self.bootstrap.means(sampled(self.shares[method], [self.budget])[:, 0])


def figures(results: Results, title: str) -> str:
    """Per strategy, on the mean over tasks: scores at parts of the budget, area, speed."""
    best = max((results.gains(name) for name in results.curves), key=lambda gains: gains[0])
    rows = []
    for name, shares in results.shares.items():
        spent = [part * results.budget for part in PARTS]
        scores = [results.bootstrap.mean(results.scores(name, calls)) for calls in spent]
        area = results.bootstrap.mean([curve.area(results.budget) for curve in shares])
        fast = estimate(results.calls_to(name, ENOUGH * best)) if best[0] > 0 else None
        cells = [shown(one) for one in (*scores, area)]
        rows.append([name, *cells, calls_shown(fast, results.budget)])
    heads = [f"score at {part * results.budget:,.0f} calls" for part in PARTS]
    header = ["strategy", *heads, "area, share of the gain", f"calls to {ENOUGH:.0%} of the best"]
    return table(title, header, rows)


def by_task(results: Results, title: str) -> str:
    """Per task: the first prompt, the score of each strategy at the budget, the most there is."""
    rows = []
    for task in results.tasks:
        part = results.only(task)
        first = float(np.mean([curve.first for curve in next(iter(part.curves.values()))]))
        found = [part.bootstrap.mean(part.scores(name, part.budget)) for name in part.curves]
        rows.append([task, f"{first:.3f}", *map(shown, found), f"{np.mean(part.tops):.3f}"])
    return table(title, ["task", "first prompt", *results.curves, "the most there is"], rows)


def speed(results: Results, title: str, subject: str = "auto", rival: str = "opro-full") -> str:
    """Calls to the same true score: `subject` beside `rival`, per task and on their mean."""
    rows = []
    whole = "all, mean share of the gain"
    parts = [(task, results.only(task)) for task in results.tasks] + [(whole, results)]
    for task, part in parts:
        gains = part.gains(rival)
        for level in LEVELS:
            name = f"{task}: {level:.0%}" if level < 1 else f"{task}: all of its gain"
            if gains[0] <= 0:
                rows.append([name, DASH, DASH, DASH])
                continue
            goals = level * gains
            calls = [part.calls_to(method, goals) for method in (rival, subject)]
            rows.append([name, *_ratio(calls[0], calls[1], part.budget)])
    header = [f"of the gain of {rival}", f"{rival}, calls", f"{subject}, calls", "ratio"]
    return table(title, header, rows)


def _ratio(rival: Array, subject: Array, budget: int) -> list[str]:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = subject / rival
    # A resample in which the rival gained nothing, or never got there, compares nothing.
    known = ratio[~np.isnan(ratio)]
    cells = [calls_shown(estimate(calls), budget) for calls in (rival, subject)]
    if np.isnan(ratio[0]) or len(known) < 2:
        return [*cells, DASH]
    return [*cells, shown(estimate(known), digits=2)]


def paired(results: Results, title: str, rivals: Sequence[str], subject: str = "auto") -> str:
    """`subject` minus each rival at equal calls, per task and on the mean over tasks."""
    rows = []
    parts = [(task, results.only(task)) for task in results.tasks] + [("mean over tasks", results)]
    for rival in rivals:
        for task, part in parts:
            cells = []
            for share in PARTS:
                spent = share * part.budget
                both = (part.scores(name, spent) for name in (subject, rival))
                differences = [mine - theirs for mine, theirs in zip(*both, strict=True)]
                cells.append(shown(part.bootstrap.mean(differences), sign="+"))
            rows.append([f"{rival}, {task}", *cells])
    heads = [f"at {part * results.budget:,.0f} calls" for part in PARTS]
    return table(title, [f"{subject} minus", *heads], rows)


def verdicts(runs: Mapping[tuple[str, Unit], Curve], title: str) -> str:
    """The sealed test's verdicts by method and task; the share of `better` with its interval."""
    from scipy import stats

    rows = []
    for method in dict.fromkeys(method for method, _ in runs):
        found = [(unit[0], curve) for (name, unit), curve in runs.items() if name == method]
        for task in (*dict.fromkeys(task for task, _ in found), "all"):
            curves = [curve for name, curve in found if task in (name, "all")]
            better, worse = (
                sum(one.verdict == word for one in curves) for word in ("better", "worse")
            )
            test = stats.binomtest(better, len(curves)).proportion_ci(method="exact")
            changed = sum(len(one.calls) > 1 for one in curves)
            share = f"{better / len(curves):.1%} [{test.low:.1%}, {test.high:.1%}]"
            counts = [f"{number:,}" for number in (len(curves), changed, better, worse)]
            rows.append([f"{method}, {task}", *counts, share])
    header = ["strategy, task", "runs", "another prompt", "better", "worse", "share of better"]
    return table(title, header, rows)


def shown(found: Estimate, sign: str = "", digits: int = 3) -> str:
    value, low, high = (
        f"{one:{sign}.{digits}f}" if math.isfinite(one) else "∞"
        for one in (found.value, found.low, found.high)
    )
    return value if low == high else f"{value} [{low}, {high}]"


def calls_shown(found: Estimate | None, budget: int) -> str:
    """An infinite number of calls is more than the budget."""
    if found is None:
        return DASH
    value, low, high = (
        f"{one:,.0f}" if math.isfinite(one) else f"> {budget:,}"
        for one in (found.value, found.low, found.high)
    )
    return value if low == high else f"{value} [{low}, {high}]"
