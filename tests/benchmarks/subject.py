"""The product as its search uses it, measured like its peers.

    python -m tests.benchmarks.subject live|replay BASE_URL --rows N --concurrency N

A row is built, looked up in the journal, asked over HTTP, journaled on disk, graded and stored as
Parquet. Row `i` is `measure.question(i)` under `measure.INSTRUCTION`, asked of `measure.MODEL`. A
process runs one function once.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path

from upath import UPath

from autoprompt_assets.engine.budget import UNLIMITED
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import Asker, Evaluator, RowResult, Summary
from autoprompt_assets.engine.example import Example, SplitRows
from autoprompt_assets.engine.journal import Calls, Journal
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import CallCounts
from autoprompt_assets.resources.llm import LLMResource
from autoprompt_assets.resources.storage import ExperimentStore
from tests.benchmarks.measure import INSTRUCTION, MODEL, Figures, Meter, question, tell
from tests.row_support import text_example

SEARCH = "0123456789ab"
WARM_UP = 300


class Quiet:
    """No progress: what a terminal shows is not measured here."""

    def notice(self, text: str) -> None:
        print(text, flush=True)

    def evaluation(self, label: str, rows: int, counts: CallCounts) -> Callable[[RowResult], None]:
        return lambda row: None


def spec_of(base_url: str, concurrency: int) -> ExperimentSpec:
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "rows.csv"},
            "endpoints": {"bench": {"base_url": base_url, "model": MODEL}},
            "roles": {"target": {"endpoint": "bench", "prompt": INSTRUCTION, "max_tokens": 100}},
            "grader": {"kind": "contains"},
            "optimizer": {"strategy": "demos"},
            "concurrency": concurrency,
        }
    )


def examples(first: int, rows: int) -> Iterator[Example]:
    for number in range(first, first + rows):
        name = f"{number:016x}"
        yield text_example(name, name, question(number), "circle", "validation")


async def evaluate(spec: ExperimentSpec, folder: Path, source: SplitRows) -> Summary:
    """One candidate over `source`, with all that a search's evaluation does."""
    llm, store = LLMResource(), ExperimentStore(UPath(folder), "benchmark").search(SEARCH)
    async with AsyncExitStack() as stack:
        journal = Journal(f"sqlite:///{folder / 'journal.db'}", "benchmark", SEARCH)
        await stack.enter_async_context(journal)
        client = await stack.enter_async_context(llm.connect(spec, limits=journal.limits))
        calls = await stack.enter_async_context(Calls(client, journal))
        subject = Evaluator(
            Asker(calls, llm.models(spec), spec.make_grader()), spec.concurrency, 1.0, Quiet()
        )
        candidate = Candidate(INSTRUCTION)
        with store.open_evaluation(candidate, "validation") as sink:
            totals = await subject.evaluate(candidate, source, "benchmark", UNLIMITED, sink.add)
            summary = totals.summary()
            sink.finish(summary)
        return summary


def made(first: int, rows: int) -> SplitRows:
    """Rows `first` …, made as they are read, so that none is held."""
    return SplitRows("validation", rows, partial(examples, first, rows))


def live(
    base_url: str, rows: int, concurrency: int, *, warm: bool = True, home: Path | None = None
) -> Figures:
    """Evaluate `rows` rows that no journal knows; `failed` counts rows without an answer.

    The warm-up asks few rows one at a time, so that the ramp is measured. `warm` is false where
    the server counts requests or limits their rate; then nothing is asked before, but all is
    loaded, as it is for the peers: openai's package is, else, at the first call, and pandas, which
    pyarrow looks for, at the first rows. `home` is another run's folder, whose rows are others.
    """
    with ExitStack() as stack:
        path = home or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        first = 0 if home is None else int.from_bytes(os.urandom(4))
        if warm:
            asyncio.run(evaluate(spec_of(base_url, 1), path, made(rows, WARM_UP)))
        else:
            for module in ("autoprompt_assets.resources.endpoints.sender", "pandas"):
                import_module(module)
            asyncio.run(evaluate(spec_of(base_url, 1), path, made(first, 0)))
        with Meter() as meter:
            summary = asyncio.run(evaluate(spec_of(base_url, concurrency), path, made(first, rows)))
    return meter.figures(rows, summary.rows - summary.measured)


def replay(base_url: str, rows: int, concurrency: int) -> Figures:
    """Evaluate `rows` rows that the journal has, made before; no request may be made."""
    spec = spec_of(base_url, concurrency)
    known = list(examples(0, rows))
    source = SplitRows("validation", rows, lambda: known)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(evaluate(spec, Path(folder), source))
        with Meter() as meter:
            summary = asyncio.run(evaluate(spec, Path(folder), source))
    return meter.figures(rows, summary.rows - summary.measured)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.subject")
    parser.add_argument("what", choices=("live", "replay"))
    parser.add_argument("base_url")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--concurrency", type=int, required=True)
    parser.add_argument("--cold", action="store_true", help="without a warm-up")
    parser.add_argument("--home", type=Path, help="an earlier run's folder, for live")
    chosen = parser.parse_args()
    where = (chosen.base_url, chosen.rows, chosen.concurrency)
    if chosen.what == "replay":
        tell(replay(*where))
    else:
        tell(live(*where, warm=not chosen.cold, home=chosen.home))


if __name__ == "__main__":
    main()
