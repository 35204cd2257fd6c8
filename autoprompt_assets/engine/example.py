"""A row of the dataset, and the splits that rows stand in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Row:
    """One row as it stood in the file, both cells as text."""

    input: str
    target: str


@dataclass(frozen=True)
class Example:
    """One usable row; `id` is a hash of its content, `input_id` of its input as `likeness.near` has
    it, which near duplicates share.
    """

    id: str
    input_id: str
    input: str
    target: str
    split: Split


@dataclass(frozen=True)
class SplitRows:
    """The rows of one split, in their fixed order; each `read` goes through them anew.

    They are streamed: nothing holds a whole split.
    """

    split: Split
    count: int
    read: Callable[[], Iterable[Example]]
