"""The strategies that an experiment may name: a line each, and those that packages add."""

from __future__ import annotations

from typing import Annotated

from autoprompt_assets.engine.kinds import Kinds
from autoprompt_assets.engine.optimizers.auto import AutoSpec
from autoprompt_assets.engine.optimizers.demos import DemosSpec
from autoprompt_assets.engine.optimizers.foreign import ForeignOptimizer
from autoprompt_assets.engine.optimizers.gepa import GepaSpec
from autoprompt_assets.engine.optimizers.mipro import MiproSpec
from autoprompt_assets.engine.optimizers.opro import OproSpec
from autoprompt_assets.engine.optimizers.protocol import Context, Optimizer
from autoprompt_assets.engine.optimizers.rescore import RescoreSpec
from autoprompt_assets.engine.optimizers.settings import GROUP, StrategySettings
from autoprompt_assets.engine.plugins import plugins

OWN: tuple[type[StrategySettings], ...] = (
    OproSpec,
    GepaSpec,
    MiproSpec,
    DemosSpec,
    AutoSpec,
    RescoreSpec,
)
STRATEGIES = Kinds(GROUP, "strategy", StrategySettings, OWN)  # type: ignore[type-abstract]
OptimizerSpec = Annotated[StrategySettings, STRATEGIES]
"""The settings of one strategy, as an experiment file gives them."""


def make_strategy(settings: StrategySettings, context: Context) -> Optimizer:
    """The strategy that `settings` stand for, told nothing yet."""
    if settings.strategy in plugins(GROUP):
        return ForeignOptimizer(settings, context)
    return settings.make(context)
