"""What a person is told while a run goes on: notes, warnings, a line per evaluation."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from autoprompt_assets.engine.controls import for_terminal
from autoprompt_assets.engine.evaluation import RowResult
from autoprompt_assets.engine.evaluation.result import unmeasured_line
from autoprompt_assets.engine.grading import Grade
from autoprompt_assets.engine.grading.grade import CORRECT, WRONG
from autoprompt_assets.engine.spend import CallCounts
from autoprompt_assets.progress import Tally
from tests.engine_support import make_completion
from tests.row_support import text_example
from tests.support import toy_project
from tests.test_chat import scripted

FAILED = RowResult(
    text_example("1", "1", "a", "b", "validation"), None, Grade(None, "error", "down")
)


def row(grade: Grade, usd: float | None) -> RowResult:
    return RowResult(FAILED.example, make_completion("b", usd=usd), grade)


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([row(CORRECT, 0.25), row(WRONG, 0.25)], "2/2 rows, score 0.500, {calls}, $0.5000"),
        ([row(CORRECT, None)], "1/1 rows, score 1.000, {calls}, price not known"),
        ([row(CORRECT, 0.25), row(WRONG, None)], "2/2 rows, score 0.500, {calls}, $0.2500 or more"),
        (
            [row(CORRECT, 0.0), FAILED],
            "2/2 rows (1 without a grade), score 1.000, {calls}, $0.0000",
        ),
        ([FAILED], "1/1 rows (1 without a grade), no score, {calls}, $0.0000"),
    ],
)
def test_a_line_says_what_was_measured_and_what_is_not_known(
    rows: list[RowResult], said: str
) -> None:
    tally = Tally("baseline", len(rows), CallCounts())
    for one in rows:
        tally.add(one)
    assert tally.line() == "baseline: " + said.format(calls="0 calls made, 0 replayed")


def test_one_call_is_no_calls() -> None:
    tally = Tally("baseline", 1, counts := CallCounts())
    counts.made = 1
    assert "1 call made, 0 replayed" in tally.line()
    summary = unmeasured_line(Counter(["error: down"]), "baseline: 1", 15, 0.02)
    assert "allows; once error: down. What" in summary


def test_a_terminal_gets_pictures_of_what_it_would_obey() -> None:
    assert for_terminal("a\x1b[31m\x07\x9b \u202e\u2066\n\tü\u00a0‍🙂") == (
        "a␛[31m␇\ufffd \ufffd\ufffd\n\tü\u00a0‍🙂"
    )


@pytest.mark.slow
def test_a_server_that_only_fails_counts_as_down_and_its_words_are_not_obeyed(
    tmp_path: Path,
) -> None:
    body = json.dumps({"error": {"message": "<b>boom</b> \x1b[31m\u202e"}})
    with scripted((500, body, {})) as (url, _):
        project = toy_project(tmp_path, url)
        result = project.run("run", "toy", "--set", "roles.target.deadline=1.5", timeout=60)
    assert result.returncode == 1
    said = "HTTP 500: <b>boom</b> ␛[31m\ufffd; "
    assert f"{said}trying again in" in result.stderr
    assert f"baseline_score: openai: {said}10 calls in a row were given up" in result.stderr
    assert "\x1b" not in result.stderr
    assert "\u202e" not in result.stderr


@pytest.mark.parametrize(
    ("message", "finish", "said"),
    [
        ({"content": "The answer is (A"}, "length", "were cut off at max_tokens"),
        pytest.param(
            *({"content": None}, "stop", "are empty and count as wrong"), marks=pytest.mark.slow
        ),
        pytest.param(
            *({"content": None, "refusal": "I cannot."}, "stop", "were refused by the model"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_baseline_almost_without_answers_is_told_with_the_mend(
    tmp_path: Path, message: dict[str, str], finish: str, said: str
) -> None:
    choice = {"message": message, "finish_reason": finish}
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    with scripted((200, json.dumps({"choices": [choice], "usage": usage}), {})) as (url, _):
        project = toy_project(tmp_path, url)
        result = project.run("run", "toy", "--set", "optimizer.iterations=1")
    assert result.returncode == 0, result.stderr
    assert f"12 of 12 answers to the first prompt {said}" in result.stderr
    assert "keep your prompt: no other was scored (no usable answer: " in result.stdout


def test_check_notes_what_may_not_be_meant_and_run_repeats_it(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    settings = (
        *("--set", "dataset.split={train: 2, validation: 3, test: 6}"),
        *("--set", "roles.target.prompt=Say {row.name} to {{user.question}}."),
    )
    checked = project.run("check", "toy", *settings)
    notes = [line.strip() for line in checked.stdout.splitlines() if line.startswith("  note: ")]
    assert (
        "note: roles.target.prompt holds '{row.name}', '{{user.question}}', sent as it stands: "
        "only {input} is filled"
    ) in notes
    unused = "note: 19 rows in no split, not used; raise dataset.split to use them"
    assert unused in notes
    told = project.run("run", "toy", *settings, "--set", "roles.target.deadline=1")
    assert [line for line in told.stderr.splitlines() if line.startswith("note: ")] == notes
