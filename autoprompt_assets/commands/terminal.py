"""What a terminal shows: progress while a run goes on, and the table at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from rich.console import Console, Group
from rich.panel import Panel
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from autoprompt_assets.commands.run import Outcome
from autoprompt_assets.engine.controls import for_terminal
from autoprompt_assets.engine.evaluation import RowResult, Summary
from autoprompt_assets.engine.report import phrases
from autoprompt_assets.engine.search import AnswerCost
from autoprompt_assets.engine.spend import CallCounts
from autoprompt_assets.engine.text import quantity
from autoprompt_assets.progress import LogProgress, Tally

REFRESH_S = 0.2
console = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class TerminalProgress(LogProgress):
    """A bar per evaluation on a terminal; elsewhere a line as each evaluation ends."""

    _bars: list[Progress] = field(default_factory=list, init=False, repr=False)

    def close(self) -> None:
        """End the bar of an evaluation that failed or was interrupted: it hides the cursor."""
        while self._bars:
            self._bars.pop().stop()

    def notice(self, text: str) -> None:
        """See `engine.evaluation.pipeline.Progress`."""
        console.print(Text(for_terminal(text)), soft_wrap=True)

    def evaluation(self, label: str, rows: int, counts: CallCounts) -> Callable[[RowResult], None]:
        """See `engine.evaluation.pipeline.Progress`."""
        tally = Tally(label, rows, counts)
        if not console.is_terminal:
            return _lines(tally)
        columns = (
            TextColumn("{task.description}"),
            BarColumn(24),
            TextColumn("{task.fields[said]}"),
        )
        bar = Progress(*columns, console=console, refresh_per_second=1 / REFRESH_S)
        bar.start()
        self._bars.append(bar)
        task = bar.add_task(label, total=rows, said="")
        shown = 0.0

        def told(row: RowResult) -> None:
            nonlocal shown
            tally.add(row)
            now, ended = time.monotonic(), tally.done == tally.rows
            if ended or now - shown >= REFRESH_S:
                shown = now
                bar.update(task, completed=tally.done, said=tally.line().split(": ", 1)[1])
            if ended:
                self.close()

        return told


def _lines(tally: Tally) -> Callable[[RowResult], None]:
    def told(row: RowResult) -> None:
        tally.add(row)
        if tally.done == tally.rows:
            console.print(Text(tally.line()), soft_wrap=True)

    return told


def show_outcome(outcome: Outcome, out: Console) -> None:
    """The table, the verdict, the best prompt, what it cost, where the files are."""
    table = Table(title=f"{outcome.experiment} (search {outcome.search})", title_justify="left")
    for heading in ("", "validation", "test (sealed)"):
        table.add_column(heading)
    best = outcome.best
    table.add_row("baseline", _score(outcome.baseline.summary), _score(outcome.test.baseline))
    table.add_row("  one answer", *map(_answer, (outcome.baseline.summary, outcome.test.baseline)))
    label = f"best (iteration {best.iteration})" if best.iteration else "best (the baseline)"
    table.add_row(label, _score(best.scored.summary), _score(outcome.test.best))
    table.add_row("  one answer", *map(_answer, (best.scored.summary, outcome.test.best)))
    text = for_terminal(best.scored.candidate.text())
    prompt = Panel(Text(text), title="best prompt", title_align="left")
    out.print(Group(table, _verdict(outcome), prompt, Text(_counts(outcome)), Text(_cost(outcome))))
    out.print(Text(f"the best prompt as it was sent: {outcome.request}"), soft_wrap=True)
    out.print(Text(f"report: {outcome.report}"), soft_wrap=True)


def _verdict(outcome: Outcome) -> Text:
    comparison = outcome.comparison
    low, high = comparison.interval
    verdict = Text.assemble(
        ("verdict: ", "bold"),
        (
            comparison.verdict,
            {"better": "bold green", "worse": "bold red"}.get(comparison.verdict, ""),
        ),
        f"  (difference {comparison.difference:+.3f}, "
        f"{phrases.confidence(comparison.level)} interval {low:+.3f} to {high:+.3f}, "
        f"{phrases.p_value(comparison.p_value, comparison.level)}, "
        f"{quantity(comparison.wins, 'row')} won and "
        f"{comparison.losses} lost of {comparison.rows})\n{phrases.wear(outcome.test.reading)}",
    )
    if outcome.gap is not None:
        verdict.append(f"\nvalidation minus test score of the best prompt: {outcome.gap:+.3f}")
    if outcome.answers.warning:
        verdict.append(f"\n{outcome.answers.warning}")
    return verdict.append(f"\n{_advice(outcome)}")


def _advice(outcome: Outcome) -> str:
    advice = {
        "better": "use the best prompt",
        "worse": "keep your prompt: the best on validation is worse on rows it was not chosen on",
        "not shown": "keep your prompt: no difference was shown on the sealed rows",
    }[outcome.comparison.verdict]
    if not outcome.best.iteration:
        advice = "keep your prompt: nothing that was tried scored higher on all validation rows"
        if not outcome.candidates["evaluated"]:
            advice = "keep your prompt: no other was scored"
            advice += f" ({for_terminal(outcome.ended)})" if outcome.ended else ""
    if outcome.comparison.reason:
        advice = f"keep your prompt: {outcome.comparison.reason}"
    if outcome.stopped:
        advice += f"\nthe search stopped early: {for_terminal(outcome.stopped)}"
    return advice


def _score(summary: Summary) -> str:
    low, high = summary.ci95
    rows = phrases.count(summary.total)
    return f"{summary.score:.3f}  [{low:.3f}, {high:.3f}]  {rows}/{summary.measured}"


def _answer(summary: Summary) -> str:
    return str(AnswerCost.of(summary) or "not measured")


def _counts(outcome: Outcome) -> str:
    counts = outcome.candidates
    return (
        f"candidates: {counts['evaluated']} evaluated, of which {counts['accepted']} accepted and "
        f"{counts['dropped']} dropped early; {counts['rejected']} rejected before any call"
    )


def _cost(outcome: Outcome) -> str:
    calls, spend = outcome.calls, outcome.spend
    price = f"${spend.usd:.4f}"
    if spend.unpriced:
        price += (
            f" and {quantity(spend.unpriced, 'call')} whose price is not known (set roles.*.price)"
        )
        if spend.unpriced == spend.calls:
            price = "not known (set roles.*.price)"
    else:
        price += f" at list prices; paid now: ${calls.usd:.4f}"
    if calls.cached and spend.usd:
        price += f" ({calls.cached:,} prompt tokens came from the provider's cache)"
    return (
        f"calls: {calls.made} made, {calls.replayed} replayed, {calls.failed} failed; "
        f"tokens: {spend.prompt_tokens} prompt, {spend.completion_tokens} completion; "
        f"cost of the search: {price}"
    )
