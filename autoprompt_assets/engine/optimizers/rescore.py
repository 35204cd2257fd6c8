"""The candidates of an earlier search, step by step: a new grader on what was already answered."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import ClassVar, Literal

from pydantic import Field

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.dataset import near_id
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.example import Example, Split
from autoprompt_assets.engine.inputs import Layout
from autoprompt_assets.engine.lint import Leaks
from autoprompt_assets.engine.optimizers.protocol import (
    CandidateCheck,
    Context,
    Proposal,
    Proposals,
    Reply,
    Step,
)
from autoprompt_assets.engine.optimizers.settings import StrategySettings
from autoprompt_assets.engine.template import stray
from autoprompt_assets.engine.texts import AnyPrompt, FirstPrompt

_SCORED_ON: tuple[Split, ...] = ("test", "validation")


class RescoreSpec(StrategySettings):
    """The candidates of an earlier search again, under this file's grader."""

    invents: ClassVar[bool] = False

    strategy: Literal["rescore"]
    search: str = Field(pattern=r"^[0-9a-f]{12}$")

    @property
    def repeats(self) -> str:
        """See `StrategySettings`."""
        return self.search

    def make(self, context: Context) -> Rescore:
        """See `StrategySettings`."""
        return Rescore(context.earlier)


class Rescore:
    """Proposes what was proposed before, whatever it scores now."""

    def __init__(self, earlier: Sequence[Sequence[Proposal]]) -> None:
        self._earlier = earlier
        self._step = 0

    def ask(self, replies: Sequence[Reply]) -> Proposals:
        """The earlier search's proposals of this step, with the parents that they had there."""
        place = self._step - 1
        proposals = tuple(self._earlier[place]) if 0 <= place < len(self._earlier) else ()
        reason = "" if proposals else "the earlier search had none here"
        return Proposals(proposals, reason, (), "rescore")

    def tell(self, step: Step) -> None:
        """Each call ends a step."""
        self._step += 1


class Apart:
    """The judge of an earlier search's candidates: none may hold a row that it is scored on here.

    Under another split, rows that were train's then are validation's or test's now. `rows` are all
    of this search, in any order; a demo is known by its inputs, near duplicates included, and an
    instruction holds a row as `lint.copies` says. What `first`, the first prompt, holds itself is
    no row.
    """

    def __init__(self, first: AnyPrompt, rows: Sequence[Example]) -> None:
        self._first = FirstPrompt.of(first).texts
        self._rows = [row for row in rows if row.split in _SCORED_ON]

    def problem(self, candidate: Candidate, known: Collection[str]) -> str:
        """Which rows it holds, in words, or that it was made for other columns; empty where neither
        is so. All are unknown to it.
        """
        misfit = self._misfit(candidate)
        if misfit:
            return misfit
        held = Counter(self._splits.get(near_id(*demo.inputs.values())) for demo in candidate.demos)
        shown_rows = [_count(held[split], split) for split in _SCORED_ON if held[split]]
        if shown_rows:
            return f"it shows {' and '.join(shown_rows)} of this search as demos"
        changed = [text for text in candidate.texts.values() if text not in self._first.values()]
        for split, leaks in self._leaks.items():
            text = next(filter(None, map(leaks.copied, changed)), "")
            if text:
                return f"it holds {shown(' '.join(text.split()))}, a {split} row of this search"
        return ""

    def _misfit(self, candidate: Candidate) -> str:
        if candidate.texts.keys() != self._first.keys():
            return (
                f"its texts are {', '.join(candidate.texts)}, and those of this search are "
                f"{', '.join(self._first)}"
            )
        if not self._rows:
            return ""
        layout = Layout(tuple(self._rows[0].inputs))
        for demo in candidate.demos:
            if tuple(demo.inputs) != layout.columns:
                return (
                    f"its demos have the inputs {', '.join(demo.inputs)}, and the rows of this "
                    f"search have {', '.join(layout.columns)}"
                )
        unknown = stray(candidate.instruction, layout.names)
        return f"it holds {unknown[0]}, which nothing fills in this search" if unknown else ""

    @cached_property
    def _splits(self) -> dict[str, Split]:
        return {near_id(*row.inputs.values()): row.split for row in self._rows}

    @cached_property
    def _leaks(self) -> dict[Split, Leaks]:
        return {
            split: Leaks(self._first.joined(), [row for row in self._rows if row.split == split])
            for split in _SCORED_ON
        }


def unscored(earlier: Sequence[Sequence[Proposal]], check: CandidateCheck) -> str:
    """How many candidates of the earlier search cannot be scored here; empty where all can.

    Raises:
        InputError: none of them can.
    """
    found = {one.candidate.id: one.candidate for step in earlier for one in step}
    problems = [problem for one in found.values() if (problem := check.problem(one, ()))]
    if not problems:
        return ""
    held = "hold rows that this search scores them on, or other columns"
    example = f"the first: {problems[0]}"
    mend = (
        "score them under the split that they were found in (the dataset.seed and dataset.split "
        "of that search, and its dataset.inputs)"
    )
    if len(problems) == len(found):
        raise InputError(
            f"optimizer.search: all {len(found)} candidates {held} ({example}); {mend}"
        )
    return (
        f"{len(problems)} of {len(found)} candidates {held} and are not scored ({example}); to "
        f"have them all, {mend}"
    )


def _count(rows: int, split: Split) -> str:
    return f"{rows} {split} row" if rows == 1 else f"{rows} {split} rows"
