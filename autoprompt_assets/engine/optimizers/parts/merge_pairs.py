"""Which two candidates a merge would gain from: each the better on rows of its own.

Source: the merge of GEPA (arXiv 2507.19457, appendix F), which takes
over whole texts of either parent; where both changed one, the optimizer model is asked to combine
them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.optimizers.parts.pareto import merits
from autoprompt_assets.engine.optimizers.protocol import Trial
from autoprompt_assets.engine.texts import FirstPrompt, Texts

EACH_WINS = 3
"""Rows on which each of two must be the better to be worth a merge."""


@dataclass(frozen=True)
class Pair:
    """Two candidates to merge, that with the higher score first.

    `wins` are the rows on which `high`, and those on which `low`, is the better.
    """

    high: Trial
    low: Trial
    wins: tuple[int, int]

    @property
    def key(self) -> frozenset[str]:
        """Equal for the same two candidates."""
        return frozenset((self.high.candidate.id, self.low.candidate.id))


def best_pair(
    members: Sequence[Trial], trials: Sequence[Trial], merged: Collection[frozenset[str]]
) -> Pair | None:
    """The pair that would score most if a merge took the better of the two on each row.

    Of `members` that were not dropped, neither may descend from the other in `trials`, and pairs
    in `merged` do not come again. Two with one instruction count only where their demos and
    parameters make a candidate that was not tried.
    """
    known = {trial.candidate.id for trial in trials}
    above = ancestors(trials)
    found: list[tuple[float, Pair]] = []
    for one, other in combinations([trial for trial in members if not trial.dropped], 2):
        won, lost, together = merits(one, other)
        if min(won, lost) < EACH_WINS:
            continue
        pair = Pair(one, other, (won, lost))
        if (other.score or 0.0) > (one.score or 0.0):
            pair = Pair(other, one, (lost, won))
        ids = one.candidate.id, other.candidate.id
        related = ids[0] in above.get(ids[1], ()) or ids[1] in above.get(ids[0], ())
        if related or pair.key in merged or _nothing_new(pair, known):
            continue
        found.append((together, pair))
    return max(found, key=lambda one: one[0])[1] if found else None


def merged_texts(high: Texts, low: Texts, first: FirstPrompt) -> tuple[Texts, list[str]]:
    """Each text from the one of two that has changed it since the first prompt, and the names of
    those that both changed, each in its way: of these it has `high`'s.
    """
    texts, both = high, list[str]()
    for name in first.tuned:
        if high[name] == low[name]:
            continue
        if high[name] == first.texts[name] and not first.texts.is_single:
            texts = texts.having(name, low[name])
        elif low[name] != first.texts[name] or first.texts.is_single:
            both.append(name)
    return texts, both


def joined(pair: Pair, texts: Texts) -> Candidate:
    """`texts` with the demos and parameters of `high`, or of `low` where `high` has none."""
    high, low = pair.high.candidate, pair.low.candidate
    return Candidate(texts, high.demos or low.demos, high.parameters or low.parameters)


def ancestors(trials: Sequence[Trial]) -> Mapping[str, frozenset[str]]:
    """The candidates that each one descends from, by id. Parents are told before children."""
    found: dict[str, frozenset[str]] = {}
    for trial in trials:
        parents = frozenset(trial.proposal.parents)
        further = (found.get(parent, frozenset()) for parent in parents)
        found.setdefault(trial.candidate.id, parents.union(*further))
    return found


def _nothing_new(pair: Pair, known: Collection[str]) -> bool:
    high, low = pair.high.candidate, pair.low.candidate
    return high.texts == low.texts and joined(pair, high.texts).id in known
