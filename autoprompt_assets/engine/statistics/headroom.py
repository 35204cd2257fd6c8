"""What a search could win, and what its test split could show of that, before any is spent.

Flips are independent draws from row to row, so half the mean squared change is a row's own
variance, and a score's standard deviation is the root of it over the rows. The same flips
turn noise / 2 of the test rows into losses of a candidate that is as good everywhere.

Hopeless is a search where the best prompt there can be, one that is right on every row, would
still be shown to be better in fewer than one case of twenty. How many rows of test it can win is
not known, for test is sealed: their number has the beta-binomial distribution that validation
leaves to expect (Jeffreys' prior; doi:10.1098/rspa.1946.0056). Noise makes a search hopeless only
at the lower end of its exact interval (Clopper & Pearson 1934, doi:10.1093/biomet/26.4.404).

Where values lie between 0 and 1, every row that is not worth 1 can be won in part, and the
sign-flip test shows wins without a loss as the exact one does, however small each is. Noise then
does not make losses of whole rows: it makes the mean difference of two equal prompts vary, by the
root of the mean squared change over the test rows, and what is less cannot be shown.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from autoprompt_assets.engine.statistics.paired import LEVEL, QUANTILE, at_least, exact_interval
from autoprompt_assets.engine.text import quantity

LEAST_WINS = 6
"""Wins without a loss from which on the exact McNemar test has p < .05: 2 x .5^6 = .031. A later
verdict on the same rows needs more."""
SLIGHT = 0.05
"""A chance below which a search is hopeless."""
SLIGHTLY_SHOWN = 1 - 1.6448536269514722 / QUANTILE
"""A gain of this share of the smallest that can be shown is shown with the chance SLIGHT."""

Values = Iterable[float | None]
Pairs = Iterable[tuple[float | None, float | None]]


@dataclass(frozen=True)
class Headroom:
    """The room above the baseline, beside the noise and beside what the test can show.

    Shares are 0 to 1. `rows` and `winnable` are of validation; rows without a grade count nowhere.
    """

    rows: int
    winnable: float
    """Rows not right now: the sum of 1 - value. No candidate can win more than that."""
    winnable_share: float
    chance: float
    """How likely the test shows a prompt that is right on every row to be better."""
    repeated: int
    """Rows that the same prompt was asked about twice, both times with a grade."""
    flipped: int
    """Those of them whose value changed, by however much."""
    noise: float | None
    """flipped / repeated; `None` where nothing was repeated."""
    noise_ci95: tuple[float, float]
    noise_floor: float | None
    """The standard deviation of a validation score that comes from flips alone, in points."""
    test_rows: int
    smallest: float | None
    """The smallest gain that the test split shows where flips cause as many losses as they do on
    average, as a share of its rows; `None` where not even winning all others would do. A true gain
    of that size is shown about every second time, one and a half of it mostly."""
    partial: bool
    """Some values lie between 0 and 1; `smallest` then is what noise alone hides."""
    hopeless: bool
    reason: str
    """Why it is, and the mend, in one line; empty otherwise."""

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return {**asdict(self), "noise_ci95": list(self.noise_ci95)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Headroom:
        """The headroom that `as_json` gave."""
        low, high = data["noise_ci95"]
        return cls(**{**data, "noise_ci95": (low, high)})

    def lines(self) -> list[str]:
        """Three lines for a person, and a fourth where it is hopeless."""
        worth = "worth" if self.partial else "right on"
        right = f"{worth} {_count(self.rows - self.winnable)} of {self.rows} validation rows"
        found = [f"baseline: {right}; {_points(self.winnable_share)} are left to win"]
        if self.noise is None or self.noise_floor is None:
            found.append("noise: not measured, no row was asked twice")
        else:
            low, high = self.noise_ci95
            found.append(
                f"noise: {self.flipped} of {self.repeated} rows asked twice changed their grade "
                f"({self.noise:.1%}, 95% interval {low:.1%} to {high:.1%}); from that alone the "
                f"validation score varies by {self.noise_floor:.1f} points (standard deviation)"
            )
        found.append(f"test: {quantity(self.test_rows, 'row')}; {self._shows()}")
        return [*found, f"hopeless: {self.reason}"] if self.hopeless else found

    def _shows(self) -> str:
        if self.smallest is None:
            return "no gain can be shown"
        all_right = (
            f"a prompt that is right on every row is shown with a chance of {self.chance:.0%}"
        )
        if not self.partial:
            least = f"the smallest gain that can be shown at .05 is {_points(self.smallest)}"
        elif self.smallest:
            least = f"the noise hides gains below {_points(self.smallest)}"
        else:
            return f"how small a gain it can show depends on how even it is; {all_right}"
        return f"{least}, and {all_right}"


def measure_headroom(values: Values, repeats: Pairs, test_rows: int) -> Headroom:
    """What stands against a search whose baseline has `values` on validation.

    `repeats` are first and second value of the same prompt on the same row, `test_rows` is the
    size of the sealed split. Values are 0 to 1, or `None` without a grade.
    """
    graded = [value for value in values if value is not None]
    pairs = [(a, b) for a, b in repeats if a is not None and b is not None]
    changes = [b - a for a, b in pairs]
    rows, repeated = len(graded), len(changes)
    winnable = sum(1 - value for value in graded)
    flipped = sum(change != 0 for change in changes)
    noise = flipped / repeated if repeated else None
    noise_ci95 = _exact(flipped, repeated)
    squares = sum(change * change for change in changes)
    floor = 100 * math.sqrt(squares / repeated / 2 / rows) if rows and repeated else None
    share = winnable / rows if rows else 0.0
    partial = any(0 < value < 1 for value in (*graded, *itertools.chain.from_iterable(pairs)))
    if partial:
        losses, open_rows = 0, float(sum(value < 1 for value in graded))
        square = squares / repeated if repeated else 0.0
        smallest = _smallest_of_values(test_rows, square)
        drowned = smallest is not None and share < SLIGHTLY_SHOWN * smallest
    else:
        losses, open_rows = math.floor(noise_ci95[0] / 2 * test_rows), winnable
        smallest = smallest_gain(test_rows, noise or 0.0)
        drowned = losses + least_wins(losses) > test_rows
    chance = _chance(open_rows, rows, test_rows, least_wins(losses))
    reason = _hopeless((winnable, rows), test_rows, chance, drowned=drowned)
    return Headroom(
        rows=rows,
        winnable=winnable,
        winnable_share=share,
        chance=chance,
        repeated=repeated,
        flipped=flipped,
        noise=noise,
        noise_ci95=noise_ci95,
        noise_floor=floor,
        test_rows=test_rows,
        smallest=smallest,
        partial=partial,
        hopeless=bool(reason),
        reason=reason,
    )


def smallest_gain(test_rows: int, noise: float) -> float | None:
    """The smallest net gain, as a share of rows, at which the exact McNemar test has p < .05.

    Counted against noise / 2 x rows losses, rounded up; without noise it is 6 / rows. `None` where
    the rows do not suffice (McNemar 1947, doi:10.1007/BF02295996).
    """
    losses = math.ceil(noise / 2 * test_rows - 1e-9)
    wins = least_wins(losses)
    return (wins - losses) / test_rows if wins + losses <= test_rows else None


def least_wins(losses: int, level: float = LEVEL) -> int:
    """The fewest wins that the exact McNemar test shows against `losses` at `level`."""
    low, high = losses, 2 * losses + LEAST_WINS
    while _p_value(high, losses) >= level:
        low, high = high, 2 * high
    while low < high:
        middle = (low + high) // 2
        if _p_value(middle, losses) < level:
            high = middle
        else:
            low = middle + 1
    return low


def _smallest_of_values(test_rows: int, square: float) -> float | None:
    """The gain at which a normal test of the mean difference has p = .05; `square` is the mean
    squared change of a row from noise.
    """
    return QUANTILE * math.sqrt(square / test_rows) if test_rows >= LEAST_WINS else None


def _hopeless(
    validation: tuple[float, int], test_rows: int, chance: float, *, drowned: bool
) -> str:
    winnable, rows = validation
    if not rows:
        return "no validation row has a grade: mend what kept them from one"
    if test_rows < LEAST_WINS:
        return (
            f"test has {quantity(test_rows, 'row')} and no gain can be shown with fewer "
            f"than {LEAST_WINS}: "
            "raise dataset.split.test"
        )
    if drowned:
        return (
            f"the same prompt asked twice changes so many grades that {test_rows} test rows can "
            "show no gain: lower roles.target.temperature, or raise dataset.split.test"
        )
    if winnable <= 0:
        return (
            f"baseline is right on all {rows} validation rows, and no prompt can score higher: "
            "bring harder rows"
        )
    if chance < SLIGHT:
        return (
            f"baseline is right on {_count(rows - winnable)} of {rows} rows: at most "
            f"{_points(winnable / rows)} are left, and {test_rows} test rows show a prompt that "
            f"wins them all with a chance of {chance:.1%}: raise dataset.split.test, or bring "
            "harder rows"
        )
    return ""


def _chance(winnable: float, rows: int, test_rows: int, wins: int) -> float:
    """That so many of the test rows can be won, if they are as validation's are."""
    if not rows or wins > test_rows or winnable <= 0:
        return 0.0
    import numpy as np
    from scipy import special

    # scipy.stats has the distribution, and takes a second to load.
    won, a, b = np.arange(wins, test_rows + 1), winnable + 0.5, rows - winnable + 0.5
    ways = -special.betaln(test_rows - won + 1, won + 1) - math.log(test_rows + 1)
    each = ways + special.betaln(won + a, test_rows - won + b) - special.betaln(a, b)
    return float(min(1.0, np.exp(each).sum()))


def _p_value(wins: int, losses: int) -> float:
    """Of the exact two-sided sign test."""
    return min(1.0, 2 * at_least(max(wins, losses), wins + losses))


def _exact(count: int, total: int) -> tuple[float, float]:
    return exact_interval(count, total) if total else (0.0, 1.0)


def _points(share: float) -> str:
    return f"{100 * share:.1f} points"


def _count(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0")
