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
from autoprompt_assets.engine.inputs import Layout

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
    input: str = Field("input", min_length=1)
    target: str = Field("target", min_length=1)
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
        return Layout((self.input,))

    @model_validator(mode="after")
    def _two_columns(self) -> Self:
        if self.input.strip() == self.target.strip():
            raise ValueError(f"input and target are the same column {self.input!r}; name two")
        return self
