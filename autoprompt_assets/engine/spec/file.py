"""Reads an experiment file: YAML, overrides, and every error at once in one line each."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.grading import GRADERS
from autoprompt_assets.engine.keys import EndpointKeys, origin
from autoprompt_assets.engine.kinds import Kinds
from autoprompt_assets.engine.llm import EndpointSpec
from autoprompt_assets.engine.optimizers import STRATEGIES
from autoprompt_assets.engine.spec.experiment import ExperimentSpec
from autoprompt_assets.engine.spec.yaml_text import parse_yaml, read_mapping, shown

MENDS = {
    "missing": "is missing; add it",
    "string_type": "is not text; put it in quotes",
    "literal_error": "is not allowed; use {expected}",
    "union_tag_invalid": "is not known; use one of {expected_tags}",
    "union_tag_not_found": "is missing; add it",
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
    "model_attributes_type": "is not a mapping; write `key: value` lines below it",
    "int_parsing_size": "is too long a number; write a smaller one",
    "invalid_key": "is no text; put the key in quotes",
    "invalid-json-value": "is no text, number, list or mapping; put it in quotes",
    "recursion_loop": "holds itself; write it out",
}
_SECRET_PLACES = re.compile(
    r"^endpoints$|^hosted_model_uri$|key|secret|passw|credential|authoriz|header", re.IGNORECASE
)


def load_spec(
    path: Path, endpoints: EndpointKeys, overrides: Mapping[str, str] | None = None
) -> ExperimentSpec:
    """The experiment that `path` describes, with `overrides` (key.path -> YAML value) applied.

    `endpoints` are the words that a role may name beside the file's own.

    Raises:
        InputError: one line per problem.
    """
    data = read_mapping(path)
    written = _endpoints(data)
    overrides = overrides or {}
    problems: list[str] = []
    for key, value in overrides.items():
        try:
            _override(data, key, value)
        except InputError as error:
            problems += error.lines
    if problems:
        raise InputError(problems)
    try:
        spec = ExperimentSpec.model_validate(data, context=endpoints)
    except ValidationError as error:
        details = error.errors(include_url=False)
        lines = [line for detail in details for line in _lines(path, detail, overrides)]
        raise InputError(lines) from None
    moved = [_moved(path, name, spec, overrides) for name in _moved_keys(written, spec)]
    if moved:
        raise InputError(moved)
    return spec


def parse_overrides(settings: Iterable[str]) -> dict[str, str]:
    """`key.path=value` texts as a mapping.

    Raises:
        InputError: a text without `=` or without a key.
    """
    overrides, problems = {}, []
    for setting in settings:
        key, equals, value = (part.strip() for part in setting.partition("="))
        if not equals or not all(part.strip() for part in key.split(".")):
            problems.append(
                f"--set{_value([setting], setting, ' ')}: is not key.path=value; write e.g. "
                "--set concurrency=4"
            )
        elif key in overrides:
            problems.append(f"--set {key}: is given twice; keep one")
        overrides[key] = value
    if problems:
        raise InputError(problems)
    return overrides


def _override(data: dict[str, Any], key: str, text: str) -> None:
    value = parse_yaml(text, f"--set {key}{_value(key.split('.'), text, '=')}:")
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise InputError(
                f"--set {key}: {parent!r} has no fields{_value(parents, place, '; it holds ')}; "
                f"set {parent!r} itself"
            )
    place[last] = value


def written_endpoints(path: Path) -> dict[str, EndpointSpec]:
    """The endpoints that a file names, whatever else is wrong in it.

    Raises:
        InputError: it cannot be read.
    """
    return _endpoints(read_mapping(path))


def _endpoints(data: Mapping[str, Any]) -> dict[str, EndpointSpec]:
    named, found = data.get("endpoints"), {}
    for name, server in named.items() if isinstance(named, dict) else ():
        with suppress(ValidationError):
            found[str(name)] = EndpointSpec.model_validate(server)
    return found


def _moved_keys(written: Mapping[str, EndpointSpec], spec: ExperimentSpec) -> Iterator[str]:
    """Endpoints whose key would go where `written`, the file's own, do not say."""
    for name, server in spec.endpoints.items():
        own = written.get(name)
        if server.api_key_env is None:
            continue
        if (
            own is None
            or own.api_key_env != server.api_key_env
            or origin(own.base_url) != origin(server.base_url)
        ):
            yield name


