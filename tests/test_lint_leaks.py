"""Rows that were copied into an instruction are found, and what only looks like it is not."""

from __future__ import annotations

import random
import time

import pytest

from autoprompt_assets.engine.candidate import Candidate
from tests.lint_support import FIRST, LONG, ROWS, lint, problem
from tests.row_support import text_demo


@pytest.mark.parametrize(
    "text",
    [
        "For example: Where is the source of the Amazon?",
        "so 'WHERE  is the\nsource of the amazon' wants a place",
        "Where is the so\u200burce of the Ama\u00adzon?",
        "Where is the source of the Amazon? -> place",
        f"Mind this: {LONG}",
        "as in: " + " ".join(LONG.split()[3:15]),
        "as in: " + " ".join(LONG.split()[-12:]).upper(),
        "שים לב: \u200fאיפה נמצא המקור של נהר האמזונס\u200e",
        "例如：亚马逊河的源头在哪个国家的山里？答案是地点。",
        "If it says yes -> positive",
        "Input: yes\nOutput: positive",
        "good value: positive",
        '"Good value" = "positive"',
        "Know that 5 x 5 = 25.",
    ],
)
def test_copied_rows_are_found(text: str) -> None:
    assert "from the rows it is tuned on" in problem(FIRST, f"Say the kind of answer. {text}")


@pytest.mark.parametrize(
    "text",
    [
        "Answer yes or no.",
        "Yes, a positive answer is fine; so is good value.",
        "- yes\n- positive",
        "- yes - no\n- good: positive",
        "Where is the Amazon?",
        "as in: " + " ".join(LONG.split()[3:14]),
        "the source of the Amazon, the first modern Olympic Games",
        "In which year were the games held?",
        "Multiply: 5 x 7 = 35; 25 is 5 squared.",
        "亚马逊河的源头",
        "איפה נמצא הנהר?",
        "(.*) [a-z]+ \\d{3} $^ | ? {",
    ],
)
def test_near_misses_are_no_copies(text: str) -> None:
    assert problem(FIRST, f"Say the kind of answer. {text}") == ""


def test_what_the_first_prompt_says_is_no_copy() -> None:
    first = f"Where is the source of the Amazon? -> place. {LONG} yes -> positive"
    for text in (f"{first} Think.", f"{LONG} Think.", "So yes -> positive, of course"):
        assert problem(first, text) == ""
    assert "1896" not in problem(first, first + " In which year were the first Olympics?")
    assert problem(first, f"{first} In which year were the first modern Olympic Games held?")


def test_what_many_rows_say_is_no_copy() -> None:
    """The options of every row are the task's: a prompt may go through them."""
    options = "Options: (A) circle (B) heptagon (C) hexagon (D) kite (E) line (F) octagon (G) cube"
    draw = random.Random(3)
    rows = [
        (f"The path {' '.join(f'L {draw.random():.4f}' for _ in range(9))} draws a {options}", "A")
        for _ in range(60)
    ]
    assert problem("Solve it.", f"Weigh all {options}. What draws a {options}?", rows=rows) == ""
    for row, _ in rows[:5]:
        assert problem("Solve it.", f"Weigh this: {row}", rows=rows)
        assert problem("Solve it.", f"Weigh this: {row[:80]}", rows=rows)


def test_rows_that_differ_in_one_word_are_found_as_a_whole() -> None:
    form = "A train leaves at seven with {} wagons and comes back at nine in the evening"
    rows = [(form.format(word), "1") for word in (f"w{n}" for n in range(100))]
    assert problem("Solve.", f"So: {form.format('w7')}.", rows=rows)
    assert problem("Solve.", f"So: {form.format('w777')}.", rows=rows) == ""


def test_demos_are_no_copies() -> None:
    candidate = Candidate("Go on like this.", tuple(text_demo(*row) for row in ROWS))
    assert lint().problem(candidate, ()) == ""


def test_any_run_of_twelve_words_is_found_wherever_it_begins() -> None:
    draw = random.Random(5)
    vocabulary = [f"{a}{b}{c}" for a in "bdfgklm" for b in "aeiou" for c in "bdfgklm"]
    rows = [(" ".join(draw.choices(vocabulary, k=40)), "x") for _ in range(200)]
    rules = lint("Solve it.", rows=rows)
    for text, _ in rows[:20]:
        for start in range(28):
            run = text.split()[start : start + 12]
            assert rules.problem(Candidate(f"Mind: {' '.join(run)} and go"), ())
            assert not rules.problem(Candidate(f"Mind: {' '.join(run[:11])} and go"), ())


def test_tens_of_thousands_of_rows_take_milliseconds() -> None:
    draw = random.Random(1)
    common = [f"{a}{b}{c}" for a in "bdfgklm" for b in "aeiou" for c in "bdfgklm"]
    rows = [(" ".join(draw.choices(common, k=30)), "x") for _ in range(20_000)]
    rules = lint("Solve it.", rows=rows, longest=20_000)
    rules.problem(Candidate("Go on."), ())
    prompt = " ".join(draw.choices(common, k=2500))
    times = []
    for n in range(5):
        start = time.process_time()
        assert rules.problem(Candidate(f"{n} {prompt}"), ()) == ""
        times.append(time.process_time() - start)
    assert min(times) < 0.05
