"""The two columns of a table, found by their names as a person sees them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.foreign_tables import recognise
from autoprompt_assets.engine.errors import InputError, shown

_APART = re.compile(r"[\s_-]+")


@dataclass(frozen=True)
class Columns:
    """The names of the two columns as they stand in the file."""

    input: str
    target: str


def visible(name: str) -> str:
    """A column's name without what no one sees: marks, zero-width characters, outer white space."""
    composed = unicodedata.normalize("NFC", name)
    kept = (char for char in composed if unicodedata.category(char) != "Cf")
    return " ".join("".join(kept).split())


def find_columns(spec: DatasetSpec, names: Sequence[str]) -> Columns | None:
    """The columns of `names` that the spec means, or None when one is missing.

    Raises:
        InputError: two columns answer to one of the names.
    """
    found = []
    seen = [(visible(name), name) for name in names]
    for wanted in (visible(spec.input), visible(spec.target)):
        same = [name for shown_as, name in seen if shown_as == wanted]
        if not same:
            return None
        if len(same) > 1 and same[0] == same[1]:
            raise InputError(f"{spec.file}: column {same[0]!r} stands twice; rename one")
        if len(same) > 1:
            raise InputError(
                f"{spec.file}: the columns {same[0]!r} and {same[1]!r} differ in white space or "
                "invisible characters only; rename one"
            )
        found.append(same[0])
    return Columns(*found)


def require_columns(
    spec: DatasetSpec, names: Sequence[str], sample: Mapping[str, object]
) -> Columns:
    """The columns of `names` that the spec means; `sample` is the first row.

    Raises:
        InputError: one is missing, or stands twice.
    """
    columns = find_columns(spec, names)
    if columns is None:
        raise InputError(missing_columns(spec, names, sample))
    return columns


def missing_columns(
    spec: DatasetSpec, names: Sequence[str], sample: Mapping[str, object]
) -> list[str]:
    """What is wrong with a table that lacks one of the two columns, a line for each."""
    seen = {visible(name) for name in names}
    wanted = {"input": spec.input, "target": spec.target}
    missing = {role: name for role, name in wanted.items() if visible(name) not in seen}
    near = {role: similar_columns(name, names) for role, name in missing.items()}
    foreign = recognise(names, sample)
    if foreign and not all(near.values()):
        return [f"{spec.file}: {foreign}"]
    has = shown(", ".join(names), 200)
    return [
        f"{spec.file}: has no column {name!r}; it has "
        + (
            f"{near[role][0]!r}; set dataset.{role} to {near[role][0]!r}"
            if len(near[role]) == 1
            else f"{has}; mend dataset.{role}"
        )
        for role, name in missing.items()
    ]


def similar_columns(wanted: str, names: Sequence[str]) -> list[str]:
    """The names that differ from `wanted` in case, spaces, dashes and underscores at most."""
    return [visible(name) for name in names if _loose(name) == _loose(wanted)]


def _loose(name: str) -> str:
    return _APART.sub("", visible(name).casefold())
