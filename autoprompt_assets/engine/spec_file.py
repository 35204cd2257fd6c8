"""Reads an experiment file: YAML, overrides, and every error at once in one line each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.spec import ExperimentSpec

MENDS = {
    "missing": "is missing; add it",
    "string_type": "is not text; put it in quotes",
    "literal_error": "is not allowed; use {expected}",
    "union_tag_invalid": "is not known; use one of {expected_tags}",
    "union_tag_not_found": "lacks its {discriminator}; add it",
    "greater_than": "is too small; make it more than {gt}",
    "greater_than_equal": "is too small; make it {ge} or more",
    "less_than": "is too large; make it less than {lt}",
    "less_than_equal": "is too large; make it {le} or less",
    "string_too_short": "is empty; fill it in",
    "int_parsing": "is no whole number; write one",
    "int_type": "is no whole number; write one",
    "int_from_float": "is no whole number; write one",
    "float_parsing": "is no number; write one",
    "float_type": "is no number; write one",
    "bool_parsing": "is neither true nor false; write one of them",
    "dict_type": "is not a mapping; write `key: value` lines below it",
    "model_type": "is not a mapping; write `key: value` lines below it",
    "tuple_type": "is not a list; write `- item` lines below it",
    "string_pattern_mismatch": "does not have the right form; it must match {pattern}",
    "finite_number": "is not finite; write an ordinary number",
}


class _Loader(yaml.SafeLoader):
    """YAML that refuses a key given twice: the first value would be lost without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = str(key_node.value)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"key {key!r} is given twice; keep one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


def load_spec(path: Path, overrides: Mapping[str, str] | None = None) -> ExperimentSpec:
    """The experiment that `path` describes, with `overrides` (key.path -> YAML value) applied.

    Raises:
        InputError: one line per problem.
    """
    data = _read(path)
    for key, value in (overrides or {}).items():
        _override(data, key, value)
    try:
        return ExperimentSpec.model_validate(data)
    except ValidationError as error:
        details = error.errors(include_url=False)
        raise InputError([_line(path, detail, overrides or {}) for detail in details]) from None


def parse_overrides(settings: Iterable[str]) -> dict[str, str]:
    """`key.path=value` texts as a mapping.

    Raises:
        InputError: a text without `=` or without a key.
    """
    overrides = {}
    for setting in settings:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip() or not all(key.strip().split(".")):
            raise InputError(f"--set {setting!r} is not key.path=value; write e.g. concurrency=4")
        overrides[key.strip()] = value
    return overrides


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file; see `autoprompt list`") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); mend its rights") from None
    except UnicodeDecodeError as error:
        line = f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8"
        raise InputError(line) from None
    try:
        data = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{path}: {_yaml_problem(error)}") from None
    if not isinstance(data, dict):
        raise InputError(f"{path}: holds {shown(data)}, not `key: value` lines; see README.md")
    return data


def _yaml_problem(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    problem = getattr(error, "problem", None) or "unreadable"
    return f"{where}{problem}; mend the YAML there".replace("\n", " ")


def _override(data: dict[str, Any], key: str, text: str) -> None:
    try:
        value = yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise InputError(f"--set {key}={shown(text)}: {_yaml_problem(error)}") from None
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise InputError(f"--set {key}: {parent!r} holds {shown(place)}, which has no fields")
    place[last] = value


def _line(path: Path, detail: ErrorDetails, overrides: Mapping[str, str]) -> str:
    tags = {"exact", "choice", "contains", "number", "regex", "json", "model"}
    tags |= {"opro", "demos", "rescore"}
    places = [str(part) for part in detail["loc"]]
    if len(places) > 1 and places[0] in ("grader", "optimizer") and places[1] in tags:
        del places[1]
    field = ".".join(places) or "the file"
    source = f"--set {field}" if field in overrides else f"{path}: {field}"
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return f"{source}: no such field{_suggestion(places)}"
    if kind == "missing":
        return f"{source}: {MENDS[kind]}"
    if kind == "value_error":
        problem = str(context["error"])
        return f"{path}: {problem}" if field == "the file" else f"{source}: {problem}"
    mend = MENDS.get(kind)
    said = mend.format(**context) if mend else f"{detail['msg'].lower()}; mend it"
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        said, field_value = said.replace("'", ""), context.get("tag")
        tag = context["discriminator"].replace("'", "")
        shown_tag = f" = {shown(field_value)}" if field_value is not None else ""
        return f"{source}.{tag}{shown_tag}: {said}".replace(f"lacks its {tag}", "is missing")
    return f"{source} = {shown(detail['input'])}: {said}"


def _suggestion(places: list[str]) -> str:
    known = sorted(_fields_at(ExperimentSpec, places[:-1]))
    close = difflib.get_close_matches(places[-1], known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; use {', '.join(known)}" if known else "; remove it"


def _fields_at(model: object, places: list[str]) -> set[str]:
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        found: set[str] = set()
        for part in get_args(model):
            found |= _fields_at(part, places)
        return found
    if not places:
        return set(model.model_fields)
    info = model.model_fields.get(places[0])
    return _fields_at(info.annotation, places[1:]) if info else set()
