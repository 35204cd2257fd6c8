"""How often a race accepts, drops and loses a candidate, and how many rows it asks for.

`python -m tests.benchmarks.racing` prints the table; seeded, so that it is the same each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from autoprompt_assets.engine.statistics import Gate, Pairs, looks


@dataclass(frozen=True)
class Figures:
    """Shares of simulated races; `rows` is the mean share of the validation rows that was asked.

    `full` is what the acceptance test alone would have accepted, `lost` those of it that were
    dropped. `accepted` and `lost` make up `full`.
    """

    full: float
    accepted: float
    lost: float
    dropped: float
    rows: float


@cache
def _drops(gate: Gate, wins: int, losses: int, seen: int, total: int) -> bool:
    return bool(gate.drops(_pairs(wins, losses, seen), total))


@cache
def _accepts(gate: Gate, wins: int, losses: int, total: int) -> bool:
    return gate.accepts(_pairs(wins, losses, total))[0]


def _pairs(wins: int, losses: int, seen: int) -> Pairs:
    return Pairs(seen, seen, wins, losses, float(wins - losses), float(wins + losses))


def simulate(
    gate: Gate, total: int, share: float, difference: float, samples: int = 2000
) -> Figures:
    """Races over `total` right/wrong rows, a `share` of which differ, and seed 1."""
    assert abs(difference) <= share
    drawn = np.random.default_rng(1).random((samples, total))
    won = (share + difference) / 2
    wins = (drawn < won).cumsum(axis=1)
    losses = ((drawn >= won) & (drawn < share)).cumsum(axis=1)
    ends = looks(total)
    results = np.array([_race(gate, ends, wins[at], losses[at]) for at in range(samples)])
    full, dropped, rows = results.T
    accepted = float(np.mean(full * (1 - dropped)))
    lost = float(np.mean(full * dropped))
    asked = float(np.mean(rows)) / total
    return Figures(float(np.mean(full)), accepted, lost, float(np.mean(dropped)), asked)


def _race(gate: Gate, ends: tuple[int, ...], wins: Any, losses: Any) -> tuple[bool, bool, int]:
    total = ends[-1]
    full = _accepts(gate, int(wins[-1]), int(losses[-1]), total)
    for end in ends[:-1]:
        if _drops(gate, int(wins[end - 1]), int(losses[end - 1]), end, total):
            return full, True, end
    return full, False, total


def main() -> None:
    """Print the table of the default gate."""
    gate = Gate()
    print(f"{gate}\n\n| rows | differ | difference | accepted | lost | dropped | rows asked |")
    print("| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for total in (50, 80, 150, 300):
        for share in (0.1, 0.2, 0.3, 0.4, 0.5):
            for difference in (-0.05, 0.0, 0.05, 0.1, 0.15, 0.2):
                if abs(difference) <= share:
                    figures = simulate(gate, total, share, difference)
                    print(
                        f"| {total} | {share:.0%} | {difference:+.2f} | {figures.accepted:.1%} "
                        f"| {figures.lost:.1%} | {figures.dropped:.1%} | {figures.rows:.0%} |"
                    )


if __name__ == "__main__":
    main()
