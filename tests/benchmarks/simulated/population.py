"""The population of rows that a landscape is about, and the sentences that a seed draws for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from autoprompt_assets.engine.identity import uniform
from tests.benchmarks.simulated.shapes import Shape
from tests.benchmarks.simulated.words import (
    GENERAL,
    LABELS,
    TOPICS,
    core_of,
    make_row,
    topic_of,
)


@dataclass(frozen=True)
class Population:
    """One shape with what a seed has drawn for it; each draw is a pure function of the two."""

    shape: Shape
    seed: int

    def _draw(self, *parts: object) -> float:
        return uniform(self.shape.name, self.seed, *parts)

    def _shuffled(self, items: Sequence[str], purpose: str) -> list[str]:
        return sorted(items, key=lambda item: self._draw(purpose, item))

    def _moved(self, effect: float, *place: object) -> float:
        return effect * (0.85 + 0.3 * self._draw("effect", *place))

    @cached_property
    def topics(self) -> tuple[str, ...]:
        """The categories, by number."""
        return tuple(self._shuffled(tuple(TOPICS), "topic")[: len(self.shape.fixes)])

    @cached_property
    def labels(self) -> tuple[str, ...]:
        return tuple(self._shuffled(LABELS, "label")[: self.shape.labels])

    @cached_property
    def features(self) -> tuple[str, ...]:
        """The sentences, by number: one fix per category, then the general ones."""
        general = self._shuffled(GENERAL, "general")[: len(self.shape.weights)]
        return (*(TOPICS[topic] for topic in self.topics), *general)

    @cached_property
    def core(self) -> str:
        """The sentence that says what the task is."""
        return core_of(self.labels)

    @cached_property
    def shares(self) -> tuple[float, ...]:
        """The categories' parts of the population; they add to 1."""
        total = sum(self.shape.shares)
        return tuple(share / total for share in self.shape.shares)

    def rows(self, count: int, seed: int) -> list[tuple[str, str]]:
        """`count` rows of the population, as (input, target); other seeds give other rows."""
        made: dict[str, str] = {}
        for number in range(count):
            left, category = self._draw("category", seed, number), 0
            while left >= self.shares[category] and category < len(self.shares) - 1:
                left -= self.shares[category]
                category += 1
            draw = (self.shape.name, self.seed, seed, number)
            row = make_row(self.topics[category], *draw)
            made[row] = self.target(row)
        return list(made.items())

    def target(self, row: str) -> str:
        return self.labels[int(self._draw("target", row) * len(self.labels))]

    def category(self, row: str) -> int | None:
        """The row's category; `None` where this landscape has no such topic."""
        topic = topic_of(row)
        return self.topics.index(topic) if topic in self.topics else None

    def mistake(self, row: str) -> str:
        """What the model says where it is wrong: each category has a label it falls for."""
        target, topic = self.target(row), topic_of(row)
        pull = int(self._draw("pull", topic) * len(self.labels))
        if self.labels[pull] == target:
            pull = (pull + 1) % len(self.labels)
        return self.labels[pull]

    def luck(self, row: str, candidate: str) -> float:
        """In [0, 1): the row is answered rightly where its chance is above this.

        It is the row's own whichever the candidate, so that two candidates err on the same rows,
        except in a share `noise` of (row, candidate) pairs, where it is the pair's.
        """
        if self._draw("whose", row, candidate) < self.shape.noise:
            return self._draw("pair", row, candidate)
        return self._draw("row", row)

    def clear(self, row: str) -> bool:
        """Whether the row teaches its category when shown as a demo."""
        return self._draw("clear", row) < self.shape.demo_clear
