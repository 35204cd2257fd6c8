"""What cannot be meant by a grader's settings is one line: file, field, value and mend."""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.spec import load_spec
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS

SPEC = """\
dataset: {{path: rows.csv}}
roles:
  target: {{model: gpt-4.1-mini, prompt: Name it., max_tokens: 200}}
grader: {grader}
optimizer: {{strategy: demos}}
"""
LINES = {
    "kind: json, schem: {}": "grader.schem: no such field; did you mean 'schema'?",
    "kind: json, schema: {type: foo}": "grader.schema: is no JSON schema, at $.type: 'foo' is not "
    "valid under any of the given schemas; mend it",
    "kind: json, fields: {a: {wieght: 2}}": "grader.fields.a.wieght: no such field; did you mean "
    "'weight'?",
    "kind: json, fields: [a, b]": 'grader.fields = ["a", "b"]: is not a mapping; write '
    "`key: value` lines below it",
    "kind: json, credit: schema": "grader: credit = 'schema' needs a schema and no fields; mend it",
    "kind: labels, score: f2": "grader.score = \"f2\": is not allowed; use 'exact', 'f1' or "
    "'jaccard'",
    "kind: ordinal": "grader: needs either scale: [1, 5] or labels: [low, medium, high]; give one",
    "kind: ordinal, scale: [5, 1]": "grader: scale = [5.0, 1.0] does not ascend; write the least "
    "first",
    "kind: length": "grader: needs at_most, at_least or both; give one",
    "kind: length, at_most: 1, at_least: 2": "grader: at_least = 2 is above at_most = 1; mend one "
    "of them",
    "kind: similarity, stem: true": "grader: stem: is for ROUGE, and not for chrf; take it out",
    "kind: sql": "grader.database: is missing; add it",
    "kind: sql, database: x.db": "grader.database = 'x.db': cannot be read in {folder} (No such "
    "file or directory); name a file beside the experiment's",
    "kind: code": "grader: allow_code: is not set, and the grader 'code' runs what the model "
    "writes; set it to true where that may be",
    "kind: code, allow_code: 'yes'": 'grader.allow_code = "yes": is not true or '
    "false; write one of them, without quotes",
    "kind: code, allow_code: true, tests: t": "grader.tests = 't' is none of "
    "dataset.inputs; add it there",
    "kind: tool_calls, order: none": "grader.order = \"none\": is not allowed; use 'fixed' or "
    "'any'",
}


@pytest.mark.parametrize("grader", LINES)
def test_what_cannot_be_meant_is_one_line(tmp_path: Path, grader: str) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(SPEC.format(grader=f"{{{grader}}}"), encoding="utf-8")
    with pytest.raises(InputError) as error:
        load_spec(path, ENDPOINT_WORDS)
    line = LINES[grader].replace("{folder}", str(tmp_path))
    assert list(error.value.lines) == [f"{path}: {line}"]
