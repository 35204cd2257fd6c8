"""A JSON schema of the user's: whether it can be used, and what of an answer goes against it.

`jsonschema` checks, but for what takes it more than linear time on a text that a model wrote.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from autoprompt_assets.engine.grading.json_credit import text_of
from autoprompt_assets.engine.grading.regex_search import PatternTooSlow, last_match

MOST_VIOLATIONS = 3
"""What an answer does against its schema that is put in words."""
LONGEST = 160
_in_order = json.JSONEncoder(sort_keys=True).encode
_SAMPLES: tuple[Any, ...] = ({}, [], "", 0, True, None)


class JsonSchema:
    """One schema, ready to check values."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """`schema` is one that `schema_problem` has nothing against."""
        self._validator = _validator(schema)

    def violations(self, value: Any) -> list[str]:
        """What `value` does against the schema, a line each, the first few."""
        try:
            errors = islice(self._validator.iter_errors(value), MOST_VIOLATIONS)
            return [_line(error) for error in errors]
        except (PatternTooSlow, RecursionError):
            return ["it takes too long to hold against the schema"]


def schema_problem(schema: Mapping[str, Any]) -> str:
    """Why `schema` cannot be used, or an empty text."""
    from jsonschema.exceptions import SchemaError
    from jsonschema.validators import validator_for

    try:
        kind = validator_for(schema, default=None)
        if kind is None and "$schema" in schema:
            return f"$schema = {schema['$schema']!r} is no version known; take it out"
        (kind or _newest()).check_schema(schema)
        problem = next(filter(None, map(_keyword_problem, _keywords(schema))), "")
        for sample in () if problem else _SAMPLES:
            list(_validator(schema).iter_errors(sample))
    except SchemaError as error:
        return f"is no JSON schema, at {error.json_path}: {_cut(error.message)}; mend it"
    except RecursionError:
        return "refers to itself without end; mend its $ref"
    return problem


def _keywords(schema: Mapping[str, Any]) -> Iterator[tuple[Mapping[str, Any], str, Any]]:
    """The whole schema, a keyword's name and its value, of all that stands in it."""
    inner: list[Any] = [schema]
    while inner:
        one = inner.pop()
        if isinstance(one, Mapping):
            yield from ((schema, name, value) for name, value in one.items())
            inner.extend(one.values())
        elif isinstance(one, list):
            inner.extend(one)


def _keyword_problem(keyword: tuple[Mapping[str, Any], str, Any]) -> str:
    schema, name, value = keyword
    if name in ("patternProperties", "$dynamicRef", "$recursiveRef"):
        return f"holds {name}, which is not supported; take it out"
    if name == "$ref" and isinstance(value, str) and not _resolves(schema, value):
        return f"$ref = {_cut(value)!r} is not in it, and nothing is fetched; write it below $defs"
    return ""


def _resolves(schema: Mapping[str, Any], reference: str) -> bool:
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, SchemaRegistry

    registry: SchemaRegistry = Registry()
    root = Resource.from_contents(schema, default_specification=DRAFT202012)
    try:
        registry.resolver_with_root(root).lookup(reference)
    except Unresolvable:
        return False
    return True


def _newest() -> Any:
    from jsonschema import Draft202012Validator

    return Draft202012Validator


def _validator(schema: Mapping[str, Any]) -> Any:
    """It never fetches what a schema refers to: its registry holds nothing."""
    from jsonschema.validators import extend, validator_for
    from referencing import Registry
    from referencing.jsonschema import SchemaRegistry

    kind = validator_for(schema, default=_newest())
    registry: SchemaRegistry = Registry()
    own = extend(kind, {"pattern": _pattern, "uniqueItems": _unique_items})
    return own(schema, registry=registry)


def _pattern(validator: Any, pattern: str, value: Any, schema: object) -> Iterator[Any]:
    """The keyword `pattern`, under a limit of time."""
    from jsonschema.exceptions import ValidationError

    if validator.is_type(value, "string") and last_match(pattern, False, value) is None:
        yield ValidationError(f"{_cut(repr(value))} does not match {pattern!r}")


def _unique_items(validator: Any, unique: bool, value: Any, schema: object) -> Iterator[Any]:
    """The keyword `uniqueItems`, in linear time."""
    from jsonschema.exceptions import ValidationError

    if not unique or not validator.is_type(value, "array"):
        return
    if len({_in_order(_plain(one)) for one in value}) < len(value):
        yield ValidationError("two of its items are equal")


def _plain(value: Any) -> Any:
    """`value` with one spelling for equal numbers."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _line(error: Any) -> str:
    at = error.json_path.removeprefix("$").removeprefix(".")
    return text_of(_cut(f"field {_cut(at)!r}: {error.message}" if at else error.message))


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
