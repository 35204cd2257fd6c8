"""The columns of a table, found by their names as a person sees them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.cells import cell_text, inner_text
from autoprompt_assets.engine.dataset.table.foreign_tables import recognise
from autoprompt_assets.engine.errors import InputError, shown

_APART = re.compile(r"[\s_-]+")


_LISTS = ("dataset.inputs", "dataset.split_by", "dataset.where")


@dataclass(frozen=True)
class CellPath:
    """Where the values of a name stand: in a column, or under a path in its JSON."""

    name: str
    column: str
    path: tuple[str, ...] = ()

    def text(self, value: object) -> str:
        """The text in a cell of the column.

        Raises:
            ValueError: it has none; the name and the mend are in the words.
        """
        try:
            return inner_text(value, self.path) if self.path else cell_text(value)
        except ValueError as error:
            if not self.path:
                raise
            raise ValueError(
                f"has no {self.name!r}, for column {self.column!r} {error}; name a column of JSON "
                "objects, or the column alone"
            ) from None


@dataclass(frozen=True)
class Columns:
    """Where each of the spec's `fields` stands, in that order."""

    places: tuple[CellPath, ...]

    @property
    def names(self) -> list[str]:
        """The columns that are read, as they stand in the file, each once."""
        return list(dict.fromkeys(place.column for place in self.places))


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
    seen: dict[str, list[str]] = {}
    for name in names:
        seen.setdefault(visible(name), []).append(name)
    found = []
    for wanted in spec.fields:
        place = _place(wanted, seen)
        if place is None:
            return None
        same = seen[visible(place.column)]
        if len(same) > 1 and same[0] == same[1]:
            raise InputError(f"{spec.file}: column {same[0]!r} stands twice; rename one")
        if len(same) > 1:
            raise InputError(
                f"{spec.file}: the columns {same[0]!r} and {same[1]!r} differ in white space or "
                "invisible characters only; rename one"
            )
        found.append(place)
    return Columns(tuple(found))


def _place(wanted: str, seen: Mapping[str, Sequence[str]]) -> CellPath | None:
    """The column of that name, else the one that the longest beginning before a dot names."""
    parts = wanted.split(".")
    for size in range(len(parts), 0, -1):
        head = visible(".".join(parts[:size]))
        if head in seen and all(parts[size:]):
            return CellPath(wanted, seen[head][0], tuple(parts[size:]))
    return None


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
    """What is wrong with a table that lacks columns, a line for each."""
    seen = {visible(name): [name] for name in names}
    missing = [name for name in spec.fields if _place(name, seen) is None]
    near = {name: similar_columns(name, names) for name in missing}
    foreign = recognise(names, sample)
    if foreign and not all(near.values()):
        return [f"{spec.file}: {foreign}"]
    return [_missing(spec, name, names) for name in missing]


def _missing(spec: DatasetSpec, name: str, names: Sequence[str]) -> str:
    field = spec.fields[name]
    if field == "dataset.split_by" and spec.split_by is None:
        field = "dataset.inputs"
    same, close = similar_columns(name, names), get_close_matches(name, map(visible, names), 1)
    if len(same) == 1:
        word = "name it in" if field in _LISTS else "set"
        mend = f"{same[0]!r}; {word} {field}" + ("" if field in _LISTS else f" to {same[0]!r}")
    else:
        likely = f", perhaps {close[0]!r} is meant" if close else ""
        mend = f"{shown(', '.join(names), 200)}{likely}; mend {field}"
        if field == "dataset.target":
            mend += ", or set it to null where the grader needs none"
    return f"{spec.file}: has no column {name!r}; it has {mend}"


def similar_columns(wanted: str, names: Sequence[str]) -> list[str]:
    """The names that differ from `wanted` in case, spaces, dashes and underscores at most."""
    return [visible(name) for name in names if _loose(name) == _loose(wanted)]


def _loose(name: str) -> str:
    return _APART.sub("", visible(name).casefold())
