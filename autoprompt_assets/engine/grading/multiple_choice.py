"""The grader `choice`: which option an answer settles on, however it is wrapped.

What an answer settles on is, in this order: a letter alone (the whole of it, or its last line);
the last one announced ("the answer is B", "答案：B", \\boxed{B}, "so B"); the option whose
text follows "answer:"; a letter alone on the first line, with reasons below; the one option that
stands there as label or text. Options that it rules out ("A is wrong", "not C") or names together
("A or B") do not count. Numbered options are read as letters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.grade import (
    Grade,
    reason_alone,
    right_or_wrong,
    unparsable,
)
from autoprompt_assets.engine.grading.markup import ANSWER_WORDS, tags_as_leads
from autoprompt_assets.engine.grading.options import plain, read_options
from autoprompt_assets.engine.grading.protocol import Rule
from autoprompt_assets.engine.grading.target_form import missing_problem, structure_problem
from autoprompt_assets.engine.text import bare, fold

# `plain` leaves one space between words, and no blank lines: ` ?` is all there can be.
_ONE = r"(?:\([A-Za-z]\)|\b[A-Z]\b)"
_LISTED = rf"{_ONE}(?: ?, ?{_ONE}){{1,8}}(?! (?:is|was|isn|can|could|does|would|not)\b)"
_EITHER = (
    rf"{_ONE}(?: ?, ?{_ONE}){{0,8}} ?,? ?(?:\b(?:and|or|und|oder|y|o|et|ou)\b|/|&) ?"
    rf"(?:either )?{_ONE}"
)
_REASON = r"(?:because|since|as|for|and|but|so|while|whereas|given|due)\b"
_DENIED = (
    r"(?i:\bI \w{0,10}n[’']t|n[’']t|\bnot|\bnever) "
    r"(?i:think|believe|say|feel|choose|pick|select|go with)\b"
    rf"(?: [a-z]+){{0,6}}? {_ONE}"
)
_NOT_BEFORE = (
    r"\b(?i:not|isn[’']t|cannot be|can[’']t be|rather than|instead of|unlike|than|nor|neither|"
    rf"excluded?|eliminated?|ruled? out) {_ONE}"
)
_NOT_AFTER = (
    rf"{_ONE}(?: (?!{_REASON})\w{{2,}}){{0,2}}? "
    r"(?:(?:is|was|seems|would be|can|could|does) (?:not|never|wrong|incorrect|false|out|"
    r"ruled out|impossible|unlikely)|cannot|isn[’']t|can[’']t|doesn[’']t|wouldn[’']t)\b"
)
_PASSED_OVER = re.compile(f"{_DENIED}|{_NOT_AFTER}|{_NOT_BEFORE}|{_EITHER}|{_LISTED}")

_WRAPPED = re.compile(r"\*{1,2}\(?([A-Za-z])\)?[.:]?\*{1,2}|\[([A-Za-z])\]")
_BOXED = re.compile(r"\\f?boxed\b")
_OPTION = re.compile(r"(?i:\b(?:option|choice)) \(?([A-Z])\)?(?![\w'’])")

_FILLER = r"[^A-Za-z0-9(\n]*+(?:\n[^A-Za-z0-9(\n]*+)?+"
_BETWEEN = (
    r"(?i:is|was|would be|must be|should be|has to be|ist|lautet|est|es|e|jest|option|"
    r"correct|correcta|correcte|correta|corretta|clearly|therefore|thus|indeed|definitely|"
    r"most likely|likely|probably|simply|but|rather|la|le|el|die|das)"
)
_GOES_ON = r"(?:because|since|as|and|which|but|due|given|with|for|based|is|in|by)\b"
# A and I are words too: before a lower-case word they are no letter of an option.
_CAPITAL = (
    rf"(?:[B-HJ-Z]|[AI](?! +(?!{_GOES_ON})[a-z]| (?:DO|DON|AM|CAN|CANNOT|HAVE|THINK)\b))"
    r"(?![\w'’]|-\w)"
)
_LETTER = rf"(?:\(([A-Za-z])\)|({_CAPITAL})|([a-z])(?= ?(?:[.,;:!?)<\n]|$)))"
_ANSWER = rf"(?<![A-Za-z])(?i:{'|'.join(ANSWER_WORDS)})(?![a-z])"
_ANNOUNCED = re.compile(
    rf"(?:{_ANSWER}|\b(?i:choose|pick|select|go with)\b|"
    rf"\b(?i:option|choice)(?={_FILLER}(?:is|would be|must be)\b| ?:)){_FILLER}"
    rf"(?:\b{_BETWEEN}\b{_FILLER})*{_LETTER}"
)
_CONCLUDED = re.compile(
    r"\b(?i:so|thus|hence|therefore|leaves|leaving|it is|it[’']s|it must be),? "
    r"(?:it is |it[’']s )?"
    rf"{_LETTER}(?=[ )*]*(?:[.,;!\n]|$)| (?:is|must be)\b)"
)
_CONFIRMED = re.compile(
    r"(?:\(([A-Za-z])\)|\b([A-Z])) (?:is|was|must be) (?:the )?(?:most |best )?"
    r"(?:correct|right|true|best|answer)\b"
)
_ANSWER_TEXT = re.compile(rf"{_ANSWER}[^\n:]{{0,40}}?(?::|\bis\b)([^\n]*)")
_LEAD = re.compile(r"^\(?([A-Za-z])[).:](?: (.*)|)$", re.MULTILINE)
_FIRST = re.compile(rf"\(?({_CAPITAL})\)?(?: ?[-–—]|,(?= [a-z])|[.:)]? {_GOES_ON})")
_ALONE = re.compile(r"[-•>*_`'\" ]*[\(\[]?([A-Za-z])[\)\]]?[.:,。]?[*_`'\" ]*")
_LABEL = re.compile(r"[\(\[]?([A-Za-z])[\)\].:] ")


class ChoiceGrader(Rule):
    """Right when the option that the answer settles on is the target's: "(B)", "B.", "It is B"."""

    kind: Literal["choice"]

    def grade(self, example: Example, answer: str) -> Grade:
        """Compare the option that `answer` settles on with the target's."""
        return grade_choice(example.inputs.text, example.target, answer)

    def target_problem(self, example: Example, prompt: str) -> str:
        """The form of the target, or that it names no option of the row's question."""
        problem = structure_problem(example.target, prompt)
        if not problem and not read_options(example.inputs.text):
            problem = missing_problem(example.target, prompt)
        grade = self.grade(example, example.target)
        if problem or grade.outcome == "correct":
            return problem
        return f"{reason_alone(grade)}; write an option's letter, number or text"


