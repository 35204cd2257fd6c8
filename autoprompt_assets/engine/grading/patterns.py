"""What of a user's regular expression an answer is read by."""

from __future__ import annotations

import re

_LOOKS_AROUND = re.compile(r"\(\?<?[=!]")


def first_group(pattern: str, flags: int = 0) -> str | None:
    """The pattern of the first capturing group, or the whole where there is none, with its flags.

    `None` where it means nothing without what stands around it: it looks around, or back.
    """
    whole = re.compile(pattern, flags)
    opened = _first_open(pattern) if whole.groups else 0
    group = pattern[opened : _closing(pattern, opened)] if whole.groups else pattern
    if _LOOKS_AROUND.search(group):
        return None
    if whole.groups:
        letters = "".join(letter for letter in "aimsx" if whole.flags & _flag(letter))
        group = f"(?{letters}){group}" if letters else group
    try:
        re.compile(group)
    except re.error:
        return None
    return group


def _flag(letter: str) -> re.RegexFlag:
    return re.RegexFlag[letter.upper()]


def _first_open(pattern: str) -> int:
    """Where the content of the first capturing group begins."""
    at = 0
    while at < len(pattern):
        if pattern[at] == "(" and pattern[at + 1 : at + 2] != "?":
            return at + 1
        if pattern.startswith("(?P<", at):
            return pattern.index(">", at) + 1
        at = _next(pattern, at)
    return at


def _closing(pattern: str, at: int) -> int:
    depth = 0
    while at < len(pattern):
        if pattern[at] == ")":
            if depth == 0:
                return at
            depth -= 1
        depth += pattern[at] == "("
        at = _next(pattern, at)
    return at


def _next(pattern: str, at: int) -> int:
    """The place after the character, the escaped character or the class at `at`."""
    if pattern[at] == "\\":
        return at + 2
    if pattern[at] != "[":
        return at + 1
    at += 2 if pattern[at + 1 : at + 2] == "^" else 1
    at += 1 if pattern[at : at + 1] == "]" else 0
    while at < len(pattern) and pattern[at] != "]":
        at += 2 if pattern[at] == "\\" else 1
    return at + 1
