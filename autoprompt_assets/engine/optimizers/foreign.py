"""A strategy of an installed package: what it does wrong ends the run with a line that says so."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.optimizers.protocol import (
    Ask,
    Context,
    Probe,
    Proposals,
    Question,
    Reply,
    Step,
)
from autoprompt_assets.engine.optimizers.settings import StrategySettings


class ForeignOptimizer:
    """Asks and tells what `settings` make.

    Raises:
        InputError: from each of its methods, where the package's code failed.
    """

    def __init__(self, settings: StrategySettings, context: Context) -> None:
        self._name = settings.strategy
        self._train = {row.id for row in context.train}
        with self._blamed():
            self._optimizer = settings.make(context)

    def ask(self, replies: Sequence[Reply]) -> Ask:
        """What it asks, looked at: its class, and that a probe's rows are train rows."""
        with self._blamed():
            asked = self._optimizer.ask(replies)
            if not isinstance(asked, Question | Probe | Proposals):
                raise TypeError(f"asked for {type(asked).__name__}: no question, probe, proposals")
            if isinstance(asked, Probe) and not self._train.issuperset(asked.rows):
                raise ValueError("a probe's rows are no train rows")
        return asked

    def tell(self, step: Step) -> None:
        """How the candidates of a step did."""
        with self._blamed():
            self._optimizer.tell(step)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # whatever somebody else's code does
            said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            raise InputError(
                f"optimizer.strategy = {self._name!r} failed ({said}); mend its package"
            ) from error
