"""GEPA: the optimizer model sees what went wrong on train rows and rewrites a prompt.

Source: Agrawal et al., "GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning",
arXiv 2507.19457: parents from the per-row Pareto front, reflection on a minibatch, merges. Its
second trial of a child on the minibatch is left out: the race over validation drops as early.
A request also shows what was written in place of its prompt before: without that, 270 steps on
simulated landscapes had 73 repetitions refused; with it, 20.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Literal

from pydantic import Field

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Whole
from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.lint import names
from autoprompt_assets.engine.optimizers.parts.merge_pairs import (
    Pair,
    best_pair,
    joined,
    merged_texts,
)
from autoprompt_assets.engine.optimizers.parts.pareto import drawn, front
from autoprompt_assets.engine.optimizers.parts.prompt_text import about, row_text, rules
from autoprompt_assets.engine.optimizers.parts.reflection import (
    MOST_RIGHT,
    longest_request,
    merge,
    rewrite,
)
from autoprompt_assets.engine.optimizers.parts.writing import Drafts, Task, Written, write
from autoprompt_assets.engine.optimizers.protocol import (
    Ask,
    CandidateCheck,
    Context,
    Feedback,
    Probe,
    Proposal,
    Question,
    Reply,
    Sizes,
    Step,
    Trial,
    Work,
)
from autoprompt_assets.engine.optimizers.settings import Writes
from autoprompt_assets.engine.text import size_of
from autoprompt_assets.engine.texts import AnyPrompt, FirstPrompt, Texts

ROUNDS = 3
"""Minibatches that a parent is tried on for one reflection, until one holds a wrong answer."""
MERGE_EVERY = 3
"""A merge is tried at most once in so many steps."""


@dataclass(frozen=True)
class Reflection:
    """What one proposal of a step goes on from: a parent, reflected on so many times before, and
    the name of the text that is rewritten.
    """

    parent: Candidate
    earlier: int
    name: str


Plan = Sequence[Reflection | Pair]


class GepaFields(Writes):
    """What may be said of `gepa`, and of `auto`."""

    minibatch: Whole = Field(5, ge=1, le=100)
    """Train rows that a prompt is tried on before the optimizer model rewrites it."""


class GepaSpec(GepaFields):
    """The optimizer model sees what went wrong on train rows and rewrites a prompt."""

    strategy: Literal["gepa"]

    def problems(self, writer: str | None, train: float) -> Iterator[str]:
        """See `StrategySettings`."""
        yield from self.needs_writer(writer)
        yield from self.needs_rows(train, "learns from there what goes wrong")

    def most(self, writes: bool) -> Work:
        """See `StrategySettings`: every parent is tried on all of its minibatches."""
        if not writes:
            return Work()
        return Work(self.total, self.attempts, ROUNDS * self.total, self.minibatch)

    def usual(self, writes: bool) -> Work:
        """See `StrategySettings`: the first minibatch holds a wrong answer."""
        return replace(self.most(writes), probes=self.total if writes else 0)

    def longest_question(self, context: Context, sizes: Sizes) -> int:
        """See `StrategySettings`: a reflection on the longest rows."""
        most = max(self.minibatch, MOST_RIGHT)
        rows = sorted(context.train, key=lambda row: size_of(row_text(row)))[-most:]
        prompt, strategy = context.largest(sizes), self.make(context)
        return max(
            longest_request(rows, prompt, name, strategy.rules(name), sizes)
            for name in context.first.tuned
        )

    def make(self, context: Context) -> Gepa:
        """See `StrategySettings`."""
        return Gepa(self, context.first, context.train, context.check, context.layout)


class Gepa:
    """Draws a parent, tries it on train rows, and asks for a rewrite; now and then merges two.

    What it decides follows from the steps told alone, so `tell` works out again what the step
    before it had set out to do: how often a parent was reflected on, and which pairs were merged.
    `layout` says which columns a prompt may name.
    """

    def __init__(
        self,
        spec: GepaFields,
        first: AnyPrompt,
        train: Sequence[Example],
        check: CandidateCheck,
        layout: Layout = SINGLE,
    ) -> None:
        self.spec, self._check = spec, check
        self._prompt, self._layout = FirstPrompt.of(first), layout
        self._first = Candidate(self._prompt.texts)
        self.train = train
        self._trials: list[Trial] = []
        self._steps = 0
        self._reflected: Counter[str] = Counter()
        self._merged: set[frozenset[str]] = set()
        self._last_merge = -MERGE_EVERY
        self._own_steps = 0
        self._plan: Plan | None = None

    def ask(self, replies: Sequence[Reply]) -> Ask:
        """A probe and a conversation of at most `attempts` questions per candidate."""
        drafts, left = Drafts(), list(replies)
        tried = [trial.candidate for trial in self._trials]
        for part in self._planned():
            known = names([*tried, *(made.candidate for made in drafts.proposals)])
            if isinstance(part, Pair):
                made = self._merge(part, left, known)
            else:
                made = self._reflect(part, left, known)
            if not isinstance(made, Written):
                return made
            drafts.add(made)
            del left[: made.used]
        return drafts.result("gepa")

    def tell(self, step: Step) -> None:
        """Trials may become parents; each call ends a step."""
        if step.strategy == "gepa":
            for part in self._planned():
                if isinstance(part, Pair):
                    self._merged.add(part.key)
                    self._last_merge = self._own_steps
                else:
                    self._reflected[part.parent.id] += 1
            self._own_steps += 1
        self._trials.extend(step.trials)
        self._steps += 1
        self._plan = None

    def _planned(self) -> Plan:
        if self._plan is None:
            self._plan = self._make_plan()
        return self._plan

    def _make_plan(self) -> Plan:
        members = front(self._trials)
        plan: list[Reflection | Pair] = []
        if self._own_steps - self._last_merge >= MERGE_EVERY:
            pair = best_pair([member.trial for member in members], self._trials, self._merged)
            plan += [pair] if pair else []
        planned: Counter[str] = Counter()
        for slot in range(len(plan), self.spec.candidates):
            chosen = drawn(members, uniform(self.spec.seed, "gepa", "parent", self._steps, slot))
            parent = chosen.candidate if chosen else self._first
            name = self._prompt.turn(self._own_steps * self.spec.candidates + slot)
            plan.append(Reflection(parent, self._reflected[parent.id] + planned[parent.id], name))
            planned[parent.id] += 1
        return plan

    def _reflect(
        self, part: Reflection, replies: Sequence[Reply], known: frozenset[str]
    ) -> Ask | Written:
        feedback: list[Feedback] = []
        used, parent = 0, part.parent
        for rows in self._rounds(part):
            if used == len(replies):
                return Probe(parent, rows)
            reply = replies[used]
            assert isinstance(reply, tuple)
            feedback, used = [*feedback, *reply], used + 1
            if any(one.value is not None and one.value < 1 for one in reply):
                break
        name = part.name
        messages = rewrite(parent, name, feedback, self._children(parent, name), self.rules(name))
        task = Task(messages, partial(_rewritten, parent, name), known, part.earlier)
        return self._written(task, replies, used)

    def _children(self, parent: Candidate, name: str) -> list[tuple[str, float]]:
        """What was written in place of the parent's text `name`, and what it changed in score."""
        own = next((one.score for one in self._trials if one.candidate.id == parent.id), None)
        return [
            (one.candidate.texts[name], one.score - own)
            for one in self._trials
            if parent.id in one.proposal.parents
            and one.candidate.texts[name] != parent.texts[name]
            and one.score is not None
            and own is not None
        ]

    def _merge(self, part: Pair, replies: Sequence[Reply], known: frozenset[str]) -> Ask | Written:
        high, low = part.high.candidate, part.low.candidate
        texts, both = merged_texts(high.texts, low.texts, self._prompt)
        if not both:
            return Written(_merged(part, texts), (), 0)
        name = both[0]
        messages = merge(high, low, name, part.wins, self.rules(name))
        make = partial(_merged_text, part, texts, name)
        return self._written(Task(messages, make, known), replies, 0)

    def _written(self, task: Task, replies: Sequence[Reply], used: int) -> Question | Written:
        made = write(task, self._check, self.spec.attempts, replies[used:])
        if isinstance(made, Question):
            return made
        return Written(made.proposal, made.rejected, used + made.used, made.problem)

    def _rounds(self, part: Reflection) -> list[tuple[str, ...]]:
        """The minibatches of one reflection: the next rows in the order, none of them twice.

        Each parent has a place of its own where it starts, or all first reflections would look at
        the same rows. A further reflection starts where the one before would have gone on had its
        first minibatch been enough.
        """
        order, size = self._order, self.spec.minibatch
        if not order:
            return []
        start = int(uniform(self.spec.seed, "gepa", "start", part.parent.id) * len(order))
        start += part.earlier * size
        most = min(len(order), ROUNDS * size)
        rows = [order[(start + place) % len(order)] for place in range(most)]
        return [tuple(rows[at : at + size]) for at in range(0, most, size)]

    @cached_property
    def _order(self) -> list[str]:
        keys = (example.id for example in self.train)
        return sorted(keys, key=lambda key: uniform(self.spec.seed, "gepa", "row", key))

    def rules(self, name: str) -> str:
        """What every new text of that name must respect."""
        return rules(self._prompt, name, self.spec.keep, self.spec.longest, self._layout)


def _rewritten(parent: Candidate, name: str, text: str) -> Proposal:
    note = about(parent.texts, name, "rewritten after what went wrong on train rows")
    return Proposal(parent.having(name, text), (parent.id,), note)


def _merged_text(pair: Pair, texts: Texts, name: str, text: str) -> Proposal:
    return _merged(pair, texts.having(name, text))


def _merged(pair: Pair, texts: Texts) -> Proposal:
    parents = (pair.high.candidate.id, pair.low.candidate.id)
    return Proposal(joined(pair, texts), parents, "merged from two")
