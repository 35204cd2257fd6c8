"""The form in which a request wants its answer, so that every client can read the simulated one."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

_FIELDS = re.compile(r"Your output fields are:(.*?)All interactions will be structured", re.DOTALL)
_NAME = re.compile(r"^\s*\d+\. `(\w+)`", re.MULTILINE)
_JSON = "Respond with a JSON object"

IsMain = Callable[[str], bool]


def is_answer(name: str) -> bool:
    """Whether a target model's output field takes the label."""
    return name not in ("reasoning", "rationale", "thoughts", "explanation")


def is_prompt(name: str) -> bool:
    """Whether an optimizer model's output field takes a prompt."""
    return "instruction" in name or "prompt" in name


def fields_named(text: str) -> list[str]:
    """The output fields that a DSPy adapter names in a request."""
    found = _FIELDS.search(text)
    return _NAME.findall(found[1]) if found else []


def fields_of_schema(response_format: Mapping[str, Any] | None) -> list[str]:
    """The properties that a JSON-schema response format asks for."""
    schema = ((response_format or {}).get("json_schema") or {}).get("schema") or {}
    return list(schema.get("properties") or {})


def asks_for_prompt(text: str, response_format: Mapping[str, Any] | None) -> bool:
    """False for an optimizer's side questions: a summary of the data, a description of the task."""
    names = fields_of_schema(response_format) or fields_named(text)
    return not names or any(is_prompt(name) for name in names)


def write_answer(text: str, response_format: Mapping[str, Any] | None, label: str) -> str:
    """A target model's answer in the form that the request asks for: else the bare label."""
    written = _in_fields(text, response_format, label, is_answer)
    return label if written is None else written


def write_prompt(text: str, response_format: Mapping[str, Any] | None, prompt: str) -> str:
    """An optimizer model's answer: in fields, `[[...]]`, a fence, or bare.

    Of brackets and fences, what is spoken of last is meant: requests end with what they ask.
    """
    written = _in_fields(text, response_format, prompt, is_prompt)
    if written is not None:
        return written
    brackets, fence = text.rfind("[["), text.rfind("```")
    if brackets > fence:
        return f"The better prompts say what to look at.\n\n[[{prompt}]]"
    return f"```\n{prompt}\n```" if fence >= 0 else prompt


def _in_fields(
    text: str, response_format: Mapping[str, Any] | None, main: str, is_main: IsMain
) -> str | None:
    names = fields_of_schema(response_format) or fields_named(text)
    if not names:
        return None
    values = {name: main if is_main(name) else _harmless(name) for name in names}
    if response_format is not None or _JSON in text:
        return json.dumps(values)
    written = "\n\n".join(f"[[ ## {name} ## ]]\n{value}" for name, value in values.items())
    return f"{written}\n\n[[ ## completed ## ]]"


def _harmless(name: str) -> str:
    return f"About the {name.replace('_', ' ')}: short cases, each of one topic, with one label."
