"""Whole runs against a server whose true scores are known, and which says them in a hostile way."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from aiohttp import web

from tests.loopback import Behaviour, LoopbackServer, uniform
from tests.support import KEY, Project, csv_of

LABELS = ("spam", "ham")
FIRST, CAREFUL, POOR = (
    "Say spam or ham.",
    "Read CAREFULLY, then say spam or ham.",
    "Say POOR things.",
)
ROWS = {f"Mail {n} about [0, 1)": LABELS[n % 3 == 0] for n in range(104)}
WRONG = (
    "Wrong. The correct answer is {target}.",
    "FAIL: expected the correct label '{target}', got another",
    "Incorrect. The correct answer is {target}.",
    "Final verdict: incorrect - the correct answer is {target}",
    "The two were compared; one says true things.\n\nGRADE: I",
    '{{"correct": false, "reason": "the correct one is {target}"}}',
)
RIGHT = (
    "Correct.",
    "Verdict:\u200bTrue",
    "Both name {target}, none is wrong.\n\nGRADE: C",
    '```json\n{{"correct": true, "reason": "not wrong"}}\n```',
)
SPEC = """\
dataset: {{path: rows.csv, split: {{train: 4, validation: 40, test: 60}}}}
roles:
  target: {{endpoint: {endpoint}, model: m, prompt: Say spam or ham.}}
  review:
    endpoint: {endpoint}
    model: m
    prompt: "Response: {{response}} Truth: {{answer}}"
  optimizer:
    endpoint: {endpoint}
    model: m
    prompt: "{{prompt_scores_str}} Write a new one in [[...]]."
grader: {{kind: model}}
optimizer: {{strategy: opro, iterations: 1, race: false}}
endpoints: {{plain: {{base_url: "{base_url}"}}}}
headroom: {{rows: 0}}
"""


def is_right(prompt: str, row: str, gain: float) -> bool:
    """The truth: how the simulated model answers."""
    share = 0.4 + (gain if "CAREFULLY" in prompt else -0.3 if "POOR" in prompt else 0.0)
    return uniform(prompt, row) < share


@dataclass
class Hostile:
    """What the server does, beside telling the truth."""

    errors: bool = False
    talkative: bool = False
    cut: bool = False
    thinks: bool = False
    gain: float = 0.5


class Server(LoopbackServer):
    def __init__(self, hostile: Hostile) -> None:
        super().__init__(Behaviour(answers=ROWS))
        self._hostile = hostile
        self._attempts: Counter[str] = Counter()

    async def _chat(self, request: web.Request) -> web.Response:
        body = await request.json()
        key = json.dumps(body["messages"])
        self._attempts[key] += 1
        if self._hostile.errors and self._attempts[key] == 1 and uniform(key) < 0.5:
            return web.json_response(error_within_200(uniform("kind", key)))
        text, finish = self._answer(body)
        if self._hostile.thinks:
            text = f"<think>\nIt may be True, or [[{POOR}]], or ham, or spam.\n</think>\n\n{text}"
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": finish}
        usage = {"prompt_tokens": None, "completion_tokens": None}
        return web.json_response({"choices": [choice], "usage": usage})

    def _answer(self, body: dict[str, Any]) -> tuple[str, str]:
        last = body["messages"][-1]["content"]
        if last in ROWS:
            other = LABELS[ROWS[last] == LABELS[0]]
            right = is_right(body["messages"][0]["content"], last, self._hostile.gain)
            return ROWS[last] if right else other, "stop"
        if "Truth:" in last:
            return self._review(body)
        turn = len(body["messages"]) // 2
        if self._hostile.cut and turn == 0:
            return f"A first draft: [[{POOR}]]. A better one: [[Read", "length"
        if turn < 2 and self._hostile.cut:
            return f"[[{CAREFUL} Give a score in [0,1), then the label as [[label]]", "stop"
        return f"[[{CAREFUL}]]", "stop"

    def _review(self, body: dict[str, Any]) -> tuple[str, str]:
        said, _, target = (
            body["messages"][-1]["content"].removeprefix("Response: ").partition(" Truth: ")
        )
        assert "<think>" not in said
        right = said.strip() == target.strip()
        if body.get("response_format"):
            return json.dumps({"reason": "It is true.", "correct": right}), "stop"
        if not self._hostile.talkative:
            return str(right), "stop"
        forms = RIGHT if right else WRONG
        return forms[int(uniform(said, target, self._attempts.total()) * len(forms))].format(
            target=target
        ), "stop"


def error_within_200(at: float) -> dict[str, Any]:
    error = {"message": "Provider returned error", "code": 502}
    choice: dict[str, Any] = {"message": {"content": None}, "finish_reason": "stop"}
    if at < 0.4:
        return {"choices": [choice], "error": error}
    if at < 0.7:
        return {"choices": [choice | {"error": error}]}
    return {"choices": [choice | {"finish_reason": "error"}]}


def run(folder: Path, hostile: Hostile, endpoint: str = "plain") -> tuple[str, list[str]]:
    """The verdict of a run, and the prompts that it scored on test; each row's value is true."""
    with Server(hostile) as server:
        own = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        project = Project(folder, own)
        spec = SPEC.format(endpoint=endpoint, base_url=server.base_url)
        project.add("mails", spec, rows_csv=csv_of(ROWS))
        outcome = project.run_json("mails")
    (search,) = (project.home / "results" / "mails" / "searches").iterdir()
    best = json.loads((search / "best_candidate.json").read_bytes())
    first = json.loads((search / "baseline.json").read_bytes())
    prompts = [dict(one["candidate"]["texts"])["prompt"] for one in (first, best)]
    for one, prompt in zip((first, best), prompts, strict=True):
        rows = pq.read_table(search / "evaluations" / f"test-{one['id']}.parquet").to_pylist()
        assert len(rows) == 60
        for row in rows:
            assert row["value"] == is_right(prompt, row["input"], hostile.gain), row
    return outcome["comparison"]["verdict"], prompts


@pytest.mark.slow
def test_a_run_in_a_hostile_voice_has_the_true_scores_and_verdict(tmp_path: Path) -> None:
    hostile = Hostile(errors=True, talkative=True, cut=True, thinks=True)
    assert run(tmp_path, hostile) == ("better", [FIRST, CAREFUL])


@pytest.mark.slow
@pytest.mark.parametrize("gain", [0.5, 0.05])
@pytest.mark.parametrize("endpoint", ["plain", "openai"])
@pytest.mark.parametrize("kind", ["errors", "talkative", "cut", "thinks"])
def test_each_voice_alone_has_the_true_verdict(
    kind: str, endpoint: str, gain: float, tmp_path: Path
) -> None:
    verdict, (_, best) = run(tmp_path, Hostile(**{kind: True}, gain=gain), endpoint)
    assert verdict == ("better" if gain == 0.5 else "not shown")
    assert POOR not in best