def _moved(path: Path, name: str, spec: ExperimentSpec, overrides: Mapping[str, str]) -> str:
    given = [key for key in overrides if f"endpoints.{name}.".startswith(f"{key}.")]
    given += [key for key in overrides if key.startswith(f"endpoints.{name}.")]
    return (
        f"--set {', '.join(given)}: {spec.endpoints[name].api_key_env} goes only to the host that "
        f"{path} names beside it; write base_url and api_key_env there"
    )


def _lines(path: Path, detail: ErrorDetails, overrides: Mapping[str, str]) -> list[str]:
    places = [str(part) for part in detail["loc"] if part != "[key]"]
    kind = ""
    known = {"grader": GRADERS.words, "optimizer": STRATEGIES.words}
    tags = known.get(places[0] if places else "", ())
    if len(places) > 1 and places[1] in tags:
        kind = places.pop(1)
    if "extra" in places:  # what pydantic adds below it are its own names of types
        del places[places.index("extra") + 2 :]
    field = ".".join(places)
    if detail["type"] == "value_error":
        problems = str(detail.get("ctx", {})["error"]).split("\n")
        said = [f"{field}: {problem}" if field else problem for problem in problems]
    else:
        said = [_said(field, places, detail, kind)]
    return [f"{_source(path, line, overrides)} {line}" for line in said]


def _source(path: Path, line: str, overrides: Mapping[str, str]) -> str:
    """Where the field that `line` begins with was given: by --set, or in the file."""
    given = re.match(r"[^\s:]*", line)
    name = f"{given[0] if given else ''}."
    return "--set" if any(name.startswith(f"{key}.") for key in overrides) else f"{path}:"


def _said(field: str, places: list[str], detail: ErrorDetails, tag: str) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        if tag and places[-1] in _fields_at(ExperimentSpec, places[:-1], tag):
            return f"{field}: {places[0]} {tag!r} does not take it; take it out"
        return f"{field}: no such field{_suggestion(places, tag)}"
    if kind == "missing":
        return f"{field}: {MENDS[kind]}"
    mend = MENDS.get(kind)
    said = mend.format(**{name: _plain(value) for name, value in context.items()}) if mend else ""
    said = said or f"{detail['msg'].lower()}; mend it"
    if kind == "string_type" and isinstance(detail["input"], bool):
        said += " (YAML reads yes, no, on and off as true and false)"
    if kind not in ("union_tag_invalid", "union_tag_not_found"):
        return f"{field}{_value(places, detail['input'])}: {said}"
    name = context["discriminator"].replace("'", "")
    said = said.replace("'", "")
    given = detail["input"].get(name) if isinstance(detail["input"], dict) else None
    if given is None:
        return f"{field}.{name}: is missing; add it"
    return f"{field}.{name} = {shown(given)}: {said}"


def _value(places: Sequence[str], value: object, sign: str = " = ") -> str:
    """`value` as an error tells it, but for a place in which somebody may have put a key."""
    secret = any(_SECRET_PLACES.search(place) for place in places)
    return "" if secret else f"{sign}{shown(value)}"


def _plain(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _suggestion(places: list[str], tag: str) -> str:
    known = sorted(_fields_at(ExperimentSpec, places[:-1], tag))
    close = difflib.get_close_matches(places[-1], known, n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; use {', '.join(known)}" if known else "; remove it"


def _fields_at(model: object, places: list[str], tag: str) -> set[str]:
    """The fields at `places`; of kinds, those of the kind `tag` or of all that are told apart."""
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        return _fields_of(get_args(model), places, tag)
    if not places:
        return set(model.model_fields)
    info = model.model_fields.get(places[0])
    if info is None:
        return set()
    kinds = next((one for one in info.metadata if isinstance(one, Kinds)), None)
    return _fields_of(kinds.models(tag) if kinds else (info.annotation,), places[1:], tag)


def _fields_of(models: Iterable[object], places: list[str], tag: str) -> set[str]:
    return {name for model in models for name in _fields_at(model, places, tag)}
