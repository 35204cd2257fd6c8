"""A landscape: what the simulated model gets right, as a known function of the candidate.

    P(right | candidate, category) = logistic(the category's base + the effects of what is there)

`true_score` is its exact mean over the endless population of rows, so no sample is in the way, and
`best` is the exact optimum.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import combinations, pairwise

from tests.benchmarks.simulated.population import Population
from tests.benchmarks.simulated.shapes import FREE_WORDS, SHAPES, Dial, Value
from tests.benchmarks.simulated.words import COPIES, ROWS, make_row, normalise

Demos = Sequence[tuple[str, str]]
"""Pairs of a row's input and the answer shown for it."""


@dataclass(frozen=True)
class Traits:
    """What of a candidate matters."""

    features: frozenset[int] = frozenset()
    core: bool = True
    words: int = 0
    copies: tuple[tuple[str, str], ...] = ()
    """Rows in the instruction with the labels that stand beside them, lower case."""
    demos: int = 0
    covered: frozenset[int] = frozenset()
    """The categories of which a clear demo is shown."""
    answers: tuple[tuple[str, str], ...] = ()
    """The demos themselves: a model repeats what it was shown."""


@dataclass(frozen=True)
class Best:
    """The optimum, and its true score."""

    instruction: str
    demos: tuple[tuple[str, str], ...]
    parameters: Mapping[str, Value]
    score: float


