"""True score over calls spent: what a search's best prompt was worth after each call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 2000
Array = NDArray[np.float64]
Unit = tuple[str, int]
"""A task and a seed: one search of each method."""


@dataclass(frozen=True)
class Curve:
    """Steps of one search: from `calls[i]` on, its best prompt has the true score `scores[i]`.

    `calls[0]` is 0, and `scores[0]` the first prompt's. `verdict` is the sealed test's, where one
    was made; `spent` are all calls, those after the last step included.
    """

    calls: tuple[int, ...]
    scores: tuple[float, ...]
    verdict: str = ""
    spent: int = 0

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Curve:
        """The curve whose fields `asdict` gave."""
        fields = {**data, "calls": tuple(data["calls"]), "scores": tuple(data["scores"])}
        return cls(**fields)

    @property
    def first(self) -> float:
        """The true score of the first prompt."""
        return self.scores[0]

    def at(self, spent: float) -> float:
        """The true score of the prompt that was best when `spent` calls had been made."""
        found = self.scores[0]
        for calls, score in zip(self.calls, self.scores, strict=True):
            if calls <= spent:
                found = score
        return found

    def area(self, budget: int) -> float:
        """The mean true score over the calls from 0 to `budget`."""
        ends = [*self.calls[1:], budget]
        return (
            sum(
                score * max(0, min(end, budget) - min(start, budget))
                for start, end, score in zip(self.calls, ends, self.scores, strict=True)
            )
            / budget
        )

    def shares(self, top: float) -> Curve:
        """The same in shares of the possible gain: 0 is the first prompt's score, 1 is `top`."""
        room = top - self.first
        scores = tuple((score - self.first) / room for score in self.scores)
        return Curve(self.calls, scores, self.verdict, self.spent)


def grid_of(curves: Sequence[Curve], budget: int) -> list[int]:
    """Every number of calls at which one of the curves steps, up to the budget."""
    return sorted({budget, *(calls for one in curves for calls in one.calls if calls <= budget)})


def sampled(curves: Sequence[Curve], grid: Sequence[int]) -> Array:
    """A row per curve, a column per number of calls."""
    return np.array([[curve.at(calls) for calls in grid] for curve in curves])


def reached(means: Array, goals: Array, grid: Sequence[int]) -> Array:
    """Per row of `means`: the fewest calls of the grid with its goal or more; infinite if none."""
    there = means >= goals[:, None] - 1e-9
    calls = np.asarray(grid, dtype=float)[there.argmax(axis=1)]
    return np.where(there.any(axis=1), calls, np.inf)


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval; either end of it may be infinite."""

    value: float
    low: float
    high: float


class Bootstrap:
    """Resamples seeds within each task; each task weighs the same.

    Tasks are not resampled: what is said is about these tasks. Methods that ran on the same units
    share the resamples, so that their differences are paired.
    """

    def __init__(self, units: Sequence[Unit], seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        weights = np.zeros((RESAMPLES + 1, len(units)))
        tasks = sorted({task for task, _ in units})
        for task in tasks:
            places = np.array([at for at, unit in enumerate(units) if unit[0] == task])
            drawn = draw.multinomial(len(places), [1 / len(places)] * len(places), size=RESAMPLES)
            weights[1:, places] = drawn / len(places) / len(tasks)
            weights[0, places] = 1 / len(places) / len(tasks)
        self._weights = weights

    def means(self, values: Array) -> Array:
        """The mean over units of each column (or of one value each): as it is, then resampled."""
        found: Array = self._weights @ values
        return found

    def mean(self, values: Sequence[float]) -> Estimate:
        """The mean of a value per unit."""
        return estimate(self.means(np.asarray(values)))


def estimate(found: Array) -> Estimate:
    """A statistic as it is (first) with the interval of its resamples."""
    # Infinities are ordered but cannot be interpolated between.
    low, high = np.quantile(found[1:], [0.025, 0.975], method="nearest")
    return Estimate(float(found[0]), float(low), float(high))