def grade_choice(question: str, target: str, answer: str) -> Grade:
    """Compare by option: the target's, and the one that the answer settles on.

    Without options in the question and a letter in the target, the texts are compared.
    """
    options = read_options(question)
    wanted = wanted_option(target, options)
    if wanted is None and options:
        known = ", ".join(options)
        return Grade(
            None, "unreviewed", f"the target {target[:60]!r} names none of the options {known}"
        )
    if wanted is None:
        return right_or_wrong(fold(bare(answer), True) == fold(bare(target), True))
    given = chosen_option(answer, options)
    if given is None:
        return unparsable("the answer settles on no option")
    return right_or_wrong(given == wanted)


def wanted_option(target: str, options: Mapping[str, str]) -> str | None:
    """The option that a target names, by its letter or number, or by its text."""
    letters = _letters(options)
    texts = {letters[label]: _lettered(text, letters) for label, text in options.items()}
    target = _lettered(plain(target), letters)
    found = _letter_alone(target) or _letter_of(target, texts)
    if found is None and (label := _LABEL.match(target)):
        found = label[1].upper()
    return _label(found, letters) if not options or found in texts else None


def chosen_option(answer: str, options: Mapping[str, str]) -> str | None:
    """The option that `answer` settles on; `None` where it settles on none."""
    letters = _letters(options)
    texts = {letters[label]: _lettered(text, letters) for label, text in options.items()}
    text = plain(_BOXED.sub("\nanswer: ", tags_as_leads(answer)))
    return _label(_chosen(_lettered(text, letters), texts), letters)


