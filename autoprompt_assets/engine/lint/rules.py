"""A candidate judged before any call is spent on it. Pure: no model, no files.

| rule | it cannot be used where | what is no problem |
| --- | --- | --- |
| text | a text that is not tuned, or a name, is not as in the first prompt | |
| empty | it has no letter and no digit | |
| control | it holds a control character or its like: `controls.obeyed` | tabs; line ends; demos |
| length | a text is longer than `longest` | demos; the first prompt's own length |
| duplicate | it is a known one in all that is said (`alike`) | other case within: `Yes`, `yes` |
| placeholder lost | the first prompt holds a column's and it does not | its other form, or name |
| placeholder new | it holds a column's and the first prompt holds none | one more of several |
| placeholder often | it holds a column's more than twice as often as the first | |
| placeholder stray | a name stands in braces and nothing fills it: `template` | `{ name }`, JSON |
| keep | a text of `keep` does not stand in it, letter by letter | |
| form | what the answer is read by is gone: `answer_form` | a form that was never asked for |
| copy | one row's text stands in it: `copies` | demos; what the task or the first prompt says |

The rules are checked in this order, and the first problem is told; of a prompt of several texts
each is looked at beside the first prompt's of its name, and only the form in all of them. The first
prompt itself breaks none but `duplicate`. Where a rule may be wrong it lets pass: a poor candidate
costs one evaluation, a good one that is refused may cost the search. What is told is a pure
function of what is given, rows in their order, so that a search that is resumed asks its optimizer
model the same again.

A placeholder may not be added to a prompt without any, although it would work: it turns the
system's turn into a template of the user's, and the winner must fit where the first prompt stands.
Where the first names some of several columns, the others may be named, too: the rows have them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import AnswerMark, GraderSettings
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.lint.copies import Leaks
from autoprompt_assets.engine.lint.text_rules import TextRules
from autoprompt_assets.engine.text import visible
from autoprompt_assets.engine.texts import AnyPrompt, FirstPrompt, Texts


@dataclass(frozen=True)
class Lint:
    """The rules of one search; made once, its indices at their first use.

    `first` is the first prompt. `rows` are the train rows, and validation's where copies of those
    shall be found, too; never the test's. `choices` are the target role's. `longest` is in
    characters of a text, `None` stands for 4,000 or four times the first prompt's, whichever is
    more. `keep` are literal texts that stay where the first prompt has them. `layout` says which
    columns a prompt may name.
    """

    first: AnyPrompt
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
        if self._foreign(candidate):
            return self._foreign(candidate)
        for rules in self._texts:
            found = rules.unusable(candidate.texts[rules.name])
            if found:
                return self._said(rules, found)
        if candidate.id in known or alike(candidate) in known:
            return "that prompt was tried before"
        if candidate.texts == self._first:
            return ""
        for rules in self._texts:
            found = rules.lost(candidate.texts[rules.name])
            if found:
                return self._said(rules, found)
        return self._lost_form(candidate) or self._copied(candidate)

    def _foreign(self, candidate: Candidate) -> str:
        """What is wrong with the texts that are none of the search's to change."""
        if candidate.texts.keys() != self._first.keys():
            return f"its texts must be {', '.join(self._first)}; keep their names"
        names = {rules.name for rules in self._texts}
        changed = [name for name in self._first if name not in names]
        changed = [name for name in changed if candidate.texts[name] != self._first[name]]
        return f"it changes the text {changed[0]!r}, which is to stay as it is" if changed else ""

    def _said(self, rules: TextRules, problem: str) -> str:
        return problem if self._first.is_single else f"in the text {rules.name!r}, {problem}"

    def _lost_form(self, candidate: Candidate) -> str:
        text = candidate.instruction
        lost = next((mark for mark in self._marks if not mark.kept.search(text)), None)
        if lost is None:
            return ""
        return f"it no longer asks for {lost.name}, by which the answer is read; keep that"

    def _copied(self, candidate: Candidate) -> str:
        for rules in self._texts:
            own = candidate.texts[rules.name]
            text = "" if own == rules.first else self._leaks.copied(own)
            if text:
                return (
                    f"it copies {shown(' '.join(text.split()))} from the rows it is tuned on; say "
                    "in general what such rows have in common"
                )
        return ""

    @cached_property
    def _first(self) -> Texts:
        return FirstPrompt.of(self.first).texts

    @cached_property
    def _texts(self) -> tuple[TextRules, ...]:
        names = FirstPrompt.of(self.first).tuned
        rest = (self.longest, self.keep, self.layout, self._first.is_single)
        return tuple(TextRules(name, self._first[name], *rest) for name in names)

    @cached_property
    def _marks(self) -> tuple[AnswerMark, ...]:
        if self.choices:
            return ()
        found = self.grader.marks(self._first.joined(), [row.target for row in self.rows])
        return tuple({mark.name.casefold(): mark for mark in found}.values())

    @cached_property
    def _leaks(self) -> Leaks:
        return Leaks(self._first.joined(), self.rows)


def names(candidates: Iterable[Candidate]) -> frozenset[str]:
    """What `Lint.problem` knows earlier candidates by: their ids, and what they are alike by."""
    return frozenset(name for one in candidates for name in (one.id, alike(one)))


def alike(candidate: Candidate) -> str:
    """Twelve hexadecimal digits that candidates share where they differ in nothing that is said.

    Apart from white space, invisible characters, the first letter's case and the last full stop,
    all of a candidate counts: demos and parameters as they are.
    """
    wordings = [["alike", name, _wording(text)] for name, text in candidate.texts.items()]
    return content_hash({**candidate.as_json(), "texts": wordings}, 12)


def _wording(text: str) -> str:
    wording = " ".join(visible(text).split()).rstrip(" .")
    return wording[:1].casefold() + wording[1:]
