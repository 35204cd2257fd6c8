"""A whole search over rows of several columns, from `check` to the report."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets import results
from tests.loopback import Behaviour, LoopbackServer
from tests.support import KEY, Project
from tests.ticket_support import TICKETS, written

ROWS = TICKETS[:80]
SPEC = """\
dataset:
  path: t.jsonl
  inputs: [subject, body, meta.tier]
  target: label
  id: ticket
  group: customer
  where: {lang: [en, de]}
  split: {train: 0.2, validation: 0.4, test: 0.4}
roles:
  target:
    model: gpt-4.1-mini
    prompt: Route the ticket.
    choices: [billing, shipping]
    max_tokens: 200
  optimizer:
    model: gpt-4.1
    max_tokens: 400
    prompt: "{prompt_scores_str}\\n{examples}\\nWrite a better one in [[...]]."
grader: {kind: exact}
optimizer: {strategy: STRATEGY, iterations: 3, candidates: 2}
headroom: {rows: 4}
concurrency: 4
"""


def shown(row: dict[str, Any]) -> str:
    return f"subject: {row['subject']}\nbody: {row['body']}\nmeta.tier: {row['meta']['tier']}"


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    answers = {shown(row): str(row["label"]) for row in ROWS}
    with LoopbackServer(Behaviour(answers=answers)) as server:
        yield server


@pytest.mark.parametrize(
    "strategy",
    ["gepa", *(pytest.param(one, marks=pytest.mark.slow) for one in ("opro", "demos"))],
)
def test_a_search_asks_reports_and_replays_rows_of_several_columns(
    strategy: str, server: LoopbackServer, tmp_path: Path
) -> None:
    environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
    project = Project(tmp_path / "project", environ)
    folder = project.add("toy", SPEC.replace("STRATEGY", strategy))
    written(folder, ROWS)
    begin = len(server.ledger)
    checked = project.run("check", "toy")
    assert checked.returncode == 0, checked.stderr
    assert len(server.ledger) == begin
    outcome = project.run_json("toy")
    made = len(server.ledger) - begin
    assert made == outcome["calls"]["made"] > 60
    again = project.run_json("toy")
    assert (again["calls"]["made"], again["comparison"]) == (0, outcome["comparison"])

    found = results("toy", home=project.home)
    compared = found.comparison
    names = {str(row["ticket"]): shown(row) for row in ROWS}
    held = zip(compared["name"], compared["input"], strict=True)
    assert all(names[str(name)] == text for name, text in held)
    request = json.loads((Path(outcome["report"]).parent / "best_request.json").read_text())
    assert request["request"]["messages"][-1]["content"] == (
        "subject: {subject}\nbody: {body}\nmeta.tier: {meta.tier}"
    )
    report = Path(outcome["report"]).read_text()
    changed = compared[compared["winner"] != "neither"]
    assert all(f"<bdi>{name}</bdi>" in report for name in changed["name"])


WITHOUT = """\
dataset: {path: t.jsonl, inputs: [subject, body, meta.tier], target: null,
  split: {train: 0.2, validation: 0.4, test: 0.4}}
roles:
  target: {model: gpt-4.1-mini, prompt: Route it., choices: [billing, shipping], max_tokens: 200}
  review:
    model: gpt-4.1-mini
    prompt: "Is it polite? Model Response: {response} Ground Truth: {subject}"
  optimizer: {model: gpt-4.1, max_tokens: 400}
grader: {kind: model}
optimizer: {strategy: gepa, iterations: 1}
headroom: {rows: 0}
"""


def test_rows_without_targets_are_judged(server: LoopbackServer, tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
    project = Project(tmp_path / "project", environ)
    written(project.add("toy", WITHOUT), ROWS)
    checked = project.run("check", "toy")
    assert checked.returncode == 0, checked.stderr
    assert "every target" not in checked.stdout
    outcome = project.run_json("toy")
    assert outcome["comparison"]["verdict"] in ("better", "worse", "not shown")
    asked = [one for one in server.ledger if "Model Response" in json.dumps(one)]
    assert len(asked) != 0
    assert set(results("toy", home=project.home).comparison["target"]) == {""}


@pytest.mark.slow
def test_any_of_several_targets_is_right(server: LoopbackServer, tmp_path: Path) -> None:
    environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
    project = Project(tmp_path / "project", environ)
    spec = SPEC.replace("STRATEGY", "demos").replace(
        "target: label", "target: label\n  targets: any"
    )
    # Whatever is answered is one of the two.
    written(project.add("toy", spec), [{**row, "label": ["billing", "shipping"]} for row in ROWS])
    outcome = project.run_json("toy", "--set", "optimizer.iterations=1")
    assert outcome["baseline"]["test"] == outcome["best"]["test"] == 1.0
