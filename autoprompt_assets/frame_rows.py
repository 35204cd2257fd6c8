"""The rows of data frames as Arrow tables: iterations, evaluations, the sealed comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any, get_args

from autoprompt_assets.changes import differing, values_at
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.controls import json_text
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.grading import Outcome
from autoprompt_assets.engine.price import Price
from autoprompt_assets.engine.search import (
    AnswerCost,
    Best,
    History,
    Iteration,
    Scored,
    TestOutcome,
    ended,
)
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.resources.storage import (
    SIDES,
    EvaluationFiles,
    SearchStore,
    compare_rows,
    graded_answers,
    merge_rows,
    winners,
)

if TYPE_CHECKING:
    import pyarrow as pa

TEXT, WHOLE, NUMBER, FLAG, TIME = "string", "int64", "double", "bool", "time"
TEXTS = "list of string"
SEARCHES = {
    **{"search": TEXT, "started": TIME, "strategy": TEXT, "iterations": WHOLE},
    **{"calls": WHOLE, "prompt_tokens": WHOLE, "completion_tokens": WHOLE, "usd": NUMBER},
    **{"verdict": TEXT, "differs": TEXT},
}
ITERATIONS = {
    **{"iteration": WHOLE, "status": TEXT, "strategy": TEXT, "candidate": TEXT, "decision": TEXT},
    **{"reason": TEXT, "best": FLAG, "score": NUMBER, "low": NUMBER, "high": NUMBER},
    **{"estimate": NUMBER, "rows": WHOLE, "measured": WHOLE, "selectable": FLAG},
    **dict.fromkeys(get_args(Outcome), WHOLE),
    **{"calls": WHOLE, "prompt_tokens": WHOLE, "completion_tokens": WHOLE, "usd": NUMBER},
    **{"answer_prompt_tokens": NUMBER, "answer_completion_tokens": NUMBER, "answer_usd": NUMBER},
    **{"answer_seconds": NUMBER, "metrics": TEXT},
    **{"iteration_calls": WHOLE, "iteration_tokens": WHOLE, "iteration_usd": NUMBER},
    **{"parents": TEXT, "note": TEXT, "instruction": TEXT, "demos": WHOLE, "parameters": TEXT},
    **{"prompt": TEXT},
}
EVALUATIONS = {
    **{"iteration": WHOLE, "candidate": TEXT, "split": TEXT, "id": TEXT, "name": TEXT},
    **{"input": TEXT, "target": TEXT, "answer": TEXT, "outcome": TEXT},
    **{"value": NUMBER, "failed": FLAG, "reason": TEXT, "feedback": TEXT, "metrics": TEXT},
    **{"reply": TEXT, "reviews": TEXTS, "reasoning": TEXT, "finish_reason": TEXT},
    **{"prompt_tokens": WHOLE, "completion_tokens": WHOLE, "usd": NUMBER},
    **{"latency_s": NUMBER, "attempts": WHOLE},
}
COMPARISON = {
    **{"id": TEXT, "name": TEXT, "input": TEXT, "target": TEXT},
    **{"baseline_answer": TEXT, "best_answer": TEXT},
    **{"baseline_outcome": TEXT, "best_outcome": TEXT},
    **{"baseline_value": NUMBER, "best_value": NUMBER, "winner": TEXT},
}
_COUNTS = (
    *("prompt_tokens", "completion_tokens"),
    *("review_prompt_tokens", "review_completion_tokens"),
)
_MADE_FROM = {
    **{"reply": ("answer",), "usd": _COUNTS},
    **dict.fromkeys(("iteration", "candidate", "split", "latency_s", "attempts"), ()),
}
"""The stored columns that a column is made from, where that is not itself."""
_TIMED = ("latency_s", "attempts")


def table_of(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> pa.Table:
    """`rows` as a table; what a row lacks is null."""
    import pyarrow as pa

    return pa.Table.from_pylist(list(rows), schema=pa.schema([*_fields(columns)]))


def search_row(search: str, records: SearchStore, last: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one search; `last` is the spec of the search that began last."""
    spec, outcome, steps = records.read_spec(), records.read_outcome(), records.read_iterations()
    fields = {path: values_at(spec, path) for path in differing(last, spec)}
    return {
        "search": search,
        "started": datetime.fromtimestamp(records.started, UTC),
        "strategy": next(iter(values_at(spec, "optimizer.strategy")), None),
        "iterations": ended(steps),
        **_path(records, steps, outcome),
        "verdict": outcome and outcome.comparison.verdict,
        "differs": json_text({path: one for path, found in fields.items() for one in found}),
    }


