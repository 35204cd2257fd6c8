"""The winner as it was sent: `best_request.json` gives the very bytes that the endpoint got."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import KEY, OPTIONS, Project, csv_of

# A row may look like a template, and is none.
ROWS = {f"Which shape is path {i} of {{input}} and {{}}?": OPTIONS[i % 4] for i in range(40)}
WORDING = "Work step by step. Count every segment. List the vertices. {input} Check the result."
SPEC = f"""\
dataset: {{path: rows.csv, split: {{train: 8, validation: 12, test: 20}}}}
roles:
  target:
    model: gpt-4.1-mini
    prompt: "Name the shape.\\n{{input}}"
    temperature: 0.5
    max_tokens: 200
    extra: {{top_p: 0.9}}
    choices: ["(A)", "(B)", "(C)", "(D)"]
grader: {{kind: exact}}
optimizer: {{strategy: demos, iterations: 2, demos: 3, race: false, wordings: ["{WORDING}"]}}
"""


@pytest.fixture(scope="module")
def search(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, LoopbackServer]]:
    folder = tmp_path_factory.mktemp("best")
    with LoopbackServer(Behaviour(answers=ROWS)) as server:
        own = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        project = Project(folder, own)
        project.add("toy", SPEC, rows_csv=csv_of(ROWS))
        assert project.run_json("toy")["best"]["iteration"] > 0
        (found,) = (project.home / "results" / "toy" / "searches").iterdir()
        yield found, server


def rendered(template: dict[str, Any], text: str) -> bytes:
    """As the file itself says how."""
    body = json.loads(json.dumps(template["request"]))
    last = body["messages"][-1]
    last["content"] = last["content"].replace("{input}", text)
    return json.dumps(body, separators=(",", ":")).encode()


def test_the_winner_rendered_for_a_test_row_is_what_was_sent(
    search: tuple[Path, LoopbackServer],
) -> None:
    folder, server = search
    template = json.loads((folder / "best_request.json").read_bytes())
    winner = json.loads((folder / "best_candidate.json").read_bytes())
    rows = pq.read_table(folder / "evaluations" / f"test-{winner['id']}.parquet").to_pylist()
    assert len(rows) == 20
    sent = {json.dumps(entry["body"], separators=(",", ":")).encode() for entry in server.ledger}
    with closing(sqlite3.connect(folder.parents[3] / "journal.db")) as journal:
        kept = {body.encode() for (body,) in journal.execute("SELECT body FROM completions")}
    for row in rows:
        assert rendered(template, row["input"]) in sent & kept


def test_it_holds_demos_schema_model_and_sampling(search: tuple[Path, LoopbackServer]) -> None:
    folder, server = search
    template = json.loads((folder / "best_request.json").read_bytes())
    request = template["request"]
    assert template["endpoint"] == server.base_url
    assert (request["model"], request["temperature"]) == ("gpt-4.1-mini", 0.5)
    assert (request["max_tokens"], request["top_p"]) == (200, 0.9)
    schema = request["response_format"]["json_schema"]["schema"]
    assert schema["properties"]["answer"]["enum"] == list(OPTIONS)
    roles = [message["role"] for message in request["messages"]]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"]
    answers = [json.loads(one["content"])["answer"] for one in request["messages"][1::2]]
    assert set(answers) <= set(OPTIONS)


def test_the_text_says_what_it_leaves_out(search: tuple[Path, LoopbackServer]) -> None:
    folder, _ = search
    template = json.loads((folder / "best_request.json").read_bytes())
    text = (folder / "best_prompt.txt").read_text(encoding="utf-8")
    prompt, _, rest = text.partition("\n\n---\n")
    assert prompt.startswith(("Name the shape.\n{input}", WORDING))
    demos = len(template["request"]["messages"]) // 2
    assert demos
    for part in (
        *('model "gpt-4.1-mini"', "temperature 0.5", "max_tokens 200", "top_p 0.9"),
        "a JSON schema that allows only (A), (B), (C), (D)",
        f"the {demos} demos as turns of their own",
        "As it was sent: best_request.json\n",
    ):
        assert part in rest
