"""Paired statistics on the sealed test: the verdict and what it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

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
    interval = _binomial(round(correct), measured).proportion_ci(0.95, method="wilson")
    return (float(interval.low), float(interval.high))


def compare(values: Iterable[tuple[float | None, float | None]]) -> Comparison:
    """Exact McNemar test at .05 on paired right/wrong rows: baseline's value and best's.

    The difference is (2 x share of wins among discordant rows - 1) x (share of discordant rows).
    The interval is the range of that product over the Clopper-Pearson intervals of both shares
    (doi:10.1093/biomet/26.4.404), so it covers at 95% or more, and excludes zero exactly where
    p < .05, as at one half the binomial is symmetric (McNemar 1947, doi:10.1007/BF02295996).
    """
    rows = wins = losses = 0
    for before, after in values:
        if before is not None and after is not None:
            rows, wins, losses = rows + 1, wins + (after > before), losses + (after < before)
    discordant = wins + losses
    p_value = float(_binomial(wins, discordant).pvalue) if discordant else 1.0
    won, differing = _exact_interval(wins, discordant), _exact_interval(discordant, rows)
    corners = [(2 * share - 1) * scale for share in won for scale in differing]
    bounds = (min(corners), max(corners))
    shown = bounds[0] > 0 or bounds[1] < 0
    verdict: Verdict = "not shown" if not shown else "better" if wins > losses else "worse"
    difference = (wins - losses) / rows if rows else 0.0
    return Comparison(rows, wins, losses, difference, bounds, p_value, verdict)


def same(rows: int) -> Comparison:
    """A prompt against itself: the difference is zero, and nothing is estimated."""
    return Comparison(rows, 0, 0, 0.0, (0.0, 0.0), 1.0, "not shown")


def _exact_interval(count: int, total: int) -> tuple[float, float]:
    if not total:
        return (0.0, 1.0)
    interval = _binomial(count, total).proportion_ci(1 - LEVEL, method="exact")
    return (float(interval.low), float(interval.high))


def _binomial(count: int, total: int) -> Any:
    from scipy import stats

    return stats.binomtest(count, total, 0.5)
