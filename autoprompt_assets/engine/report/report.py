"""One HTML file that says what a search found: no script, nothing loaded, equal bytes each time.

Every text of a model, a dataset or a user is escaped by the template engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from autoprompt_assets.engine.controls import CONTROLS, for_page
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.optimizers import Rejected
from autoprompt_assets.engine.report import phrases
from autoprompt_assets.engine.report.chart import ScorePoint, draw
from autoprompt_assets.engine.report.tree import Entry, entries, tree
from autoprompt_assets.engine.search import (
    AnswerCost,
    AnswerCosts,
    Best,
    Iteration,
    Scored,
    TestOutcome,
)
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import Confusion, Gate, Headroom

__all__ = ["ComparedRow", "Report", "render"]


@dataclass(frozen=True)
class ComparedRow:
    """One sealed test row: what baseline and best answered, and what that was worth."""

    id: str
    input: str
    target: str
    baseline_answer: str | None
    best_answer: str | None
    baseline_outcome: str
    best_outcome: str
    baseline_value: float | None
    best_value: float | None
    baseline_feedback: str = ""
    best_feedback: str = ""
    name: str = ""
    """What the user calls the row."""

    @property
    def difference(self) -> float:
        """The best's value minus the baseline's; 0 where either is unmeasured."""
        if self.baseline_value is None or self.best_value is None:
            return 0.0
        return self.best_value - self.baseline_value


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
    headroom: Headroom
    iterations: Sequence[Iteration]
    best: Best
    outcome: TestOutcome
    rows: Iterable[ComparedRow]
    spend: Spend
    seconds: Mapping[tuple[Split, str], float | None] = field(default_factory=dict)
    """What one answer took, by split and candidate."""
    confusions: Mapping[str, Confusion | None] = field(default_factory=dict)
    """Answers by target on the test rows, by candidate."""

    def took(self, split: Split, scored: Scored) -> float | None:
        """Seconds of one answer, where they are known."""
        return self.seconds.get((split, scored.candidate.id))

    def confusion(self, scored: Scored) -> Confusion | None:
        """Of a candidate on the test rows, where targets are few."""
        return self.confusions.get(scored.candidate.id)


@dataclass(frozen=True)
class Disagreements:
    """The sealed rows that one of the two prompts had more right than the other, the greatest
    difference first.
    """

    wins: Sequence[ComparedRow]
    losses: Sequence[ComparedRow]


def render(report: Report) -> str:
    """The report as one HTML document."""
    tried = entries(report.baseline, report.iterations, report.best)
    comparison = report.outcome.comparison
    page = template().render(
        report=report,
        verdict=phrases.verdict(report.best, comparison),
        comparison=comparison,
        wear=phrases.wear(report.outcome.reading),
        won=phrases.won(comparison),
        optimism=phrases.optimism(report.best, report.outcome),
        gate=Gate(),
        tried=tried,
        lineage=tree(tried),
        rejected=_rejected(report.iterations),
        chart=draw([_mark(one) for one in tried]),
        ended=_ended(report.iterations),
        disagreements=_disagreements(report.rows),
        cost=phrases.cost(report.spend),
        dearer=AnswerCosts.of(report.baseline, report.best.scored, report.outcome).warning,
    )
    return for_page(page)


@cache
def template() -> Template:
    """The page's template: it takes longer to compile than to fill."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    environment.filters.update(
        percent=phrases.percent,
        points=phrases.points,
        p=phrases.p_value,
        confidence=phrases.confidence,
        preview=phrases.preview,
        shortened=phrases.shortened,
        parameters=phrases.parameters,
        gained=phrases.gained,
        count=phrases.count,
        value=phrases.value,
        answer=AnswerCost.of,
    )
    return environment.get_template("report.html.j2")


def _visible(value: Any) -> Any:
    """`value` with control characters as pictures of themselves; the engine escapes it next."""
    if not isinstance(value, str) or isinstance(value, Markup):
        return value
    return value.replace("\r\n", "\n").replace("\r", "\n").translate(CONTROLS)


def _mark(entry: Entry) -> ScorePoint:
    """A dropped candidate stands at its estimate; the interval of its own rows says little."""
    scored, proposal = entry.scored, entry.scored.proposal
    low, high = scored.summary.ci95
    dropped = scored.decision == "dropped"
    label = f"iteration {entry.iteration}, {proposal.candidate.id}, {scored.decision}: "
    if dropped:
        label += f"{phrases.gained(entry)}, about {phrases.percent(scored.estimate)} on all"
    else:
        label += f"{phrases.percent(scored.summary.score)} "
        label += f"({phrases.percent(low)} to {phrases.percent(high)})"
    label += f", {proposal.note}" if proposal.note else ""
    at = scored.estimate if dropped else scored.summary.score
    interval = (at, at) if dropped else (low, high)
    return ScorePoint(
        entry.iteration, at, interval, scored.selectable, entry.chosen, label, scored.decision
    )


def _rejected(iterations: Sequence[Iteration]) -> list[tuple[int, str, Rejected]]:
    return [(step.iteration, step.strategy, one) for step in iterations for one in step.rejected]


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


def _disagreements(rows: Iterable[ComparedRow]) -> Disagreements:
    """As the scores count them: a row that either prompt left unmeasured is none."""
    unequal = [row for row in rows if row.difference]
    wins = sorted((row for row in unequal if row.difference > 0), key=lambda row: -row.difference)
    losses = sorted((row for row in unequal if row.difference < 0), key=lambda row: row.difference)
    return Disagreements(wins, losses)
