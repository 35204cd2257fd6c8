"""Rows from a file, checked, and each one's split fixed by its input alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from autoprompt_assets.engine.dataset.settings import DatasetSpec, SplitSpec
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.example import SPLITS, Example, Row, Split
from autoprompt_assets.engine.identity import content_hash, uniform
from autoprompt_assets.engine.likeness import appearance, near
from autoprompt_assets.engine.text import quantity, were

MOST_CLASSES = 50
FAR_OFF = 0.25


@dataclass(frozen=True)
class Membership:
    """Which split each input belongs to, for ever; `None` is an input left out of all three.

    `thresholds` are the upper bounds, in [0, 1], of train, validation and test on the seeded hash
    of a row's `input_id`.
    """

    thresholds: tuple[float, float, float]
    splits: Mapping[str, Split | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset:
    """The examples in their fixed order, the membership that placed them, and what was noticed.

    `spare` are the input ids of usable rows that are in no split, one for each row.
    """

    examples: tuple[Example, ...]
    membership: Membership
    version: str
    notes: tuple[str, ...]
    dropped: Mapping[str, int]
    spare: tuple[str, ...]

    def sizes(self) -> dict[Split, int]:
        """Rows in each split."""
        count = Counter(example.split for example in self.examples)
        return {split: count[split] for split in SPLITS}


def build_dataset(
    rows: Sequence[Row],
    spec: DatasetSpec,
    known: Membership | None = None,
    noticed: Sequence[str] = (),
) -> Dataset:
    """Drop what cannot be used, place every row, and note what a user should know.

    `known` is the stored membership of earlier versions: its inputs keep their split, whatever
    the file holds now. `noticed` are the notes of its reading.

    Raises:
        InputError: a split would be empty.
    """
    usable, dropped, notes = _usable(rows)
    if rows and not usable:
        raise InputError(f"{spec.file}: {_all_conflict(rows)}")
    hashes = [near_id(*row.inputs.values()) for row in usable]
    places = {one: uniform(spec.seed, one) for one in hashes}
    each = sorted(places[one] for one in hashes)
    thresholds = known.thresholds if known else _thresholds(spec.split, each)
    splits = dict(known.splits) if known else {}
    for input_id, place in places.items():
        splits.setdefault(input_id, _split_at(place, thresholds))
    examples, spare = [], []
    for row, input_id in zip(usable, hashes, strict=True):
        split = splits[input_id]
        if split is None:
            spare.append(input_id)
        else:
            examples.append(
                Example(_identity(row), input_id, row.inputs, row.target, split, row.others)
            )
    examples.sort(key=lambda example: (places[example.input_id], example.id))
    dataset = Dataset(
        examples=tuple(examples),
        membership=Membership(thresholds, splits),
        version=_version(spec, examples),
        notes=(*noticed, *notes, *_near_notes(examples), *_split_notes(examples, spec)),
        dropped={**dropped, "left out by the split": len(spare)},
        spare=tuple(spare),
    )
    _refuse_empty(dataset, spec)
    return dataset


def near_id(*texts: str) -> str:
    """Sixteen hexadecimal digits that near duplicates of an input share, or of several."""
    found = [near(text) for text in texts]
    return content_hash(found[0] if len(found) == 1 else found, 16)


def _usable(rows: Sequence[Row]) -> tuple[list[Row], dict[str, int], list[str]]:
    same: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        same.setdefault(_appearance(row), []).append(row)
    usable, duplicates, conflicting, example = [], 0, 0, ""
    for group in same.values():
        if len({appearance(row.target) for row in group}) > 1:
            conflicting += len(group)
            example = example or group[0].inputs.text.strip()
        else:
            # Not the first: which row is kept must not depend on the file's order. The shortest has
            # the fewest characters that no one sees.
            usable.append(min(group, key=_order))
            duplicates += len(group) - 1
    notes = []
    if duplicates:
        notes.append(f"{were(duplicates, 'duplicate row')} dropped")
    if conflicting:
        notes.append(
            f"{conflicting} rows were dropped because one input has conflicting targets, "
            f"such as {example[:60]!r}"
        )
    return usable, {"duplicate": duplicates, "conflicting": conflicting}, notes


def _identity(row: Row) -> str:
    held = [list(row.inputs.values()), row.inputs.kinds, row.target, *row.others]
    return content_hash(held, 16)


def _version(spec: DatasetSpec, examples: Sequence[Example]) -> str:
    """A hash of the inputs' names, the rows and their splits."""
    rows = sorted((one.id, one.split) for one in examples)
    return content_hash([spec.layout.columns, rows], 16)


