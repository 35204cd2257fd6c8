"""Which candidates are refused before a call is spent on them, and which near misses are not."""

from __future__ import annotations

import time

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.grading import GraderSpec
from autoprompt_assets.engine.grading.contains import ContainsGrader
from autoprompt_assets.engine.grading.multiple_choice import ChoiceGrader
from autoprompt_assets.engine.grading.regex import RegexGrader
from autoprompt_assets.engine.inputs import Layout
from autoprompt_assets.engine.lint import names
from autoprompt_assets.engine.lint.rules import alike
from tests.lint_support import (
    CODE,
    EXACT,
    FIRST,
    JSON,
    JUDGED,
    LONG,
    REGEX,
    ROWS,
    SENTIMENT,
    TAGS,
    lint,
    problem,
)
from tests.row_support import text_demo


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\u200b\u200e\u2060", "…", "---", "\u3164\u115f", "\u00a0", "\x00\x07"]
)
def test_prompt_without_a_letter_is_empty(text: str) -> None:
    assert problem(FIRST, text) == "the prompt is empty"
    assert lint().problem(Candidate(text, (text_demo("a", "b"),)), ()) == "the prompt is empty"


@pytest.mark.parametrize("text", ["Go", "答", "ענה", "1", "\u200bOK"])
def test_shortest_prompts_are_prompts(text: str) -> None:
    assert problem(FIRST, text) == ""


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (FIRST, True),
        (f"  {FIRST}\n", True),
        (FIRST.replace(" ", "\n\n"), True),
        (FIRST.replace(" ", " \u200b"), True),
        (FIRST.removesuffix("."), True),
        (FIRST.replace("Say", "say"), True),
        (FIRST.upper(), False),
        (FIRST.replace("kind", "Kind"), False),
        (FIRST + " Think.", False),
        (FIRST.replace("Say", "Tell"), False),
        (FIRST.removesuffix(".") + "?", False),
    ],
)
def test_wording_that_says_the_same_is_a_duplicate(other: str, same: bool) -> None:
    known = names([Candidate(FIRST)])
    found = lint().problem(Candidate(other), known)
    assert found == ("that prompt was tried before" if same else "")


def test_same_wording_with_other_demos_or_parameters_is_new() -> None:
    known = names([Candidate(FIRST), Candidate("Go", (text_demo("a", "b"),), {"top_p": 0.5})])
    rules = lint()
    assert rules.problem(Candidate(FIRST, (text_demo("a", "b"),)), known) == ""
    assert rules.problem(Candidate(FIRST, (), {"temperature": 1.0}), known) == ""
    assert rules.problem(Candidate(" go. ", (text_demo("a", "b"),), {"top_p": 0.5}), known)
    assert rules.problem(Candidate(" go. ", (text_demo("a", "b "),), {"top_p": 0.5}), known) == ""


def test_bare_ids_find_exact_repetitions_only() -> None:
    known = [Candidate("Go on.").id]
    assert lint().problem(Candidate("Go on."), known) == "that prompt was tried before"
    assert lint().problem(Candidate("Go on"), known) == ""


@pytest.mark.parametrize(
    ("first", "longest", "length", "fits"),
    [
        (FIRST, None, 4000, True),
        (FIRST, None, 4001, False),
        ("long " * 500, None, 10_000, True),
        ("long " * 500, None, 10_001, False),
        (FIRST, 100, 100, True),
        (FIRST, 100, 101, False),
        (FIRST, 1, len(FIRST), True),
    ],
)
def test_length_is_limited(first: str, longest: int | None, length: int, fits: bool) -> None:
    found = problem(first, "é" * length, longest=longest)
    assert bool(found) != fits
    if not fits:
        assert f"has {length:,} characters and may have {length - 1:,}" in found


def test_demos_are_not_counted() -> None:
    candidate = Candidate(FIRST, (text_demo("x" * 10_000, "y"),))
    assert lint(longest=100).problem(candidate, ()) == ""


