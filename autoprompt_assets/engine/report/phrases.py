"""How the report says its figures, in words. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from autoprompt_assets.engine.report.tree import Entry
from autoprompt_assets.engine.search import Best, TestOutcome
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import Comparison, level_of

PREVIEW = 90
MOST_SHOWN = 20_000
"""Characters of a text that no call was spent on."""


def verdict(best: Best, comparison: Comparison) -> str:
    """The sealed test's answer as one sentence."""
    if best.iteration == 0:
        return (
            "No prompt that was tried scored higher than the first one on all validation rows, "
            "so the first prompt stays."
        )
    if not comparison.rows:
        return "No difference was shown: no sealed test row was measured with both prompts."
    found = {
        "better": "The best prompt is better",
        "worse": "The best prompt is worse",
        "not shown": "No difference was shown",
    }[comparison.verdict]
    low, high = comparison.interval
    rows = f"{comparison.rows:,} sealed test row{'s' if comparison.rows != 1 else ''}"
    sentence = (
        f"{found}: {points(comparison.difference)} points on {rows} "
        f"({confidence(comparison.level)} interval {points(low)} to {points(high)}, "
        f"{p_value(comparison.p_value, comparison.level)})."
    )
    return f"{sentence} {comparison.reason}." if comparison.reason else sentence


def wear(number: int) -> str:
    """What the verdict of that number on its rows is judged at, and what that does not mend."""
    if number == 1:
        return f"the first verdict on these rows: judged at {judged(1)}"
    earlier = "one" if number == 2 else "ones"
    return (
        f"the {ordinal(number)} verdict on these rows: judged at {judged(number)}; not corrected "
        f"for what was changed after seeing the earlier {earlier}"
    )


def judged(number: int) -> str:
    """The level of the verdict of that number, and the interval to match."""
    level = level_of(number)
    share = f" (.05/{number})" if number > 1 else ""
    return f"{_plain(level).removeprefix('0')}{share}, {confidence(level)} interval"


def confidence(level: float) -> str:
    """The confidence of an interval at `level`, with as many digits as tell it from 100%."""
    return f"{100 - Decimal(_plain(100 * level))}%"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, …"""
    endings = {1: "st", 2: "nd", 3: "rd"}
    ending = "th" if number % 100 in (11, 12, 13) else endings.get(number % 10, "th")
    return f"{number:,}{ending}"


def _plain(level: float) -> str:
    """Three digits, never with an exponent."""
    return f"{Decimal(f'{level:.3g}'):f}"


def optimism(best: Best, outcome: TestOutcome) -> float | None:
    """Validation minus test score of the best prompt; `None` where a side has no measured row."""
    validation, test = best.scored.summary, outcome.best
    return validation.score - test.score if validation.measured and test.measured else None


def won(comparison: Comparison) -> str:
    """The share of wins among the rows that differ; empty where no row can be a win or a loss."""
    differ = comparison.wins + comparison.losses
    if comparison.won_interval is None or not differ:
        return ""
    low, high = comparison.won_interval
    return (
        f"{percent(comparison.wins / differ)} of {differ} "
        f"({confidence(comparison.level)} interval {percent(low)} to {percent(high)})"
    )


def gained(entry: Entry) -> str:
    """How a dropped candidate stood against the best so far; empty for any other."""
    if entry.gain is None:
        return ""
    seen = f"{entry.scored.summary.rows:,} of {entry.rows:,} rows seen"
    return f"{points(entry.gain)} points{entry.bound} on {seen}"


def cost(spend: Spend) -> str:
    """What the calls cost, and for how many that is not known."""
    if spend.calls and spend.unpriced == spend.calls:
        return "not known: no call has a known price"
    cost = f"${spend.usd:,.2f}" if spend.usd >= 1 or not spend.usd else f"${spend.usd:.4f}"
    if not spend.unpriced:
        return cost
    calls = f"{spend.unpriced:,} call{'s' if spend.unpriced != 1 else ''}"
    return f"{cost}, and {calls} whose price is not known"


def percent(share: float) -> str:
    """A share."""
    return f"{share * 100:.1f}%"


def points(difference: float) -> str:
    """A difference of two shares, with its sign."""
    rounded = round(difference * 100, 1)
    return "0.0" if not rounded else f"{rounded:+.1f}".replace("-", "−")


def p_value(p: float, level: float) -> str:
    """With as many digits as matter beside the level that it is judged at."""
    if p >= 0.9995:
        return "p = 1"
    if p < min(1e-6, level):
        return "p < 0.000001"
    places = (0 if p < level / 50 else 1) - math.floor(math.log10(p))
    # Near the level, few digits would not say on which side it is.
    while (float(f"{p:.{places}f}") < level) != (p < level):
        places += 1
    return f"p = {p:.{places}f}"


def preview(text: str) -> str:
    """The beginning of a text, in one line."""
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW else f"{line[: PREVIEW - 1]}…"


def shortened(text: str) -> str:
    """A text of which a model may have written any amount; the search's records hold it whole."""
    left_out = len(text) - MOST_SHOWN
    if left_out <= 0:
        return text
    return f"{text[:MOST_SHOWN]}\n… {left_out:,} more characters stand in the search's records"


def parameters(parameters: Mapping[str, Any]) -> str:
    """Request parameters as JSON."""
    return json.dumps(dict(parameters), ensure_ascii=False, sort_keys=True)


def value(number: float) -> str:
    """A row's value, or a metric's mean."""
    return f"{number:.3f}".rstrip("0").removesuffix(".")


def count(number: float) -> str:
    """A number of rows, which graded values can make a fraction."""
    return f"{number:,.1f}".removesuffix(".0")
