"""A portfolio: each step goes to the strategy that has gained most for its calls.

As in a bandit with few pulls: a strategy's index is its gain per call, recent steps first, with a
step of modest gain put before its own (a prior), so that those not tried yet are tried while those
that were tried do not gain more, and one that stops gaining falls back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeVar

from pydantic import Field

from autoprompt_assets.engine.fields import Whole
from autoprompt_assets.engine.optimizers.demos import DemosSpec
from autoprompt_assets.engine.optimizers.gepa import GepaFields, GepaSpec
from autoprompt_assets.engine.optimizers.mipro import MiproFields, MiproSpec
from autoprompt_assets.engine.optimizers.opro import OproFields, OproSpec
from autoprompt_assets.engine.optimizers.protocol import (
    Ask,
    Context,
    Optimizer,
    Proposals,
    Reply,
    Sizes,
    Step,
    Trial,
    Work,
)
from autoprompt_assets.engine.optimizers.settings import StrategySettings

Part = TypeVar("Part", bound=StrategySettings)

PRIOR_GAINS = {"gepa": 0.06, "demos": 0.04, "mipro": 0.03, "opro": 0.02}
"""Score that a strategy's first step is thought to gain: what was wrong tells more than a score."""
PRIOR_GAIN = 0.04
FADING = 0.7
"""What a gain counts after each later step of the same strategy; its cost counts for ever."""
LEAST_COST = 0.25
"""What a step costs at least, in baselines: one that comes to nothing is cheap, and no bargain."""
SURVIVED = 0.25
"""What a gain counts that was seen on all rows and is no evidence yet."""

TURNS = 0.5
"""Share of the steps that each half of the strategies likely gets: those that write prompts, and
those that show demos."""


class AutoSpec(OproFields, GepaFields, MiproFields):
    """Gives each step to the strategy that has gained most, of those that the roles allow."""

    strategy: Literal["auto"] = "auto"
    iterations: Whole = Field(12, ge=1, le=99)

    def parts(self, writes: bool, rows: bool = True) -> Iterator[tuple[str, StrategySettings]]:
        """The strategies that the roles and the rows allow, each with its own of these settings.

        `writes`: there is an optimizer model; `rows`: there are train rows.
        """
        if writes:
            yield "gepa", self._part(GepaSpec, "gepa")
        if rows:
            yield "demos", self._part(DemosSpec, "demos")
            yield "mipro", self._part(MiproSpec, "mipro")
        if writes:
            yield "opro", self._part(OproSpec, "opro")

    def _part(self, settings: type[Part], name: str) -> Part:
        shared = settings.model_fields.keys() - {"strategy"}
        return settings.model_validate(
            {"strategy": name, **{field: getattr(self, field) for field in shared}}
        )

    def problems(self, writer: str | None, train: float) -> Iterator[str]:
        """See `StrategySettings`."""
        yield from self.needs_history(writer)
        if writer is None:
            yield from self.needs_rows(
                train, "takes demos from there where there is no roles.optimizer"
            )

    def most(self, writes: bool) -> Work:
        """See `StrategySettings`: each step may be any part's."""
        return self._most(writes, [part.most(writes) for _, part in self.parts(writes)])

    def usual(self, writes: bool) -> Work:
        """See `StrategySettings`: two kinds of parts take turns."""
        return self._most(writes, [part.usual(writes) for _, part in self.parts(writes)])

    def _most(self, writes: bool, works: Sequence[Work]) -> Work:
        return Work(
            max(work.conversations for work in works),
            max(work.attempts for work in works),
            max(work.probes for work in works),
            max(work.probe_rows for work in works),
            max(work.demos for work in works),
            TURNS if writes else 1.0,
        )

    def longest_question(self, context: Context, sizes: Sizes) -> int:
        """See `StrategySettings`: any part's."""
        parts = self.parts(context.writer is not None, bool(context.train))
        return max((part.longest_question(context, sizes) for _, part in parts), default=0)

    def make(self, context: Context) -> Auto:
        """See `StrategySettings`."""
        parts = self.parts(context.writer is not None, bool(context.train))
        return Auto({name: part.make(context) for name, part in parts})


class Auto:
    """`parts` by name, in the order in which they are tried where nothing else decides.

    All are told everything, so each builds on what the others have found.
    """

    def __init__(self, parts: Mapping[str, Optimizer]) -> None:
        self.parts = parts
        self._steps: list[tuple[str, float, int]] = []
        self._best = 0.0
        self._told = 0

    def ask(self, replies: Sequence[Reply]) -> Ask:
        """What the strategy whose turn it is asks; one that has nothing left is passed over."""
        for name in sorted(self.parts, key=self._index, reverse=True):
            begun = self.parts[name].ask(())
            if not isinstance(begun, Proposals) or begun.proposals:
                return self.parts[name].ask(replies) if replies else begun
        return Proposals((), "no strategy has a candidate left")

    def tell(self, step: Step) -> None:
        """How a step did, whoever proposed it."""
        for part in self.parts.values():
            part.tell(step)
        gain = sum(self._gain(trial) for trial in step.trials)
        if self._told:
            self._steps.append((step.strategy, gain, step.calls))
        else:
            self._unit = max(1, step.calls)
        self._told += 1

    def _gain(self, trial: Trial) -> float:
        if trial.score is None or trial.dropped:
            return 0.0
        gain = max(0.0, trial.score - self._best)
        if trial.accepted:
            self._best = trial.score
            return gain
        return SURVIVED * gain

    def _index(self, name: str) -> float:
        gains, calls, weight = PRIOR_GAINS.get(name, PRIOR_GAIN), float(self._unit), 1.0
        for strategy, gain, cost in reversed(self._steps):
            if strategy == name:
                gains += weight * gain
                calls += max(cost, LEAST_COST * self._unit)
                weight *= FADING
        return gains / calls
