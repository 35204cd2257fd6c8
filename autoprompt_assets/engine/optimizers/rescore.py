"""The candidates of an earlier search, step by step: a new grader on what was already answered."""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_assets.engine.optimizers.base import Proposal, Proposals, Reply, Step


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