@dataclass(frozen=True)
class Landscape(Population):
    """What the simulated model gets right of a population, and why."""

    @cached_property
    def _bases(self) -> tuple[float, ...]:
        count = len(self.topics)
        order = sorted(range(count), key=lambda number: self._draw("base", number))
        step = 2 * self.shape.spread / (count - 1)
        return tuple(self.shape.base - self.shape.spread + step * order[i] for i in range(count))

    @cached_property
    def _alone(self) -> tuple[float, ...]:
        effects = (*self.shape.fixes, *self.shape.weights)
        return tuple(self._moved(effect, number) for number, effect in enumerate(effects))

    @cached_property
    def _pairs(self) -> tuple[tuple[int, int, float], ...]:
        return tuple((a, b, self._moved(e, a, b)) for a, b, e in self.shape.pairs)

    @cached_property
    def _with_demos(self) -> tuple[tuple[int, float], ...]:
        return tuple((a, self._moved(e, "demos", a)) for a, e in self.shape.with_demos)

    @cached_property
    def _needles(self) -> tuple[str, ...]:
        return tuple(normalise(sentence).rstrip(".") for sentence in self.features)

    @cached_property
    def _core_needle(self) -> str:
        return normalise(self.core.partition(":")[0])

    def write(self, features: Sequence[int]) -> str:
        """The instruction that holds the core sentence and these features."""
        return " ".join((self.core, *(self.features[number] for number in features)))

    @property
    def first_prompt(self) -> str:
        """Where every strategy starts."""
        return self.write(self.shape.first)

    @cached_property
    def wordings(self) -> tuple[str, ...]:
        """Five other instructions of two to five drawn features, for who has no optimizer model."""
        made = []
        for place in range(5):
            size = 2 + int(self._draw("wording", place) * 4)
            numbers = range(len(self.features))
            order = sorted(numbers, key=lambda number, at=place: self._draw("word", at, number))  # type: ignore[misc]
            made.append(self.write(order[:size]))
        return tuple(made)

    @property
    def parameters(self) -> dict[str, tuple[Value, ...]]:
        """The request fields worth searching, with values to try; empty where none matters."""
        dial = self.shape.dial
        return {dial.field: tuple(value for value, _ in dial.effects)} if dial else {}

    def traits(self, instruction: str, demos: Demos = ()) -> Traits:
        """What of a candidate's text matters; `{input}` in the instruction is no word."""
        text = instruction.replace("{input}", " ")
        plain = normalise(text)
        right = {row for row, answer in demos if answer.strip().casefold() == self.target(row)}
        covered = (self.category(row) for row in right if self.clear(row))
        return Traits(
            frozenset(i for i, needle in enumerate(self._needles) if needle in plain),
            self._core_needle in plain,
            len(text.split()),
            tuple((row, label.casefold()) for row, label in COPIES.findall(text)),
            len(right),
            frozenset(number for number in covered if number is not None),
            tuple((row, answer.strip()) for row, answer in demos),
        )

    def effect(self, traits: Traits, parameters: Mapping[str, object]) -> float:
        """The log-odds that a candidate adds to every row, whatever its category."""
        shape, has, fixes = self.shape, traits.features, len(self.topics)
        total = sum(self._alone[number] for number in has if number >= fixes)
        total += sum(effect for a, b, effect in self._pairs if a in has and b in has)
        if traits.demos:
            total += sum(effect for number, effect in self._with_demos if number in has)
            total += shape.demo_count * (1 - math.exp(-traits.demos / 3))
        total -= shape.per_word * max(0, traits.words - FREE_WORDS)
        total -= shape.per_copy * len(traits.copies) + shape.coreless * (not traits.core)
        return total + (dial_effect(shape.dial, parameters) if shape.dial else 0.0)

    def chance(self, category: int, traits: Traits, effect: float) -> float:
        """The probability of a right answer on a row of this category that is not copied."""
        own = self._alone[category] if category in traits.features else 0.0
        own += self.shape.demo_own if category in traits.covered else 0.0
        return 1 / (1 + math.exp(-(self._bases[category] + own + effect)))

    def score_of(self, traits: Traits, parameters: Mapping[str, object]) -> float:
        """`true_score` of what has been read."""
        effect = self.effect(traits, parameters)
        chances = (self.chance(number, traits, effect) for number in range(len(self.topics)))
        return sum(share * p for share, p in zip(self.shares, chances, strict=True))

    def true_score(
        self, instruction: str, demos: Demos = (), parameters: Mapping[str, object] | None = None
    ) -> float:
        """The exact expected accuracy on rows never seen (so no copied row is among them)."""
        return self.score_of(self.traits(instruction, demos), parameters or {})

    @lru_cache  # noqa: B019 - a handful of landscapes live as long as the process
    def best(self, most_demos: int = 8) -> Best:
        """The exact optimum over all sets of features, demos up to `most_demos`, and parameters."""
        settings = [{k: v} for k, values in self.parameters.items() for v in values]
        parameters = max(({}, *settings), key=lambda chosen: self.score_of(Traits(), chosen))
        found: tuple[float, tuple[int, ...], Traits] | None = None
        for chosen in self._worthwhile():
            words = len(self.write(chosen).split())
            for demos, covered in self._demo_choices(most_demos):
                traits = Traits(frozenset(chosen), True, words, (), demos, covered)
                score = self.score_of(traits, parameters)
                if found is None or score > found[0] + 1e-12:
                    found = score, chosen, traits
        assert found is not None
        demos_shown = self._demos_for(found[2].demos, found[2].covered)
        return Best(self.write(found[1]), demos_shown, parameters, found[0])

    def _worthwhile(self) -> Iterator[tuple[int, ...]]:
        """Every set of features that can be the best, small ones first.

        A feature that nothing makes helpful is in none: leaving it out never costs.
        """
        extra = [(a, e) for a, b, e in self._pairs] + [(b, e) for a, b, e in self._pairs]
        effects = [*enumerate(self._alone), *extra, *self._with_demos]
        useful = sorted({number for number, effect in effects if effect > 0})
        for size in range(len(useful) + 1):
            yield from combinations(useful, size)

    def _demo_choices(self, most: int) -> Iterator[tuple[int, frozenset[int]]]:
        """(number, categories covered) of every choice of demos that can be the best."""
        yield 0, frozenset()
        categories = range(len(self.topics))
        gains = self.shape.demo_own > 0
        for number in range(1, most + 1) if self.shape.demo_count < 0 else (most,) if most else ():
            size = min(number, len(categories)) if gains else 0
            for covered in combinations(categories, size):
                yield number, frozenset(covered)

    def _demos_for(self, number: int, covered: frozenset[int]) -> tuple[tuple[str, str], ...]:
        """Clear rows of the categories covered, and rows of these again up to `number`."""
        wanted = [*sorted(covered)] or [0] * bool(number)
        made: list[tuple[str, str]] = []
        serial = 0
        while len(made) < number:
            serial += 1
            topic = self.topics[wanted[len(made) % len(wanted)]]
            row = make_row(topic, self.shape.name, self.seed, "best", serial)
            if self.clear(row) or not covered:
                made.append((row, self.target(row)))
        return tuple(made)


def dial_effect(dial: Dial, parameters: Mapping[str, object]) -> float:
    """The effect of the request's field; none where the field is left out or not known."""
    value = parameters.get(dial.field)
    if isinstance(value, str):
        return dict(dial.effects).get(value, 0.0)
    if not isinstance(value, int | float):
        return 0.0
    points = [(at, effect) for at, effect in dial.effects if not isinstance(at, str)]
    if not points or value <= points[0][0]:
        return points[0][1] if points else 0.0
    for (low, below), (high, above) in pairwise(points):
        if value <= high:
            return below + (above - below) * (value - low) / (high - low)
    return points[-1][1]


@lru_cache(maxsize=256)
def landscape(name: str, seed: int) -> Landscape:
    """The landscape of a shape and a seed. Raises `KeyError` where no shape has this name."""
    return Landscape(SHAPES[name], seed)


def rows_in(text: str) -> list[str]:
    """Every row that stands in a text, in order."""
    return ROWS.findall(text)