@pytest.mark.parametrize(
    ("first", "other", "found"),
    [
        ("Q: {input}\nA:", "Answer: {input}", ""),
        ("Q: {input}\nA:", "Answer: {{input}}", ""),
        ("Q: {{input}}\nA:", "Answer: {question}", ""),
        ("Q: {question}\nA:", "Answer: {{ input }}", ""),
        ("Q: {input}\nA:", "Twice: {input} {input}", ""),
        ("Q: {input}\nA:", "Answer the question.", "lacks the placeholder {input} of the first"),
        ("Q: {{question}}\nA:", "Answer it.", "lacks the placeholder {{question}} of the first"),
        ("Q: {input}\nA:", "Answer {Input}.", "lacks the placeholder {input}"),
        ("Q: {input}\nA:", "Answer { input }.", "lacks the placeholder {input}"),
        ("Q: {input}\nA:", "{input} Again: {question}", ""),
        ("Q: {input}\nA:", "{input} {input} {{question}}", "3 times and may hold it 2 times"),
        ("Q: {input}\nA:", "Answer {query}.", "lacks the placeholder {input}"),
        ("Q: {input}\nA:", "Q: {input} {query}", "it holds {query}, which nothing fills"),
        ("Q: {input}\nA:", "Q: {input} {{letter}}", "it holds {{letter}}, which nothing fills"),
        ("Q: {input}\nA:", "Q: {input} { letter }", ""),
        ("Sort it.", "Sort it well.\n\nText: {{query}}", "it holds {{query}}, which nothing fills"),
        ("Sort it.", "Sort it well.\n\nText: { query }", ""),
        ("Answer.", "Q: {input}", "it holds {input}, and the first prompt"),
        ("Answer.", "Q: {{input}}", "it holds {{input}}, and the first prompt"),
        ("Answer.", "Q: {{question}}", "it holds {{question}}, and the first prompt"),
        ("Answer.", "Q: {Input}", "it holds {Input}, which nothing fills"),
        ("Answer.", "Write 'Answer: {letter}'.", "spaces inside the braces, { letter }"),
        ("Answer.", "Write 'Answer: { letter }'.", ""),
        ("Answer.", "Write ${letter}.", "it holds {letter}, which nothing fills"),
        ("Answer.", "The {question word}, {0} and {} and {a.b}", ""),
        ("Sort it.", 'Sort it. Return {"label": "a"}', ""),
        ("Sort it.", 'Sort it. Return {"label": {letter}}', ""),
        ("Sort it.", 'Sort it. Return {"label": "a"} for {letter}', "it holds {letter}"),
        ("Answer.", r"Use \frac{a}{b}, x^{n} and \text{query}.", ""),
        ("Answer.", 'If it fits:\n```json\n{"a": {b}}\n```', ""),
        ("Answer.", "If it fits:\n```\n{text}\n```", "it holds {text}"),
        ('Write {"answer": 1}.', "Write the answer.", ""),
        ("Braces } { {", "None.", ""),
    ],
)
def test_placeholders(first: str, other: str, found: str) -> None:
    told = problem(first, other, layout=Layout(("question",)))
    assert found in told
    assert bool(told) == bool(found)


FIRSTS = [
    FIRST,
    TAGS,
    LONG,
    ROWS[0][0],
    'Q: {input} { context } {{x: 1}} {"answer": 1} \\boxed{a} #### ```json JSON verdict',
    "Answer:\n```\n{}\n```\nFinal answer: good or bad. <result> <final>x</final>",
    "yes -> positive, 5 x 5 = 25. #### x",
    "*?+[(\\ $^ {input}",
    "ענה: {input} \u200f<answer>",
    "答案写在 \\boxed{} 里，亚马逊河的源头在哪个国家的山里？",
]
GRADERS: list[GraderSpec] = [
    EXACT,
    JUDGED,
    REGEX,
    JSON,
    CODE,
    ContainsGrader(kind="contains"),
    ChoiceGrader(kind="choice"),
    RegexGrader(kind="regex", pattern=r"<result>(.*?)</result>|####"),
]


@pytest.mark.parametrize("first", FIRSTS)
@pytest.mark.parametrize("grader", GRADERS)
def test_first_prompt_breaks_no_rule(first: str, grader: GraderSpec) -> None:
    """Nor does it with something before and after, which takes the way through every rule."""
    rules = lint(first, grader, rows=[*ROWS, *SENTIMENT], keep=(first[:5],))
    for text in (first, f"{first}\n", f"Now. {first}", f"{first} Think hard.", f" {first} {first}"):
        assert rules.problem(Candidate(text), ()) == ""
    known = names([Candidate(first)])
    assert rules.problem(Candidate(first), known) == "that prompt was tried before"


def test_problem_is_one_short_line() -> None:
    for text in ("", "x" * 9999, f"Mind: {LONG}\n\n", FIRST):
        found = lint().problem(Candidate(text), names([Candidate(FIRST)]))
        assert 0 < len(found) < 200
        assert "\n" not in found
        assert not found.endswith(".")


def test_names_are_by_content() -> None:
    one = Candidate("Go", (text_demo("a", "b"),), {"a": 1})
    assert alike(one) == alike(Candidate.from_json(one.as_json())) != one.id
    assert names([one, one]) == {one.id, alike(one)}


@pytest.mark.parametrize(
    "text", ["word " * 200_000, "\\a{" * 300_000, "a{" * 500_000, "é\u0301" * 500_000]
)
def test_prompt_of_a_megabyte_is_refused_at_once(text: str) -> None:
    rules = lint()
    rules.problem(Candidate("Go on."), ())
    start = time.process_time()
    assert "characters and may have" in rules.problem(Candidate(text), ())
    assert time.process_time() - start < 0.5


@pytest.mark.parametrize(
    "text", ["word " * 50_000, "\\a{" * 80_000, "{" * 99_000, "` " * 99_000, "a: " * 80_000]
)
def test_long_prompt_that_is_allowed_takes_linear_time(text: str) -> None:
    rules = lint(f"{TAGS} ```sql #### \\boxed", longest=10**7)
    start = time.process_time()
    rules.problem(Candidate(f"{text} <answer> ``` #### \\boxed"), ())
    assert time.process_time() - start < 5
