"""What a user says of the dataset and its splits."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from autoprompt_assets.engine.fields import (
    Frozen,
    Location,
    Number,
    Whole,
)
from autoprompt_assets.engine.inputs import ONE, Layout

_VALUES = re.compile(r"([?&;])([^=&;#\s'\"?]+=|)[^=&;#\s'\"][^&;#\s'\"]*")


def without_values(text: str) -> str:
    """`text` with the values in the queries of its web addresses as `***`."""
    return re.sub(
        r"\b[a-z0-9+.-]+://[^\s'\"]*", lambda url: _VALUES.sub(r"\1\2***", url[0]), text, flags=re.I
    )


def _sheet(value: Any) -> Any:
    numbered = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not numbered and not (isinstance(value, str) and value):
        raise ValueError("is no sheet; give its name, or its number, which counts from 1")
    return value


Sheet = Annotated[str | int, BeforeValidator(_sheet)]


def _several(value: Any) -> Any:
    """One as a list of one."""
    if isinstance(value, list | tuple):
        if not value:
            raise ValueError("is an empty list; name at least one")
        return value
    return [value]


def _text(value: Any) -> str:
    """A value of YAML as the cell that it stands for.

    Raises:
        ValueError: it is no single value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if value is None or isinstance(value, str):
        return value or ""
    raise ValueError("is no text, number, true, false or null")


Name = Annotated[str, Field(min_length=1)]
Names = Annotated[tuple[Name, ...], BeforeValidator(_several)]
Wanted = Annotated[tuple[Annotated[str, BeforeValidator(_text)], ...], BeforeValidator(_several)]


class SplitSpec(Frozen):
    """How rows are shared out: three fractions (sum at most 1) or three counts of rows."""

    train: Number = Field(0.3, ge=0)
    validation: Number = Field(0.35, gt=0)
    test: Number = Field(0.35, gt=0)

    @property
    def by_count(self) -> bool:
        """True when the three numbers are counts of rows."""
        return max(self.train, self.validation, self.test) > 1

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        parts = (self.train, self.validation, self.test)
        if self.by_count:
            if any(part != int(part) for part in parts):
                raise ValueError(
                    "mixes counts and fractions; give three whole numbers, or three below 1"
                )
        elif sum(parts) > 1 + 1e-9:
            raise ValueError(f"the fractions add up to {sum(parts):g}; make them 1 or less")
        return self


class DatasetSpec(Frozen):
    """Where the rows are and how they are split."""

    path: Location = Field(min_length=1)
    """A file beside the experiment file, an absolute path, or a URL that fsspec reaches, without
    credentials: its library takes those from the environment.
    """
    format: Literal["csv", "tsv", "json", "jsonl", "parquet"] | None = None
    """Read from the path's ending when left out; gzip, Parquet and workbooks are known by their
    content.
    """
    sheet: Sheet | None = None
    """Of a workbook: a name, or a number that counts from 1. Left out, the only one with rows."""
    inputs: Names = (ONE,)
    """The columns that a prompt may name. A dot leads into a JSON column: `meta.tier`."""
    target: Name | None = "target"
    """`None` where the grader needs none."""
    targets: Literal["one", "any"] = "one"
    """With `any`, a cell of `target` is a JSON list of which each is accepted."""
    split_by: Names | None = None
    """The columns that decide a row's split; the first input, or what decided it before."""
    group: Name | None = None
    """A column whose rows with one value, a customer or a document, are kept in one split."""
    id: Name | None = None
    """A column that names the rows in reports."""
    where: dict[Name, Wanted] = Field(default_factory=dict)
    """The rows that are used: a value or several for a column."""
    encoding: str = "utf-8"
    """Of a text without a byte order mark, which says it itself."""
    split: SplitSpec = SplitSpec()
    seed: Whole = 0

    @property
    def file(self) -> str:
        """The path as it may be shown and stored: without the values of a URL's query, of which a
        signed one holds a secret.
        """
        return without_values(self.path) if "://" in self.path else self.path

    def identity(self) -> dict[str, Any]:
        """The settings as JSON values; another signature in the path is no other data."""
        return {**self.model_dump(mode="json"), "path": self.file}

    @property
    def layout(self) -> Layout:
        """The columns that a prompt may name."""
        return Layout(self.inputs)

    @property
    def fields(self) -> dict[str, str]:
        """Every column that is read, the inputs first, and the field that names it."""
        named = dict.fromkeys(self.inputs, "inputs")
        others = {"target": self.target, "group": self.group, "id": self.id}
        found = [(field, name) for field, name in others.items() if name is not None]
        found += [("split_by", name) for name in self.split_by or ()]
        found += [("where", name) for name in self.where]
        for field, name in found:
            named.setdefault(name, field)
        return {name: f"dataset.{field}" for name, field in named.items()}

    @property
    def filled(self) -> frozenset[str]:
        """The columns that must hold something in every row: all but one of several inputs."""
        alone = self.inputs if len(self.inputs) == 1 else ()
        names = (*alone, *(self.split_by or ()), self.target, self.group, self.id)
        return frozenset(name for name in names if name is not None)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        names = [name.strip() for name in self.inputs]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"inputs names {twice!r} twice; name it once")
        if self.target is not None and self.target.strip() in names:
            raise ValueError(f"inputs and target are the same column {self.target!r}; name two")
        if self.target is None and self.targets == "any":
            raise ValueError("targets = 'any' and target is null; name the column as target")
        if self.split_by is not None and self.group is not None:
            raise ValueError("split_by and group both decide a row's split; keep one of them")
        return self
