"""Paired statistics: the sealed test's verdict, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Literal

Verdict = Literal["better", "worse", "not shown"]
Interval = tuple[float, float]

LEVEL = 0.05
"""Of the first verdict on a set of rows; that of a later one is less, see `readings`."""
QUANTILE = 1.959963984540054
"""Of the normal distribution, at 1 - LEVEL / 2."""

BITS = 13
"""Graded rows are flipped together in 2**13 ways: all there are for as many rows."""
BLOCKS = 2 ** (BITS - 1)
DECIMALS = 12
"""Differences and means closer than this are ties: 0.1 + 0.2 - 0.3 is none."""
SEED = 20


@dataclass(frozen=True)
class Comparison:
    """Best against baseline on the rows that both measured.

    `difference` and `interval` are in score units (-1 to 1), `wins` and `losses` are rows.
    `won_interval` is that of the share of wins among the rows that differ (0 to 1), `None` for
    graded values. The verdict is judged at `level`, 0 to 1, and the intervals' confidence is
    1 - `level`: each holds its null value, 0 or 1/2, exactly where `p_value` is `level` or more.
    """

    rows: int
    wins: int
    losses: int
    difference: float
    interval: Interval
    p_value: float
    verdict: Verdict
    won_interval: Interval | None = None
    level: float = LEVEL
    reason: str = ""
    """Why rows were taken as equal that the scores tell apart; empty where none was."""

    def __post_init__(self) -> None:
        # JSON has no tuples: what is read back equals what was written.
        object.__setattr__(self, "interval", tuple(self.interval))
        if self.won_interval is not None:
            object.__setattr__(self, "won_interval", tuple(self.won_interval))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        won = list(self.won_interval) if self.won_interval is not None else None
        return {**asdict(self), "interval": list(self.interval), "won_interval": won}


@dataclass
class Pairs:
    """Running sums of the differences `after - before`, row by row; no row is kept.

    `seen` counts rows, `rows` those that both sides measured. `graded` where any difference is
    other than -1, 0 or 1. Memory stops growing at `BLOCKS` sums.
    """

    seen: int = 0
    rows: int = 0
    wins: int = 0
    losses: int = 0
    total: float = 0.0
    squares: float = 0.0
    graded: bool = False
    blocks: list[float] = field(default_factory=list)

    def add(self, before: float | None, after: float | None) -> None:
        """The next row's values, from 0 to 1; `None` where a side has no grade."""
        self.seen += 1
        if before is None or after is None:
            return
        difference = after - before
        if difference not in {-1, 0, 1}:
            difference = round(difference, DECIMALS)
            self.graded = self.graded or difference not in {-1, 0, 1}
        if self.rows < BLOCKS:
            self.blocks.append(difference)
        else:
            self.blocks[self.rows % BLOCKS] += difference
        self.rows += 1
        self.wins += difference > 0
        self.losses += difference < 0
        self.total += difference
        self.squares += difference * difference

    @property
    def difference(self) -> float:
        """The mean difference, in score units."""
        mean = self.total / self.rows if self.rows else 0.0
        return round(mean, DECIMALS) if self.graded else mean

    def p_better(self) -> float:
        """The one-sided p of "no better": exact sign test, or sign flips for graded values."""
        if self.graded:
            means = _subset_means(self)
            return float(1 + (means <= 0).sum()) / (len(means) + 1)
        return at_least(self.wins, self.wins + self.losses)


def score_interval(total: float, measured: int) -> Interval:
    """The 95% interval of a score, the mean of `measured` values from 0 to 1, whose sum is `total`.

    Wilson's (1927, doi:10.1080/01621459.1927.10502953) where values are 0 or 1. Graded values vary
    by no more than these do at the same mean, so that for them it is too wide, never too narrow.
    """
    if not measured:
        return (0.0, 1.0)
    share, square = total / measured, QUANTILE**2 / measured
    spread = QUANTILE * math.sqrt(share * (1 - share) / measured + square / measured / 4)
    low, high = ((share + square / 2 + sign * spread) / (1 + square) for sign in (-1, 1))
    return (low if total else 0.0, high if total < measured else 1.0)


def compare(
    values: Iterable[tuple[float | None, float | None]], level: float = LEVEL
) -> Comparison:
    """The verdict at `level` on paired rows, the baseline's value and the best's, in a fixed order.

    Where all differences are -1, 0 or 1: McNemar's exact test (1947, doi:10.1007/BF02295996), by
    `_right_or_wrong`. Any other: sign flips of the rows' differences, by `_graded`. Neither test
    can disagree with its interval. Under exchange of the sides row by row `better` comes up in
    `level` / 2 of samples at most, whatever the number of rows.
    """
    pairs = Pairs()
    for before, after in values:
        pairs.add(before, after)
    return _graded(pairs, level) if pairs.graded else _right_or_wrong(pairs, level)


def same(rows: int, level: float = LEVEL) -> Comparison:
    """A prompt against itself: the difference is zero, and nothing is estimated."""
    return Comparison(rows, 0, 0, 0.0, (0.0, 0.0), 1.0, "not shown", level=level)


