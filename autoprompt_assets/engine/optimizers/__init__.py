"""Strategies: each is asked for candidates and told how they scored. None performs I/O.

A strategy's state is what it was told, so telling it the stored iterations again, in order,
resumes it. Its randomness is a hash of (seed, step, purpose).
"""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.optimizers.base import (
    Optimizer,
    Proposal,
    Proposals,
    Question,
    Trial,
)
from autoprompt_assets.engine.optimizers.demos import Demos
from autoprompt_assets.engine.optimizers.opro import Opro
from autoprompt_assets.engine.optimizers.rescore import Rescore
from autoprompt_assets.engine.spec import DemosSpec, ExperimentSpec, OproSpec, RescoreSpec

__all__ = ["Optimizer", "Proposal", "Proposals", "Question", "Trial", "make_optimizer"]


def make_optimizer(
    spec: ExperimentSpec, train: Sequence[Example], earlier: Sequence[Sequence[Candidate]] = ()
) -> Optimizer:
    """The strategy that `spec` names. `earlier` are the candidates of the search to re-score."""
    match spec.optimizer:
        case OproSpec():
            assert spec.roles.optimizer is not None
            return Opro(spec.optimizer, spec.roles.optimizer.prompt)
        case DemosSpec():
            return Demos(spec.optimizer, spec.roles.target.prompt, train)
        case RescoreSpec():
            return Rescore(earlier)
