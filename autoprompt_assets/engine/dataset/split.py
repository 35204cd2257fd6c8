"""Rows placed in their splits: each one's is fixed by a few of its columns alone, for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from autoprompt_assets.engine.dataset.notes import split_notes
from autoprompt_assets.engine.dataset.settings import DatasetSpec, SplitSpec
from autoprompt_assets.engine.dataset.usable import usable_rows
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.example import SPLITS, Example, Row, Split
from autoprompt_assets.engine.identity import content_hash, uniform
from autoprompt_assets.engine.likeness import near
from autoprompt_assets.engine.text import quantity

FEW = 5
"""Rows to a value of what decides their splits, from which on it is said."""


@dataclass(frozen=True)
class Membership:
    """Which split each row belongs to, for ever; `None` is one left out of all three.

    `thresholds` are the upper bounds, in [0, 1], of train, validation and test on the seeded hash
    of what decides a row's split: its group, or the values of `split_by`. `splits` is by the hash
    of that, and where rows that look alike may be told apart by it, by that of all inputs, too.
    """

    thresholds: tuple[float, float, float]
    splits: Mapping[str, Split | None] = field(default_factory=dict)
    split_by: tuple[str, ...] = ()
    group: str = ""


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


@dataclass(frozen=True)
class _Placed:
    """A row with the hash of the inputs that stand for it, and of what decides its split."""

    row: Row
    input_id: str
    key: str


def build_dataset(
    rows: Sequence[Row],
    spec: DatasetSpec,
    known: Membership | None = None,
    noticed: Sequence[str] = (),
) -> Dataset:
    """Drop what cannot be used, place every row, and note what a user should know.

    `known` is the stored membership of earlier versions: its rows keep their split, whatever the
    file holds now. `noticed` are the notes of its reading.

    Raises:
        InputError: a split would be empty, or what decided the splits so far is no longer read.
    """
    usable, dropped, notes = usable_rows(rows, spec)
    split_by = _split_by(spec, known)
    placed = [_placed(row, split_by, spec) for row in usable]
    members = _members(placed, spec, split_by, known)
    apart = spec.group is not None or not set(split_by) <= set(spec.inputs)
    kept = _kept(placed, members, spec.seed) if apart else placed
    examples, spare = [], []
    for one in kept:
        split, row = members.splits[one.key], one.row
        if split is None:
            spare.append(one.input_id)
        else:
            own = (_identity(row), one.input_id, row.inputs, row.target, split)
            examples.append(Example(*own, row.others, row.name))
    examples.sort(key=lambda example: _order(example, spec))
    dataset = Dataset(
        examples=tuple(examples),
        membership=members,
        version=_version(spec, examples),
        notes=(*noticed, *notes, *_moved(members, known), *split_notes(examples, spec)),
        dropped={
            **dropped,
            **({"alike in another split": len(placed) - len(kept)} if apart else {}),
            "left out by the split": len(spare),
        },
        spare=tuple(spare),
    )
    keys = {one.key for one in placed}
    few = _few_keys(len(keys), len(placed), members)
    _refuse_empty(dataset, spec, few)
    return replace(dataset, notes=(*dataset.notes, *few))


def near_id(*texts: str) -> str:
    """Sixteen hexadecimal digits that near duplicates of an input share, or of several."""
    found = [near(text) for text in texts]
    return content_hash(found[0] if len(found) == 1 else found, 16)


def _split_by(spec: DatasetSpec, known: Membership | None) -> tuple[str, ...]:
    """The columns that decide: those that are said, those that did so far, or the first input."""
    if spec.split_by is not None:
        return spec.split_by
    before = known.split_by if known else ()
    if set(before) <= set(spec.inputs):
        return before or spec.inputs[:1]
    names, first = ", ".join(before), spec.inputs[0]
    raise InputError(
        f"{spec.file}: the rows are split by {names}, which is no longer among dataset.inputs; "
        f"set dataset.split_by to [{names}], or to [{first}] if that is its new name (or if rows "
        "that were seen may move into test)"
    )


def _placed(row: Row, split_by: Sequence[str], spec: DatasetSpec) -> _Placed:
    input_id = near_id(*(row.deciding or [row.inputs[name] for name in split_by]))
    key = input_id if spec.group is None else content_hash(["group", row.group.strip()], 16)
    return _Placed(row, input_id, key)


def _members(
    placed: Sequence[_Placed],
    spec: DatasetSpec,
    split_by: tuple[str, ...],
    known: Membership | None,
) -> Membership:
    places = {one.key: uniform(spec.seed, one.key) for one in placed}
    each = sorted(places[one.key] for one in placed)
    thresholds = known.thresholds if known else _thresholds(spec.split, each)
    splits = dict(known.splits) if known else {}
    for key, place in places.items():
        splits.setdefault(key, _split_at(place, thresholds))
    return Membership(thresholds, splits, split_by, spec.group or "")


def _kept(placed: Sequence[_Placed], members: Membership, seed: int) -> list[_Placed]:
    """The rows without those that look like one of another split, which are remembered, too.

    Else a customer's row in train could be another's in test.
    """
    splits = members.splits
    assert isinstance(splits, dict)
    ids = [near_id(*one.row.inputs.values()) for one in placed]
    order = sorted(zip(ids, placed, strict=True), key=lambda pair: uniform(seed, pair[1].key))
    for row_id, one in order:
        splits.setdefault(row_id, splits[one.key])
    return [
        one for row_id, one in zip(ids, placed, strict=True) if splits[row_id] == splits[one.key]
    ]


def _order(example: Example, spec: DatasetSpec) -> tuple[float, str]:
    """The fixed order, drawn anew for each row: rows that share their first input do not follow one
    another, else a race would see few kinds of rows first.
    """
    drawn = example.input_id if len(spec.inputs) == 1 else example.id
    return uniform(spec.seed, drawn), example.id


def _few_keys(keys: int, rows: int, members: Membership) -> list[str]:
    """Where so few values decide that splits can hardly be drawn."""
    if members.group or keys * FEW > rows:
        return []
    names = ", ".join(members.split_by)
    return [
        f"{rows} rows have {quantity(keys, 'value')} of {names}, which alone decide their splits; "
        "name columns that tell rows apart as dataset.split_by"
    ]


def _moved(members: Membership, known: Membership | None) -> list[str]:
    if known is None or not known.split_by:
        return []
    now, before = (one.group or ", ".join(one.split_by) for one in (members, known))
    if now == before:
        return []
    return [
        f"rows were split by {before} and are split by {now} now: what a search has seen may stand "
        "in test; another dataset.seed draws all splits anew"
    ]


def _identity(row: Row) -> str:
    held = [list(row.inputs.values()), row.inputs.kinds, row.target, *row.others]
    return content_hash(held, 16)


def _version(spec: DatasetSpec, examples: Sequence[Example]) -> str:
    """A hash of the inputs' names, the rows and their splits."""
    rows = sorted((one.id, one.split) for one in examples)
    return content_hash([spec.layout.columns, rows], 16)


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


