"""The files of one evaluation: its rows and, apart, how they were had. Both are streamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

from upath import UPath

from autoprompt_assets.engine.evaluation import RowResult, Summary
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.search import Sink, summary_json
from autoprompt_assets.resources.storage.files import (
    ParquetWriter,
    parquet_writer,
    read_batches,
    write_json,
)

if TYPE_CHECKING:
    import pyarrow as pa

TEXTS = (
    *("id", "name", "input", "target", "answer", "reasoning", "finish_reason"),
    *("outcome", "reason", "feedback", "metrics"),
)
COUNTS = (
    *("prompt_tokens", "completion_tokens"),
    *("review_prompt_tokens", "review_completion_tokens"),
)
COLUMNS = (*TEXTS, "value", "failed", "reviews", *COUNTS)
"""`metrics` is a JSON object, and empty where there are none; `reviews` are texts."""
TIMINGS = ("latency_s", "attempts")


class Unfinished(Exception):
    """The evaluation was left before its end: its files do not appear."""


class EvaluationFiles:
    """`<name>.parquet`, `<name>.timings.parquet` and, last, the numbers in `<name>.json`."""

    def __init__(self, folder: UPath, name: str) -> None:
        self._folder, self._name = folder, name

    @property
    def summary(self) -> UPath:
        """The file with the numbers: while it is missing, the evaluation has not ended."""
        return self._folder / f"{self._name}.json"

    @property
    def rows(self) -> UPath:
        """The file with the rows."""
        return self._folder / f"{self._name}.parquet"

    @property
    def _timings(self) -> UPath:
        return self._folder / f"{self._name}.timings.parquet"

    @contextmanager
    def opened(self) -> Iterator[Sink]:
        """See `Records.open_evaluation`."""
        schema, timed = _schemas()
        ended: list[Summary] = []
        try:
            with (
                parquet_writer(self.rows, schema) as rows,
                parquet_writer(self._timings, timed) as times,
            ):
                yield _Sink(rows, times, ended)
                if not ended:
                    raise Unfinished
        except Unfinished:
            return
        write_json(self.summary, summary_json(ended[0]))

    def batches(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """The rows, in their order, some thousand at a time: of `COLUMNS`, those asked for."""
        return read_batches(self.rows, columns)

    def timings(self, *columns: str) -> Iterator[pa.RecordBatch]:
        """The same of `id` and `TIMINGS`, which tell how the answers were had."""
        return read_batches(self._timings, columns)

    def read(self, *columns: str) -> Iterator[dict[str, Any]]:
        """The rows, in their order: of `COLUMNS`, those asked for."""
        for batch in self.batches(*columns):
            for values in zip(*batch.select(columns).to_pydict().values(), strict=True):
                yield dict(zip(columns, values, strict=True))


class _Sink:
    """Implements `engine.search.records.Sink`."""

    def __init__(self, rows: ParquetWriter, timings: ParquetWriter, ended: list[Summary]) -> None:
        self._rows, self._timings, self._ended = rows, timings, ended

    def add(self, rows: Sequence[RowResult]) -> None:
        self._rows.add(_row_columns(rows))
        self._timings.add(
            {
                "id": [row.example.id for row in rows],
                "latency_s": [row.completion and row.completion.latency_s for row in rows],
                "attempts": [row.completion and row.completion.attempts for row in rows],
            }
        )

    def finish(self, summary: Summary) -> None:
        self._ended.append(summary)


def _row_columns(rows: Sequence[RowResult]) -> dict[str, list[Any]]:
    completions, reviews = [row.completion for row in rows], [row.reviews for row in rows]
    both = [[one for one in (row.completion, *row.reviews) if one] for row in rows]
    return {
        "id": [row.example.id for row in rows],
        "name": [row.example.name for row in rows],
        "input": [row.example.inputs.text for row in rows],
        "target": [row.example.target_text for row in rows],
        "answer": [one and one.answer for one in completions],
        "reasoning": [one and one.reasoning for one in completions],
        "finish_reason": [one and one.finish_reason for one in completions],
        "outcome": [row.grade.outcome for row in rows],
        "value": [row.grade.value for row in rows],
        "reason": [row.grade.reason for row in rows],
        "feedback": [row.grade.feedback for row in rows],
        "metrics": [_metrics_json(row.grade.metrics) for row in rows],
        "failed": [row.failed for row in rows],
        "reviews": [[one.text or "" for one in calls] for calls in reviews],
        "prompt_tokens": [sum(one.prompt_tokens for one in calls) for calls in both],
        "completion_tokens": [sum(one.completion_tokens for one in calls) for calls in both],
        "review_prompt_tokens": [sum(one.prompt_tokens for one in calls) for calls in reviews],
        "review_completion_tokens": [
            sum(one.completion_tokens for one in calls) for calls in reviews
        ],
    }


def _metrics_json(metrics: Mapping[str, float]) -> str:
    return canonical_json(dict(metrics)) if metrics else ""


@cache
def _schemas() -> tuple[pa.Schema, pa.Schema]:
    import pyarrow as pa

    rows = [(name, pa.string()) for name in TEXTS]
    rows += [("value", pa.float64()), ("failed", pa.bool_()), ("reviews", pa.list_(pa.string()))]
    rows += [(name, pa.int64()) for name in COUNTS]
    timings = [("id", pa.string()), ("latency_s", pa.float64()), ("attempts", pa.int64())]
    return pa.schema(rows), pa.schema(timings)
