"""Reads an experiment file: YAML, overrides, and every error at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.keys import origin
from autoprompt_assets.engine.llm import EndpointSpec, EndpointWords
from autoprompt_assets.engine.spec.experiment import ExperimentSpec
from autoprompt_assets.engine.spec.files import read_files
from autoprompt_assets.engine.spec.problems import Source, value_of, with_source
from autoprompt_assets.engine.spec.yaml_text import parse_yaml, read_mapping


def load_spec(
    path: Path, endpoints: EndpointWords, overrides: Mapping[str, str] | None = None
) -> ExperimentSpec:
    """The experiment that `path` describes, with `overrides` (key.path -> YAML value) applied.

    `endpoints` holds the words that a role may name beside the file's own.

    Raises:
        InputError: one line per problem.
    """
    data = read_mapping(path)
    written = _endpoints(data, endpoints)
    overrides = overrides or {}
    problems: list[str] = []
    for key, value in overrides.items():
        try:
            _override(data, key, value)
        except InputError as error:
            problems += error.lines
    problems += [with_source(one, path, overrides) for one in read_files(data, path.parent)]
    if problems:
        raise InputError(problems)
    try:
        spec = ExperimentSpec.model_validate(data, context=endpoints)
    except ValidationError as error:
        source = Source(path, overrides, endpoints)
        details = error.errors(include_url=False)
        raise InputError([line for one in details for line in source.lines(one)]) from None
    try:
        spec = spec.located(path.parent)
    except InputError as error:
        raise InputError([with_source(line, path, overrides) for line in error.lines]) from None
    moved = [_moved(path, one, overrides) for one in _moved_secrets(written, spec)]
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
                f"--set{value_of([setting], setting, ' ')}: is not key.path=value; write e.g. "
                "--set concurrency=4"
            )
        elif key in overrides:
            problems.append(f"--set {key}: is given twice; keep one")
        overrides[key] = value
    if problems:
        raise InputError(problems)
    return overrides


def _override(data: dict[str, Any], key: str, text: str) -> None:
    value = parse_yaml(text, f"--set {key}{value_of(key.split('.'), text, '=')}:")
    *parents, last = key.split(".")
    place = data
    for parent in parents:
        if place.get(parent) is None:
            place[parent] = {}
        place = place[parent]
        if not isinstance(place, dict):
            raise InputError(
                f"--set {key}: {parent!r} has no fields{value_of(parents, place, '; it holds ')}; "
                f"set {parent!r} itself"
            )
    place[last] = value


def written_endpoints(path: Path, words: EndpointWords) -> dict[str, EndpointSpec]:
    """The endpoints that a file names, whatever else is wrong in it.

    Raises:
        InputError: it cannot be read.
    """
    return _endpoints(read_mapping(path), words)


def _endpoints(data: Mapping[str, Any], words: EndpointWords) -> dict[str, EndpointSpec]:
    named, found = data.get("endpoints"), {}
    for name, server in named.items() if isinstance(named, dict) else ():
        with suppress(ValidationError):
            found[str(name)] = EndpointSpec.model_validate(server, context=words)
    return found


def _moved_secrets(
    written: Mapping[str, EndpointSpec], spec: ExperimentSpec
) -> Iterator[tuple[str, str, str]]:
    """Endpoints with a secret that would go where `written`, the file's own, do not say: name,
    field and variable.
    """
    for name, server in spec.endpoints.items():
        own = written.get(name)
        same_host = own is not None and origin(own.base_url) == origin(server.base_url)
        for place, variable in server.variables.items():
            if own is None or not same_host or variable not in own.variables.values():
                yield name, place, variable
                break


def _moved(path: Path, moved: tuple[str, str, str], overrides: Mapping[str, str]) -> str:
    name, place, variable = moved
    given = [key for key in overrides if f"endpoints.{name}.".startswith(f"{key}.")]
    given += [key for key in overrides if key.startswith(f"endpoints.{name}.")]
    return (
        f"--set {', '.join(given)}: {variable} goes only to the host and port that {path} names "
        f"beside it; write base_url and {place} there"
    )
