"""What a row is worth: the review's verdict, and the outcomes of rows that have no answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from autoprompt_assets.engine.asker import read_answer
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.errors import UnmeasuredRows
from autoprompt_assets.engine.evaluation import RowResult, Summary
from autoprompt_assets.engine.grading.grade import Grade, Grader
from autoprompt_assets.engine.grading.judge import Judge
from autoprompt_assets.engine.grading.verdict import VERDICT_WORDS_SHOWN
from autoprompt_assets.engine.llm import (
    CallError,
    Completion,
    ContentFiltered,
    ContextTooLong,
    RateLimited,
)
from tests import engine_support
from tests.engine_support import Scripted, asked, evaluator, examples


@pytest.mark.parametrize("verdict", [None, "", "Perhaps", "True or False"])
def test_unusable_review_is_unmeasured(verdict: str | None) -> None:
    example = Example("id", "input", "q", "a", "validation")
    grade = Judge("{response}?").grade(example, "a", verdict)
    assert (grade.value, grade.outcome) == (None, "unreviewed")
    assert VERDICT_WORDS_SHOWN in grade.reason


def test_review_prompt_is_filled_once_and_keeps_braces() -> None:
    example = Example("id", "input", "q {answer}", "a {response}", "validation")
    messages = Judge("{input}|{response}|{answer}|{other}|{").review(example, "r {input}")
    assert messages[0]["content"] == "q {answer}|r {input}|a {response}|{other}|{"


CHOICE = json.dumps({"answer": "yes"})


@pytest.mark.parametrize(
    ("completion", "choices", "answer", "worth"),
    [
        (Completion(" yes\n", "stop"), (), "yes", None),
        (Completion("yes", "length"), (), "", (0.0, "truncated")),
        (Completion(None, "length"), (), "", (0.0, "truncated")),
        (Completion(None, "stop"), (), "", (0.0, "empty")),
        (Completion(" \n", "stop"), (), "", (0.0, "empty")),
        (Completion(None, "stop", reasoning="yes"), (), "", (0.0, "empty")),
        (Completion(None, "stop", refusal="I will not"), (), "", (0.0, "refused")),
        (Completion("yes", "content_filter"), (), "", (0.0, "refused")),
        (Completion(CHOICE, "stop"), ("yes", "no"), "yes", None),
        (Completion(CHOICE, "stop"), ("no", "perhaps"), "", (0.0, "unparsable")),
        (Completion("Yes.", "stop"), ("yes", "no"), "yes", None),
        (Completion("perhaps", "stop"), ("yes", "no"), "", (0.0, "unparsable")),
        (Completion('["yes"]', "stop"), ("yes", "no"), "", (0.0, "unparsable")),
        (Completion('{"answer": ["yes"]}', "stop"), ("yes", "no"), "", (0.0, "unparsable")),
        (Completion("[" * 100_000, "stop"), ("yes", "no"), "", (0.0, "unparsable")),
        (Completion(CHOICE, "length"), ("yes", "no"), "", (0.0, "truncated")),
    ],
)
def test_answer_that_cannot_be_graded_is_worth_nothing(
    completion: Completion,
    choices: tuple[str, ...],
    answer: str,
    worth: tuple[float, str] | None,
) -> None:
    text, grade = read_answer(completion, choices)
    found = (grade.value, grade.outcome) if isinstance(grade, Grade) else None
    assert (text, found) == (answer, worth)


def evaluate(
    path: Path,
    answers: Mapping[str, Completion | CallError | str],
    grader: Grader | None = None,
    unmeasured: float = 1.0,
) -> tuple[Summary, list[RowResult]]:
    """The inputs "0", "1", … answered as told, or by "yes"; reviews are keyed by the answer."""
    llm = Scripted(answers, default="yes")

    async def run() -> tuple[Summary, list[RowResult]]:
        async with evaluator(path, llm, grader, unmeasured) as subject:
            return await engine_support.evaluate(subject, Candidate("Say yes."), examples(10))

    return asyncio.run(run())


def test_rows_without_answer_are_worth_nothing_and_stay_in_the_score(tmp_path: Path) -> None:
    answers = {
        "0": Completion("yes", "length"),
        "1": Completion(None, "stop"),
        "2": Completion(None, "stop", refusal="no"),
        "3": Completion("no", "stop"),
    }
    summary, _ = evaluate(tmp_path, answers)
    assert summary.outcomes == {"correct": 6, "empty": 1, "refused": 1, "truncated": 1, "wrong": 1}
    assert (summary.measured, summary.score) == (10, 0.6)


def test_rows_that_failed_are_left_out_of_the_score(tmp_path: Path) -> None:
    answers: dict[str, Completion | CallError | str] = {
        "0": ContextTooLong("too long"),
        "1": ContentFiltered("no"),
        "2": "no",
    }
    summary, _ = evaluate(tmp_path, answers)
    assert summary.outcomes == {"correct": 7, "error": 2, "wrong": 1}
    assert (summary.measured, summary.score) == (8, 7 / 8)
    assert summary.unmeasured_share == pytest.approx(0.2)


def test_unusable_reviews_are_left_out_of_the_score(tmp_path: Path) -> None:
    answers: dict[str, Completion | CallError | str] = {
        str(number): f"answer {number}" for number in range(10)
    }
    answers |= {f"judge: answer {number}": "True" for number in range(10)}
    answers |= {
        "judge: answer 1": "False",
        "judge: answer 2": "Perhaps",
        "judge: answer 3": Completion(None, "stop"),
        "judge: answer 4": ContextTooLong("too long"),
    }
    summary, rows = evaluate(tmp_path, answers, Judge("judge: {response}"))
    assert summary.outcomes == {"correct": 6, "unreviewed": 3, "wrong": 1}
    assert summary.score == 6 / 7
    reasons = {row.grade.reason for row in rows if row.grade.value is None}
    assert any(reason.startswith("the review model said 'Perhaps'; ") for reason in reasons)


def test_row_without_answer_is_not_reviewed(tmp_path: Path) -> None:
    llm = Scripted({"0": Completion(None, "stop")}, default="True")

    async def run() -> Summary:
        async with evaluator(tmp_path, llm, Judge("judge: {response}")) as subject:
            return (await engine_support.evaluate(subject, Candidate("Say yes."), examples(1)))[0]

    assert asyncio.run(run()).outcomes == {"empty": 1}
    assert [request.role for request in llm.requests] == ["target"]


def test_answers_outside_the_choices_are_unparsable(tmp_path: Path) -> None:
    llm = Scripted({"0": "perhaps", "1": '{"answer": "no"}'}, default=CHOICE)
    target = asked("target", choices=("yes", "no"))

    async def run() -> Summary:
        async with evaluator(tmp_path, llm, target=target) as subject:
            return (await engine_support.evaluate(subject, Candidate("Say yes."), examples(4)))[0]

    assert asyncio.run(run()).outcomes == {"correct": 2, "unparsable": 1, "wrong": 1}
    assert all(request.response_format for request in llm.requests)


def test_outage_stops_the_evaluation_and_bad_rows_do_not(tmp_path: Path) -> None:
    lasting = {str(number): ContextTooLong("too long") for number in range(5)}
    assert evaluate(tmp_path / "a", lasting, unmeasured=0.1)[0].measured == 5
    passing = {str(number): RateLimited("slow down") for number in range(5)}
    with pytest.raises(UnmeasuredRows, match="5 of 10 rows have no grade") as caught:
        evaluate(tmp_path / "b", passing, unmeasured=0.1)
    assert "\n" not in str(caught.value)
    assert evaluate(tmp_path / "c", passing, unmeasured=0.5)[0].measured == 5
