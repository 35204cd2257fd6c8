"""Rows without those that stand twice, or that contradict each other."""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.example import Row
from autoprompt_assets.engine.likeness import appearance
from autoprompt_assets.engine.text import were


def usable_rows(
    rows: Sequence[Row], spec: DatasetSpec
) -> tuple[list[Row], dict[str, int], list[str]]:
    """One row for each that looks the same in all inputs, how many were dropped, and notes.

    Raises:
        InputError: there were rows, and none is left.
    """
    same: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        same.setdefault(_appearance(row), []).append(row)
    usable, duplicates, conflicting, example = [], 0, 0, ""
    for group in same.values():
        if len(set(map(_accepted, group))) > 1:
            conflicting += len(group)
            example = example or group[0].inputs.text.strip()
        else:
            # Not the first: which row is kept must not depend on the file's order. The shortest has
            # the fewest characters that no one sees.
            usable.append(min(group, key=_order))
            duplicates += len(group) - 1
    if rows and not usable:
        raise InputError(f"{spec.file}: {_all_conflict(rows)}")
    notes = []
    if duplicates:
        notes.append(f"{were(duplicates, 'duplicate row')} dropped")
    if conflicting:
        notes.append(
            f"{conflicting} rows were dropped because one input has conflicting targets, "
            f"such as {example[:60]!r}"
        )
    return usable, {"duplicate": duplicates, "conflicting": conflicting}, notes


def _appearance(row: Row) -> tuple[str, ...]:
    return tuple(map(appearance, row.inputs.values()))


def _accepted(row: Row) -> frozenset[str]:
    return frozenset(map(appearance, (row.target, *row.others)))


def _order(row: Row) -> tuple[int, str, str, tuple[str, ...], str, str]:
    text = row.inputs.text
    return len(text), text, row.target, row.others, row.group, row.name


def _all_conflict(rows: Sequence[Row]) -> str:
    first = min(rows, key=_order)
    same = [row for row in rows if _appearance(row) == _appearance(first)]
    targets = {_accepted(row): row.target_text for row in same}
    one, other = (repr(target[:60]) for target in sorted(targets.values())[:2])
    return (
        "no row can be used: the input of each stands there with another target, too, such as "
        f"{first.inputs.text[:60]!r} with {one} and {other}; keep one target for each input, or "
        "name other columns (dataset.inputs, dataset.target)"
    )
