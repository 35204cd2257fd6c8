"""Inputs that users of other programs reported, with their right values: `cases.jsonl`.

Each goes the way it would go in a run: an answer through the completion's reader to its grader, a
reply through the endpoint's, a table through the file's. Any value of `want` is right. Neighbours
of each kind stand in the tests of its part.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.choices import read_choice
from autoprompt_assets.engine.dataset import DatasetSpec, read_table
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.evaluation import without_answer
from autoprompt_assets.engine.evaluation.row import read_answer
from autoprompt_assets.engine.grading import ExactGrader, GraderSpec
from autoprompt_assets.engine.grading.verdict import read_verdict
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.llm import failures
from autoprompt_assets.engine.optimizers.parts.instruction import read_instruction
from autoprompt_assets.resources.endpoints.replies import Reply
from tests.engine_support import make_completion
from tests.grading_support import grade_of
from tests.row_support import text_example
from tests.test_replies import QUESTION, READER, TARGET

Case = dict[str, Any]
GRADERS: TypeAdapter[GraderSpec] = TypeAdapter(GraderSpec)
OPTIONS = "Which?\nA) cat\nB) dog\nC) red\nD) None of the above"
LABELS = ("person", "place", "number", "date")


def cases() -> list[Case]:
    text = Path(__file__).with_name("cases.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.split("\n") if line.strip()]


def verdict(case: Case, folder: Path) -> object:
    return read_verdict(make_completion(case["text"]).text or "")


def grade(case: Case, folder: Path) -> object:
    answer, lacking = read_answer(make_completion(case["answer"]), ())
    if lacking is not None:
        return lacking.outcome
    example = text_example("id", "input", case.get("input", OPTIONS), case["target"], "test")
    rule = GRADERS.validate_python(case["grader"]).make()
    return grade_of(rule, example, answer).outcome


def choice(case: Case, folder: Path) -> object:
    return read_choice(case["text"], LABELS)


def instruction(case: Case, folder: Path) -> object:
    return read_instruction(make_completion(case["text"]).text or "")


def lint(case: Case, folder: Path) -> object:
    rules = Lint(case["first"], (), ExactGrader(kind="exact"))
    return "refused" if rules.problem(Candidate(case["new"]), ()) else "passes"


def turn(case: Case, folder: Path) -> object:
    return Candidate(case["prompt"]).messages(Inputs.single("TEXT"), as_choice=False)[-1]["content"]


def reply(case: Case, folder: Path) -> object:
    body = case["body"] if isinstance(case["body"], str) else json.dumps(case["body"])
    sent = Reply(case.get("status", 200), {}, body.encode(), 0.1)
    try:
        completion = READER.completion(sent, QUESTION, TARGET, 1)
    except failures.CallError as error:
        return type(error).__name__
    if "tokens" in case:
        return "counted" if completion.completion_tokens == case["tokens"] else "not counted"
    lacking = without_answer(completion)
    return lacking.outcome if lacking is not None else completion.text


def table(case: Case, folder: Path) -> object:
    path = folder / case["name"]
    path.write_bytes(parquet(case) if "parquet" in case else case["text"].encode())
    try:
        rows = read_table(DatasetSpec(path=path.name), folder)
    except InputError:
        return "InputError"
    return [row.target for row in rows]


def parquet(case: Case) -> bytes:
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.type_for_alias(case["parquet"])
    targets = pa.array(case["values"], kind)
    inputs = pa.array([f"row {n}" for n in range(len(targets))])
    content = io.BytesIO()
    pq.write_table(pa.table({"input": inputs, "target": targets}), content)
    return content.getvalue()


KINDS: dict[str, Callable[[Case, Path], object]] = {
    one.__name__: one for one in (verdict, grade, choice, instruction, lint, turn, reply, table)
}


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case['kind']}-{case['id']}")
def test_a_case_has_one_of_its_right_values(case: Case, tmp_path: Path) -> None:
    assert KINDS[case["kind"]](case, tmp_path) in case["want"]


def test_all_kinds_are_there() -> None:
    assert {case["kind"] for case in cases()} == set(KINDS)
    assert len(cases()) == 65
