"""What the answer is read by must stand in a candidate, too, where the first prompt asks for it."""

from __future__ import annotations

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.grading import GraderSpec
from autoprompt_assets.engine.grading.contains import ContainsGrader
from autoprompt_assets.engine.grading.multiple_choice import ChoiceGrader
from autoprompt_assets.engine.grading.regex import RegexGrader
from tests.lint_support import CODE, EXACT, JSON, JUDGED, REGEX, SENTIMENT, TAGS, lint, problem


@pytest.mark.parametrize(
    ("grader", "first", "other", "lost"),
    [
        (JUDGED, TAGS, "Write <answer>A</answer>", ""),
        (JUDGED, TAGS, "Write <ANSWER> and the letter.", ""),
        (JUDGED, TAGS, "Put the letter into answer tags.", ""),
        (JUDGED, TAGS, "Give the answer.", "<answer>"),
        (JUDGED, TAGS, "<response>A</response>", "<answer>"),
        (JUDGED, "<rules>\nBe short.\n</rules> Answer.", "Be short.", ""),
        (JUDGED, f"<output>{'Some rule. ' * 20}</output>", "Be short.", ""),
        (JUDGED, "Use <thinking> tags, then <answer>.", "Only <answer>.", ""),
        (JUDGED, 'The path <path d="M 1"/> is drawn.', "A path is drawn.", ""),
        (JUDGED, "If a<b and c>d, say so.", "Compare.", ""),
        (
            RegexGrader(kind="regex", pattern="<pick>(.*?)</pick>"),
            "A <pick>",
            "Go",
            "<pick>",
        ),
        (RegexGrader(kind="regex", pattern="(?P<pick>.)"), "A <pick>", "Go", ""),
        (JUDGED, r"End with \boxed{answer}.", "Box it.", r"\boxed{…}"),
        (JUDGED, r"End with \boxed{answer}.", r"$\boxed{7}$", ""),
        (JUDGED, r"End with \boxed{answer}.", "Give it boxed.", ""),
        (JUDGED, "Put the result after ####.", "Give the result.", "####"),
        (JUDGED, "Put the result after ####.", "Then #### 42", ""),
        (JUDGED, "Reason.\n#### 42", "Give the result.", "####"),
        (JUDGED, "#### Rules\nBe short.", "Be short.", ""),
        (JUDGED, "##### ##### Be short.", "Be short.", ""),
        (JUDGED, "Answer in a ```sql block.", "Answer in SQL.", "a code fence"),
        (JUDGED, "Answer in a ```sql block.", "Answer in a code block.", ""),
        (JUDGED, "Your output must be:\n```\nSELECT\n```", "Answer in SQL.", "a code fence"),
        (JUDGED, "The table is this:\n```\na b c\n```\nGo.", "Answer in SQL.", ""),
        (CODE, "```\nSELECT\n```", "Answer in SQL.", "a code fence"),
        (JSON, "Answer in JSON.", "Answer.", "JSON"),
        (JSON, "Answer in JSON.", "Answer as a json object.", ""),
        (JSON, "Answer in JSON.", 'Answer { "verdict": … }', ""),
        (JSON, 'Write {"verdict": "…"}', "Write JSON.", "the JSON field 'verdict'"),
        (JSON, 'Write {"verdict": "…"}', "JSON with the key verdict.", ""),
        (JSON, "Reply.", "Reply in any form.", ""),
        (JSON, "In ```json, please: verdict.", "JSON, verdict.", ""),
        (JUDGED, "You see a JSON file.", "You see a file.", ""),
        (REGEX, "End with 'Final answer: X'.", "End with X.", "Final answer"),
        (REGEX, "End with 'Final answer: X'.", "End with 'final  answer:'", ""),
        (REGEX, "Answer.", "Answer again.", ""),
        (RegexGrader(kind="regex", pattern="(A|B)"), "A or B", "Go", ""),
        (RegexGrader(kind="regex", pattern="yes|no"), "yes or no", "Go", ""),
        (RegexGrader(kind="regex", pattern="[(]+"), "[(]+ or so", "Go", ""),
    ],
)
def test_form_of_the_answer(grader: GraderSpec, first: str, other: str, lost: str) -> None:
    found = problem(first, other, grader)
    assert (f"it no longer asks for {lost}" in found) if lost else (found == "")


@pytest.mark.parametrize(
    ("grader", "first", "other", "lost"),
    [
        (EXACT, "Good or bad?", "Is it GOOD? Else bad.", ""),
        (EXACT, "Good or bad?", "Which mood has it?", "the answer 'bad'"),
        (EXACT, "Good or bad?", "good, or badly?", "the answer 'bad'"),
        (EXACT, "Is it good?", "Which mood has it?", ""),
        (JUDGED, "Good or bad?", "Which mood has it?", ""),
        (ChoiceGrader(kind="choice"), "Good or bad?", "Which mood has it?", ""),
        (
            ContainsGrader(kind="contains"),
            "Good or bad?",
            "Which mood?",
            "the answer 'bad'",
        ),
    ],
)
def test_answers_that_the_first_prompt_names(
    grader: GraderSpec, first: str, other: str, lost: str
) -> None:
    found = problem(first, other, grader, rows=SENTIMENT)
    assert (f"it no longer asks for {lost}" in found) if lost else (found == "")


def test_letters_and_figures_are_no_answers_to_keep() -> None:
    """`A, B, C` may become `A to C`."""
    rows = [(f"row {n}", "ABC"[n % 3]) for n in range(9)]
    assert problem("A, B, C?", "One of A to C.", EXACT, rows=rows) == ""


def test_choices_hold_the_model_to_the_form() -> None:
    rules = lint("Good or bad? <answer>", EXACT, rows=SENTIMENT, choices=("good", "bad"))
    assert rules.problem(Candidate("Which mood has it?"), ()) == ""


def test_texts_to_keep_are_literal() -> None:
    keep = ("[[FINAL]] (.*) $1", "Zoë")
    rules = lint("Go. [[FINAL]] (.*) $1 Zoë", keep=keep)
    assert rules.problem(Candidate("Zoë: [[FINAL]] (.*) $1!"), ()) == ""
    found = rules.problem(Candidate("Zoë: [[final]] (.*) $1!"), ())
    assert found == "it lacks the text '[[FINAL]] (.*) $1', which every prompt must hold"
    assert "it lacks the text 'Zoë'" in rules.problem(Candidate("[[FINAL]] (.*) $1"), ())