def _appearance(row: Row) -> tuple[str, ...]:
    return tuple(map(appearance, row.inputs.values()))


def _order(row: Row) -> tuple[int, str, str]:
    text = row.inputs.text
    return len(text), text, row.target


def _all_conflict(rows: Sequence[Row]) -> str:
    first = min(rows, key=_order)
    same = [row for row in rows if _appearance(row) == _appearance(first)]
    targets = {appearance(row.target): row.target for row in same}
    one, other = (repr(target[:60]) for target in sorted(targets.values())[:2])
    return (
        "no row can be used: the input of each stands there with another target, too, such as "
        f"{first.inputs.text[:60]!r} with {one} and {other}; keep one target for each input, or "
        "name other columns (dataset.input, dataset.target)"
    )


def _thresholds(split: SplitSpec, places: Sequence[float]) -> tuple[float, float, float]:
    parts = (split.train, split.validation, split.test)
    bounds, total = [], 0.0
    for part in parts:
        total += part
        if not split.by_count:
            bounds.append(min(total, 1.0) if total < 1 - 1e-9 else 1.0)
        elif int(total) >= len(places):
            bounds.append(1.0)
        else:
            bounds.append(places[int(total)])
    return (bounds[0], bounds[1], bounds[2])


def _split_at(place: float, thresholds: Sequence[float]) -> Split | None:
    for split, bound in zip(SPLITS, thresholds, strict=True):
        if place < bound:
            return split
    return None


def _near_notes(examples: Sequence[Example]) -> list[str]:
    alike: dict[str, list[str]] = {}
    for example in examples:
        alike.setdefault(example.input_id, []).append(example.inputs.text)
    groups = [group for group in alike.values() if len(group) > 1]
    if not groups:
        return []
    return [
        f"{sum(map(len, groups))} rows are near duplicates "
        f"({quantity(len(groups), 'group')} that differ only "
        "in case, white space, quotes, dashes, entities or punctuation at the end), such as "
        f"{groups[0][0].strip()[:60]!r}: each group is kept in one split"
    ]


def _split_notes(examples: Sequence[Example], spec: DatasetSpec) -> list[str]:
    notes = []
    sizes = Counter(example.split for example in examples)
    asked = spec.split.model_dump()
    whole = 1.0 if spec.split.by_count else sum(sizes.values()) / max(sum(asked.values()), 1e-9)
    for split in SPLITS:
        wanted = asked[split] * whole
        if wanted and abs(sizes[split] - wanted) > max(FAR_OFF * wanted, 2):
            notes.append(
                f"{split} has {quantity(sizes[split], 'row')} where {wanted:.0f} were asked for"
            )
    classes = Counter(example.target for example in examples)
    if len(classes) <= min(MOST_CLASSES, len(examples) / 3):
        for split in SPLITS:
            held = {example.target for example in examples if example.split == split}
            lacking = sorted(set(classes) - held)
            if lacking and sizes[split]:
                notes.append(f"{split} lacks the target {', '.join(map(repr, lacking))}")
    return notes


def _refuse_empty(dataset: Dataset, spec: DatasetSpec) -> None:
    sizes, asked = dataset.sizes(), spec.split.model_dump()
    lost = ", ".join(f"{count} {why}" for why, count in dataset.dropped.items() if count)
    usable = quantity(len(dataset.examples), "usable row") + (f"; dropped: {lost}" if lost else "")
    problems = [
        f"{spec.file}: the {split} split is empty ({usable}); add rows, or raise "
        f"dataset.split.{split} = {asked[split]:g}"
        for split in SPLITS
        if not sizes[split] and asked[split] > 0
    ]
    if problems:
        raise InputError(problems)
