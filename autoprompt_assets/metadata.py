"""What a person reads about a materialization, as Dagster metadata. Model text is fenced."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any

import dagster as dg

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import Summary
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.report import confidence, optimism, unified, wear
from autoprompt_assets.engine.search import (
    AnswerCost,
    AnswerCosts,
    Best,
    Iteration,
    Scored,
    TestOutcome,
    leader,
)
from autoprompt_assets.engine.spend import CallCounts
from autoprompt_assets.resources.storage import DatasetRecord, SearchStore

FAILURES_SHOWN = 10
Metadata = dict[str, Any]


def fence(text: str, language: str = "text") -> str:
    """`text` as a Markdown code block whose fence is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    ticks = "`" * max(3, longest + 1)
    return f"{ticks}{language}\n{text}\n{ticks}"


def prompt_metadata(text: str) -> dg.MarkdownMetadataValue:
    """A prompt, as it is."""
    return dg.MetadataValue.md(fence(text))


def lines_metadata(lines: Sequence[str]) -> dg.MarkdownMetadataValue:
    """Lines of plain words, as a list."""
    return dg.MetadataValue.md("\n".join(f"* {_plain(line)}" for line in lines))


def dataset_metadata(record: DatasetRecord) -> Metadata:
    """Sizes, what was dropped, what was noticed."""
    sizes: Metadata = {f"rows {split}": extent.rows for split, extent in record.extents.items()}
    dropped = {f"dropped ({why})": count for why, count in record.dropped.items() if count}
    notes = {"notes": lines_metadata(record.notes)}
    return {"version": record.version, **sizes, **dropped, **(notes if record.notes else {})}


def summary_metadata(summary: Summary) -> Metadata:
    """Score, interval, rows, outcomes, and what the evaluation is charged, and one answer."""
    low, high = summary.ci95
    answer = AnswerCost.of(summary)
    return {
        "score": summary.score,
        "score ci95": f"{low:.3f} to {high:.3f}",
        "rows measured": f"{summary.measured} of {summary.rows}",
        "outcomes": dict(summary.outcomes),
        "tokens": summary.spend.tokens,
        "usd": summary.spend.usd,
        **({"one answer": str(answer)} if answer else {}),
        **(
            {"calls without a known price": summary.spend.unpriced}
            if summary.spend.unpriced
            else {}
        ),
    }


def counts_metadata(counts: CallCounts) -> Metadata:
    """What happened to this run's calls."""
    return {
        "calls made": counts.made,
        "calls replayed": counts.replayed,
        "calls failed": counts.failed,
        "usd paid now": counts.usd,
        **({"prompt tokens cached": counts.cached} if counts.cached else {}),
    }


def failures_metadata(records: SearchStore, candidate: Candidate, split: Split) -> Metadata:
    """The first rows of an evaluation that were not right."""
    names = ("name", "input", "target", "answer", "outcome")
    rows = records.evaluation(split, candidate.id).read(*names)
    wrong = islice((row for row in rows if row["outcome"] != "correct"), FAILURES_SHOWN)
    found = list(wrong)
    if not found:
        return {}
    held = [name for name in names if any(row[name] for row in found)]
    shown = [dg.TableRecord({name: _cell(row[name]) for name in held}) for row in found]
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in held])
    return {"sample of failures": dg.MetadataValue.table(shown, schema=schema)}


def iteration_metadata(step: Iteration, search: str, known: Mapping[str, Candidate]) -> Metadata:
    """One iteration: its best candidate and what that changed, and every other's record.

    `known` are the search's candidates by id: where the best one's parent is among them, or in
    this step, what changed is shown.
    """
    best = leader(step.scored) or (step.scored[0] if step.scored else None)
    shown: Metadata = {"status": step.status, "search": search}
    if step.strategy:
        shown["strategy"] = step.strategy
    if step.reason:
        shown["reason"] = _plain(step.reason)
    if best is not None:
        shown |= _scored_metadata(best)
        shown |= _diff_metadata(
            best, {**{s.candidate.id: s.candidate for s in step.scored}, **known}
        )
        shown["candidates"] = _table([_record(scored) for scored in step.scored])
    if step.rejected:
        shown["rejected"] = _table(
            [
                {
                    "id": one.proposal.candidate.id,
                    "why": _cell(one.reason),
                    "prompt": _cell(one.proposal.candidate.text()),
                    "parents": ", ".join(one.proposal.parents),
                    "note": _cell(one.proposal.note),
                }
                for one in step.rejected
            ]
        )
    if step.answers:
        shown["optimizer's words"] = prompt_metadata("\n\n---\n\n".join(step.answers))
    return shown


