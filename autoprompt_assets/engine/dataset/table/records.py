"""What every format's reader gives back, and how it says what is wrong with single lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.errors import InputError

MOST_PROBLEMS = 10
MOST_PLACES = 5


@dataclass(frozen=True)
class Record:
    """One row and where it stands: "line 3" of a text, "row 3" of a JSON array or Parquet file."""

    place: str
    cells: tuple[str, ...]
    """In the order of the spec's `fields`."""


@dataclass(frozen=True)
class RecordSet:
    """The rows of a file, how many rows without any content were skipped, and what was noticed."""

    rows: Sequence[Record]
    blank: int = 0
    notes: tuple[str, ...] = ()
    emptiness: str = "is empty"
    """What is said of a cell that holds nothing, and in `hint` why it may look as if it did."""
    hint: str = ""


def raise_any(spec: DatasetSpec, problems: Sequence[str]) -> None:
    """Raise the problems, at most ten of them and the count of the rest, if there are any.

    Raises:
        InputError: there is a problem.
    """
    if len(problems) > MOST_PROBLEMS:
        more = len(problems) - MOST_PROBLEMS
        problems = [
            *problems[:MOST_PROBLEMS],
            f"{spec.file}: and {more} more lines like these",
        ]
    if problems:
        raise InputError(problems)


def listed(places: Sequence[str]) -> str:
    """The first places, and a sign that there are more."""
    return ", ".join(places[:MOST_PLACES]) + (", …" if len(places) > MOST_PLACES else "")
