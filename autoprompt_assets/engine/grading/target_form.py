"""Forms of a target that are graded as they stand, and that were hardly meant.

A list of alternatives, a value as Python writes it, a value that is missing: each is no problem
where the first prompt speaks of it.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from autoprompt_assets.engine.json_text import parse_json

_MISSING = frozenset(["None", "nan", "NaN", "NaT", "<NA>"])
_SPEAKS_OF_FORM = re.compile(
    r"\b(?:json|brackets|braces|python)\b"
    r"|\b(?:as|in|with|return|give|output|write|answer|reply|respond|produce|list)\b[^.\n]{0,30}"
    r"\b(?:lists?|arrays?|dict(?:ionary)?|objects?|tuples?|all)\b"
    r"|[\[{]\s*[\"']",
    re.IGNORECASE,
)
_OBJECT = re.compile(
    r"[\[({].*\barray\(.*|(?:array|Timestamp|Decimal|datetime(?:\.\w+)?)\(.*\)|b(?:'.*'|\".*\")"
    r"|<\w+(?:\.\w+)+: .*>",
    re.DOTALL,
)
"""How Python shows objects that no literal can be: arrays, dates, bytes, members of an Enum."""


def unmeant_form(target: str, prompt: str) -> str:
    """What is wrong with the form of a target, "trouble; mend", or an empty text."""
    return structure_problem(target, prompt) or missing_problem(target, prompt)


def structure_problem(target: str, prompt: str) -> str:
    """For a list or an object where `prompt`, the first one, speaks of none."""
    found, is_json = structure(target)
    if found is None or _is_spoken_of(prompt, is_json):
        return ""
    form = "as JSON" if is_json else "as Python"
    return (
        f"is a list or an object written {form}, of which the prompt says nothing; write one "
        "answer in each row, or say the form in roles.target.prompt"
    )


def missing_problem(target: str, prompt: str) -> str:
    """For what stands for a missing value, unless `prompt` names it."""
    if target.strip() not in _MISSING or target.strip().lower() in prompt.lower():
        return ""
    return (
        "stands for a value that is missing; fill in the answer or take out the row, or name it in "
        "roles.target.prompt"
    )


def structure(target: str) -> tuple[Any, bool]:
    """The list or object that a target is written as, and whether it is JSON; else `None`."""
    text = target.strip()
    if _OBJECT.fullmatch(text):
        return [text], False
    if not text.startswith(("[", "{", "(")) or not text.endswith(("]", "}", ")")):
        return None, False
    try:
        value, is_json = parse_json(text), True
    except ValueError:
        try:
            value, is_json = ast.literal_eval(text), False
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None, False
    if isinstance(value, tuple) and not any(isinstance(one, str) for one in value):
        return None, False  # (3, 4) is how people write a point, too
    return (value, is_json) if isinstance(value, list | dict | set | tuple) else (None, False)


def _is_spoken_of(prompt: str, is_json: bool) -> bool:
    if not is_json and re.search(r"\bjson\b", prompt, re.IGNORECASE):
        return re.search(r"\bpython\b", prompt, re.IGNORECASE) is not None
    return _SPEAKS_OF_FORM.search(prompt) is not None
