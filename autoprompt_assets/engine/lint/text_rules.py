"""One text of a candidate, looked at beside the first prompt's of its name. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from autoprompt_assets.engine.controls import obeyed
from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.template import literal, stray

SHORTEST_LIMIT = 4000
"""Characters that every text may have, unless `longest` says else."""
TIMES_FIRST = 4
"""A text may be so many times as long as the first prompt's."""
TIMES_FIELDS = 2
"""It may hold the input so many times as often: each time costs an input more for every row."""

_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"


@dataclass(frozen=True)
class TextRules:
    """What the text `name` must respect; `first` is the first prompt's, the rest as `Lint` has it.

    `alone`: it is the whole prompt, and no text of a conversation.
    """

    name: str
    first: str
    longest: int | None = None
    keep: tuple[str, ...] = ()
    layout: Layout = SINGLE
    alone: bool = True

    def unusable(self, text: str) -> str:
        """Why no request could be made with `text`; empty where one can."""
        what = "the prompt" if self.alone else "it"
        if not any(letter.isalnum() and letter not in _BLANK_LETTERS for letter in text):
            return f"{what} is empty" if self.alone else "there is nothing"
        found = obeyed(text)
        if found:
            return f"it holds {found}; leave it out"
        if len(text) > self._limit:
            return (
                f"{what} has {len(text):,} characters and may have {self._limit:,}; say it in "
                "fewer words"
            )
        return ""

    def lost(self, text: str) -> str:
        """What `text` lacks that the first prompt's has, or fills otherwise; or an empty text."""
        return "" if text == self.first else self._placeholder(text) or self._lost_text(text)

    def _placeholder(self, text: str) -> str:
        was, now = self._fields, self.layout.fields(text)
        count = Counter(self.layout.named(text))
        lost = next((name for name in self._columns if name not in count), None)
        if lost is not None:
            held = was[self._columns.index(lost)]
            return f"it lacks the placeholder {held} of the first prompt; keep it as it is"
        if now and not was:
            follows = "follows by itself" if self.alone else "stands in another turn"
            return (
                f"it holds {now[0]}, and the first prompt is used as it stands, without "
                f"placeholders; take it out, the input {follows}"
            )
        for name, most in most_fields(self.first, self.layout).items():
            if count[name] > most:
                one = len(self.layout.columns) == 1
                return (
                    f"it holds the placeholder of {'the input' if one else name} {count[name]} "
                    f"times and may hold it {most} times; take some out"
                )
        found = next((name[:50] for name in stray(text, self.layout.names)), "")
        if not found:
            return ""
        return (
            f"it holds {found}, which nothing fills; take it out, or write it with spaces inside "
            f"the braces, {literal(found)}"
        )

    def _lost_text(self, text: str) -> str:
        kept = (one for one in self.keep if self.alone or one in self.first)
        lost = next((one for one in kept if one not in text), None)
        return f"it lacks the text {shown(lost)}, which every prompt must hold" if lost else ""

    @cached_property
    def _limit(self) -> int:
        return longest_instruction(self.first, self.longest)

    @cached_property
    def _fields(self) -> list[str]:
        return self.layout.fields(self.first)

    @cached_property
    def _columns(self) -> list[str]:
        """The columns of `_fields`."""
        return self.layout.named(self.first)


def most_fields(first: str, layout: Layout) -> dict[str, int]:
    """How often a text may name each column, after the first prompt's; none if that names none."""
    count = Counter(layout.named(first))
    return {name: TIMES_FIELDS * max(1, count[name]) for name in layout.columns} if count else {}


def longest_instruction(first: str, longest: int | None) -> int:
    """Characters that a text may have, after the first prompt's and the spec's `longest`."""
    default = max(SHORTEST_LIMIT, TIMES_FIRST * len(first))
    return max(default if longest is None else longest, len(first))
