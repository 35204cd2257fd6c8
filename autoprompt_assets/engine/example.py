"""A row of the dataset, and the splits that rows stand in."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from autoprompt_assets.engine.inputs import Inputs

Split = Literal["train", "validation", "test"]
SPLITS: tuple[Split, ...] = ("train", "validation", "test")


@dataclass(frozen=True)
class Row:
    """One row as it stood in the file, its cells as text.

    `others` are further targets that are accepted beside `target`, `name` is what the user calls
    the row. `deciding` are the texts that decide its split where not the first input does, `group`
    is what it shares with the rows that must be in the same one.
    """

    inputs: Inputs
    target: str = ""
    others: tuple[str, ...] = ()
    name: str = ""
    deciding: tuple[str, ...] = ()
    group: str = ""

    @property
    def target_text(self) -> str:
        """As `Example` has it."""
        return _shown_targets(self.target, self.others)


@dataclass(frozen=True)
class Example:
    """One usable row; `id` is a hash of its content, `input_id` of the inputs that decide its split
    as `likeness.near` has them, which near duplicates share.

    `target` is empty where the table has none. `others` are further targets that are accepted,
    `name` is what the user calls the row.
    """

    id: str
    input_id: str
    inputs: Inputs
    target: str
    split: Split
    others: tuple[str, ...] = ()
    name: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        """All that are accepted; none where the table has no target."""
        return (self.target, *self.others) if self.target else ()

    @property
    def target_text(self) -> str:
        """What is accepted, as a person or a model is shown it: a JSON list where it is several."""
        return _shown_targets(self.target, self.others)


@dataclass(frozen=True)
class SplitRows:
    """The rows of one split, in their fixed order; each `read` goes through them anew.

    They are streamed: nothing holds a whole split.
    """

    split: Split
    count: int
    read: Callable[[], Iterable[Example]]


def _shown_targets(target: str, others: tuple[str, ...]) -> str:
    return json.dumps((target, *others), ensure_ascii=False) if others else target
