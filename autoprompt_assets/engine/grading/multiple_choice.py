"""Which option of a multiple-choice question an answer settles on, however it is wrapped."""

from __future__ import annotations

import re
import unicodedata

_OPTION_LINE = re.compile(r"^\s*[\(\[]?([A-Za-z])[\)\].:]\s*(\S.*?)\s*$", re.MULTILINE)
_OPTION_INLINE = re.compile(r"\(([A-Z])\)\s*(\S.*?)\s*(?=\([A-Z]\)|$)", re.MULTILINE)

_BOXED = re.compile(r"\\boxed\{(?:\\text\{)?(.*?)\}+")
_WRAPPED = re.compile(r"\*{1,2}\(?([A-Za-z])\)?[.:]?\*{1,2}|\[([A-Za-z])\]")
_OPTION = re.compile(r"(?i:\b(?:option|choice))\s+\(?([A-Z])\)?(?![\w'’])")
_ONE = r"(?:\([A-Za-z]\)|\b[A-Z]\b)"
_EITHER = rf"{_ONE}(?:\s*,\s*{_ONE})*\s*,?\s*(?:\b(?:and|or)\b|/|&)\s*(?:either\s+)?{_ONE}"
_NOT_BEFORE = (
    r"\b(?i:not|isn[’']t|cannot be|can[’']t be|rather than|instead of|unlike|than|nor|neither|"
    rf"excluded?|eliminated?|ruled? out)\s+{_ONE}"
)
_NOT_AFTER = (
    rf"{_ONE}(?:\s+\w+){{0,2}}?\s+(?:(?:is|was|seems|would be|can|could|does)\s+(?:not|never|"
    r"wrong|incorrect|false|out|ruled out|impossible|unlikely)|cannot|isn[’']t|can[’']t|"
    r"doesn[’']t|wouldn[’']t)\b"
)
_PASSED_OVER = re.compile(f"{_NOT_AFTER}|{_NOT_BEFORE}|{_EITHER}")

_FILLER = r"[^A-Za-z0-9(]*"
_ADVERB = r"(?:clearly|therefore|thus|indeed|definitely|most likely|likely|probably|simply)"
_GOES_ON = r"(?:because|since|as|and|which|but|due|given|with|for|based|is|in|by)\b"
# A and I are words too: before a lower-case word they are no letter of an option.
_CAPITAL = rf"(?:[B-HJ-Z]|[AI](?! +(?!{_GOES_ON})[a-z]))(?![\w'’]|-\w)"
_LETTER = rf"(?:\(([A-Za-z])\)|({_CAPITAL})|([a-z])(?=\s*(?:[.,;:!?)<]|$)))"
_ANNOUNCED = re.compile(
    rf"(?:\b(?i:answer|choose|pick|select|go with)\b|\b(?i:option|choice)(?={_FILLER}"
    rf"(?:is|would be|must be)\b|\s*:)){_FILLER}"
    rf"(?:\b(?i:is|would be|must be|should be|{_ADVERB})\b{_FILLER})*{_LETTER}"
)
_LEAD = re.compile(r"^\s*\(?([A-Za-z])[).:](?:[ \t]+(.*)|)$", re.MULTILINE)


def read_options(question: str) -> dict[str, str]:
    """The options that a question lists, by upper-case letter: one a line, or all in a row."""
    question = unicodedata.normalize("NFKC", question)
    found = _OPTION_LINE.findall(question)
    if len(found) < 2:
        found = _OPTION_INLINE.findall(question)
    return {letter.upper(): text for letter, text in found}


def wanted_letter(target: str, options: dict[str, str]) -> str | None:
    """The letter that a target names, by itself or by its option's text."""
    target = unicodedata.normalize("NFKC", target)
    return _letter_alone(target) or _letter_of(target, options)


def chosen_letter(answer: str, options: dict[str, str]) -> str | None:
    """The letter of the option that `answer` settles on, upper case; `None` when it names none."""
    answer = unicodedata.normalize("NFKC", answer).strip()
    lines = answer.splitlines() or [""]
    alone = _letter_alone(answer) or _letter_alone(lines[-1])
    if alone:
        return alone
    text = _PASSED_OVER.sub(" ", _unwrapped(answer))
    announced = [next(filter(None, groups)) for groups in _ANNOUNCED.findall(text)]
    if announced:
        return str(announced[-1]).upper()
    leads = {
        letter.upper()
        for letter, rest in _LEAD.findall(text)
        if not _is_sentence(rest, options.get(letter.upper()))
    }
    by_text = _letter_of(text, options) or (_letter_of(lines[-1], options) if not leads else None)
    if by_text:
        return by_text
    labels = {letter.upper() for letter in re.findall(r"\(([A-Za-z])\)", text)}
    named = {key for key, option in options.items() if _names(text, option)}
    for letters in (leads, labels, named):
        if letters:
            return letters.pop() if len(letters) == 1 else None
    return _letter_alone(lines[0])


def fold(text: str, ignore_case: bool) -> str:
    """`text` with its white space collapsed, for comparing."""
    text = " ".join(text.split())
    return text.casefold() if ignore_case else text


def bare(text: str) -> str:
    """`text` without the emphasis, quotes and full stop around it."""
    return text.strip().strip("*_`'\".!").strip()


def _unwrapped(text: str) -> str:
    text = _BOXED.sub(r" answer: \1 ", text)
    text = _WRAPPED.sub(lambda match: f"({match[1] or match[2]})", text)
    text = re.sub(r"[*`]+|__", "", text)
    return _OPTION.sub(r"(\1)", text)


def _is_sentence(rest: str, option: str | None) -> bool:
    """`(A) is round` speaks of an option; `(A) round` gives it."""
    given = option is not None and rest.casefold().startswith(option.casefold())
    return bool(re.match("[a-z]", rest)) and not given


def _letter_alone(text: str) -> str | None:
    match = re.fullmatch(r"[\s*_`'\"]*[\(\[]?([A-Za-z])[\)\]]?[.:,]?[\s*_`'\"]*", text)
    return str(match[1]).upper() if match else None


def _letter_of(text: str, options: dict[str, str]) -> str | None:
    wanted = fold(bare(text), True)
    wanted = re.sub(r"^[\(\[]?[a-z][\)\].:]\s+", "", wanted)
    found = [letter for letter, option in options.items() if fold(option, True) == wanted]
    return found[0] if len(found) == 1 else None


def _names(answer: str, option: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(option)}(?!\w)", answer, re.IGNORECASE) is not None
