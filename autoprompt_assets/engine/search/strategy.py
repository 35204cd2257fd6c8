"""The strategy of an experiment, made from what the experiment and its dataset give it."""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import LIMITS
from autoprompt_assets.engine.optimizers import (
    AcceptAll,
    CandidateCheck,
    Context,
    Optimizer,
    Proposal,
    Sizes,
    make_strategy,
)
from autoprompt_assets.engine.spec import ExperimentSpec


def make_optimizer(
    spec: ExperimentSpec,
    train: Sequence[Example],
    check: CandidateCheck,
    earlier: Sequence[Sequence[Proposal]] = (),
) -> Optimizer:
    """The strategy that `spec` names. `earlier` are the proposals of the search that it repeats."""
    return make_strategy(spec.optimizer, _context(spec, train, check, earlier))


def longest_question(spec: ExperimentSpec, train: Sequence[Example], sizes: Sizes) -> int:
    """Bytes of the longest question that the strategy of `spec` can begin a conversation with."""
    return spec.optimizer.longest_question(_context(spec, train, AcceptAll()), sizes)


def _context(
    spec: ExperimentSpec,
    train: Sequence[Example],
    check: CandidateCheck,
    earlier: Sequence[Sequence[Proposal]] = (),
) -> Context:
    target, writer = spec.roles.target, spec.roles.optimizer
    own = {**target.extra, "temperature": target.temperature}
    own |= dict.fromkeys(LIMITS, target.completion_limit)
    prompt = None if writer is None else writer.prompt
    return Context(target.first, train, check, spec.dataset.layout, prompt, own, earlier)
