"""Tools that the target may call, from schemas or a file's functions; a response format of one's
own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.chat import Chat
from autoprompt_assets.engine.evaluation.row import read_answer
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.engine.llm import Completion
from tests.loopback import Behaviour, LoopbackServer
from tests.support import KEY, OPTIONS, Project, csv_of

SHAPES = {
    f"Which shape is path {i}?": json.dumps(
        [{"name": "name_shape", "arguments": {"shape": OPTIONS[i % 4]}}]
    )
    for i in range(34)
}
ANSWERS = {question: OPTIONS[i % 4] for i, question in enumerate(SHAPES)}
SPEC = """\
dataset: {path: rows.csv, split: {train: 6, validation: 12, test: 16}}
roles:
  target: {model: gpt-4.1-mini, max_tokens: 200, prompt: Solve it., MORE}
  optimizer: {model: gpt-4.1, max_tokens: 400}
grader: {kind: json}
optimizer: {strategy: STRATEGY, iterations: 3, race: false}
headroom: {rows: 0}
"""
FUNCTIONS = '''\
from __future__ import annotations

import os
import sys
from typing import Literal

print("noise")
os.write(1, b"more noise")
assert "OPENAI_API_KEY" not in os.environ


def name_shape(shape: Literal["(A)", "(B)", "(C)", "(D)"]) -> str:
    """Say the shape."""
    raise RuntimeError("it is never called")


def _helper(whatever):
    return whatever
'''
TOOL = {
    "type": "function",
    "function": {
        "name": "name_shape",
        "description": "Say the shape.",
        "parameters": {
            "type": "object",
            "properties": {"shape": {"type": "string", "enum": list(OPTIONS)}},
            "required": ["shape"],
            "additionalProperties": False,
        },
    },
}


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        yield server


def project_of(folder: Path, url: str, more: str, strategy: str = "opro", **files: str) -> Project:
    project = Project(folder, {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY})
    spec = SPEC.replace("MORE", more).replace("STRATEGY", strategy)
    project.add("shapes", spec, rows_csv=csv_of(SHAPES), **files)
    return project


def test_functions_of_a_file_are_called_and_their_calls_are_graded_and_stored(
    server: LoopbackServer, tmp_path: Path
) -> None:
    more = "tools: tools.py, tool_choice: required, tune: [prompt, tools.name_shape.description]"
    project = project_of(tmp_path, server.base_url, more, tools_py=FUNCTIONS)
    outcome = project.run_json("shapes")
    assert outcome["baseline"]["test"] > 0
    asked = [one["body"] for one in server.ledger if one["role"] == "target"]
    assert asked[0]["tools"] == [TOOL]
    assert {one["tool_choice"] for one in asked} == {"required"}
    said = {one["tools"][0]["function"]["description"] for one in asked}
    assert len(said) > 1, "its description is tuned, too"
    (search,) = (project.home / "results" / "shapes" / "searches").iterdir()
    rows = [
        row
        for path in search.rglob("*.parquet")
        if "timings" not in path.name
        for row in pq.read_table(path).to_pylist()
    ]
    calls = [json.loads(row["answer"]) for row in rows if row.get("answer")]
    assert {call["name"] for one in calls for call in one} == {"name_shape"}
    page = Path(outcome["report"]).read_text()
    assert "tools.name_shape.description" in page
    assert project.run_json("shapes")["usd_paid"] == 0


def test_a_demo_shows_its_call_as_a_call() -> None:
    chat = Chat(tools=(TOOL,))
    demo = Demo(Inputs.single("Old?"), SHAPES["Which shape is path 1?"])
    plain = Demo(Inputs.single("Older?"), "I cannot tell.")
    candidate = Candidate("Solve it.", (demo, plain))
    _, _, call, result, _, text, last = candidate.messages(
        Inputs.single("New?"), as_choice=False, chat=chat
    )
    assert call["content"] is None
    assert call["tool_calls"][0]["function"] == {
        "name": "name_shape",
        "arguments": '{"shape":"(B)"}',
    }
    assert result == {"role": "tool", "tool_call_id": call["tool_calls"][0]["id"], "content": ""}
    assert (text["content"], last["content"]) == ("I cannot tell.", "New?")


def answered(message: dict[str, Any]) -> tuple[str, str]:
    answer, grade = read_answer(Completion(json.dumps(message), "stop"), ())
    return answer, grade.outcome if grade else ""


def test_calls_are_read_in_every_form_and_written_in_one() -> None:
    made = '[{"arguments":{"x":1},"name":"f"}]'
    forms: list[dict[str, Any]] = [
        {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": '{"x": 1}'}}]},
        {"content": "Hm.", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]},
        {"content": None, "function_call": {"name": "f", "arguments": '{"x":1}'}},
        {"content": [{"type": "tool_use", "name": "f", "input": {"x": 1}}]},
    ]
    assert {answered(one) for one in forms} == {(made, "")}
    both = [{"function": {"name": name, "arguments": ""}} for name in "ab"]
    assert [one["name"] for one in json.loads(answered({"tool_calls": both})[0])] == ["a", "b"]


@pytest.mark.parametrize("arguments", ['{"x": ', "[1]", "7", '"x"'])
def test_arguments_that_are_no_object_are_no_answer_that_can_be_read(arguments: str) -> None:
    call = {"function": {"name": "f", "arguments": arguments}}
    assert answered({"content": None, "tool_calls": [call]}) == ("", "unparsable")


def test_a_response_format_of_one_s_own_is_sent(server: LoopbackServer, tmp_path: Path) -> None:
    schema = TOOL["function"]["parameters"]  # type: ignore[index]
    more = "response_format: answer.json"
    project = project_of(tmp_path, server.base_url, more, "demos", answer_json=json.dumps(schema))
    project.run_json("shapes")
    (sent,) = {json.dumps(one["body"]["response_format"]) for one in server.ledger}
    own = {"name": "answer", "strict": True, "schema": schema}
    assert json.loads(sent) == {"type": "json_schema", "json_schema": own}


def test_where_schemas_are_not_heeded_it_is_said(tmp_path: Path) -> None:
    schema = json.dumps(TOOL["function"]["parameters"])  # type: ignore[index]
    more = "endpoint: mine, response_format: answer.json"
    project = project_of(tmp_path, "http://127.0.0.1:9/v1", more, "demos", answer_json=schema)
    path = project.experiments / "shapes" / "experiment.yaml"
    named = "endpoints: {mine: {base_url: 'http://127.0.0.1:9/v1'}}\n"
    path.write_text(path.read_text() + named)
    said = project.run("check", "shapes").stdout
    assert "note: roles.target.response_format is not sent, for endpoints.mine does not say" in said


GOOD = json.dumps([TOOL])
BAD: dict[str, tuple[str, dict[str, str], str]] = {
    "no such file": ("tools: t.json", {}, "roles.target.tools = 't.json': is not there; name"),
    "outside": ("tools: ../t.json", {}, "is outside of the experiment's folder; put it there"),
    "no JSON": ("tools: t.json", {"t_json": "{"}, "is no JSON ("),
    "no list": ("tools: t.json", {"t_json": "{}"}, "is a mapping and no list of tools; write one"),
    "no name": ("tools: [{description: x}]", {}, "has in tool 1 no name; use 1 to 64"),
    "bad schema": (
        "tools: [{name: f, parameters: {type: objekt}}]",
        {},
        "has in tool 1 parameters: is no JSON schema (type: 'objekt' is not valid",
    ),
    "no object": (
        "tools: [{name: f, parameters: {type: string}}]",
        {},
        "has in tool 1 parameters that are no object; write a JSON schema of type object",
    ),
    "twice": ("tools: [{name: f}, {name: f}]", {}, "names 'f' twice; name it once"),
    "a field": ("tools: [{name: f, args: {}}]", {}, "has in tool 1 the field 'args'; use"),
    "untyped": (
        "tools: t.py",
        {"t_py": "def f(x): ...\n"},
        "cannot be used: TypeError: f: 'x' has no type; annotate it",
    ),
    "raises": ("tools: t.py", {"t_py": "1 / 0\n"}, "ZeroDivisionError: division by zero; mend"),
    "imports what is missing": (
        "tools: t.py",
        {"t_py": "import nonesuch\n"},
        "cannot be used: ModuleNotFoundError: No module named 'nonesuch'; mend it",
    ),
    "exits": (
        "tools: t.py",
        {"t_py": "import os\nos._exit(3)\n"},
        "ended by itself or by its limit of 20 s of CPU time (exit 3); let it define functions",
    ),
    "nothing": ("tools: t.py", {"t_py": "x = 1\n"}, "defines no public function; write one"),
    "choices": ("tools: t.json, choices: [a, b]", {"t_json": GOOD}, "choices and tools, and"),
    "required": ("tool_choice: required", {}, "tool_choice = 'required' and there are no tools"),
    "format and choices": (
        "choices: [a, b], response_format: {type: object}",
        {},
        "holds choices and response_format; keep one of them",
    ),
    "no schema": ("response_format: {type: 7}", {}, "is no JSON schema (type: 7 is not valid"),
    "no object's": ("response_format: {type: array}", {}, "is no schema of an object, as"),
    "tune": ("tools: t.json, tune: [tools.f]", {"t_json": GOOD}, "use prompt, tools.name_shape.d"),
    "local": (
        "endpoint: local, tools: t.json",
        {"t_json": GOOD},
        "roles.target.endpoint = 'local' takes no tools; name another endpoint",
    ),
}


@pytest.mark.parametrize(("more", "files", "said"), BAD.values(), ids=BAD)
def test_bad_tools_and_formats_get_one_line(
    more: str, files: dict[str, str], said: str, tmp_path: Path
) -> None:
    project = project_of(tmp_path, "http://127.0.0.1:9/v1", more, **files)
    if "local" in more:
        path = project.experiments / "shapes" / "experiment.yaml"
        path.write_text(path.read_text().replace("model: gpt-4.1-mini, ", ""))
    assert said in project.refused("check", "shapes")