def _path(
    records: SearchStore, steps: Sequence[Iteration], outcome: TestOutcome | None
) -> dict[str, Any]:
    """What all of a search is charged; nothing before its baseline, where nothing has ended."""
    baseline, room = records.read_baseline(), records.read_headroom()
    if baseline is None or room is None:
        return {}
    return _charged(History(baseline, *room, tuple(steps)).total(outcome))


def _charged(spend: Spend) -> dict[str, Any]:
    return {
        "calls": spend.calls,
        "prompt_tokens": spend.prompt_tokens,
        "completion_tokens": spend.completion_tokens,
        "usd": None if spend.unpriced else spend.usd,
    }


def iteration_rows(
    baseline: Scored | None,
    steps: Sequence[Iteration],
    best: Best | None,
    seconds: Callable[[str], float | None],
) -> Iterator[dict[str, Any]]:
    """A row per candidate: the baseline as iteration 0, then each iteration's in the order in which
    they were tried, and those that were refused; one row of an iteration that gave none. `seconds`
    tells what an answer of a candidate took.
    """
    if baseline is not None:
        yield {"iteration": 0, "status": "scored", **_scored(baseline, 0, best, seconds)}
    for step in steps:
        spend = step.spend
        shared = {
            "iteration": step.iteration,
            "status": step.status,
            "strategy": step.strategy or None,
            "iteration_calls": spend.calls,
            "iteration_tokens": spend.tokens,
            "iteration_usd": None if spend.unpriced else spend.usd,
        }
        for scored in step.scored:
            yield {**shared, **_scored(scored, step.iteration, best, seconds)}
        for one in step.rejected:
            proposal = _candidate(one.proposal.candidate, one.proposal.parents, one.proposal.note)
            yield {**shared, "decision": "rejected", "reason": one.reason, **proposal}
        if not (step.scored or step.rejected):
            yield {**shared, "reason": step.reason}


def _scored(
    scored: Scored, iteration: int, best: Best | None, seconds: Callable[[str], float | None]
) -> dict[str, Any]:
    summary, answer = scored.summary, AnswerCost.of(scored.summary)
    chosen = best and (best.iteration, best.scored.candidate.id) == (iteration, scored.candidate.id)
    low, high = summary.ci95
    return {
        "decision": scored.decision,
        "reason": scored.why,
        "best": chosen,
        **({"score": summary.score, "low": low, "high": high} if summary.measured else {}),
        "estimate": scored.estimate,
        "rows": summary.rows,
        "measured": summary.measured,
        "selectable": scored.selectable,
        **{outcome: summary.outcomes.get(outcome, 0) for outcome in get_args(Outcome)},
        **_charged(summary.spend),
        "answer_prompt_tokens": answer and answer.prompt_tokens,
        "answer_completion_tokens": answer and answer.completion_tokens,
        "answer_usd": answer and answer.usd,
        "answer_seconds": seconds(scored.candidate.id),
        "metrics": json_text(dict(summary.metrics)) if summary.metrics else "",
        **_candidate(scored.candidate, scored.proposal.parents, scored.proposal.note),
    }


def _candidate(candidate: Candidate, parents: Sequence[str], note: str) -> dict[str, Any]:
    return {
        "candidate": candidate.id,
        "parents": " ".join(parents),
        "note": note,
        "instruction": candidate.instruction,
        "demos": len(candidate.demos),
        "parameters": json_text(dict(candidate.parameters), sort_keys=True),
        "prompt": candidate.text(),
    }


