"""How a review is read: strictly, so that no word in its prose is taken for a verdict.

| said | read as |
| --- | --- |
| one of VERDICT_WORDS alone as the text, its first or last line, or its first sentence | it |
| the same after a lead: "Verdict:", "GRADE:", "Final judgment is", a JSON key, an answer tag | it |
| "The response is wrong": of correct, incorrect, right, wrong alone | it |
| "The answer is True", "Answer: yes": only as the whole text, for it may quote the answer | it |
| "FAIL: expected …", "Correct, both say 4": a first clause, with reasons that go with it | it |
| a JSON object (the text, its last fence, its end), by the keys in _SENSES | its word or boolean |
| two of these that differ | none |
| a first line or sentence that what follows takes back: "Wait", "they do not match" | none |
| "Correct, but …", "Partially correct", "not wrong", a word anywhere else | none |

C and I are capitals, alone on their line or after a lead that names a verdict. All of it is linear
in the text's length.
"""

from __future__ import annotations

import re
from typing import Any

from autoprompt_assets.engine.json_text import ending_object, fenced_json, parse_json
from autoprompt_assets.engine.text import visible

VERDICT_WORDS = (
    *(("true", "false"), ("yes", "no"), ("correct", "incorrect")),
    *(("right", "wrong"), ("pass", "fail"), ("C", "I")),
)
"""The words that a review may settle on: for right, for wrong."""
VERDICT_WORDS_SHOWN = ", ".join("/".join(pair) for pair in VERDICT_WORDS)

LONGEST = 200
"""Characters that a line or sentence of a lead and a word may have."""

_SAYS = {
    word: right for pair in VERDICT_WORDS for word, right in zip(pair, (True, False), strict=True)
}
_NAMES = frozenset(
    [
        *("verdict", "grade", "judgment", "judgement"),
        *("assessment", "evaluation", "decision"),
    ]
)
# "The answer is yes" may quote the answer: it contradicts nothing, and leads to few words.
_ANSWERS = frozenset(["answer", "result", "label", "rating", "conclusion"])
_SUBJECTS = frozenset(["model", "models", "response", "s", "student", "given", "its"])
_FILLERS = frozenset(
    [
        *("the", "my", "our", "this", "that", "it", "is", "was", "final"),
        *("overall", "so", "thus", "hence", "therefore"),
    ]
)
# "Correct: no" and "Is it right? Yes" ask by the very words that others answer with.
_ASKING = frozenset(["correct", "right", "true", "pass", "passed"])
_CHATTY = frozenset(["yes", "no", "right"])
"""Words that begin a sentence about anything: "No, the response is correct"."""
_OF_RIGHTNESS = frozenset(["correct", "incorrect", "right", "wrong"])

_SENSES = {
    **dict.fromkeys(
        [
            *("correct", "iscorrect", "correctness", "right", "isright", "pass"),
            *("passed", "ispass", "match", "matches", "equivalent", "isequivalent"),
            *("verdict", "finalverdict", "grade", "finalgrade", "judgment"),
            *("judgement", "evaluation", "assessment", "decision", "answer"),
            *("finalanswer", "result", "label", "output"),
        ],
        True,
    ),
    **dict.fromkeys(["incorrect", "isincorrect", "wrong", "iswrong", "fail", "failed"], False),
}
"""Keys of a JSON verdict, letters only; False where true means wrong."""
_LOOSE = frozenset(["answer", "finalanswer", "result", "label", "output"])
"""Keys that may hold the answer that was reviewed."""

_TAG = re.compile(r"</?\w[^<>\n]{0,40}>|\\(?:boxed|text|textbf|mathbf|mathrm)\b")
_TOKEN = re.compile(r"([^\W_]+)((?:\W|_)*)")
_CLOSE = " \t\n*_`'\"“”‘’.:!()[]{}<>,;#$|\\"
_WRAP = _CLOSE + "=-–—→?"
_SENTENCE_END = re.compile(r"(?<=[.!?])[*_`'\")\]]*\s")
_CLAUSE_END = re.compile(r"[,;:—(]|\s[-–]\s")
_COMMA = re.compile(r"[,;—(]|\s[-–]\s")
_HEDGE = re.compile(
    r"\b(?:but|however|except|although|though|only|partial|partially|partly|mostly|almost|nearly|"
    r"yet|if|unless|incomplete|wait|actually|somewhat|lacks|lacking|missing)\b|^\W*(?:not|n['’]t)\b",
    re.IGNORECASE,
)
_RECANTS = re.compile(
    r"\b(?:wait|actually|however|misread|misjudged|on second thought|correction)\b", re.IGNORECASE
)
_MISMATCH = re.compile(
    r"(?:\bnot|n['’]t) (?:quite |exactly |fully )?(?:the )?(?:match|same|equal|equivalent|agree)"
    r"|\bmismatch|\bdiffer(?:s|ent)?\b",
    re.IGNORECASE,
)
_AGREES = re.compile(
    r"\b(?:match(?:es)?|same|agrees?|equals?|identical|both|equivalent)\b", re.IGNORECASE
)
_NOT = re.compile(r"\b(?:not|never)\b|n['’]t\b", re.IGNORECASE)
_NAMED = re.compile(
    rf"\W*(?:(?:the|my|final|overall)\s+)*(?:{'|'.join(sorted(_NAMES))})\b", re.IGNORECASE
)


def read_verdict(text: str) -> bool | None:
    """True, False, or `None` where a review settles on neither."""
    text = visible(text).strip()
    try:
        data = parse_json(text)
    except ValueError:
        data = None
    is_object = isinstance(data, dict)
    found = _of_object(data) if is_object else _of_lines(text) | _of_object_in(text)
    return found.pop() if len(found) == 1 else None


