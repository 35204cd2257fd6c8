"""A candidate judged before any call is spent on it. Pure: no model, no files.

| rule | it cannot be used where | what is no problem |
| --- | --- | --- |
| empty | it has no letter and no digit | |
| control | it holds a control character or its like: `controls.obeyed` | tabs; line ends; demos |
| length | the instruction is longer than `longest` | demos; the first prompt's own length |
| duplicate | it is a known one in all that is said (`alike`) | other case within: `Yes`, `yes` |
| placeholder lost | the first prompt holds a column's and it does not | its other form, or name |
| placeholder new | it holds a column's and the first prompt holds none | one more of several |
| placeholder often | it holds a column's more than twice as often as the first | |
| placeholder stray | a name stands in braces and nothing fills it: `template` | `{ name }`, JSON |
| keep | a text of `keep` does not stand in it, letter by letter | |
| form | what the answer is read by is gone: `answer_form` | a form that was never asked for |
| copy | one row's text stands in it: `copies` | demos; what the task or the first prompt says |

The rules are checked in this order, and the first problem is told. The first prompt itself breaks
none but `duplicate`. Where a rule may be wrong it lets pass: a poor candidate costs one evaluation,
a good one that is refused may cost the search. What is told is a pure function of what is given,
rows in their order, so that a search that is resumed asks its optimizer model the same again.

A placeholder may not be added to a prompt without any, although it would work: it turns the
system's turn into a template of the user's, and the winner must fit where the first prompt stands.
Where the first names some of several columns, the others may be named, too: the rows have them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.controls import obeyed
from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import AnswerMark, GraderSettings
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.lint.copies import Leaks
from autoprompt_assets.engine.template import literal, stray
from autoprompt_assets.engine.text import visible

SHORTEST_LIMIT = 4000
"""Characters that every instruction may have, unless `longest` says else."""
TIMES_FIRST = 4
"""An instruction may be so many times as long as the first prompt."""

TIMES_FIELDS = 2
"""It may hold the input so many times as often: each time costs an input more for every row."""

_BLANK_LETTERS = "\u115f\u1160\u3164\uffa0"


@dataclass(frozen=True)
class Lint:
    """The rules of one search; made once, its indices at their first use.

    `rows` are the train rows, and validation's where copies of those shall be found, too; never
    the test's. `choices` are the target role's. `longest` is in characters of the instruction,
    `None` stands for 4,000 or four times the first prompt, whichever is more. `keep` are literal
    texts that every instruction must hold. `layout` says which columns a prompt may name.
    """

    first: str
    rows: Sequence[Example] = field(repr=False)
    grader: GraderSettings
    choices: tuple[str, ...] = ()
    longest: int | None = None
    keep: tuple[str, ...] = ()
    layout: Layout = SINGLE

    def problem(self, candidate: Candidate, known: Collection[str]) -> str:
        """Why `candidate` cannot be used, in words for a model and a person, or an empty text.

        The words fit "That cannot be used: …." `known` are the names of earlier candidates, as
        `names` gives them; bare candidate ids find exact repetitions only.
        """
        instruction = candidate.instruction
        if not any(letter.isalnum() and letter not in _BLANK_LETTERS for letter in instruction):
            return "the prompt is empty"
        found = obeyed(instruction)
        if found:
            return f"it holds {found}; leave it out"
        if len(instruction) > self._limit:
            return (
                f"the prompt has {len(instruction):,} characters and may have {self._limit:,}; "
                "say it in fewer words"
            )
        if candidate.id in known or alike(candidate) in known:
            return "that prompt was tried before"
        if instruction == self.first:
            return ""
        return (
            self._placeholder(instruction)
            or self._lost_text(instruction)
            or self._lost_form(instruction)
            or self._copied(instruction)
        )

    def _placeholder(self, instruction: str) -> str:
        was, now = self._fields, self.layout.fields(instruction)
        count = Counter(self.layout.named(instruction))
        lost = next((name for name in self._columns if name not in count), None)
        if lost is not None:
            held = was[self._columns.index(lost)]
            return f"it lacks the placeholder {held} of the first prompt; keep it as it is"
        if now and not was:
            return (
                f"it holds {now[0]}, and the first prompt is used as it stands, without "
                "placeholders; take it out, the input follows by itself"
            )
        for name, most in most_fields(self.first, self.layout).items():
            if count[name] > most:
                one = len(self.layout.columns) == 1
                return (
                    f"it holds the placeholder of {'the input' if one else name} {count[name]} "
                    f"times and may hold it {most} times; take some out"
                )
        found = next((name[:50] for name in stray(instruction, self.layout.names)), "")
        if not found:
            return ""
        return (
            f"it holds {found}, which nothing fills; take it out, or write it with spaces inside "
            f"the braces, {literal(found)}"
        )

    def _lost_text(self, instruction: str) -> str:
        lost = next((text for text in self.keep if text not in instruction), None)
        return f"it lacks the text {shown(lost)}, which every prompt must hold" if lost else ""

    def _lost_form(self, instruction: str) -> str:
        lost = next((mark for mark in self._marks if not mark.kept.search(instruction)), None)
        if lost is None:
            return ""
        return f"it no longer asks for {lost.name}, by which the answer is read; keep that"

    def _copied(self, instruction: str) -> str:
        text = self._leaks.copied(instruction)
        if not text:
            return ""
        return (
            f"it copies {shown(' '.join(text.split()))} from the rows it is tuned on; say in "
            "general what such rows have in common"
        )

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

    @cached_property
    def _marks(self) -> tuple[AnswerMark, ...]:
        if self.choices:
            return ()
        found = self.grader.marks(self.first, [row.target for row in self.rows])
        return tuple({mark.name.casefold(): mark for mark in found}.values())

    @cached_property
    def _leaks(self) -> Leaks:
        return Leaks(self.first, self.rows)


def most_fields(first: str, layout: Layout) -> dict[str, int]:
    """How often an instruction may name each column, after the first prompt; none where that names
    none.
    """
    count = Counter(layout.named(first))
    return {name: TIMES_FIELDS * max(1, count[name]) for name in layout.columns} if count else {}


def longest_instruction(first: str, longest: int | None) -> int:
    """Characters that an instruction may have, after the first prompt and the spec's `longest`."""
    default = max(SHORTEST_LIMIT, TIMES_FIRST * len(first))
    return max(default if longest is None else longest, len(first))


def names(candidates: Iterable[Candidate]) -> frozenset[str]:
    """What `Lint.problem` knows earlier candidates by: their ids, and what they are alike by."""
    return frozenset(name for one in candidates for name in (one.id, alike(one)))


def alike(candidate: Candidate) -> str:
    """Twelve hexadecimal digits that candidates share where they differ in nothing that is said.

    Apart from white space, invisible characters, the first letter's case and the last full stop,
    all of a candidate counts: demos and parameters as they are.
    """
    wording = " ".join(visible(candidate.instruction).split()).rstrip(" .")
    wording = wording[:1].casefold() + wording[1:]
    return content_hash({**candidate.as_json(), "instruction": ["alike", wording]}, 12)