@dataclass(frozen=True)
class EvaluationRows:
    """One stored evaluation as rows of the frame `evaluations`.

    `iteration` is `None` while that is under way. `prices` are those of the roles.
    """

    files: EvaluationFiles
    iteration: int | None
    candidate: str
    split: Split
    choices: Sequence[str]
    prices: Mapping[str, Price | None]

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Of the columns of `EVALUATIONS`, those asked for; no others are read.

        Raises:
            InputError: a file is missing or damaged.
        """
        import pyarrow as pa

        made_from = [_MADE_FROM.get(name, (name,)) for name in columns]
        stored = dict.fromkeys(["id", *(one for names in made_from for one in names)])
        timed = [name for name in columns if name in _TIMED]
        rows = self.files.batches(*stored)
        if timed:
            times = self.files.timings("id", *timed)
            both = merge_rows(rows, times, self.files.rows)
        else:
            both = ((batch, batch) for batch in rows)
        fields = list(_fields({name: EVALUATIONS[name] for name in columns}))
        for batch, other in both:
            values = [
                self._column(field, other if field.name in timed else batch) for field in fields
            ]
            yield pa.record_batch(values, schema=pa.schema(fields))

    def _column(self, field: pa.Field, batch: pa.RecordBatch) -> pa.Array:
        import pyarrow as pa

        name = field.name
        if name in ("iteration", "candidate", "split"):
            return pa.repeat(pa.scalar(getattr(self, name), field.type), batch.num_rows)
        if name == "usd":
            return pa.array(self._usd(batch), field.type)
        if name == "answer":
            return graded_answers(batch.column(name), self.choices)
        return batch.column("answer" if name == "reply" else name)

    def _usd(self, batch: pa.RecordBatch) -> list[float | None]:
        """List prices. Many rows have equal counts, and a price may have tiers."""
        counts = zip(*(batch.column(name).to_pylist() for name in _COUNTS), strict=True)
        known = self._charged
        return [known[one] if one in known else self._charge(*one) for one in counts]

    def _charge(self, prompt: int, completion: int, judged: int, verdict: int) -> float | None:
        usd: float | None = 0.0
        parts = {"target": (prompt - judged, completion - verdict), "review": (judged, verdict)}
        for role, tokens in parts.items():
            price = self.prices.get(role)
            if price is not None and usd is not None:
                usd += price.list_usd(*tokens)
            elif any(tokens):
                usd = None
        return self._charged.setdefault((prompt, completion, judged, verdict), usd)

    @cached_property
    def _charged(self) -> dict[tuple[int, ...], float | None]:
        return {}


def comparison_batches(
    before: EvaluationFiles, after: EvaluationFiles, choices: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The sealed comparison, row by row, with the columns of `COMPARISON`."""
    import pyarrow as pa

    schema = pa.schema([*_fields(COMPARISON)])
    own = ("answer", "outcome", "value")
    for batch in compare_rows(before, after, ("name", "input", "target"), own):
        columns = {name: batch.column(name) for name in batch.schema.names}
        for side in SIDES:
            name = f"{side}_answer"
            columns[name] = graded_answers(columns[name], choices)
        columns["winner"] = winners(batch)
        yield pa.record_batch([columns[name] for name in COMPARISON], schema=schema)


def gather(batches: Iterable[pa.RecordBatch], columns: Mapping[str, str]) -> pa.Table:
    """The batches as one table, which may have no rows."""
    import pyarrow as pa

    return pa.Table.from_batches(list(batches), schema=pa.schema([*_fields(columns)]))


@cache
def _types() -> dict[str, Any]:
    import pyarrow as pa

    types = {TEXT: pa.string(), WHOLE: pa.int64(), NUMBER: pa.float64(), FLAG: pa.bool_()}
    return {**types, TIME: pa.timestamp("us", tz="UTC"), TEXTS: pa.list_(pa.string())}


def _fields(columns: Mapping[str, str]) -> Iterator[pa.Field]:
    import pyarrow as pa

    return (pa.field(name, _types()[kind]) for name, kind in columns.items())
