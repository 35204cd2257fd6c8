"""What no row can be asked or graded with: empty cells, half characters, images, message lists."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.foreign_tables import is_message
from autoprompt_assets.engine.dataset.table.records import Record, RecordSet, listed
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.text import quantity

PICTURE = 64
"""Characters of base64 from which a data URL in a text is a picture, and no mention of one."""
_MEDIA = r"data:(?:image|audio|video|application/(?:pdf|octet-stream))\b[^,\s]{0,200},"
_DATA_URL = re.compile(rf"\s*{_MEDIA}", re.IGNORECASE)
_EMBEDDED = re.compile(rf"{_MEDIA}[A-Za-z0-9+/=%_-]{{{PICTURE}}}", re.IGNORECASE)
_BASE64 = re.compile(r"(?:iVBORw0KGgo|/9j/|R0lGOD|UklGR|JVBERi0)[A-Za-z0-9+/\s]{200,}+={0,2}\s*")
_REPR = re.compile(r"(?:array\()?\[?\s*+\{\s*'(?:role|content|from)'\s*:")
_ASSERTION = re.compile(
    r"\s*(?:not-)?(?:equals|i?contains(?:-any|-all|-json)?|regex|starts-with|is-json|llm-rubric|"
    r"grade|similar|factuality|javascript|fn|eval|python|file|model-graded-\w+|answer-relevance|"
    r"levenshtein|rouge-n|latency|cost|webhook)(?:\([^)\n]{0,40}\))?(?::(?!//)|\s*$)"
)


def refuse_unusable(spec: DatasetSpec, found: RecordSet, read: Collection[str] = ()) -> None:
    """Look at every cell of the columns; those of `read` may hold other than text.

    Raises:
        InputError: one line per problem and column, with the first places.
    """
    problems, records = _empty(spec, found), found.rows
    for at, column in enumerate(spec.fields):
        texts = [(one.place, one.cells[at]) for one in records]

        if places := [place for place, text in texts if _is_broken(text)]:
            problems.append(
                f"{spec.file}: column {column!r} holds half a character (a lone surrogate) in "
                f"{listed(places)}; write it again"
            )
    problems += _unsupported(spec, records, read) + _assertions(spec, records)
    if problems:
        raise InputError(problems)


def _empty(spec: DatasetSpec, found: RecordSet) -> list[str]:
    """Cells that must hold something: of several inputs one in each row, and each in some row."""
    problems, records, several = [], found.rows, len(spec.inputs) > 1
    for at, name in enumerate(spec.fields):
        places = [one.place for one in records if not one.cells[at].strip()]
        if name in spec.filled and places:
            problems.append(
                f"{spec.file}: column {name!r} {found.emptiness} in "
                f"{quantity(len(places), 'row')} ({listed(places)}); fill them in or delete them"
                f"{found.hint}"
            )
        elif several and name in spec.inputs and len(places) == len(records):
            problems.append(
                f"{spec.file}: column {name!r} {found.emptiness} in every row; take it out of "
                "dataset.inputs, or mend its name there"
            )
    count = len(spec.inputs)
    blank = [one.place for one in records if not "".join(one.cells[:count]).strip()]
    if several and blank and not problems:
        problems.append(
            f"{spec.file}: all of dataset.inputs are empty in {quantity(len(blank), 'row')} "
            f"({listed(blank)}); fill one of them in, or delete these rows"
        )
    return problems


def _unsupported(spec: DatasetSpec, records: Sequence[Record], read: Collection[str]) -> list[str]:
    """Inputs that would go out as their text, where more than text is meant."""
    problems = []
    for at, name in enumerate(spec.inputs):
        if name in read:
            continue
        images = [one.place for one in records if _holds_image(one.cells[at])]
        if images:
            problems.append(
                f"{spec.file}: column {name!r} holds images as text in "
                f"{quantity(len(images), 'row')} "
                f"({listed(images)}); name the column in roles.target.images, or leave these "
                "rows out"
            )
        messages = [one.place for one in records if _holds_messages(one.cells[at])]
        if messages:
            problems.append(
                f"{spec.file}: column {name!r} holds chat messages in "
                f"{quantity(len(messages), 'row')} "
                f"({listed(messages)}); name the column as a history of "
                "roles.target.messages, or write the user's text"
            )
    return problems


def _assertions(spec: DatasetSpec, records: Sequence[Record]) -> list[str]:
    if spec.target is None:
        return []
    at = list(spec.fields).index(spec.target)
    places = [one.place for one in records if _ASSERTION.match(one.cells[at])]
    expected = spec.target.strip().startswith("__expected")
    # In promptfoo's own column one is enough; elsewhere a text may begin with such a word.
    if not places or not (expected or len(places) == len(records) > 1):
        return []
    return [
        f"{spec.file}: column {spec.target!r} holds promptfoo assertions in "
        f"{quantity(len(places), 'row')} "
        f"({listed(places)}); write bare answers, without 'equals:' or 'contains:' before them"
    ]


def _is_broken(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _holds_image(text: str) -> bool:
    named = "data:" in text.lower() and (_DATA_URL.match(text) or _EMBEDDED.search(text))
    return bool(named or _BASE64.fullmatch(text))


def _holds_messages(text: str) -> bool:
    """Whether the whole text is a list of chat messages or content parts, as JSON or Python."""
    text = text.strip()
    if not text.startswith(("[", "{", "array(")):
        return False
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return bool(_REPR.match(text))
    if isinstance(value, dict):
        value = value.get("messages") or value.get("conversations") or [value]
    return isinstance(value, list) and bool(value) and all(map(is_message, value))
