"""The tools that a model may call: their schemas, and how its calls are written as an answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from autoprompt_assets.engine.errors import shown, type_word
from autoprompt_assets.engine.identity import canonical_json

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
MOST_TOOLS = 128
"""OpenAI takes no more."""
_FIELDS = frozenset({"name", "description", "parameters", "strict"})


def described(name: str) -> str:
    """What the description of the tool `name` is called among a prompt's texts."""
    return f"tools.{name}.description"


def read_tools(given: object) -> tuple[dict[str, Any], ...]:
    """Tools as requests carry them, from a list of functions or of tools.

    Raises:
        ValueError: one is none, "place trouble; mend", a line each.
    """
    if not isinstance(given, list):
        raise ValueError(f"is {type_word(given)} and no list of tools; write one")
    problems, tools = list[str](), list[dict[str, Any]]()
    for number, one in enumerate(given):
        function = one.get("function") if _is_tool(one) else one
        found = [*_problems(function)]
        problems += [f"has in tool {number + 1} {problem}" for problem in found]
        if not found:
            tools.append({"type": "function", "function": {"parameters": _NOTHING, **function}})
    names = [tool["function"]["name"] for tool in tools]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        problems.append(f"names {twice!r} twice; name it once")
    if len(tools) > MOST_TOOLS:
        problems.append(f"holds {len(tools)} tools and may hold {MOST_TOOLS}; take some out")
    if problems:
        raise ValueError("\n".join(problems))
    return tuple(tools)


_NOTHING: Mapping[str, Any] = {"type": "object", "properties": {}}


def _is_tool(one: object) -> bool:
    return isinstance(one, dict) and one.get("type") == "function" and "function" in one


def _problems(function: object) -> Iterator[str]:
    if not isinstance(function, dict):
        yield f"{type_word(function)}; write name, description and parameters"
        return
    name = function.get("name")
    if not isinstance(name, str) or not NAME.fullmatch(name):
        given = f"the name {shown(name, 20)}" if isinstance(name, str) else "no name"
        yield f"{given}; use 1 to 64 letters, digits, _ and -"
    if not isinstance(function.get("description", ""), str):
        yield "a description that is no text; write one"
    schema = function.get("parameters", _NOTHING)
    problem = schema_problem(schema)
    if problem:
        yield f"parameters: {problem}"
    elif schema.get("type") != "object":
        yield "parameters that are no object; write a JSON schema of type object"
    if unknown := sorted(map(str, function.keys() - _FIELDS)):
        yield f"the field {shown(unknown[0])}; use {', '.join(sorted(_FIELDS))}"


def schema_problem(schema: object) -> str:
    """Why `schema` is no JSON schema, "trouble; mend"; empty where it is one."""
    if not isinstance(schema, dict):
        return f"{type_word(schema)} is no JSON schema; write an object"
    from jsonschema import Draft202012Validator, SchemaError

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        place = ".".join(map(str, error.absolute_path))
        said = " ".join(str(error.message).split())[:120]
        return f"is no JSON schema ({place + ': ' if place else ''}{said}); mend it"
    return ""


Call = tuple[str, Any]
"""A call that a model makes: the tool's name, and the arguments, a text where they are no JSON."""


def calls_text(calls: Sequence[Call]) -> str:
    """Calls as an answer: JSON, keys sorted, in the order in which they were made."""
    return canonical_json([{"name": name, "arguments": given} for name, given in calls])


def read_calls(answer: str) -> list[dict[str, Any]] | None:
    """The calls that `calls_text` wrote, or whoever wrote a demo; `None` where it is none."""

    try:
        calls = json.loads(answer)
    except ValueError:
        return None
    calls = [calls] if isinstance(calls, dict) else calls
    if not isinstance(calls, list) or not calls:
        return None
    good = all(
        isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and isinstance(one.get("arguments"), dict)
        for one in calls
    )
    return calls if good else None
