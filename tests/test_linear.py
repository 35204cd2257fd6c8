"""Every reader of a model's text takes time in proportion to its length, whatever it holds."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.choices import read_choice
from autoprompt_assets.engine.grading import ExactGrader, GraderSpec
from autoprompt_assets.engine.grading.contains import ContainsGrader
from autoprompt_assets.engine.grading.json_answers import JsonGrader
from autoprompt_assets.engine.grading.labels import LabelsGrader
from autoprompt_assets.engine.grading.length import LengthGrader
from autoprompt_assets.engine.grading.multiple_choice import ChoiceGrader
from autoprompt_assets.engine.grading.numbers import NumberGrader
from autoprompt_assets.engine.grading.options import read_options
from autoprompt_assets.engine.grading.ordinal import OrdinalGrader
from autoprompt_assets.engine.grading.regex import RegexGrader
from autoprompt_assets.engine.grading.similarity import SimilarityGrader
from autoprompt_assets.engine.grading.tool_calls import ToolCallsGrader
from autoprompt_assets.engine.grading.verdict import read_verdict
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.llm.reasoning import split_reasoning
from autoprompt_assets.engine.optimizers.parts.instruction import read_instruction
from autoprompt_assets.engine.template import fields, foreign, stray
from tests.grading_support import grade_of
from tests.row_support import text_example

LENGTH = 16_000
SECONDS = 4.0
"""Far above what a linear reader takes for 32,000 characters, far below what another does."""
TIMES = 8.0

EVERYDAY = [" ", "[", "{", "}", "a", "`", '"']
PIECES = [
    *(" ", "[", "{", "}", "(", "a", "A, ", "A or ", "`", "```[", '"', '\\"', '{"a":', "[1,", "*"),
    *("1", "1,", "1,111,", "1/", "answer ", "correct: ", "no. ", "C ", "\\boxed{", "<", "\n", "東"),
]
ROW = text_example("1", "1", "Where is the oldest bridge of this town?", "place", "train")
LINT = Lint("Put {input} in <answer></answer>.", (ROW,), ExactGrader(kind="exact"), longest=10**6)
OPTIONS = "Which?\nA. dog\nB. red\nC. seven"


def grades(rule: GraderSpec, target: str, question: str = "q") -> Callable[[str], object]:
    example = text_example("id", "input", question, target, "test")
    return lambda text: grade_of(rule.make(), example, text)


READERS: dict[str, Callable[[str], object]] = {
    "verdict": read_verdict,
    "choices": lambda text: read_choice(text, ("person", "place")),
    "number": grades(NumberGrader(kind="number"), "5"),
    "choice": grades(ChoiceGrader(kind="choice"), "B", OPTIONS),
    "numbered choice": grades(ChoiceGrader(kind="choice"), "2", "1. dog\n2. red"),
    "json": grades(JsonGrader(kind="json"), "[1]"),
    "json field": grades(JsonGrader(kind="json", field="x"), "7"),
    "json credit": grades(JsonGrader(kind="json", credit="fields", order="any"), '[[1], {"a": 1}]'),
    "labels": grades(LabelsGrader(kind="labels"), "a, b"),
    "ordinal": grades(OrdinalGrader(kind="ordinal", scale=(1, 5)), "4"),
    "ordinal label": grades(OrdinalGrader(kind="ordinal", labels=("a", "b")), "a"),
    "length": grades(LengthGrader(kind="length", at_most=9, unit="words"), ""),
    "similarity": grades(SimilarityGrader(kind="similarity"), "a cat, a mat"),
    "bleu": grades(SimilarityGrader(kind="similarity", measure="bleu"), "a cat, a mat"),
    "tool calls": grades(
        ToolCallsGrader(kind="tool_calls", order="any"), '[{"name": "a", "arguments": {"b": [1]}}]'
    ),
    "contains": grades(ContainsGrader(kind="contains"), "111"),
    "regex": grades(RegexGrader(kind="regex", pattern=r"(?:\w+\W*)*answer: (\w+)"), "a"),
    "instruction": read_instruction,
    "reasoning": split_reasoning,
    "options": read_options,
    "placeholders": lambda text: (fields(text, {"input"}), stray(text, {"input"}), foreign(text)),
    "lint": lambda text: LINT.problem(Candidate(f"<answer> {{input}} {text}"), ()),
    "exact": grades(ExactGrader(kind="exact"), "a"),
}


def seconds(read: Callable[[str], object], text: str) -> float:
    # A collection of all that a long run of tests has left takes half a second.
    gc.disable()
    try:
        begin = time.process_time()
        read(text)
        return time.process_time() - begin
    finally:
        gc.enable()


@pytest.mark.parametrize("reader", READERS)
def test_reader_is_linear(reader: str) -> None:
    for piece in EVERYDAY:
        assert_linear(READERS[reader], "", piece)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS)
def test_reader_is_linear_whatever_it_reads(reader: str) -> None:
    for lead in ("", "[", "answer "):
        for piece in PIECES:
            assert_linear(READERS[reader], lead, piece)


def assert_linear(read: Callable[[str], object], lead: str, piece: str) -> None:
    short, long = (lead + piece * (n // len(piece)) for n in (LENGTH, 2 * LENGTH))
    once = seconds(read, short)
    assert once < SECONDS, (lead, piece)
    twice = seconds(read, long)
    assert twice < max(TIMES * once, 0.5), (lead, piece, once, twice)