def _refuse_empty(dataset: Dataset, spec: DatasetSpec, few: Sequence[str]) -> None:
    sizes, asked = dataset.sizes(), spec.split.model_dump()
    rows = len(dataset.examples) + len(dataset.spare)
    lost = ", ".join(f"{count} {why}" for why, count in dataset.dropped.items() if count)
    usable = quantity(len(dataset.examples), "usable row") + (f"; dropped: {lost}" if lost else "")
    problems = [
        f"{spec.file}: the {split} split is empty ({usable}); {_more(spec.split, split, rows)}"
        for split in SPLITS
        if not sizes[split] and asked[split] > 0
    ]
    if problems:
        raise InputError([f"{spec.file}: {line}" for line in few] or problems)


def _more(spec: SplitSpec, split: Split, rows: int) -> str:
    """What gives `split` rows; a higher count does not where those before it take all `rows`."""
    asked = spec.model_dump()
    before = SPLITS[: SPLITS.index(split)]
    if not spec.by_count or sum(asked[one] for one in before) < rows:
        return f"add rows, or raise dataset.split.{split} = {asked[split]:g}"
    taken = " and ".join(f"dataset.split.{one} = {asked[one]:g}" for one in before)
    verb, them = ("takes", "it") if len(before) == 1 else ("take", "these")
    return f"{taken} {verb} them all; add rows, or lower {them}"
