"""Strategies: each is asked for candidates and told how they scored. None performs I/O.

A strategy's state is what it was told, so telling it the stored iterations again, in order,
resumes it. Its randomness is a hash of (seed, step, purpose).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import LIMITS
from autoprompt_assets.engine.optimizers.auto import Auto
from autoprompt_assets.engine.optimizers.demos import Demos
from autoprompt_assets.engine.optimizers.gepa import Gepa
from autoprompt_assets.engine.optimizers.gepa import longest_question as gepa_question
from autoprompt_assets.engine.optimizers.mipro import Mipro
from autoprompt_assets.engine.optimizers.mipro import longest_question as mipro_question
from autoprompt_assets.engine.optimizers.opro import Opro
from autoprompt_assets.engine.optimizers.opro import longest_question as opro_question
from autoprompt_assets.engine.optimizers.protocol import Judge, Optimizer, Proposal, Sizes, Unjudged
from autoprompt_assets.engine.optimizers.rescore import Rescore
from autoprompt_assets.engine.optimizers.settings import (
    AutoSpec,
    DemosSpec,
    GepaSpec,
    MiproSpec,
    OproSpec,
    RescoreSpec,
)
from autoprompt_assets.engine.spec import ExperimentSpec

__all__ = ["longest_question", "make_optimizer"]


def make_optimizer(
    spec: ExperimentSpec,
    train: Sequence[Example],
    judge: Judge,
    earlier: Sequence[Sequence[Proposal]] = (),
) -> Optimizer:
    """The strategy that `spec` names. `earlier` are the proposals of the search to re-score."""
    first = spec.roles.target.prompt
    match spec.optimizer:
        case OproSpec():
            return _opro(spec, spec.optimizer, train, judge)
        case GepaSpec():
            return Gepa(spec.optimizer, first, train, judge, spec.dataset.columns)
        case DemosSpec():
            return Demos(spec.optimizer, first, train, judge)
        case MiproSpec():
            return _mipro(spec, spec.optimizer, train, judge)
        case AutoSpec():
            return Auto(dict(_parts(spec, spec.optimizer, train, judge)))
        case RescoreSpec():
            return Rescore(earlier)


def longest_question(spec: ExperimentSpec, train: Sequence[Example], sizes: Sizes) -> int:
    """Bytes of the longest question that the strategy of `spec` can put to the optimizer model."""
    optimizer = make_optimizer(spec, train, Unjudged())
    parts = optimizer.parts.values() if isinstance(optimizer, Auto) else (optimizer,)
    found = [0]
    for part in parts:
        if isinstance(part, Opro):
            found.append(opro_question(part, spec.roles.target.prompt, sizes))
        elif isinstance(part, Gepa):
            found.append(gepa_question(part, sizes))
        elif isinstance(part, Mipro):
            found.append(mipro_question(part, sizes))
    return max(found)


def _parts(
    spec: ExperimentSpec, auto: AutoSpec, train: Sequence[Example], judge: Judge
) -> Iterator[tuple[str, Optimizer]]:
    """The strategies that the roles and the rows allow."""
    first = spec.roles.target.prompt
    if spec.roles.optimizer is not None:
        yield "gepa", Gepa(auto, first, train, judge, spec.dataset.columns)
    if train:
        yield "demos", Demos(auto, first, train, judge)
        yield "mipro", _mipro(spec, auto, train, judge)
    if spec.roles.optimizer is not None:
        yield "opro", _opro(spec, auto, train, judge)


def _opro(
    spec: ExperimentSpec, opro: OproSpec | AutoSpec, train: Sequence[Example], judge: Judge
) -> Opro:
    assert spec.roles.optimizer is not None
    return Opro(opro, spec.roles.optimizer.prompt, train, judge, spec.dataset.columns)


def _mipro(
    spec: ExperimentSpec, mipro: MiproSpec | AutoSpec, train: Sequence[Example], judge: Judge
) -> Mipro:
    target = spec.roles.target
    own = {**target.extra, "temperature": target.temperature}
    own |= dict.fromkeys(LIMITS, target.completion_limit)
    writes = spec.roles.optimizer is not None
    return Mipro(mipro, target.prompt, train, judge, writes, own)
