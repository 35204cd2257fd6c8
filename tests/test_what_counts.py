"""What a row is worth: the review's verdict, and the outcomes of rows that have no answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import UnmeasuredRows
from autoprompt_assets.engine.evaluation import RowResult, Summary
from autoprompt_assets.engine.evaluation.row import read_answer
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import Grade, Grader, graded
from autoprompt_assets.engine.grading.judge import Judge
from autoprompt_assets.engine.grading.verdict import VERDICT_WORDS_SHOWN
from autoprompt_assets.engine.llm import (
    CallError,
    Completion,
    ContentFiltered,
    ContextTooLong,
    RequestRefused,
)
from autoprompt_assets.engine.llm.failures import RateLimited, ServerFailed
from tests import engine_support
from tests.engine_support import Scripted, asked, evaluator, examples, make_completion
from tests.grading_support import Told, grade_of
from tests.row_support import text_example


@pytest.mark.parametrize("verdict", ["", "Perhaps", "True or False"])
def test_unusable_review_is_unmeasured(verdict: str) -> None:
    example = text_example("id", "input", "q", "a", "validation")
    grade = grade_of(Judge("{response}?"), example, "a", Told(verdict))
    assert (grade.value, grade.outcome) == (None, "unreviewed")
    assert VERDICT_WORDS_SHOWN in grade.reason


def test_review_prompt_is_filled_once_and_keeps_braces() -> None:
    example = text_example("id", "input", "q {answer}", "a {response}", "validation")
    messages = Judge("{input}|{response}|{answer}|{other}|{").messages(example, "r {input}")
    assert messages[0]["content"] == "q {answer}|r {input}|a {response}|{other}|{"


CHOICE = json.dumps({"answer": "yes"})


@pytest.mark.parametrize(
    ("completion", "choices", "answer", "worth"),
    [
        (make_completion(" yes\n"), (), "yes", None),
        (make_completion("yes", "length"), (), "", (0.0, "truncated")),
        (make_completion(None, "length"), (), "", (0.0, "truncated")),
        (make_completion("yes", "MAX_TOKENS"), (), "", (0.0, "truncated")),
        (make_completion("yes", "SAFETY"), (), "", (0.0, "refused")),
        (make_completion("<think>no</think> yes"), (), "yes", None),
        (make_completion("<think>yes"), (), "", (0.0, "empty")),
        (make_completion(None), (), "", (0.0, "empty")),
        (make_completion(" \n"), (), "", (0.0, "empty")),
        (make_completion(None, reasoning="yes"), (), "", (0.0, "empty")),
        (make_completion(None, refusal="I will not"), (), "", (0.0, "refused")),
        (make_completion("yes", "content_filter"), (), "", (0.0, "refused")),
        (make_completion(CHOICE), ("yes", "no"), "yes", None),
        (make_completion(CHOICE), ("no", "perhaps"), "", (0.0, "unparsable")),
        (make_completion("Yes."), ("yes", "no"), "yes", None),
        (make_completion("perhaps"), ("yes", "no"), "", (0.0, "unparsable")),
        (make_completion('["yes"]', "stop"), ("yes", "no"), "", (0.0, "unparsable")),
        (make_completion('{"answer": ["yes"]}', "stop"), ("yes", "no"), "", (0.0, "unparsable")),
        (make_completion("[" * 100_000, "stop"), ("yes", "no"), "", (0.0, "unparsable")),
        (make_completion(CHOICE, "length"), ("yes", "no"), "", (0.0, "truncated")),
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
        "0": make_completion("yes", "length"),
        "1": make_completion(None),
        "2": make_completion(None, refusal="no"),
        "3": make_completion("no"),
    }
    summary, _ = evaluate(tmp_path, answers)
    assert summary.outcomes == {"correct": 6, "empty": 1, "refused": 1, "truncated": 1, "wrong": 1}
    assert (summary.measured, summary.score) == (10, 0.6)


def test_rows_that_failed_are_left_out_of_the_score(tmp_path: Path) -> None:
    answers: dict[str, Completion | CallError | str] = {
        "0": RequestRefused("no such field"),
        "1": ServerFailed("down"),
        "2": "no",
    }
    summary, _ = evaluate(tmp_path, answers)
    assert summary.outcomes == {"correct": 7, "error": 2, "wrong": 1}
    assert (summary.measured, summary.score) == (8, 7 / 8)
    assert summary.unmeasured_share == pytest.approx(0.2)


def test_rows_whose_own_request_is_refused_count_as_wrong(tmp_path: Path) -> None:
    """Else a candidate would win by losing its hard rows to a filter, or to its own length."""
    answers: dict[str, Completion | CallError | str] = {
        "0": ContextTooLong("too long"),
        "1": ContentFiltered("flagged"),
    }
    summary, rows = evaluate(tmp_path, answers)
    assert summary.outcomes == {"correct": 8, "refused": 2}
    assert (summary.measured, summary.score) == (10, 0.8)
    assert rows[1].grade.reason == "ContentFiltered: flagged"


@pytest.mark.parametrize(
    "review",
    [
        make_completion("True", "length"),
        make_completion("True", "MAX_TOKENS"),
        make_completion("True", "content_filter"),
        make_completion("True", refusal="I will not judge"),
        make_completion("<think>True"),
    ],
)
def test_a_review_that_was_not_finished_is_no_verdict(tmp_path: Path, review: Completion) -> None:
    answers: dict[str, Completion | CallError | str] = {"judge: yes": review}
    summary, _ = evaluate(tmp_path, answers, Judge("judge: {response}"))
    assert summary.outcomes == {"unreviewed": 10}


class Graded:
    """A grader whose value is the number that the answer is."""

    def grade(self, example: Example, answer: str) -> Grade:
        return graded(float(answer))


def test_a_score_is_the_mean_of_the_values(tmp_path: Path) -> None:
    graded, _ = evaluate(tmp_path / "a", {str(n): "0.8" for n in range(10)}, Graded())
    assert (graded.score, graded.total, graded.measured) == (0.8, 8.0, 10)
    assert graded.outcomes == {"partial": 10}
    mixed: dict[str, Completion | CallError | str] = {
        "0": "1",
        "1": "0",
        "2": RequestRefused("no"),
        "3": make_completion("0.5", "length"),
    }
    mixed = {**{str(n): "0.1" for n in range(10)}, **mixed}
    summary, _ = evaluate(tmp_path / "b", mixed, Graded())
    assert (summary.score, summary.total, summary.measured) == (1.6 / 9, 1.6, 9)
    low, high = summary.ci95
    assert 0 < low < summary.score < high < 1


def test_unusable_reviews_are_left_out_of_the_score(tmp_path: Path) -> None:
    answers: dict[str, Completion | CallError | str] = {
        str(number): f"answer {number}" for number in range(10)
    }
    answers |= {f"judge: answer {number}": "True" for number in range(10)}
    answers |= {
        "judge: answer 1": "False",
        "judge: answer 2": "Perhaps",
        "judge: answer 3": make_completion(None),
        "judge: answer 4": ContextTooLong("too long"),
    }
    summary, rows = evaluate(tmp_path, answers, Judge("judge: {response}"))
    assert summary.outcomes == {"correct": 6, "unreviewed": 3, "wrong": 1}
    assert summary.score == 6 / 7
    reasons = {row.grade.reason for row in rows if row.grade.value is None}
    assert any(reason.startswith("the review model said 'Perhaps'; ") for reason in reasons)


def test_row_without_answer_is_not_reviewed(tmp_path: Path) -> None:
    llm = Scripted({"0": make_completion(None)}, default="True")

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
    lasting = {str(number): RequestRefused("no such field") for number in range(5, 10)}
    assert evaluate(tmp_path / "a", lasting, unmeasured=0.1)[0].measured == 5
    passing = {str(number): RateLimited("slow down") for number in range(5)}
    with pytest.raises(UnmeasuredRows, match="5 of 10 rows have no grade") as caught:
        evaluate(tmp_path / "b", passing, unmeasured=0.1)
    assert "\n" not in str(caught.value)
    assert evaluate(tmp_path / "c", passing, unmeasured=0.5)[0].measured == 5