def _of_object_in(text: str) -> set[bool]:
    """What the JSON object in the last fence or at the end says."""
    fenced = next(fenced_json(text), None)
    if isinstance(fenced, dict):
        return _of_object(fenced)
    ending = ending_object(text)
    if ending is None:
        return set()
    before, data = ending
    leads = _TOKEN.findall(before)
    return _of_object(data) if all(_is_lead(word, end) for word, end in leads) else set()


def _of_object(data: dict[str, Any]) -> set[bool]:
    """What the keys say; both where one that can only hold a verdict holds none.

    Beside such a key, one that may hold the reviewed answer says nothing.
    """
    found: dict[bool, set[bool]] = {True: set(), False: set()}
    for name, value in data.items():
        key = re.sub(r"[\W_]", "", name.casefold())
        strict = key not in _LOOSE
        if isinstance(value, dict) and (key in _SENSES or len(data) == 1):
            found[strict] |= _of_object(value)
        elif key in _SENSES:
            right = value if isinstance(value, bool) else None
            if isinstance(value, str):
                right = _word(value, letters=strict)
            if right is not None:
                found[strict].add(right == _SENSES[key])
            elif strict:
                found[strict] |= {True, False}
    return found[True] or found[False]


def _of_lines(text: str) -> set[bool]:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if len(lines) > 1 and len(lines[0]) < LONGEST and _is_lead_alone(lines[0]):
        lines[:2] = [f"{lines[0]} {lines[1]}"]
    if not lines:
        return set()
    first, last, whole = lines[0], lines[-1], len(lines) == 1
    opening = [_word(first, whole=whole), _first_sentence(first)]
    closing = [_word(last, whole=whole)]
    if _NAMED.match(last):
        closing.append(_first_sentence(last))
    found = {reading for reading in (*opening, *closing) if reading is not None}
    if found and set(closing) == {None}:
        found |= _taken_back(lines, found)
    return found


def _taken_back(lines: list[str], found: set[bool]) -> set[bool]:
    """What goes against a verdict that a text begins with and does not end with."""
    said = set().union(*map(_clauses, lines))
    rest = " ".join(lines)
    if _RECANTS.search(rest) or (True in found and _MISMATCH.search(rest)):
        said |= {True, False}
    return said


def _first_sentence(line: str) -> bool | None:
    """The verdict that a line begins with, with reasons that go with it."""
    sentence = _SENTENCE_END.split(line, maxsplit=1)[0]
    right = _word(sentence, letters=_NAMED.match(sentence) is not None)
    if right is not None:
        return right
    for end in _CLAUSE_END.finditer(sentence[:LONGEST]):
        clause, rest = sentence[: end.start()], sentence[end.end() :]
        right = _word(clause, letters=_NAMED.match(clause) is not None)
        if right is None:
            continue
        if end[0] == ":" and _word(rest.split(",")[0]) is not None:
            if clause.split()[-1].strip(_WRAP).casefold() in _ASKING:
                continue  # a key: "correct: no, because …"
            return None
        return right if _word(rest) == right or _goes_with(clause, right, rest) else None
    return None


def _goes_with(clause: str, right: bool, rest: str) -> bool:
    """Whether the reasons in `rest` go with the verdict of `clause`; a bare word needs some."""
    if (_HEDGE if right else _RECANTS).search(rest):
        return False
    word = clause.strip(_WRAP).casefold()
    differs = _MISMATCH.search(rest) is not None
    if word not in _SAYS:
        return not (right and differs)
    if right:
        return not differs and _AGREES.search(rest) is not None
    return differs or word not in _CHATTY


def _clauses(line: str) -> set[bool]:
    """What the sentences and clauses of a line say by themselves, negated ones included."""
    found = set()
    for sentence in _SENTENCE_END.split(line):
        for part in (sentence, *_COMMA.split(sentence)):
            right = _word(_NOT.sub(" ", part), letters=False, quoted=False)
            if right is not None:
                found.add(right != (_NOT.search(part) is not None))
    return found


def _word(
    text: str, *, letters: bool = True, quoted: bool = True, whole: bool = False
) -> bool | None:
    """What `text` says where it is a listed word, after a lead or none, in any wrapping.

    `letters` are C and I; without `quoted`, no lead may name an answer; `whole` where there is no
    other text.
    """
    if len(text) > LONGEST:
        return None
    text = _TAG.sub(" ", text).strip()
    tokens = _TOKEN.findall(text)
    if not tokens or text[: text.find(tokens[0][0])].strip(_WRAP):
        return None
    *leads, (word, close) = tokens
    if close.strip(_CLOSE) or not all(_is_lead(*lead) for lead in leads):
        return None
    names = {lead.casefold() for lead, _ in leads}
    if word in ("C", "I"):
        return _SAYS[word] if letters and (not leads or names & _NAMES) else None
    may_quote = names & (_ANSWERS | _SUBJECTS) and word.casefold() not in _OF_RIGHTNESS
    if may_quote and not (quoted and whole and not names & _SUBJECTS):
        return None
    return _SAYS.get(word.casefold())


def _is_lead(word: str, separator: str) -> bool:
    if separator.strip(_WRAP):
        return False
    word = word.casefold()
    if word in _ASKING:
        return bool(set(":?=") & set(separator))
    return any(word in known for known in (_NAMES, _ANSWERS, _SUBJECTS, _FILLERS))


def _is_lead_alone(line: str) -> bool:
    tokens = _TOKEN.findall(line)
    return bool(tokens) and all(_is_lead(*token) for token in tokens) and ":" in tokens[-1][1]
