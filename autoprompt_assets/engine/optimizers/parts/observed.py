"""What the trials of a search tell TPE of a space: which texts do well, and the scores."""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_assets.engine.optimizers.parts.space import Point, Space
from autoprompt_assets.engine.optimizers.protocol import Trial
from autoprompt_assets.engine.texts import Texts

POOL = 12
"""Instructions that TPE chooses from; with more, what is known of each is too little."""
PRIOR_ROWS = 16
"""A dropped trial's difference counts half after so many rows."""


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """The best first; of equal ones the earlier; those without a score last."""
    return sorted(trials, key=_score, reverse=True)


def promising(
    space: Space, trials: Sequence[Trial], best: Texts, given: Sequence[Texts]
) -> list[Sequence[int]]:
    """Each axis's indices: all of them, of more than `POOL` texts of a name those that did best.

    `best` are the incumbent's texts, `given` the first prompt and the wordings beside it.
    """
    axes: list[Sequence[int]] = [range(size) for size in space.sizes]
    for axis, (name, texts) in enumerate(space.texts.items()):
        if len(texts) <= POOL:
            continue
        # The incumbent's first: its score may lie below that of one that was no better by
        # evidence. What was given and never tried has its chance before what did badly.
        tried = [trial.candidate.texts[name] for trial in ranked(trials)]
        untried = [one[name] for one in given if one[name] not in tried]
        kept = list(dict.fromkeys((best[name], given[0][name], *untried, *tried)))[:POOL]
        axes[axis] = sorted(texts.index(text) for text in kept)
    return axes


def observations(space: Space, trials: Sequence[Trial]) -> list[tuple[Point, float]]:
    """Every trial in the space with its score.

    A dropped one's is an estimate from the few rows on which it did badly, so its difference
    from who it was to beat is shrunk as if it had been none on `PRIOR_ROWS` rows before. One
    that cannot be selected is as bad as the worst, so TPE leaves alone what it was made of.
    """
    worst = min((trial.score for trial in trials if trial.score is not None), default=0.0)
    told: list[tuple[Point, float]] = []
    beaten: float | None = None
    for trial in trials:
        score = worst if trial.score is None else trial.score
        if trial.dropped and trial.score is not None and beaten is not None:
            rows = len(trial.values)
            score = beaten + (score - beaten) * rows / (rows + PRIOR_ROWS)
        if trial.accepted:
            beaten = score
        point = space.point(trial.candidate)
        if point:
            told.append((point, score))
    return told


def _score(trial: Trial) -> float:
    return float("-inf") if trial.score is None else trial.score
