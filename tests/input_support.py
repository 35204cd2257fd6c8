"""What tests of a user's input share: an experiment's text, and what an error line must be."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.spec import load_spec, parse_overrides
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS

GOOD = {
    "dataset": "{path: rows.csv}",
    "roles": '{target: {prompt: Solve}, review: {prompt: "{response}?"}, '
    'optimizer: {prompt: "{prompt_scores_str}"}}',
    "grader": "{kind: choice}",
    "optimizer": "{strategy: opro}",
}
TARGET = "{target: {prompt: Solve, %s}, optimizer: {prompt: '{prompt_scores_str}'}}"


def spec_text(**changed: str) -> str:
    return "".join(f"{key}: {value}\n" for key, value in {**GOOD, **changed}.items())


def target(field: str) -> str:
    return spec_text(roles=TARGET % field)


def prompted(prompt: str) -> str:
    return spec_text(roles=f"{{target: {{prompt: {prompt}}}}}", optimizer="{strategy: demos}")


def refused(path: Path, settings: list[str] | None = None) -> tuple[str, ...]:
    with pytest.raises(InputError) as caught:
        load_spec(path, ENDPOINT_WORDS, parse_overrides(settings or []))
    return caught.value.lines


def check(lines: tuple[str, ...], names: tuple[str, ...], expected: list[str]) -> None:
    text = "\n".join(lines)
    assert not [part for part in expected if part not in text], text
    for line in lines:
        assert line.isprintable(), line
        assert any(line.startswith(name) for name in names), line
        assert any(mark in line for mark in ";?"), f"says not what to do: {line}"
        for tone in ("None", "True", "False", "dict", "NoneType", "Traceback", "pydantic"):
            assert tone not in line, line
