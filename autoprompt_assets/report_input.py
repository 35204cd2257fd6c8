"""Gathers what the report shows from the files of a search."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.report import ComparedRow, Report, render
from autoprompt_assets.engine.search import Best, History, Scored, TestOutcome
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.statistics import Confusion
from autoprompt_assets.resources.storage import (
    SIDES,
    SearchStore,
    compare_rows,
    disagreements,
    graded_answers,
)
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
            grader=_grader(session.spec),
            strategy=session.spec.optimizer.strategy,
            baseline=baseline,
            iterations=history.iterations,
            headroom=history.headroom,
            best=best,
            outcome=outcome,
            rows=_rows(session, baseline, best),
            spend=history.total(outcome),
            seconds=read_seconds(session.records),
            confusions=read_confusions(session, (baseline, best.scored)),
        )
    )


def _grader(spec: ExperimentSpec) -> str:
    """The grader's kind; of several, each with its weight."""
    parts = (spec.graders or {}).items()
    return ", ".join(f"{n}: {one.kind} x {one.weight:g}" for n, one in parts) or spec.grading.kind


def read_seconds(records: SearchStore) -> dict[tuple[Split, str], float | None]:
    """What one answer took, of every stored evaluation."""
    return {one: records.read_seconds(*one) for one in records.evaluations()}


def read_confusions(session: Session, candidates: Sequence[Scored]) -> dict[str, Confusion | None]:
    """Answers by target on the test rows, of candidates that have been tested."""
    choices = session.spec.roles.target.choices
    names = dict.fromkeys(one.candidate.id for one in candidates)
    return {one: session.records.read_confusion("test", one, choices) for one in names}


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
    own = ("answer", "outcome", "value", "feedback")
    sides = [f"{side}_{name}" for name in own for side in SIDES]
    shown = ("id", "input", "target", *sides, "name")
    for batch in compare_rows(before, after, ("input", "target", "name"), own):
        unequal = disagreements(batch)
        columns = {name: unequal.column(name) for name in shown}
        columns |= {name: graded_answers(columns[name], choices) for name in sides[:2]}
        yield from map(ComparedRow, *(column.to_pylist() for column in columns.values()))
