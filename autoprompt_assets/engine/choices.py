"""Answers out of a fixed set of choices: how they are asked for, written and read."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from autoprompt_assets.engine.json_text import json_values, parse_json
from autoprompt_assets.engine.text import bare, fold

_LEAD = re.compile(
    r"\W*(?:(?:the|my|final|correct|is) )*(?:answer|label|class|category|choice)(?: is)?\W*[: ]\W*",
    re.IGNORECASE,
)
_FENCED = re.compile(r"\s*```\w*\n([^\n`]+)\n\s*```\s*")


def choice_json(answer: str) -> str:
    """How an answer out of `choices` is written by a model that is held to them."""
    return json.dumps({"answer": answer}, ensure_ascii=False)


def choice_schema(choices: tuple[str, ...]) -> dict[str, Any]:
    """The response format that holds a model to `choices`.

    A JSON-schema enum in an object is the one constraint that OpenAI, vLLM and llama.cpp all
    honour.
    """
    schema = {
        "type": "object",
        "properties": {"answer": {"type": "string", "enum": list(choices)}},
        "required": ["answer"],
        "additionalProperties": False,
    }
    return {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": schema},
    }


def read_choice(text: str, choices: tuple[str, ...]) -> str | None:
    """The one choice that an answer names, or `None` where it names none, or not unmistakably.

    Read are, of an endpoint that heeds the schema or not: the object `{"answer": X}` with or
    without further keys, an object whose only value is X, a JSON string, each also in a fence;
    and the bare label, in emphasis, quotes or after "Answer:". A word in prose is no choice.
    """
    label = _match(text, choices)
    if label is not None:
        return label
    try:
        found = {_of_value(parse_json(text), choices)}
    except ValueError:
        objects = [value for value in json_values(text) if isinstance(value, dict)]
        found = {_of_value(value, choices) for value in objects}
    return found.pop() if len(found) == 1 else None


def _of_value(value: Any, choices: tuple[str, ...]) -> str | None:
    if isinstance(value, dict):
        if "answer" in value:
            value = value["answer"]
        elif len(value) == 1:
            (value,) = value.values()
    if isinstance(value, bool):
        return _match(str(value).lower(), choices)
    if isinstance(value, int | float):
        found = [choice for choice in choices if _number(choice) == value]
        return found[0] if len(found) == 1 else None
    return _match(value, choices) if isinstance(value, str) else None


def _match(text: str, choices: tuple[str, ...]) -> str | None:
    """The choice that `text` is: as it stands, or else the only one in some looser spelling."""
    if text in choices:
        return text
    for spelling in _spellings(text):
        for ignore_case in (False, True):
            wanted = fold(spelling, ignore_case)
            found = [choice for choice in choices if fold(choice, ignore_case) == wanted]
            if len(found) == 1:
                return found[0]
    return None


def _spellings(text: str) -> Iterator[str]:
    yield text
    yield bare(text)
    fenced = _FENCED.fullmatch(text)
    if fenced:
        yield fenced[1]
    lead = _LEAD.match(text)
    if lead:
        yield text[lead.end() :]
        yield bare(text[lead.end() :])


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
