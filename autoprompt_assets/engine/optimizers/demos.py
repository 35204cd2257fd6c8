"""Few-shot search: demos from train rows, and wordings from a list. Asks no model.

Random search over demo sets, as in DSPy's BootstrapFewShotWithRandomSearch (arXiv 2310.03714),
whose second half varies the best candidate so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.optimizers.parts.demo_sampling import balanced, demo_of
from autoprompt_assets.engine.optimizers.protocol import (
    CandidateCheck,
    Context,
    Proposal,
    Proposals,
    Reply,
    Step,
    Trial,
    Work,
    incumbent,
)
from autoprompt_assets.engine.optimizers.settings import Shows
from autoprompt_assets.engine.texts import AnyPrompt, FirstPrompt, Texts

TRIES = 50
EXPLORED = 6
"""Steps at most, however many there will be: what is known of the best is worth more by then."""


class DemosSpec(Shows):
    """Few-shot demos from train rows, and wordings from a list; asks no model."""

    strategy: Literal["demos"]

    def problems(self, writer: str | None, train: float) -> Iterator[str]:
        """See `StrategySettings`."""
        yield from self.needs_rows(train, "takes demos from there")

    def most(self, writes: bool) -> Work:
        """See `StrategySettings`."""
        return Work(demos=self.demos)

    def make(self, context: Context) -> Demos:
        """See `StrategySettings`."""
        return Demos(self, context.first, context.train, context.check)


class Demos:
    """Explores for half of the iterations or six, then changes one thing of the best at a time."""

    def __init__(
        self,
        spec: Shows,
        first: AnyPrompt,
        train: Sequence[Example],
        check: CandidateCheck | None = None,
    ) -> None:
        self._spec = spec
        prompt = FirstPrompt.of(first)
        self._name, self._first = prompt.tuned[0], prompt.texts
        # Looked at once: else each would be proposed, and refused, again and again.
        given = [self._first.having(self._name, wording) for wording in spec.wordings]
        usable = [texts for texts in given if not (check and check.problem(Candidate(texts), ()))]
        self._wordings = tuple(dict.fromkeys(usable))
        self._train = {example.id: example for example in train}
        self._by_demo = {demo_of(example): example.id for example in train}
        self._trials: list[Trial] = []
        self._step = 0

    def ask(self, replies: Sequence[Reply]) -> Proposals:
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
        reason = "" if made else "every candidate was tried before"
        return Proposals(tuple(made), reason, strategy="demos")

    def tell(self, step: Step) -> None:
        """Trials move the best so far; each call ends a step."""
        self._trials.extend(step.trials)
        self._step += 1

    def _propose(self, place: tuple[int, int, int]) -> Proposal:
        best = self._best()
        exploring = self._step <= min(EXPLORED, (self._spec.iterations + 1) // 2)
        if exploring or best is None or not best.candidate.demos:
            return self._explore(place)
        return self._vary(best, place)

    def _best(self) -> Proposal | None:
        best = incumbent(self._trials)
        return best.proposal if best else None

    def _explore(self, place: tuple[int, int, int]) -> Proposal:
        wordings = sorted(self._known(), key=lambda one: self._draw_wording(one, place))
        size = self._size(place)
        chosen = balanced(self._train, size, lambda what, key: self._draw(what, *place, key))
        demos = tuple(demo_of(self._train[key]) for key in chosen)
        best = self._best()
        parents = (best.candidate.id,) if best and best.candidate.texts == wordings[0] else ()
        candidate = Candidate(wordings[0], demos, self._parameters())
        return Proposal(candidate, parents, f"{len(demos)} demos drawn")

    def _draw_wording(self, texts: Texts, place: tuple[int, int, int]) -> float:
        return self._draw("wording", *place, texts[self._name])

    def _known(self) -> list[Texts]:
        """What is to be beaten, and the wordings; the first prompt only until it is beaten."""
        best = self._best()
        found = best.candidate.texts if best else self._first
        return list(dict.fromkeys((found, *self._wordings)))

    def _parameters(self) -> Mapping[str, Any]:
        best = self._best()
        return best.candidate.parameters if best else {}

    def _size(self, place: tuple[int, int, int]) -> int:
        least = max(1, self._spec.demos // 2)
        return least + int(self._draw("size", *place) * (self._spec.demos - least + 1))

    def _vary(self, best: Proposal, place: tuple[int, int, int]) -> Proposal:
        parent = best.candidate
        demos = list(parent.demos)
        others = [wording for wording in self._known() if wording != parent.texts]
        if others and self._draw("move", *place) < 0.3:
            wording = min(others, key=lambda one: self._draw_wording(one, place))
            return Proposal(
                Candidate(wording, parent.demos, parent.parameters), (parent.id,), "wording changed"
            )
        index = int(self._draw("index", *place) * len(demos))
        fresh = self._fresh(demos, place)
        if fresh is None:
            demos.insert(0, demos.pop(index))
            return Proposal(replace(parent, demos=tuple(demos)), (parent.id,), "demos moved")
        if len(demos) < self._spec.demos and self._draw("grow", *place) < 0.5:
            demos.insert(index, fresh)
            note = "one demo added"
        else:
            demos[index] = fresh
            note = "one demo changed"
        return Proposal(replace(parent, demos=tuple(demos)), (parent.id,), note)

    def _fresh(self, demos: Sequence[Demo], place: tuple[int, int, int]) -> Demo | None:
        used = {self._by_demo.get(demo) for demo in demos}
        free = [key for key in self._train if key not in used]
        if not free:
            return None
        return demo_of(self._train[min(free, key=lambda key: self._draw("fresh", *place, key))])

    def _draw(self, purpose: str, *parts: object) -> float:
        return uniform(self._spec.seed, purpose, *parts)