def _chosen(answer: str, options: Mapping[str, str]) -> str | None:
    lines = answer.splitlines() or [""]
    alone = _letter_alone(answer) or _letter_alone(lines[-1])
    if alone:
        return alone
    text = _PASSED_OVER.sub(" ", _unwrapped(answer))
    alone = _letter_alone(text)
    if alone:
        return alone
    for pattern in (_ANNOUNCED, _CONFIRMED, _CONCLUDED):
        announced = [next(filter(None, groups)) for groups in pattern.findall(text)]
        if announced:
            return str(announced[-1]).upper()
    answers = [_letter_of(rest, options) for rest in _ANSWER_TEXT.findall(text)]
    if answers and answers[-1]:
        return answers[-1]
    first = _letter_alone(lines[0])
    leads = {
        letter.upper()
        for letter, rest in _LEAD.findall(text)
        if not _is_sentence(rest, options.get(letter.upper()))
    }
    by_text = _letter_of(text, options) or (_letter_of(lines[-1], options) if not leads else None)
    return first or by_text or _only_one(text, options, leads)


def _only_one(text: str, options: Mapping[str, str], leads: set[str]) -> str | None:
    """The one letter among line labels; else in parentheses; else first; else by its text."""
    labels = {letter.upper() for letter in re.findall(r"\(([A-Za-z])\)", text)}
    opening = _FIRST.match(text)
    first = {opening[1]} if opening else set()
    named = {key for key, option in options.items() if _names(text, option)}
    for letters in (leads, labels, first, named):
        if letters:
            return letters.pop() if len(letters) == 1 else None
    return None


def _letters(options: Mapping[str, str]) -> dict[str, str]:
    """Each label's letter: its own, or a number's place in the alphabet."""
    return {
        label: label if label.isalpha() else chr(ord("A") + at) for at, label in enumerate(options)
    }


def _label(letter: str | None, letters: Mapping[str, str]) -> str | None:
    return next((label for label, own in letters.items() if own == letter), letter)


def _lettered(text: str, letters: Mapping[str, str]) -> str:
    """`text` with the numbers of numbered options written as their letters."""
    if not any(label.isdecimal() for label in letters):
        return text
    number = r"(?<![\w.,/-])(?<!\d:)(\d{1,2})(?!\w|[.,:/-]\d|%)"
    return re.sub(number, lambda match: letters.get(match[1], match[1]), text)


def _unwrapped(text: str) -> str:
    text = _WRAPPED.sub(lambda match: f"({match[1] or match[2]})", text)
    text = re.sub(r"[*`]+|__", "", text)
    return _OPTION.sub(r"(\1)", text)


def _is_sentence(rest: str, option: str | None) -> bool:
    """`(A) is round` speaks of an option; `(A) round` gives it."""
    given = option is not None and rest.casefold().startswith(option.casefold())
    return bool(re.match("[a-z]", rest)) and not given


def _letter_alone(text: str) -> str | None:
    match = _ALONE.fullmatch(text)
    return str(match[1]).upper() if match else None


def _letter_of(text: str, options: Mapping[str, str]) -> str | None:
    wanted = fold(bare(text), True)
    wanted = re.sub(r"^[\(\[]?[a-z][\)\].:] ", "", wanted)
    found = [letter for letter, option in options.items() if fold(bare(option), True) == wanted]
    return found[0] if len(found) == 1 else None


def _names(answer: str, option: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(option)}(?!\w)", answer, re.IGNORECASE) is not None
