"""Paired statistics on the sealed test: the verdict and what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from scipy import stats

Verdict = Literal["better", "worse", "not shown"]

LEVEL = 0.05


@dataclass(frozen=True)
class Comparison:
    """Best against baseline on the rows that both measured.

    `difference` and `ci95` are in score units (-1 to 1), `wins` and `losses` are rows.
    """

    rows: int
    wins: int
    losses: int
    difference: float
    ci95: tuple[float, float]
    p_value: float
    verdict: Verdict

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "ci95": list(self.ci95)}


def score_interval(correct: float, measured: int) -> tuple[float, float]:
    """The 95% interval of a share of rows (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    if not measured:
        return (0.0, 1.0)
    interval = stats.binomtest(round(correct), measured).proportion_ci(0.95, method="wilson")
    return (float(interval.low), float(interval.high))


def compare(baseline: Mapping[str, float | None], best: Mapping[str, float | None]) -> Comparison:
    """Exact McNemar test at .05 on paired right/wrong rows, keyed by example id.

    The interval is the test's inversion: Clopper-Pearson on the discordant pairs
    (doi:10.1093/biomet/26.4.404), carried over to the difference. At one half the binomial is
    symmetric, so the interval excludes zero exactly where p < .05
    (McNemar 1947, doi:10.1007/BF02295996). Without a discordant pair it is the Clopper-Pearson
    bound on the share of rows that may yet differ, both ways.
    """
    pairs = [
        (before, after)
        for before, after in ((value, best.get(key)) for key, value in baseline.items())
        if before is not None and after is not None
    ]
    rows = len(pairs)
    wins = sum(1 for before, after in pairs if after > before)
    losses = sum(1 for before, after in pairs if after < before)
    discordant = wins + losses
    if not discordant:
        unseen = float(1 - (LEVEL / 2) ** (1 / rows)) if rows else 1.0
        return Comparison(rows, 0, 0, 0.0, (-unseen, unseen), 1.0, "not shown")
    test = stats.binomtest(wins, discordant, 0.5)
    interval = test.proportion_ci(1 - LEVEL, method="exact")
    scale = discordant / rows
    bounds = (float(2 * interval.low - 1) * scale, float(2 * interval.high - 1) * scale)
    shown = bounds[0] > 0 or bounds[1] < 0
    verdict: Verdict = "not shown" if not shown else "better" if wins > losses else "worse"
    difference = (wins - losses) / rows
    return Comparison(rows, wins, losses, difference, bounds, float(test.pvalue), verdict)
