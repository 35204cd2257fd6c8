"""Whether a candidate goes on over the validation rows, and whether it replaces the incumbent.

Both are decided from `Pairs` alone, after a batch that is complete, in a fixed order of rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from autoprompt_assets.engine.statistics.paired import Pairs

GROWTH = 1.5
SHARES = (0.12, 0.2, 0.3, 0.4, 0.5)
"""Shares of rows that may differ between candidate and incumbent; each is as likely."""
LEAST_SHARE = 1.2
"""In units of `worth`: a candidate that never loses a row would be dropped at its first loss."""
PRIOR_ROWS, PRIOR_SQUARE = 10, 0.1
"""What is taken as seen of the size of graded differences before the first row."""


def looks(rows: int, first: int = 8) -> tuple[int, ...]:
    """After how many rows each batch ends: `first`, each time half as many more, then all.

    The last batch is a fifth of all rows at least: a drop before a shorter one would save little.
    """
    ends: list[int] = []
    end = first
    while end <= 0.8 * rows:
        ends.append(end)
        end = math.ceil(end * GROWTH)
    return (*ends, rows) if rows else ()


@dataclass(frozen=True)
class Gate:
    """A race of one candidate against the incumbent, and its error rates.

    `accept`: the level of the one-sided exact paired test on all rows (`Pairs.p_better`). A
    candidate no better than the incumbent is accepted in that share of races at most: dropping
    can only make it rarer, and nothing is accepted before the last row.

    `lost`: of the candidates that are `worth` better (a difference in score, above 0 and below
    0.8) and would be accepted on all rows, the share that is dropped on the way is at most this.

    A candidate is dropped where r = P1(what was seen) / P0(what was seen) < `lost`. P0 is the law
    of an equal candidate; P1 that of a candidate `worth` better among those that will be accepted:
    the likelihood at `worth` x the chance of passing from here / the chance of passing at the
    start. As P1(drop) = E0[r; drop] < `lost` x P0(drop), the bound holds whatever the looks (Wald
    1945, doi:10.1214/aoms/1177731118). The chance of passing from here is stochastic curtailment
    (Lan, Simon and Halperin 1982, doi:10.1080/07474948208836014), which by itself waits for most of
    the rows where they are many, as the likelihood ratio does where they are few. For right/wrong
    rows all of this is exact, on the average over `SHARES`. For graded values the law is normal
    with the spread seen so far, and the bound is about right.

    Measured (`python -m tests.benchmarks.racing`: 50, 80, 150, 300 right/wrong rows of which 10 to
    50% differ): 5 points worse, 2% accepted at most, 14 to 48% of the rows asked; equal, 7% at
    most and 28 to 66%; 10 points better, 8% lost at most. A candidate that is better by less than
    `worth` has no such bound: 5 points better in a tenth of 300 rows, 32% are lost. With `accept`
    0.05 the first figure is 1%, and at 50 rows 10 points better is seen in 19 to 57% of races
    instead of 28 to 76%.
    """

    accept: float = 0.1
    lost: float = 0.15
    worth: float = 0.1

    def accepts(self, pairs: Pairs) -> tuple[bool, str]:
        """Whether the candidate replaces the incumbent after all rows, and why."""
        p_value = pairs.p_better()
        passed = p_value <= self.accept
        bound = "at most" if passed else "above"
        return passed, f"{_seen(pairs)}: one-sided p = {p_value:.3g}, {bound} {self.accept:g}"

    def drops(self, pairs: Pairs, total: int) -> str:
        """Why the candidate is dropped after `pairs.seen` of `total` rows; "" to go on."""
        left = total - pairs.seen
        if left <= 0:
            return ""
        if not pairs.graded and pairs.wins + left < self._needed(pairs, left):
            return f"{_seen(pairs)}: it cannot pass with the {left} rows that are left"
        ratio = self.ratio(pairs, left)
        if ratio >= self.lost:
            return ""
        times = f"{1 / ratio:.0f}" if ratio > 0.001 else "over 1,000"
        return (
            f"{_seen(pairs)}, {left} left: an equal candidate gives this {times} times as often "
            f"as one that is {self.worth:g} better and passes"
        )

    def ratio(self, pairs: Pairs, left: int) -> float:
        """P1 / P0 of what was seen, with `left` rows to come: at 1 nothing was learnt."""
        if pairs.graded:
            return _graded_ratio(self, pairs, left)
        worth, equal = [], []
        ties = pairs.rows - pairs.wins - pairs.losses
        for share in self.shares:
            tied = ties * math.log(1 - share)
            won = pairs.wins * math.log(share + self.worth)
            worth.append(tied + won + pairs.losses * math.log(share - self.worth))
            equal.append(tied + (pairs.wins + pairs.losses) * math.log(share))
        most = max(*worth, *equal)
        chances = _chances(self, pairs.wins, pairs.losses, left)
        passing = sum(
            math.exp(log - most) * chance for log, chance in zip(worth, chances, strict=True)
        )
        start = sum(_chances(self, 0, 0, pairs.rows + left))
        equally = sum(math.exp(log - most) for log in equal)
        return passing * len(self.shares) / (equally * start) if start else 0.0

    @property
    def shares(self) -> tuple[float, ...]:
        """The shares of differing rows that are weighed; a difference of `worth` fits in each."""
        return tuple(max(share, LEAST_SHARE * self.worth) for share in SHARES)

    def _needed(self, pairs: Pairs, left: int) -> int:
        discordant = pairs.wins + pairs.losses + left
        return int(_least_wins(discordant, self.accept)[discordant])


def _seen(pairs: Pairs) -> str:
    return f"better on {pairs.wins} and worse on {pairs.losses} of {pairs.rows} rows"


@lru_cache(maxsize=1024)
def _chances(gate: Gate, wins: int, losses: int, left: int) -> tuple[float, ...]:
    """The chance of passing after `left` more rows, `gate.worth` better, by share that differs."""
    import numpy as np
    from scipy import special

    discordant = wins + losses
    least = _least_wins(discordant + left, gate.accept)[discordant:] - wins
    found = []
    for share in gate.shares:
        centre, spread = left * share, 7 * math.sqrt(left * share * (1 - share)) + 1
        low, high = max(0, int(centre - spread)), min(left, math.ceil(centre + spread))
        more = np.arange(low, high + 1)
        need = least[low : high + 1]
        ways = special.gammaln([left + 1]) - special.gammaln(more + 1)
        ways = ways - special.gammaln(left - more + 1)
        differ = np.exp(ways + more * math.log(share) + (left - more) * math.log(1 - share))
        won = (1 + gate.worth / share) / 2
        enough = special.bdtrc(np.clip(need - 1, 0, more), more, won)
        found.append(float(differ @ np.where(need <= 0, 1.0, enough)))
    return tuple(found)


def _least_wins(rows: int, level: float) -> Any:
    """The least wins that pass, by number of differing rows from 0 to `rows` or more."""
    return _least_wins_table(2 ** rows.bit_length(), level)


@lru_cache(maxsize=16)
def _least_wins_table(rows: int, level: float) -> Any:
    import numpy as np
    from scipy import special

    differ = np.arange(rows)
    least = 1 + np.floor(differ / 2 + special.ndtri(1 - level) * np.sqrt(differ) / 2).astype(int)
    least = np.minimum(least, differ + 1)
    while (low := special.bdtrc(least - 1, differ, 0.5) > level).any():
        least = least + low
    while (high := (least > 1) & (special.bdtrc(least - 2, differ, 0.5) <= level)).any():
        least = least - high
    return least


def _graded_ratio(gate: Gate, pairs: Pairs, left: int) -> float:
    """`Gate.ratio` where a sum of differences is normal: a row's variance is its mean square."""
    from scipy import special

    known = pairs.squares + PRIOR_ROWS * PRIOR_SQUARE
    square = known / (pairs.rows + PRIOR_ROWS)
    critical = -special.ndtri(gate.accept)
    log = gate.worth * (pairs.total - pairs.rows * gate.worth / 2) / square
    spread = math.sqrt(left * square)
    bar = critical * math.sqrt(pairs.squares + left * square)
    passing = special.log_ndtr((pairs.total + left * gate.worth - bar) / spread)
    rows = pairs.rows + left
    start = special.log_ndtr(gate.worth * math.sqrt(rows / square) - critical)
    return math.exp(min(float(log + passing - start), 100.0))
