"""What every strategy speaks: ask and tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from autoprompt_assets.engine.candidate import Candidate, Message


@dataclass(frozen=True)
class Proposal:
    """A candidate to try, the candidates it came from, and a word on how."""

    candidate: Candidate
    parents: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Proposals:
    """The candidates of one iteration; empty with a `reason` when none could be had."""

    proposals: tuple[Proposal, ...]
    reason: str = ""


@dataclass(frozen=True)
class Question:
    """What the optimizer model must be asked before `ask` can go on."""

    messages: tuple[Message, ...]
    replicate: int = 0


@dataclass(frozen=True)
class Trial:
    """A candidate and how it did on validation. `score` is `None` when it cannot be selected."""

    proposal: Proposal
    score: float | None


class Optimizer(Protocol):
    """A strategy. It sees train and validation, never files, endpoints or the test split."""

    def ask(self, answers: Sequence[str]) -> Question | Proposals:
        """The next step's candidates.

        `answers` are the optimizer model's answers to this step's questions so far, in order;
        while more are needed, the next question is returned.
        """

    def tell(self, trials: Sequence[Trial]) -> None:
        """How the candidates of a step did. The first step told is the baseline."""
