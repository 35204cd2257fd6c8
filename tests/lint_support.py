"""Rows, graders and prompts that candidates are judged against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import ExactGrader, GraderSpec
from autoprompt_assets.engine.grading.json_answers import JsonGrader
from autoprompt_assets.engine.grading.judge import ModelGrader
from autoprompt_assets.engine.grading.regex import RegexGrader
from autoprompt_assets.engine.lint import Lint
from tests.row_support import text_example

EXACT = ExactGrader(kind="exact")
JUDGED = ModelGrader(kind="model")
ROWS = [
    ("Where is the source of the Amazon?", "place"),
    ("In which year were the first modern Olympic Games held?", "date"),
    ("yes", "positive"),
    ("good value", "positive"),
    ("5 x 5", "25"),
    ("איפה נמצא המקור של נהר האמזונס?", "place"),
    ("亚马逊河的源头在哪个国家的山里", "place"),
    (
        "Ann walks from her house to the mill at three in the morning, meets Bob at the old bridge "
        "and lends him half of her eleven apples before the bell rings.",
        "number",
    ),
]
FIRST = "Say what kind of answer the question wants."
LONG = ROWS[-1][0]
SENTIMENT = [
    (f"a long enough review with the number {n}", ("good", "bad")[n % 2]) for n in range(8)
]
TAGS = "Think first, then write <answer>…</answer>."
REGEX = RegexGrader(kind="regex", pattern=r"(?i)\bFinal answer\*?\*?:\s*(\w+)")
JSON = JsonGrader(kind="json", field="verdict")
CODE = RegexGrader(kind="regex", pattern=r"```(?:sql)?\n(.*?)```")


def examples(rows: Sequence[tuple[str, str]] = ROWS) -> list[Example]:
    return [text_example(f"{n}", f"{n}", *row, "train") for n, row in enumerate(rows)]


def lint(first: str = FIRST, grader: GraderSpec = JUDGED, **more: Any) -> Lint:
    return Lint(first, examples(more.pop("rows", ROWS)), grader, **more)


def problem(first: str, instruction: str, grader: GraderSpec = JUDGED, **more: Any) -> str:
    return lint(first, grader, **more).problem(Candidate(instruction), ())
