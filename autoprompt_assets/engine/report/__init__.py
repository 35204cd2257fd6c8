"""One HTML file that says what a search found: no script, nothing loaded, equal bytes each time.

Every text of a model, a dataset or a user is escaped by the template engine.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from autoprompt_assets.engine.compare import LEVEL, Comparison
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.records import Best, Iteration, Scored, TestOutcome
from autoprompt_assets.engine.report.chart import Mark, draw

__all__ = ["Report", "Row", "render"]

PREVIEW = 90
UNMEASURED = frozenset({"error", "unreviewed"})

# A browser drops or replaces these, and a lone surrogate cannot be written as UTF-8.
_CONTROLS: dict[int, int] = {
    **{code: 0x2400 + code for code in range(0x20) if chr(code) not in "\t\n"},
    0x7F: 0x2421,
    **dict.fromkeys(range(0x80, 0xA0), 0xFFFD),
    **dict.fromkeys(range(0xD800, 0xE000), 0xFFFD),
}


@dataclass(frozen=True)
class Row:
    """One sealed test row: what baseline and best answered, and what that was worth."""

    id: str
    input: str
    target: str
    baseline_answer: str | None
    best_answer: str | None
    baseline_outcome: str
    best_outcome: str


@dataclass(frozen=True)
class Report:
    """What the report shows. `roles` maps a role to "model at endpoint"."""

    experiment: str
    description: str
    search: str
    dataset_version: str
    sizes: Mapping[str, int]
    roles: Mapping[str, str]
    grader: str
    strategy: str
    baseline: Scored
    iterations: Sequence[Iteration]
    best: Best
    outcome: TestOutcome
    rows: Iterable[Row]
    spend: Spend


@dataclass(frozen=True)
class Tried:
    """One scored candidate and the iteration that it came from (0 is the baseline)."""

    iteration: int
    scored: Scored
    chosen: bool


@dataclass(frozen=True)
class Disagreements:
    """The sealed rows that only one of the two prompts had right."""

    wins: Sequence[Row]
    losses: Sequence[Row]


def render(report: Report) -> str:
    """The report as one HTML document."""
    tried = _tried(report)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            report=report,
            verdict=_verdict(report),
            comparison=report.outcome.comparison,
            tried=tried,
            chart=draw([_mark(one) for one in tried]),
            ended=_ended(report.iterations),
            disagreements=_disagreements(report.rows),
            cost=_cost(report.spend),
        )
    )


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters.update(
        percent=_percent, points=_points, p=_p_value, preview=_preview, parameters=_parameters
    )
    return environment


def _visible(value: Any) -> Any:
    """`value` with control characters as pictures of themselves; the engine escapes it next."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return value.replace("\r\n", "\n").replace("\r", "\n").translate(_CONTROLS)


def _tried(report: Report) -> list[Tried]:
    scored = [(0, report.baseline)]
    scored += [(step.iteration, one) for step in report.iterations for one in step.scored]
    chosen = (report.best.iteration, report.best.scored.candidate.id)
    return [
        Tried(iteration, one, (iteration, one.candidate.id) == chosen) for iteration, one in scored
    ]


def _mark(tried: Tried) -> Mark:
    summary, proposal = tried.scored.summary, tried.scored.proposal
    low, high = summary.ci95
    label = (
        f"iteration {tried.iteration}, {proposal.candidate.id}: {_percent(summary.score)} "
        f"({_percent(low)} to {_percent(high)})"
    )
    label += f", {proposal.note}" if proposal.note else ""
    return Mark(
        tried.iteration, summary.score, summary.ci95, tried.scored.selectable, tried.chosen, label
    )


def _ended(iterations: Sequence[Iteration]) -> list[tuple[str, str, str, int]]:
    """Iterations that gave no candidate or stopped: which, how, why, and prompts scored before."""
    short = [step for step in iterations if step.status != "scored"]
    # Iteration less place is equal along a run without a gap.
    keyed = [((step.status, step.reason, step.iteration - i), step) for i, step in enumerate(short)]
    ended = []
    for (status, reason, _), group in groupby(keyed, key=lambda pair: pair[0]):
        steps = [step for _, step in group]
        first, last = steps[0].iteration, steps[-1].iteration
        which = f"Iteration {first}" if first == last else f"Iterations {first} to {last}"
        ended.append((which, str(status), reason, sum(len(step.scored) for step in steps)))
    return ended


def _disagreements(rows: Iterable[Row]) -> Disagreements:
    """As the comparison counts them: a row that either prompt left unmeasured is none."""
    wins, losses = [], []
    for row in rows:
        if not UNMEASURED & {row.baseline_outcome, row.best_outcome}:
            if "correct" == row.best_outcome != row.baseline_outcome:
                wins.append(row)
            elif "correct" == row.baseline_outcome != row.best_outcome:
                losses.append(row)
    return Disagreements(wins, losses)


def _verdict(report: Report) -> str:
    comparison = report.outcome.comparison
    if report.best.iteration == 0:
        return (
            "No prompt that was tried scored higher than the first one on validation, "
            "so the first prompt stays."
        )
    if not comparison.rows:
        return "No difference was shown: no sealed test row was measured with both prompts."
    found = {
        "better": "The best prompt is better",
        "worse": "The best prompt is worse",
        "not shown": "No difference was shown",
    }[comparison.verdict]
    return f"{found}: {_measured(comparison)}."


def _measured(comparison: Comparison) -> str:
    low, high = comparison.ci95
    rows = f"{comparison.rows:,} sealed test row{'s' if comparison.rows != 1 else ''}"
    return (
        f"{_points(comparison.difference)} points on {rows} "
        f"(95% interval {_points(low)} to {_points(high)}, {_p_value(comparison.p_value)})"
    )


def _cost(spend: Spend) -> str:
    if spend.calls and spend.unpriced == spend.calls:
        return "not known: no call has a known price"
    cost = f"${spend.usd:,.2f}" if spend.usd >= 1 or not spend.usd else f"${spend.usd:.4f}"
    if not spend.unpriced:
        return cost
    calls = f"{spend.unpriced:,} call{'s' if spend.unpriced != 1 else ''}"
    return f"{cost}, and {calls} whose price is not known"


def _percent(share: float) -> str:
    return f"{share * 100:.1f}%"


def _points(difference: float) -> str:
    rounded = round(difference * 100, 1)
    return "0.0" if not rounded else f"{rounded:+.1f}".replace("-", "−")


def _p_value(p: float) -> str:
    if p >= 0.9995:
        return "p = 1"
    if p < 1e-6:
        return "p < 0.000001"
    # Near the level, two digits would not say on which side it is.
    near = abs(p - LEVEL) < LEVEL / 50
    significant = 1 if p < 0.001 else 3 if near else 2
    return f"p = {p:.{significant - 1 - math.floor(math.log10(p))}f}"


def _preview(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= PREVIEW else f"{line[: PREVIEW - 1]}…"


def _parameters(parameters: Mapping[str, Any]) -> str:
    return json.dumps(dict(parameters), ensure_ascii=False, sort_keys=True)
