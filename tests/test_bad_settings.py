"""What a user gets wrong in a --set: one line per error, all at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.spec import load_spec, parse_overrides
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS
from tests.input_support import check, refused, spec_text

SETTINGS: dict[str, tuple[list[str], list[str]]] = {
    "no =": (["concurrency"], ['--set "concurrency": is not key.path=value; write']),
    "no key": (["=4"], ['--set "=4": is not key.path=value; write']),
    "an empty part": (["roles..model=a"], ["is not key.path=value; write"]),
    "twice": (["concurrency=1", "concurrency=2"], ["--set concurrency: is given twice; keep one"]),
    "into a number": (["concurrency.x=1"], ["--set concurrency.x", "holds 4", "set 'concurrency'"]),
    "into a list": (["optimizer.wordings.0=a"], ["--set optimizer.wordings.0", "set 'wordings'"]),
    "an unknown field": (["concurency=1"], ["--set concurency: no such field; did you mean 'conc"]),
    "broken YAML": (["budget={calls"], ['--set budget="{calls": line 1', "mend the YAML there"]),
    "a wrong value": (["concurrency=0"], ["--set concurrency = 0: is too small; make it 1 or mor"]),
    "nothing": (["concurrency="], ["--set concurrency = null: is no whole number; write one"]),
    "an unknown endpoint": (["roles.target.endpoint=x"], ["--set roles.target.endpoint = 'x' is"]),
    "a wrong part of a whole": (["budget={calls: 0}"], ["--set budget.calls = 0: is too small"]),
}  # fmt: skip


@pytest.mark.parametrize("case", SETTINGS)
def test_error_in_set_names_its_key(case: str, tmp_path: Path) -> None:
    settings, expected = SETTINGS[case]
    path = tmp_path / "experiment.yaml"
    path.write_text(
        spec_text(concurrency="4", optimizer="{strategy: demos, wordings: [a]}"), encoding="utf-8"
    )
    check(refused(path, settings), ("--set ",), expected)


def test_every_malformed_set_is_reported_at_once() -> None:
    with pytest.raises(InputError) as caught:
        parse_overrides(["a", "=b", "c=1"])
    assert len(caught.value.lines) == 2


def test_set_reaches_a_part_that_the_file_leaves_out(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(spec_text(), encoding="utf-8")
    settings = ["budget.calls=7", "roles.target.choices=[a, b]", "roles.target.temperature=1e-1"]
    spec = load_spec(path, ENDPOINT_WORDS, parse_overrides(settings))
    assert (spec.budget.calls, spec.roles.target.choices) == (7, ("a", "b"))
    assert spec.roles.target.temperature == 0.1


@pytest.mark.parametrize(
    "setting",
    [
        *("endpoints=hunter2", "endpoints.mine=hunter2", "endpoints.mine.api_key_env=gsk_hunter2"),
        *("endpoints={a: {api_key_env: hunter2", "endpoints.a.api_key_env hunter2"),
        *("OPENAI_API_KEY=hunter2", "OPENAI_API_KEY=[hunter2", "endpoints.mine.base_url=hunter2"),
    ],
)
def test_a_key_in_an_override_is_not_repeated(setting: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(spec_text(), encoding="utf-8")
    lines = refused(path, [setting])
    check(lines, ("--set", str(path)), [])
    assert not [line for line in lines if "hunter2" in line]
