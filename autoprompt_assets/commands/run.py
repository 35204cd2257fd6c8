"""One experiment, all five assets, in this process: what `autoprompt run` does.

Three runs, as the UI's backfill makes them: one run cannot mix assets of different partitions.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import dagster as dg

from autoprompt_assets.assets import STAGES, optimizer_iterations
from autoprompt_assets.checks import CHECKS
from autoprompt_assets.commands.begun import Begun
from autoprompt_assets.commands.instance import open_instance, working_storage
from autoprompt_assets.configuration import Bench
from autoprompt_assets.engine.errors import RunFailed
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.journal import run_present
from autoprompt_assets.engine.report import optimism, wear
from autoprompt_assets.engine.search import (
    AnswerCost,
    AnswerCosts,
    Best,
    Iteration,
    Scored,
    TestOutcome,
)
from autoprompt_assets.engine.spend import CallCounts, Spend
from autoprompt_assets.engine.statistics import Comparison, Confusion, Headroom
from autoprompt_assets.partitions import iteration_range
from autoprompt_assets.progress import LogProgress
from autoprompt_assets.report_input import read_confusions, read_seconds
from autoprompt_assets.resources.storage import required
from autoprompt_assets.search_session import open_session, read_history

INTERRUPTS = ("DagsterExecutionInterruptedError", "KeyboardInterrupt")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass
class Outcome:
    """A finished run. `spend` is what its path costs, at list prices.

    `calls` are this run's.
    """

    experiment: str
    search: str
    baseline: Scored
    best: Best
    test: TestOutcome
    headroom: Headroom
    candidates: dict[str, int]
    """How many beside the baseline; see `counted`."""
    spend: Spend
    request: str
    report: str
    stopped: str = ""
    """Why the search ended before its last iteration; empty where it did not."""
    ended: str = ""
    """How its last iteration ended, where that gave no candidate."""
    calls: CallCounts = field(default_factory=CallCounts)
    tried: Sequence[tuple[int, Scored]] = ()
    """Each candidate that was scored, with its iteration."""
    seconds: Mapping[tuple[Split, str], float | None] = field(default_factory=dict)
    """What an answer took, by split and candidate."""
    confusions: Mapping[str, Confusion | None] = field(default_factory=dict)
    """Answers by target on the test rows, of the candidates there."""

    @property
    def answers(self) -> AnswerCosts:
        """What one answer of each prompt costs."""
        return AnswerCosts.of(self.baseline, self.best.scored, self.test)

    @property
    def comparison(self) -> Comparison:
        """The sealed test's statistics."""
        return self.test.comparison

    @property
    def gap(self) -> float | None:
        """The best prompt's validation score minus its test score."""
        return optimism(self.best, self.test)

    def as_json(self) -> dict[str, Any]:
        """What `autoprompt run --json` prints; `usd` and `usd_paid` are null where a price is
        unknown.
        """
        comparison, unpriced = self.comparison, bool(self.spend.unpriced)
        answers = self.answers
        return {
            "experiment": self.experiment,
            "best_prompt": self.best.scored.candidate.text(),
            "best_candidate": self.best.scored.candidate.as_json(),
            "baseline": {
                "validation": self.baseline.summary.score,
                "test": self.test.baseline.score,
                "answer": _answer(answers.baseline, self._took(self.baseline)),
                "confusion": self._confusion(self.baseline),
                "metrics": dict(self.test.baseline.metrics),
            },
            "best": {
                "validation": self.best.scored.summary.score,
                "test": self.test.best.score,
                "answer": _answer(answers.best, self._took(self.best.scored)),
                "confusion": self._confusion(self.best.scored),
                "metrics": dict(self.test.best.metrics),
                "iteration": self.best.iteration,
            },
            "comparison": {
                "difference": comparison.difference,
                "interval": list(comparison.interval),
                "confidence": 1 - comparison.level,
                "level": comparison.level,
                "p_value": comparison.p_value,
                "verdict": comparison.verdict,
                "reason": comparison.reason,
                "reading": self.test.reading,
                "wear": wear(self.test.reading),
            },
            "validation_minus_test": self.gap,
            "headroom": self.headroom.as_json(),
            "candidates": self.candidates,
            "tried": [self._tried(number, scored) for number, scored in self.tried],
            "stopped": self.stopped or None,
            "calls": {
                "made": self.calls.made,
                "replayed": self.calls.replayed,
                "failed": self.calls.failed,
            },
            "tokens": {
                "prompt": self.spend.prompt_tokens,
                "completion": self.spend.completion_tokens,
            },
            "usd": None if unpriced else round(self.spend.usd, 6),
            "usd_paid": None if unpriced else round(self.calls.usd, 6),
            "cached_tokens": self.calls.cached,
            "best_request": self.request,
            "report": self.report,
        }

    def _took(self, scored: Scored) -> float | None:
        of = scored.candidate.id
        return self.seconds.get(("test", of), self.seconds.get(("validation", of)))

    def _confusion(self, scored: Scored) -> dict[str, Any] | None:
        found = self.confusions.get(scored.candidate.id)
        return found.as_json() if found else None

    def _tried(self, number: int, scored: Scored) -> dict[str, Any]:
        summary = scored.summary
        return {
            "iteration": number,
            "candidate": scored.candidate.id,
            "decision": scored.decision,
            "score": summary.score if summary.measured else None,
            "rows": summary.rows,
            "answer": _answer(
                AnswerCost.of(summary), self.seconds.get(("validation", scored.candidate.id))
            ),
            "metrics": dict(summary.metrics),
        }


