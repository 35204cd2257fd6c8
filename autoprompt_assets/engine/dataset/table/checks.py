"""What no row can be asked or graded with: empty cells, half characters, images, message lists."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.foreign_tables import is_message
from autoprompt_assets.engine.dataset.table.records import Record, listed
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


def refuse_unusable(spec: DatasetSpec, records: Sequence[Record]) -> None:
    """Look at every cell of the two columns.

    Raises:
        InputError: one line per problem and column, with the first places.
    """
    problems = []
    for column, texts in (
        (spec.input, [(one.place, one.input) for one in records]),
        (spec.target, [(one.place, one.target) for one in records]),
    ):

        def found(
            holds: Callable[[str], object], texts: list[tuple[str, str]] = texts
        ) -> list[str]:
            return [place for place, text in texts if holds(text)]

        if places := found(lambda text: not text.strip()):
            problems.append(
                f"{spec.file}: column {column!r} is empty in {quantity(len(places), 'row')} "
                f"({listed(places)}); fill them in or delete them"
            )
        if places := found(_is_broken):
            problems.append(
                f"{spec.file}: column {column!r} holds half a character (a lone surrogate) in "
                f"{listed(places)}; write it again"
            )
    problems += _unsupported(spec, records) + _assertions(spec, records)
    if problems:
        raise InputError(problems)


def _unsupported(spec: DatasetSpec, records: Sequence[Record]) -> list[str]:
    """Inputs that would go out as their text, where more than text is meant."""
    problems = []
    images = [one.place for one in records if _holds_image(one.input)]
    if images:
        problems.append(
            f"{spec.file}: column {spec.input!r} holds images as text in "
            f"{quantity(len(images), 'row')} "
            f"({listed(images)}); images are not supported yet, leave these rows out"
        )
    messages = [one.place for one in records if _holds_messages(one.input)]
    if messages:
        problems.append(
            f"{spec.file}: column {spec.input!r} holds chat messages in "
            f"{quantity(len(messages), 'row')} "
            f"({listed(messages)}); message lists are not supported yet, write the user's text"
        )
    return problems


def _assertions(spec: DatasetSpec, records: Sequence[Record]) -> list[str]:
    places = [one.place for one in records if _ASSERTION.match(one.target)]
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
