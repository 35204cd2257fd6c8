"""What is wrong in an experiment file, as one line that names file, field, value and mend."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from autoprompt_assets.engine.errors import type_word
from autoprompt_assets.engine.grading import GRADERS
from autoprompt_assets.engine.kinds import Kinds
from autoprompt_assets.engine.llm import EndpointSpec, EndpointWords
from autoprompt_assets.engine.optimizers import STRATEGIES
from autoprompt_assets.engine.spec.experiment import ExperimentSpec
from autoprompt_assets.engine.spec.yaml_text import shown

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
    "bool_type": "is not true or false; write one of them, without quotes",
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
_PLAIN_PLACES = re.compile(
    r"^(structured_output|api_version|deployment|concurrency|requests_per_minute)$"
)
"""Places below `endpoints` in which nobody puts a key."""


_CALLED_ELSEWHERE = dict.fromkeys(
    ("azure_endpoint", "api_base", "endpoint", "server", "uri", "url"), "base_url"
)
"""Fields of an endpoint by the names that other programs have for them, and that are not near."""


@dataclass(frozen=True)
class Source:
    """Where a spec was read from: a file, and what `--set` overrides of it."""

    path: Path
    overrides: Mapping[str, str]
    words: EndpointWords

    def lines(self, detail: ErrorDetails) -> list[str]:
        """One error of pydantic's, a line for each problem."""
        places = [str(part) for part in detail["loc"] if part != "[key]"]
        kind = ""
        known = {"grader": GRADERS.words, "optimizer": STRATEGIES.words}
        tags = known.get(places[0] if places else "", ())
        at = 1
        if places[:1] == ["graders"]:
            tags, at = GRADERS.words, 2
        if len(places) > at and places[at] in tags:
            kind = places.pop(at)
        if "extra" in places:  # what pydantic adds below it are its own names of types
            del places[places.index("extra") + 2 :]
        field = ".".join(places)
        if detail["type"] == "value_error":
            problems = str(detail.get("ctx", {})["error"]).split("\n")
            # What is said of a whole endpoint begins with the field below it.
            joint = "." if _is_endpoint(places) else ": "
            said = [f"{field}{joint}{problem}" if field else problem for problem in problems]
        elif detail["type"] == "extra_forbidden" and _is_endpoint(places[:-1]):
            said = [f"{field}: no such field{self._endpoint_suggestion(places[-1])}"]
        else:
            said = [_said(field, places, detail, kind)]
        return [with_source(line, self.path, self.overrides) for line in said]

    def _endpoint_suggestion(self, name: str) -> str:
        kinds = [word for word, one in self.words.settings.items() if name in one.model_fields]
        if kinds:
            return f", unless of kind {' or '.join(kinds)}; add e.g. kind: {kinds[0]}, or remove it"
        if name in _CALLED_ELSEWHERE:
            return f"; did you mean {_CALLED_ELSEWHERE[name]!r}?"
        known = {*EndpointSpec.model_fields}
        known.update(*(one.model_fields for one in self.words.settings.values()))
        return _closest(name, known)


def with_source(line: str, path: Path, overrides: Mapping[str, str]) -> str:
    """`line` with where the field that it begins with was given: by --set, or in the file."""
    given = re.match(r"[^\s:]*", line)
    name = f"{given[0] if given else ''}."
    overridden = any(name.startswith(f"{key}.") for key in overrides)
    return f"--set {line}" if overridden else f"{path}: {line}"


def _is_endpoint(places: Sequence[str]) -> bool:
    return len(places) == 2 and places[0] == "endpoints"


def value_of(places: Sequence[str], value: object, sign: str = " = ") -> str:
    """`value` as an error tells it; of one in a place in which somebody may have put a key, what
    it is, and nothing of a text.
    """
    plain = len(places) == 3 and _PLAIN_PLACES.search(places[-1])
    secret = not plain and any(_SECRET_PLACES.search(place) for place in places)
    if secret and isinstance(value, str):
        return ""
    return f"{sign}{type_word(value) if secret else shown(value)}"


def _said(field: str, places: list[str], detail: ErrorDetails, tag: str) -> str:
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        if tag and places[-1] in _fields_at(ExperimentSpec, places[:-1], tag, family=True):
            return f"{field}: {places[0]} {tag!r} does not take it; take it out"
        return f"{field}: no such field{_suggestion(places, tag)}"
    if kind == "missing":
        return f"{field}: {MENDS[kind]}"
    mend = MENDS.get(kind)
    said = mend.format(**{name: _plain(value) for name, value in context.items()}) if mend else ""
    said = said or f"{detail['msg'].lower()}; mend it"
    if kind == "string_type" and detail["input"] is None:
        said = "is empty; fill it in, or take it out"
    if kind == "string_type" and isinstance(detail["input"], bool):
        said += " (YAML reads yes, no, on and off as true and false)"
    if kind not in ("union_tag_invalid", "union_tag_not_found"):
        return f"{field}{value_of(places, detail['input'])}: {said}"
    name = context["discriminator"].replace("'", "")
    said = said.replace("'", "")
    given = detail["input"].get(name) if isinstance(detail["input"], dict) else None
    if given is None:
        return f"{field}.{name}: is missing; add it"
    return f"{field}.{name} = {shown(given)}: {said}"


def _plain(value: object) -> object:
    return f"{value:g}" if isinstance(value, float) else value


def _suggestion(places: list[str], tag: str) -> str:
    return _closest(places[-1], _fields_at(ExperimentSpec, places[:-1], tag))


def no_such_field(places: Sequence[str], others: Iterable[str]) -> str:
    """What is said of `places` where they name no field of an experiment; empty where they do.

    `others` are names that may stand there beside the fields.
    """
    known = _fields_at(ExperimentSpec, [*places[:-1]], "")
    if places[-1] in known:
        return ""
    return f"{'.'.join(places)}: no such field{_closest(places[-1], known.union(others))}"


def _closest(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; use {', '.join(sorted(known))}" if known else "; remove it"


def _fields_at(model: object, places: list[str], tag: str, *, family: bool = False) -> set[str]:
    """The fields at `places`; of kinds, those of the kind `tag`, or of its `family`."""
    if get_origin(model) is Annotated:
        kinds = next((one for one in get_args(model) if isinstance(one, Kinds)), None)
        if kinds is not None:
            return _fields_of(_models(kinds, tag, family), places, tag, family)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        inner = places[1:] if get_origin(model) in (dict, tuple) else places
        return _fields_of(get_args(model), inner, tag, family)
    named = {info.alias or name: info for name, info in model.model_fields.items()}
    if not places:
        return set(named)
    info = named.get(places[0])
    if info is None:
        return set()
    kinds = next((one for one in info.metadata if isinstance(one, Kinds)), None)
    models = _models(kinds, tag, family) if kinds else (info.annotation,)
    return _fields_of(models, places[1:], tag, family)


def _models(kinds: Kinds[Any], tag: str, family: bool) -> tuple[type[Any], ...]:
    return kinds.family(tag) if family else kinds.models(tag)


def _fields_of(models: Iterable[object], places: list[str], tag: str, family: bool) -> set[str]:
    return {name for model in models for name in _fields_at(model, places, tag, family=family)}
