"""Graders are asked through one door: plain ones at once, others with the review model at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_assets.engine.budget import Extent, evaluation_bound
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import UnmeasuredRows
from autoprompt_assets.engine.evaluation import RowResult, Summary
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import Ask, Grade, Grader, NoReview, graded
from autoprompt_assets.engine.grading.foreign import guarded
from autoprompt_assets.engine.llm import CallError, Completion, Models
from autoprompt_assets.engine.llm.failures import ServerFailed
from tests import engine_support
from tests.engine_support import Scripted, evaluator, examples, make_completion


class Twice:
    """Asks two questions about an answer: worth the share of them that is answered by yes."""

    questions: tuple[str, ...] = ("short? ", "polite? ")

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        said = [
            await ask({"role": "user", "content": question + answer}) for question in self.questions
        ]
        metrics = {
            name.strip("? "): float(one == "yes")
            for name, one in zip(self.questions, said, strict=True)
        }
        return graded(sum(metrics.values()) / len(said), feedback=" ".join(said), metrics=metrics)


class Lenient(Twice):
    """Takes whatever goes wrong with a question for a no."""

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        try:
            return await super().grade(example, answer, ask)
        except Exception:
            return graded(0.0)


class Eager(Twice):
    questions = ("short? ", "polite? ", "right? ")


Answers = Mapping[str, Completion | CallError | str]


def evaluate(
    path: Path, grader: Grader, answers: Answers, rows: int = 3, unmeasured: float = 1.0
) -> tuple[Summary, list[RowResult], Scripted]:
    llm = Scripted(answers, default="yes")

    async def run() -> tuple[Summary, list[RowResult]]:
        async with evaluator(path, llm, grader, unmeasured) as subject:
            models = replace(subject.models, most_reviews=2)
            asker = replace(subject.asker, models=models)
            twice = replace(subject, asker=asker)
            return await engine_support.evaluate(twice, Candidate("Say."), examples(rows))

    return *asyncio.run(run()), llm


def test_a_grader_s_questions_are_answered_stored_and_charged_with_their_row(
    tmp_path: Path,
) -> None:
    answers = {"1": "hey", "polite? hey": "no", "2": "ho", "short? ho": "no", "polite? ho": "no"}
    summary, rows, llm = evaluate(tmp_path, Twice(), answers)
    assert summary.outcomes == {"correct": 1, "partial": 1, "wrong": 1}
    assert (summary.score, summary.spend.calls, summary.answers.calls) == (0.5, 9, 3)
    partial = rows[1]
    assert [one.text for one in partial.reviews] == ["yes", "no"]
    assert (partial.grade.value, partial.grade.feedback) == (0.5, "yes no")
    assert partial.grade.metrics == {"short": 1.0, "polite": 0.0}
    assert [request.role for request in llm.requests].count("review") == 6
    again, _, replayed = evaluate(tmp_path, Twice(), answers)
    assert (again, replayed.requests) == (summary, [])


def test_more_questions_than_the_settings_say_leave_the_row_unreviewed(tmp_path: Path) -> None:
    summary, rows, _ = evaluate(tmp_path, Eager(), {}, rows=1)
    assert (summary.measured, summary.spend.calls) == (0, 3)
    assert rows[0].grade.reason == "the grader asks the review model more than 2 times about a row"


@pytest.mark.parametrize("grader", [Twice(), Lenient()])
def test_a_review_that_could_not_be_had_is_no_grade_whatever_the_grader_makes_of_it(
    tmp_path: Path, grader: Grader
) -> None:
    """Else a failure that passes would decide the search's path."""
    summary, rows, _ = evaluate(tmp_path, grader, {"polite? yes": ServerFailed("down")}, rows=1)
    assert summary.outcomes == {"unreviewed": 1}
    assert (rows[0].transient, rows[0].failed, len(rows[0].reviews)) == (True, True, 1)
    assert rows[0].grade.reason == "ServerFailed: down"


def test_a_grader_may_go_on_where_a_review_holds_nothing(tmp_path: Path) -> None:
    answers = {"polite? yes": make_completion(None)}
    summary, rows, _ = evaluate(tmp_path / "a", Lenient(), answers, rows=1)
    assert (summary.outcomes, len(rows[0].reviews)) == ({"wrong": 1}, 2)
    summary, rows, _ = evaluate(tmp_path / "b", Twice(), answers, rows=1)
    assert summary.outcomes == {"unreviewed": 1}
    assert rows[0].grade.reason == "the review model's answer: no content"
    assert not rows[0].failed


def test_a_bound_holds_every_review_that_may_be_asked() -> None:
    asked = engine_support.asked
    models = Models(asked("target"), asked("review"), None)
    extent = Extent.of(examples(5))
    one, three = (
        evaluation_bound(replace(models, most_reviews=most), Candidate("Say."), extent)
        for most in (1, 3)
    )
    without = evaluation_bound(replace(models, review=None), Candidate("Say."), extent)
    assert (one.calls, three.calls) == (10, 20)
    each = one.minus(without)
    assert three.minus(without) == each.times(3)
    longer = evaluation_bound(replace(models, review_bytes=1000), Candidate("Say."), extent)
    assert longer.prompt_tokens - one.prompt_tokens == 5 * 1000


def test_no_review_is_a_grader_s_own_word_for_none(tmp_path: Path) -> None:
    class Unsure:
        async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
            raise NoReview("they disagree")

    summary, rows, _ = evaluate(tmp_path, Unsure(), {}, rows=1)
    assert summary.outcomes == {"unreviewed": 1}
    assert rows[0].grade.reason == "they disagree"


class Broken(Twice):
    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        if int(answer) % 3:
            return graded(1.0)
        raise KeyError("tone")


def test_faults_of_a_package_s_grader_leave_rows_unreviewed_and_too_many_end_the_evaluation(
    tmp_path: Path,
) -> None:
    answers = {str(number): str(number) for number in range(200)}
    grader = guarded(Broken(), "tones")
    summary, rows, _ = evaluate(tmp_path / "a", grader, answers, rows=9)
    assert summary.outcomes == {"correct": 6, "unreviewed": 3}
    assert rows[0].grade.reason == "the grader 'tones' failed (KeyError: 'tone')"
    with pytest.raises(UnmeasuredRows, match=r"of 200 rows have no grade.*KeyError: 'tone'"):
        evaluate(tmp_path / "b", grader, answers, rows=200, unmeasured=0.05)
