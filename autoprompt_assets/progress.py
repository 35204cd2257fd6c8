"""How a run tells what it is doing: a line per evaluation and now and then one between."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from autoprompt_assets.engine.controls import for_terminal
from autoprompt_assets.engine.evaluation import RowResult
from autoprompt_assets.engine.spend import CallCounts
from autoprompt_assets.engine.text import quantity


class Tally:
    """An evaluation as it goes: rows done, graded, their score, and what they cost."""

    def __init__(self, label: str, rows: int, counts: CallCounts) -> None:
        self.label, self.rows = label, rows
        self._counts, self._before = counts, replace(counts)
        self.done = self.measured = 0
        self._total = 0.0
        self._usd, self._unpriced = 0.0, 0

    def add(self, row: RowResult) -> None:
        """One more row is done."""
        self.done += 1
        if row.grade.value is not None:
            self.measured += 1
            self._total += row.grade.value
        for completion in filter(None, (row.completion, *row.reviews)):
            self._usd += completion.usd or 0.0
            self._unpriced += completion.usd is None

    def line(self) -> str:
        """The tally in words."""
        made = self._counts.made - self._before.made
        replayed = self._counts.replayed - self._before.replayed
        rows = f"{self.label}: {self.done}/{self.rows} rows"
        if self.done > self.measured:
            rows += f" ({self.done - self.measured} without a grade)"
        score = f"score {self._total / self.measured:.3f}" if self.measured else "no score"
        price = f"${self._usd:.4f}"
        if self._unpriced:
            price = f"{price} or more" if self._usd else "price not known"
        return f"{rows}, {score}, {quantity(made, 'call')} made, {replayed} replayed, {price}"


@dataclass(frozen=True)
class LogProgress:
    """Progress as log lines: each costs milliseconds, so one in `every_s` seconds at most."""

    every_s: float = 5.0
    totals: CallCounts = field(default_factory=CallCounts)
    """The calls of every piece of work that was done."""

    def notice(self, text: str) -> None:
        """See `engine.evaluation.pipeline.Progress`."""
        _logger().warning(for_terminal(text))

    def evaluation(self, label: str, rows: int, counts: CallCounts) -> Callable[[RowResult], None]:
        """See `engine.evaluation.pipeline.Progress`."""
        tally, log = Tally(label, rows, counts), _logger()
        last = time.monotonic()

        def told(row: RowResult) -> None:
            nonlocal last
            tally.add(row)
            now = time.monotonic()
            if tally.done == tally.rows or now - last >= self.every_s:
                last = now
                log.info(tally.line())

        return told


def _logger() -> logging.Logger:
    # Whoever only checks an experiment tells nothing and needs no Dagster.
    from dagster import get_dagster_logger

    return get_dagster_logger()