def run_experiment(name: str, bench: Bench, progress: LogProgress) -> Outcome:
    """Materialize all five assets of `name`.

    Raises:
        RunFailed: an asset failed, or what it works on was changed meanwhile; what is downstream of
            it was not started.
        JournalError: the journal cannot be locked.
    """
    begun = Begun.now(name, bench)
    # Between two of its assets no search is at work, and its answers must stay.
    with run_present(bench.store.journal, name, progress.notice):
        _materialize(name, bench, progress, begun)
    return _outcome(name, bench, progress)


def _materialize(name: str, bench: Bench, progress: LogProgress, begun: Begun) -> None:
    resources = bench.definitions(progress)
    with open_instance() as instance:
        for stage in STAGES:
            begun.refuse_changed(progress)
            with working_storage(instance):
                result = dg.materialize(
                    [*itertools.chain(*STAGES), *CHECKS],
                    selection=dg.AssetSelection.assets(*stage),
                    instance=instance,
                    resources=resources,
                    run_config=QUIET,
                    raise_on_error=False,
                    **_partition(name, stage),
                )
            for event in result.get_asset_materialization_events():
                data = event.step_materialization_data.materialization.metadata
                begun.search = begun.search or _text(data, "search")
            if not result.success:
                if _interrupted(result):
                    raise KeyboardInterrupt
                begun.refuse_changed(progress)
                raise RunFailed(_failure(result))
    begun.refuse_changed(progress)


def _outcome(name: str, bench: Bench, progress: LogProgress) -> Outcome:
    session = open_session(name, bench.experiments, bench.llm, bench.store)
    steps = session.records.read_iterations()[: session.spec.optimizer.iterations]
    history = read_history(session, steps)
    best = required(session.records.read_best(), "best_prompt", name)
    outcome = required(session.records.read_outcome(), "test_comparison", name)
    spend = history.total(outcome)
    return Outcome(
        name,
        session.search_id,
        history.baseline,
        best,
        outcome,
        history.headroom,
        counted(steps),
        spend,
        session.records.request_path,
        session.records.report_path,
        next((step.reason for step in steps if step.status == "stopped"), ""),
        steps[-1].reason if steps and steps[-1].status == "unusable" else "",
        progress.totals,
        [(step.iteration, scored) for step in steps for scored in step.scored],
        read_seconds(session.records),
        read_confusions(session, (history.baseline, best.scored)),
    )


def counted(steps: Sequence[Iteration]) -> dict[str, int]:
    """How many candidates were evaluated, and of those accepted or dropped; and how many rejected.

    Those that are neither accepted nor dropped have seen all rows without being shown better.
    """
    decisions = [scored.decision for step in steps for scored in step.scored]
    return {
        "evaluated": len(decisions),
        "accepted": decisions.count("accepted"),
        "dropped": decisions.count("dropped"),
        "rejected": sum(len(step.rejected) for step in steps),
    }


def _partition(name: str, stage: Sequence[dg.AssetsDefinition]) -> dict[str, Any]:
    tags = {"autoprompt/experiment": name}
    if optimizer_iterations not in stage:
        return {"partition_key": name, "tags": tags}
    first, last = iteration_range(name)
    return {
        "tags": {
            **tags,
            "dagster/asset_partition_range_start": first,
            "dagster/asset_partition_range_end": last,
        }
    }


def _answer(cost: AnswerCost | None, seconds: float | None) -> dict[str, Any] | None:
    return cost.as_json(seconds) if cost else None


def _text(metadata: Mapping[str, Any], name: str) -> str:
    value = metadata.get(name)
    return str(value.value) if value is not None else ""


def _interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """True where a signal ended a step: Dagster makes a failure of it."""
    errors = [e.step_failure_data.error for e in result.all_node_events if e.is_step_failure]
    return any(error and error.cls_name in INTERRUPTS for error in errors)


def _failure(result: dg.ExecuteInProcessResult) -> str:
    lines = []
    for event in result.all_node_events:
        if event.is_step_failure:
            data = event.step_failure_data
            said = data.user_failure_data.description if data.user_failure_data else None
            if not said and data.error is not None:
                error = data.error.cause or data.error
                said = error.message.strip().splitlines()[0]
            lines.append(f"{event.step_key}: {said}")
    if not lines:
        failed = result.filter_events(lambda event: event.is_failure)
        found = [event.job_failure_data.error for event in failed if event.is_job_failure]
        lines = [error.message.strip().splitlines()[0] for error in found if error is not None]
    return "\n".join(lines) or "the run failed; see the Dagster UI (`autoprompt dev`)"
