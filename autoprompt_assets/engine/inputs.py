"""What a row gives to a prompt: values by column, and which of them a prompt may name.

A value is the text that a prompt is filled with: text as it is, a number as the table spells it, a
list or an object as compact JSON. Its class says which it was, and two values are equal where their
texts are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.template import field_names, fields, fill

ONE = "input"
"""The name that stands for the column where there is one only, whatever its own name."""


class Spelled(str):
    """A number as it is spelled: "1.50", "1e3", or as many digits as it takes."""

    __slots__ = ()


class JsonText(str):
    """A list or an object as JSON: keys sorted, no spaces, numbers as they are spelled."""

    __slots__ = ()


_KINDS: Mapping[str, type[str]] = {"t": str, "n": Spelled, "j": JsonText}
_LETTERS = {kind: letter for letter, kind in _KINDS.items()}


class Inputs(Mapping[str, str]):
    """The values of one row by column, in the columns' order. Frozen, and hashable.

    `text` is the row as a person or a model is shown it.
    """

    __slots__ = ("_names", "_values")

    def __init__(self, names: tuple[str, ...], values: Iterable[str]) -> None:
        """`values` in the order of `names`, a tuple that all rows of a table may share."""
        self._names, self._values = names, tuple(values)
        if len(self._names) != len(self._values):
            raise ValueError(f"{len(names)} columns have {len(self._values)} values")

    @classmethod
    def of(cls, values: Mapping[str, str]) -> Inputs:
        """The same from any mapping."""
        return cls(tuple(values), values.values())

    @classmethod
    def single(cls, text: str, name: str = ONE) -> Inputs:
        """The inputs of a row that has one column."""
        return cls((name,), (text,))

    @classmethod
    def restore(cls, names: tuple[str, ...], values: Iterable[str], kinds: str) -> Inputs:
        """What was taken apart by iteration and `kinds`."""
        if kinds.strip("t"):
            values = [_KINDS[kind](value) for kind, value in zip(kinds, values, strict=True)]
        return cls(names, values)

    @property
    def kinds(self) -> str:
        """A letter for each value: t text, n number, j JSON."""
        return "".join(_LETTERS[type(value)] for value in self._values)

    @property
    def text(self) -> str:
        """The value alone where there is one column, else a line `name: value` for each."""
        if len(self._values) == 1:
            return str(self._values[0])
        return "\n".join(
            f"{name}: {value}" for name, value in zip(self._names, self._values, strict=True)
        )

    def value(self, name: str) -> Any:
        """The value of a column as Python has it: text, a number, a list or a dictionary."""
        found = self[name]
        return json.loads(found) if isinstance(found, Spelled | JsonText) else found

    def mapped(self, change: Mapping[str, str]) -> Inputs:
        """The same with other values in the columns of `change`."""
        return Inputs(self._names, (change.get(name, self[name]) for name in self._names))

    def __getitem__(self, name: str) -> str:
        """The value of a column, as it is filled into a prompt."""
        try:
            return self._values[self._names.index(name)]
        except ValueError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        """The columns' names."""
        return iter(self._names)

    def __len__(self) -> int:
        """How many columns there are."""
        return len(self._names)

    def __eq__(self, other: object) -> bool:
        """Whether columns and texts are the same, in the same order."""
        if not isinstance(other, Inputs):
            return NotImplemented
        return self._values == other._values and self._names == other._names

    def __hash__(self) -> int:
        """Of the values."""
        return hash(self._values)

    def __repr__(self) -> str:
        """As it is made."""
        return f"Inputs.of({dict(self)!r})"


@dataclass(frozen=True)
class Layout:
    """Which columns the prompts of an experiment may name, and what they are filled with.

    Where there is one column, `{input}` stands for it, too.
    """

    columns: tuple[str, ...] = (ONE,)

    @lazy
    def names(self) -> frozenset[str]:
        """What may stand in braces."""
        return frozenset([*self.columns, ONE] if len(self.columns) == 1 else self.columns)

    def column(self, name: str) -> str:
        """The column that a name in braces stands for."""
        return name if name in self.columns else self.columns[0]

    def fields(self, template: str) -> list[str]:
        """The placeholders of `template` as they stand, in their order."""
        return fields(template, self.names)

    def named(self, template: str, without: frozenset[str] = frozenset()) -> list[str]:
        """The columns that fill the placeholders of `template`, in their order, each time.

        Names of `without` are filled with something else.
        """
        return [self.column(name) for name in field_names(template, self.names - without)]

    def values(self, inputs: Inputs) -> dict[str, str]:
        """What each name is filled with."""
        values = dict(inputs)
        if len(self.columns) == 1:
            values[ONE] = values[self.columns[0]]
        return values

    def fill(self, template: str, inputs: Inputs) -> str:
        """`template` with each placeholder filled, in one pass."""
        return fill(template, **self.values(inputs))

    def blank(self) -> Inputs:
        """Inputs that hold nothing in any column."""
        return Inputs(self.columns, [""] * len(self.columns))

    def placeholders(self) -> Inputs:
        """Inputs that hold, in every column, the placeholder that stands for it."""
        names = (ONE,) if len(self.columns) == 1 else self.columns
        return Inputs(self.columns, [f"{{{name}}}" for name in names])


SINGLE = Layout()
"""One column of the name that stands for any."""
