"""A finite space of candidates: each text x demo set x one value per request parameter."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.texts import Texts

Point = tuple[int, ...]
"""The index of each text that is tuned, of the demo set, and of each parameter's value."""


@dataclass(frozen=True)
class Space:
    """Its points and the candidates that they stand for.

    The first value of each parameter is the role's own: a candidate with it does not name the
    field, so that the first prompt, and what other strategies propose, are points as well. The
    first demo set is the empty one. `texts` has the choices for each name that is tuned, in its
    order, `first` all texts of the first prompt.
    """

    first: Texts
    texts: Mapping[str, tuple[str, ...]]
    demo_sets: tuple[tuple[Demo, ...], ...]
    parameters: Mapping[str, tuple[Any, ...]]

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many values each axis has."""
        texts = (len(texts) for texts in self.texts.values())
        values = (len(values) for values in self.parameters.values())
        return (*texts, len(self.demo_sets), *values)

    @property
    def size(self) -> int:
        """How many points there are."""
        return math.prod(self.sizes)

    def at(self, number: int) -> Point:
        """The point of a number below `size`; neighbours differ in the last axes."""
        found = []
        for size in reversed(self.sizes):
            number, index = divmod(number, size)
            found.append(index)
        return tuple(reversed(found))

    def candidate(self, point: Point) -> Candidate:
        """What the point stands for."""
        indices, (demos, *chosen) = point[: len(self.texts)], point[len(self.texts) :]
        texts = self.first
        for (name, choices), index in zip(self.texts.items(), indices, strict=True):
            texts = texts.having(name, choices[index])
        pairs = zip(self.parameters.items(), chosen, strict=True)
        parameters = {key: values[index] for (key, values), index in pairs if index}
        return Candidate(texts, self.demo_sets[demos], parameters)

    def point(self, candidate: Candidate) -> Point | None:
        """Where a candidate lies; `None` outside of the space."""
        known = all(candidate.texts[name] in texts for name, texts in self.texts.items())
        known = known and candidate.demos in self.demo_sets
        if not known or not candidate.parameters.keys() <= self.parameters.keys():
            return None
        found = [texts.index(candidate.texts[name]) for name, texts in self.texts.items()]
        found.append(self.demo_sets.index(candidate.demos))
        for key, values in self.parameters.items():
            index = _index(values, candidate.parameters.get(key, values[0]))
            if index is None:
                return None
            found.append(index)
        return tuple(found)

    def words(self, point: Point) -> str:
        """The point for a person: "instruction 3, demo set 5 of 8, temperature 0.7"."""
        indices, (demos, *chosen) = point[: len(self.texts)], point[len(self.texts) :]
        sets = len(self.demo_sets) - 1
        parts = [
            f"{'instruction' if self.first.is_single else name} {index + 1}"
            for name, index in zip(self.texts, indices, strict=True)
        ]
        parts.append(f"demo set {demos} of {sets}" if demos else "no demos")
        pairs = zip(self.parameters.items(), chosen, strict=True)
        parts += [f"{key} {said(values[index])}" for (key, values), index in pairs if index]
        return ", ".join(parts)


def with_own(
    parameters: Mapping[str, Sequence[Any]], own: Mapping[str, Any]
) -> dict[str, tuple[Any, ...]]:
    """Each parameter's values without repetition, the role's `own` first (`None`: not sent)."""
    made: dict[str, tuple[Any, ...]] = {}
    for key, values in parameters.items():
        kept: list[Any] = []
        for value in (own.get(key), *values):
            if _index(kept, value) is None:
                kept.append(value)
        made[key] = tuple(kept)
    return made


def said(value: Any) -> str:
    """A parameter's value as an experiment file writes it."""
    return value if isinstance(value, str) else canonical_json(value)


def _index(values: Sequence[Any], value: Any) -> int | None:
    """Where `value` stands; 0 and 0.0 are one value, 0 and false are two."""
    for index, one in enumerate(values):
        if one == value and isinstance(one, bool) == isinstance(value, bool):
            return index
    return None
