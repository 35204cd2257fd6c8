"""Few-shot search: demos from train rows, and wordings from a list. Asks no model.

Random search over demo sets, as in DSPy's BootstrapFewShotWithRandomSearch (arXiv 2310.03714),
whose second half varies the best candidate so far.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.optimizers.base import Proposal, Proposals, Trial
from autoprompt_assets.engine.spec import DemosSpec

TRIES = 50


class Demos:
    """Explores for half of the iterations, then changes one thing of the best at a time."""

    def __init__(self, spec: DemosSpec, instruction: str, train: Sequence[Example]) -> None:
        self._spec = spec
        self._wordings = tuple(dict.fromkeys((instruction, *spec.wordings)))
        self._train = {example.id: example for example in train}
        self._by_demo = {_demo(example): example.id for example in train}
        self._trials: list[Trial] = []
        self._step = 0

    def ask(self, answers: Sequence[str]) -> Proposals:
        """New candidates, none of them tried before."""
        tried = {trial.proposal.candidate.id for trial in self._trials}
        made: list[Proposal] = []
        for slot in range(self._spec.candidates):
            for attempt in range(TRIES):
                proposal = self._propose((self._step, slot, attempt))
                if proposal.candidate.id not in tried:
                    tried.add(proposal.candidate.id)
                    made.append(proposal)
                    break
        return Proposals(tuple(made), "" if made else "every candidate was tried before")

    def tell(self, trials: Sequence[Trial]) -> None:
        """Trials move the best so far; each call ends a step."""
        self._trials.extend(trials)
        self._step += 1

    def _propose(self, place: tuple[int, int, int]) -> Proposal:
        best = self._best()
        exploring = self._step <= (self._spec.iterations + 1) // 2
        if exploring or best is None or not best.candidate.demos:
            return self._explore(place)
        return self._vary(best, place)

    def _best(self) -> Proposal | None:
        scored = [trial for trial in self._trials if trial.score is not None]
        return max(scored, key=lambda trial: trial.score or 0.0).proposal if scored else None

    def _explore(self, place: tuple[int, int, int]) -> Proposal:
        wordings = sorted(self._wordings, key=lambda text: self._draw("wording", *place, text))
        size = self._size(place)
        chosen = self._balanced(size, place)
        demos = tuple(_demo(self._train[key]) for key in chosen)
        return Proposal(Candidate(wordings[0], demos), (), f"{len(demos)} demos drawn")

    def _size(self, place: tuple[int, int, int]) -> int:
        least = max(1, self._spec.demos // 2)
        return least + int(self._draw("size", *place) * (self._spec.demos - least + 1))

    def _balanced(self, size: int, place: tuple[int, int, int]) -> list[str]:
        """`size` train rows, as evenly over the targets as they allow, in a drawn order."""
        order = sorted(self._train, key=lambda key: self._draw("demo", *place, key))
        rank: dict[str, int] = {}
        seen: dict[str, int] = {}
        for key in order:
            target = self._train[key].target
            rank[key] = seen[target] = seen.get(target, -1) + 1
        chosen = sorted(order, key=lambda key: rank[key])[:size]
        return sorted(chosen, key=lambda key: self._draw("order", *place, key))

    def _vary(self, best: Proposal, place: tuple[int, int, int]) -> Proposal:
        parent = best.candidate
        demos = list(parent.demos)
        others = [wording for wording in self._wordings if wording != parent.instruction]
        if others and self._draw("move", *place) < 0.3:
            wording = min(others, key=lambda text: self._draw("wording", *place, text))
            return Proposal(Candidate(wording, parent.demos), (parent.id,), "wording changed")
        index = int(self._draw("index", *place) * len(demos))
        fresh = self._fresh(demos, place)
        if fresh is None:
            demos.insert(0, demos.pop(index))
            return Proposal(
                Candidate(parent.instruction, tuple(demos)), (parent.id,), "demos moved"
            )
        if len(demos) < self._spec.demos and self._draw("grow", *place) < 0.5:
            demos.insert(index, fresh)
            note = "one demo added"
        else:
            demos[index] = fresh
            note = "one demo changed"
        return Proposal(Candidate(parent.instruction, tuple(demos)), (parent.id,), note)

    def _fresh(self, demos: Sequence[Demo], place: tuple[int, int, int]) -> Demo | None:
        used = {self._by_demo.get(demo) for demo in demos}
        free = [key for key in self._train if key not in used]
        if not free:
            return None
        return _demo(self._train[min(free, key=lambda key: self._draw("fresh", *place, key))])

    def _draw(self, purpose: str, *parts: object) -> float:
        return uniform(self._spec.seed, purpose, *parts)


def _demo(example: Example) -> Demo:
    return Demo(example.input, example.target)
