"""Demos drawn from train rows, evenly over the targets. Every draw is a hash, so it repeats."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from autoprompt_assets.engine.candidate import Demo
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.identity import uniform

Draw = Callable[[str, str], float]
"""A number in [0, 1) for a purpose and a row's id."""

TRIES = 20


def demo_of(example: Example) -> Demo:
    """The row as it is shown."""
    return Demo(example.inputs, example.target)


def balanced(train: Mapping[str, Example], size: int, draw: Draw) -> list[str]:
    """Ids of `size` train rows, as evenly over the targets as they allow, in a drawn order."""
    order = sorted(train, key=lambda key: draw("demo", key))
    rank: dict[str, int] = {}
    seen: dict[str, int] = {}
    for key in order:
        target = train[key].target
        rank[key] = seen[target] = seen.get(target, -1) + 1
    chosen = sorted(order, key=lambda key: rank[key])[:size]
    return sorted(chosen, key=lambda key: draw("order", key))


def demo_sets(
    train: Sequence[Example], count: int, most: int, seed: int
) -> tuple[tuple[Demo, ...], ...]:
    """At most `count` balanced sets that differ in their rows, from few demos up to `most`.

    Fewer where the rows do not give so many. The order of `train` does not matter.
    """
    rows = {example.id: example for example in train}
    most = min(most, len(rows))
    few = min(2, most)
    made: dict[frozenset[str], tuple[Demo, ...]] = {}
    for number in range(count if most else 0):
        size = most if count == 1 else few + round((most - few) * number / (count - 1))
        for attempt in range(TRIES):
            chosen = balanced(rows, size, _draw(seed, number, attempt))
            if frozenset(chosen) not in made:
                made[frozenset(chosen)] = tuple(demo_of(rows[key]) for key in chosen)
                break
    return tuple(made.values())


def _draw(seed: int, *place: int) -> Draw:
    return lambda purpose, key: uniform(seed, purpose, *place, key)
