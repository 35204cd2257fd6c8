"""What a user should know of the rows and their splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.example import SPLITS, Example
from autoprompt_assets.engine.likeness import near
from autoprompt_assets.engine.text import quantity

MOST_CLASSES = 50
FAR_OFF = 0.25


def split_notes(examples: Sequence[Example], spec: DatasetSpec) -> Iterator[str]:
    """Near duplicates, splits far from the size that was asked for, targets that one lacks."""
    yield from _near_notes(examples)
    yield from _size_notes(examples, spec)
    if spec.target is not None:
        yield from _class_notes(examples)


def _near_notes(examples: Sequence[Example]) -> Iterator[str]:
    alike: dict[tuple[str, ...], list[str]] = {}
    for example in examples:
        alike.setdefault(_near(example), []).append(example.inputs.text)
    groups = [group for group in alike.values() if len(group) > 1]
    if groups:
        yield (
            f"{sum(map(len, groups))} rows are near duplicates "
            f"({quantity(len(groups), 'group')} that differ only "
            "in case, white space, quotes, dashes, entities or punctuation at the end), such as "
            f"{groups[0][0].strip()[:60]!r}: each group is kept in one split"
        )


def _near(example: Example) -> tuple[str, ...]:
    return tuple(map(near, example.inputs.values()))


def _size_notes(examples: Sequence[Example], spec: DatasetSpec) -> Iterator[str]:
    sizes = Counter(example.split for example in examples)
    asked = spec.split.model_dump()
    whole = 1.0 if spec.split.by_count else sum(sizes.values()) / max(sum(asked.values()), 1e-9)
    for split in SPLITS:
        wanted = asked[split] * whole
        if wanted and abs(sizes[split] - wanted) > max(FAR_OFF * wanted, 2):
            yield f"{split} has {quantity(sizes[split], 'row')} where {wanted:.0f} were asked for"


def _class_notes(examples: Sequence[Example]) -> Iterator[str]:
    sizes = Counter(example.split for example in examples)
    classes = Counter(example.target for example in examples)
    if len(classes) > min(MOST_CLASSES, len(examples) / 3):
        return
    for split in SPLITS:
        held = {example.target for example in examples if example.split == split}
        lacking = sorted(set(classes) - held)
        if lacking and sizes[split]:
            yield f"{split} lacks the target {', '.join(map(repr, lacking))}"
