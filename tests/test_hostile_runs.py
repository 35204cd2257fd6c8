"""Whole runs against hostile replies: stored, reported and replayed, or ended with one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile_server import ANSWER, HostileServer
from tests.support import KEY, Project, csv_of, without_calls
from tests.test_hostile_replies import CASES, GOOD, PASSING

SPEC = """\
description: Whatever a server sends.
dataset:
  path: rows.csv
  split: {{train: 10, validation: {validation}, test: 30}}
roles:
  target:
    model: gpt-4.1-mini
    prompt: Answer.
    max_tokens: 7
    timeout: 1
    deadline: 30
    max_reply_bytes: 200000
grader: {{kind: exact}}
optimizer: {{strategy: demos, iterations: 1, demos: 2, candidates: 1}}
unmeasured: 0.5
concurrency: 16
"""
ENDING = (
    *("status: 401", "far: '1000000000000000'"),
    *(
        pytest.param(name, marks=pytest.mark.slow)
        for name in ("status: 403", "status: 404", "ending: tool calls odd")
    ),
)


def project(folder: Path, url: str, names: list[str]) -> Project:
    found = Project(folder, {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY})
    rows = csv_of(dict.fromkeys(names, ANSWER))
    found.add("toy", SPEC.format(validation=len(names) - 40), rows_csv=rows)
    return found


@pytest.mark.slow
def test_a_run_whose_rows_are_all_hostile_ends_with_a_verdict(tmp_path: Path) -> None:
    sent = {name: CASES[name].sent for name in PASSING}
    once = frozenset(name for name in PASSING if CASES[name].want == "again")
    with HostileServer(sent, once) as server:
        subject = project(tmp_path, server.url, PASSING)
        first = subject.run_json("toy", "--set", "headroom.rows=0")
        paid = server.asked.total()
        again = subject.run_json("toy", "--set", "headroom.rows=0")
        assert server.asked.total() == paid
    assert without_calls(first) == without_calls(again)
    report = Path(first["report"]).read_text(encoding="utf-8")
    assert "\x1b" not in report


@pytest.mark.parametrize("name", ENDING)
def test_a_reply_that_ends_a_run_is_one_line(name: str, tmp_path: Path) -> None:
    names = [*(f"row {number}" for number in range(60)), *GOOD]
    sent = dict.fromkeys(names, CASES[name].sent)
    with HostileServer(sent) as server:
        done = project(tmp_path, server.url, names).run("run", "toy")
        assert server.asked.total() < 20
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "never retrieved" not in done.stderr
    line = done.stderr.splitlines()[-1]
    assert line.startswith("baseline_score: openai: ")
    assert len(line) < 700