def _right_or_wrong(pairs: Pairs, level: float) -> Comparison:
    """The exact test on the rows that differ, and its two intervals.

    `won_interval` is the test's own inversion, the Clopper-Pearson interval of the share of wins
    among discordant rows (doi:10.1093/biomet/26.4.404): as the binomial is symmetric at one half,
    it excludes 1/2 exactly where p < `level`. The difference is (2 x that share - 1) x (share of
    discordant rows). Taking the second factor as known, as the pure inversion does, covers only
    55 to 74% of clear wins (at 95%), so `interval` is the product's range over both shares' exact
    intervals: that covers at 1 - `level` or more and, as the second factor is positive, has zero
    inside exactly where `won_interval` has 1/2 inside.
    """
    discordant = pairs.wins + pairs.losses
    p_value = min(1.0, 2 * at_least(max(pairs.wins, pairs.losses), discordant))
    won = exact_interval(pairs.wins, discordant, level)
    # Where p is the level itself, the last digit of a bound may fall on the wrong side.
    if p_value >= level:
        won = (min(won[0], 0.5), max(won[1], 0.5))
    elif pairs.wins > pairs.losses:
        won = (max(won[0], math.nextafter(0.5, 1)), won[1])
    else:
        won = (won[0], min(won[1], math.nextafter(0.5, 0)))
    differing = exact_interval(discordant, pairs.rows, level)
    corners = [(2 * share - 1) * scale for share in won for scale in differing]
    return _comparison(pairs, (min(corners), max(corners)), p_value, won, level)


def _graded(pairs: Pairs, level: float) -> Comparison:
    """A sign-flip test and the interval that is its inversion: subset means as typical values.

    Flipping the signs of a subset of rows leaves a sum of (difference - d) that is no smaller
    exactly where the subset's mean is at most d. So the one-sided p at d is (1 + subset means that
    are at most d) / (1 + subsets), and the values of d with a two-sided p of `level` or more are
    those between two order statistics of the subset means (Hartigan 1969,
    doi:10.1080/01621459.1969.10501057). That is exact where the subsets form a group, and each
    row's difference is symmetric about one centre; at d = 0 it is enough that the sides can be
    exchanged. Where differences are skewed, the interval is the mean's for many rows only, and
    where all are equal it has no width. The least p is 2 / 2**13; at a level
    below it nothing is shown.
    """
    means = _subset_means(pairs)
    size = len(means) + 1
    tail = 1 + min((means <= 0).sum(), (means >= 0).sum())
    last = math.ceil(size * level / 2) - 2
    bounds = (float(means[last]), float(means[-1 - last])) if last >= 0 else (-1.0, 1.0)
    return _comparison(pairs, bounds, min(1.0, 2 * float(tail) / size), None, level)


def _comparison(
    pairs: Pairs, bounds: Interval, p_value: float, won: Interval | None, level: float
) -> Comparison:
    verdict: Verdict = "better" if bounds[0] > 0 else "worse" if bounds[1] < 0 else "not shown"
    counts = (pairs.rows, pairs.wins, pairs.losses)
    return Comparison(*counts, pairs.difference, bounds, p_value, verdict, won, level)


def _subset_means(pairs: Pairs) -> Any:
    """The mean difference of each subset but the empty one, in ascending order.

    A row is a column of bits, a subset a word of bits: the row is in it where they share an odd
    number. Subsets thus form a group under symmetric difference, all 2**rows of them where rows
    are few, and a Walsh-Hadamard transform gives their sums. Rows `BLOCKS` apart share a column.
    """
    import numpy as np

    size = 2 ** min(pairs.rows, BITS)
    columns = list(_columns()[: len(pairs.blocks)])
    sums, counts = np.zeros(size), np.zeros(size)
    sums[columns] = pairs.blocks
    full, over = divmod(pairs.rows, BLOCKS)
    counts[columns] = [full + (block < over) for block in range(len(columns))]
    means = _subset_sums(sums)[1:] / _subset_sums(counts)[1:]
    return np.sort(np.round(means, DECIMALS))


def _subset_sums(values: Any) -> Any:
    import numpy as np

    signed = values
    step = 1
    while step < len(values):
        halves = signed.reshape(-1, 2, step)
        pair = (halves[:, 0] + halves[:, 1], halves[:, 0] - halves[:, 1])
        signed = np.stack(pair, axis=1).reshape(-1)
        step *= 2
    return (signed[0] - signed) / 2


@cache
def _columns() -> tuple[int, ...]:
    """The words with an odd number of bits, single bits first, the others shuffled.

    Single bits first make few rows free of one another. Odd ones make all rows one of the subsets,
    and each subset's complement another, so the mean difference lies inside its interval.
    """
    import numpy as np

    odd = [word for word in range(2**BITS) if word.bit_count() % 2 and word.bit_count() > 1]
    # A bit generator's stream, other than what is drawn from it, is the same in every numpy.
    order = np.argsort(np.random.PCG64(SEED).random_raw(len(odd)), kind="stable")
    return (*(2**bit for bit in range(BITS)), *(odd[place] for place in order.tolist()))


def exact_interval(count: int, total: int, level: float = LEVEL) -> Interval:
    """The interval of Clopper & Pearson (1934, doi:10.1093/biomet/26.4.404), at 1 - `level`."""
    from scipy import special

    low = special.betaincinv(count, total - count + 1, level / 2) if count else 0.0
    high = special.betaincinv(count + 1, total - count, 1 - level / 2) if count < total else 1.0
    return (float(low), float(high))


def at_least(count: int, discordant: int) -> float:
    """The chance of `count` wins or more among `discordant` rows, each a win or a loss alike."""
    from scipy import special

    return float(special.bdtrc(count - 1, discordant, 0.5)) if count else 1.0