def best_metadata(best: Best, baseline: Scored, search: str) -> Metadata:
    """What was selected, and over what."""
    return {
        "search": search,
        "iteration": best.iteration,
        "baseline score": baseline.summary.score,
        **_scored_metadata(best.scored),
    }


def outcome_metadata(
    outcome: TestOutcome, best: Best, search: str, report: str, answers: AnswerCosts
) -> Metadata:
    """The verdict and what it rests on, by how much validation was too good, and cost in use."""
    comparison = outcome.comparison
    low, high = comparison.interval
    gap, won = optimism(best, outcome), comparison.won_interval
    return {
        "verdict": comparison.verdict,
        **({"verdict's reason": _plain(comparison.reason)} if comparison.reason else {}),
        "wear": wear(outcome.reading),
        "reading": outcome.reading,
        "level": comparison.level,
        "search": search,
        "difference": comparison.difference,
        f"difference, {confidence(comparison.level)} interval": f"{low:+.3f} to {high:+.3f}",
        "p value": comparison.p_value,
        "baseline test score": outcome.baseline.score,
        "best test score": outcome.best.score,
        "rows compared": comparison.rows,
        "wins": comparison.wins,
        "losses": comparison.losses,
        **({"won interval": f"{won[0]:.3f} to {won[1]:.3f}"} if won is not None else {}),
        **({"validation minus test score": gap} if gap is not None else {}),
        **({"one answer, baseline": str(answers.baseline)} if answers.baseline else {}),
        **({"one answer, best": str(answers.best)} if answers.best else {}),
        **({"one answer, compared": answers.warning} if answers.warning else {}),
        "report": dg.MetadataValue.path(report),
    }


def iteration_tags(
    step: Iteration, search: str, code_version: str, upstream: Mapping[str, dg.EventLogRecord]
) -> dict[str, str]:
    """Provenance of an iteration's event, as Dagster would write it for an asset's own result.

    Events that an asset yields itself carry none, and what is downstream would then stay fresh
    whatever the iterations do.
    """
    from dagster._core.definitions.data_version import (
        CODE_VERSION_TAG,
        DATA_VERSION_IS_USER_PROVIDED_TAG,
        DATA_VERSION_TAG,
        INPUT_DATA_VERSION_TAG_PREFIX,
        INPUT_EVENT_POINTER_TAG_PREFIX,
        extract_data_version_from_entry,
    )

    from autoprompt_assets.engine.search import iteration_json

    tags = {
        DATA_VERSION_TAG: content_hash([search, iteration_json(step)], 16),
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
        CODE_VERSION_TAG: code_version,
    }
    for asset, record in upstream.items():
        version = extract_data_version_from_entry(record.event_log_entry)
        if version is not None:
            tags[f"{INPUT_DATA_VERSION_TAG_PREFIX}/{asset}"] = version.value
        tags[f"{INPUT_EVENT_POINTER_TAG_PREFIX}/{asset}"] = str(record.storage_id)
    return tags


def _scored_metadata(scored: Scored) -> Metadata:
    return {
        **summary_metadata(scored.summary),
        "selectable": scored.selectable,
        "decision": scored.decision,
        "why": _plain(scored.why),
        "rows seen": scored.summary.rows,
        "estimate": scored.estimate,
        "candidate": scored.candidate.id,
        "parents": ", ".join(scored.proposal.parents) or "none",
        "how": scored.proposal.note,
        "prompt": prompt_metadata(scored.candidate.text()),
    }


def _diff_metadata(best: Scored, known: Mapping[str, Candidate]) -> Metadata:
    """What changed from its first parent that is known."""
    parent = next((known[one] for one in best.proposal.parents if one in known), None)
    found = unified(parent, best.candidate) if parent is not None else ""
    return {"diff": dg.MetadataValue.md(fence(found, "diff"))} if found else {}


def _record(scored: Scored) -> dict[str, str | int | float]:
    return {
        "id": scored.candidate.id,
        "decision": scored.decision,
        "rows seen": scored.summary.rows,
        "score": round(scored.summary.score, 4),
        "estimate": round(scored.estimate, 4),
        "parents": ", ".join(scored.proposal.parents),
        "note": _cell(scored.proposal.note),
        "why": _cell(scored.why),
    }


def _table(rows: Sequence[Mapping[str, str | int | float]]) -> dg.TableMetadataValue:
    """At least one row, all with the same columns."""
    kinds = {str: "string", int: "int", float: "float"}
    columns = [dg.TableColumn(name, kinds[type(value)]) for name, value in rows[0].items()]
    records = [dg.TableRecord(dict(row)) for row in rows]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))


def _cell(value: Any, limit: int = 300) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _plain(text: str) -> str:
    """`text` where Markdown may read it: marks that would make it more than text are escaped."""
    return re.sub(r"([\\`*_{}\[\]<>#|!])", r"\\\1", " ".join(text.split()))
