"""Gathers what the report shows from the files of a search."""

from __future__ import annotations

from collections.abc import Iterator

from autoprompt_assets.engine.report import ComparedRow, Report, render
from autoprompt_assets.engine.search import Best, History, Scored, TestOutcome
from autoprompt_assets.resources.storage import SIDES, compare_rows, disagreements, graded_answers
from autoprompt_assets.search_session import Session


def render_report(session: Session, history: History, best: Best, outcome: TestOutcome) -> str:
    """The report of a finished search, as one HTML file."""
    baseline = history.baseline
    return render(
        Report(
            experiment=session.name,
            description=session.spec.description,
            search=session.search_id,
            dataset_version=session.dataset.version,
            sizes={split: extent.rows for split, extent in session.dataset.extents.items()},
            roles=role_names(session),
            grader=session.spec.grader.kind,
            strategy=session.spec.optimizer.strategy,
            baseline=baseline,
            iterations=history.iterations,
            headroom=history.headroom,
            best=best,
            outcome=outcome,
            rows=_rows(session, baseline, best),
            spend=history.total(outcome),
        )
    )


def role_names(session: Session) -> dict[str, str]:
    """Which model serves each role, and where."""
    endpoints = session.llm.endpoints(session.spec)
    return {role: f"{endpoint.model} at {endpoint.name}" for role, endpoint in endpoints.items()}


def _rows(session: Session, baseline: Scored, best: Best) -> Iterator[ComparedRow]:
    """The test rows, one by one, on which one of the two prompts did better than the other."""
    choices = session.spec.roles.target.choices
    before, after = (
        session.records.evaluation("test", scored.candidate.id)
        for scored in (baseline, best.scored)
    )
    sides = [f"{side}_{name}" for name in ("answer", "outcome", "value") for side in SIDES]
    shown, own = ("id", "input", "target", *sides, "name"), ("answer", "outcome", "value")
    for batch in compare_rows(before, after, ("input", "target", "name"), own):
        unequal = disagreements(batch)
        columns = {name: unequal.column(name) for name in shown}
        columns |= {name: graded_answers(columns[name], choices) for name in sides[:2]}
        yield from map(ComparedRow, *(column.to_pylist() for column in columns.values()))
