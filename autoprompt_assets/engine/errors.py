"""What can be wrong with what a user brings."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime


class InputError(Exception):
    """Input that cannot be used. One line per problem: file, field, value and mend."""

    def __init__(self, lines: str | Sequence[str]) -> None:
        self.lines: tuple[str, ...] = (lines,) if isinstance(lines, str) else tuple(lines)
        super().__init__("\n".join(self.lines))


class Unreachable(InputError):
    """A store gave no answer: what it holds is not known."""


class MissingInput(Exception):
    """An earlier asset of the same search has not been materialized. One line names it."""


class JournalError(Exception):
    """The journal cannot be used. One line says why."""


class RunFailed(Exception):
    """An asset failed. One line per asset says which and why."""


class UnmeasuredRows(Exception):
    """More rows than the spec allows have no grade: calls failed, or reviews were unusable."""


def shown(value: object, limit: int = 80) -> str:
    """`value` as it stands in an error message: quoted, on one line, cut at `limit` characters."""
    text = " ".join(repr(value).splitlines())  # a table's own has many
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


_TYPE_WORDS: dict[type, str] = {
    **{str: "a text", int: "a number", float: "a number", list: "a list", dict: "a mapping"},
    **{date: "a date", datetime: "a date"},
}


def type_word(value: object) -> str:
    """What `value` is, in the words of a YAML file; a text, number, list or mapping is not shown.

    null, true and false are: nobody's secret is one.
    """
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return _TYPE_WORDS.get(type(value), "another value")
