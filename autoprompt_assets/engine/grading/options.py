"""The options that a multiple-choice question lists: (A) …, a) …, 1. …, one a line or in a row."""

from __future__ import annotations

import re

from autoprompt_assets.engine.grading.markup import without_commands, without_math
from autoprompt_assets.engine.text import spaced, visible

_LINE = re.compile(r"[ \t]*[\(\[]?([A-Za-z]|\d{1,2}(?=[\)\].:][ \t]))[\)\].:][ \t]*(\S.*)")
_DASHED = re.compile(r"[ \t]*([A-Z])[ \t]+[-–—][ \t]+(\S.*)")
_INLINE_CLOSED = re.compile(r"(?<!\S)([A-Z]|\d)\)(?=[ \t])")
_INLINE = re.compile(r"\(([A-Z]|\d{1,2})\)")
_INLINE_BARE = re.compile(r"(?<!\S)([A-Z]|\d)[).:](?=[ \t])")
_LEAST_BARE = 3
"""Options in a row that "A. … B. …" needs, to be no sentence that ends in a letter."""

Listed = list[tuple[str, str]]


def plain(text: str) -> str:
    """`text` without what wraps options: invisible characters, LaTeX, braces, runs of spaces."""
    text = without_math(without_commands(spaced(visible(text)))).translate({0x7B: " ", 0x7D: " "})
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "\n".join(line for line in lines if line)


def read_options(question: str) -> dict[str, str]:
    """The options that a question lists last, by upper-case letter or by number."""
    question = visible(question)
    lines = [match.groups() for line in question.splitlines() if (match := _LINE.match(line))]
    listed = [(label, text) for label, text in lines]
    dashed = [match.groups() for line in question.splitlines() if (match := _DASHED.match(line))]
    for kind, some in ((str.isalpha, listed), (str.isdecimal, listed), (str.isalpha, dashed)):
        found = _last_run([(label, text) for label, text in some if kind(label)])
        if len(found) > 1:
            return _as_options(found)
    for pattern in (_INLINE, _INLINE_CLOSED):
        found = _last_run(_in_a_row(question, pattern))
        if len(found) > 1:
            return _as_options(found)
    found = _last_run(_in_a_row(question, _INLINE_BARE))
    enough = len(found) >= _LEAST_BARE and found[0][0] in ("A", "1")
    return _as_options(found) if enough else {}


def _as_options(found: Listed) -> dict[str, str]:
    return {label.upper(): plain(text.rstrip(" \t,;")) for label, text in found}


def _in_a_row(question: str, pattern: re.Pattern[str]) -> Listed:
    """Each label with the text up to the next, or to the end of its line."""
    marks = list(pattern.finditer(question))
    ends = [*(mark.start() for mark in marks[1:]), len(question)]
    found = [
        (mark[1], question[mark.end() : end].split("\n", 1)[0].strip())
        for mark, end in zip(marks, ends, strict=False)
    ]
    return [(label, text) for label, text in found if text]


def _last_run(found: Listed) -> Listed:
    """The last options whose labels rise: "Q: …", "A: …" is no list of options.

    Numbers rise by one, from 0 or 1 on.
    """
    run: Listed = []
    for label, text in found:
        if run and not _follows(run[-1][0].upper(), label.upper()):
            run = []
        if run or label.isalpha() or label in ("0", "1"):
            run.append((label, text))
    return run


def _follows(before: str, label: str) -> bool:
    if before.isdecimal() and label.isdecimal():
        return int(label) == int(before) + 1
    return before.isalpha() and label.isalpha() and before < label
