"""Whole searches whose graders give partial credit, or run what the model wrote."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import csv_of, toy_project

SPEC = """\
description: A toy.
dataset:
  path: rows.csv
  split: {{train: 4, validation: 12, test: 14}}
roles:
  target: {{model: gpt-4.1-mini, prompt: {prompt}, max_tokens: 200}}
  optimizer:
    model: gpt-4.1
    max_tokens: 400
    prompt: "{{prompt_scores_str}}\\nWrite a better one in [[...]]."
grader: {grader}
optimizer: {{strategy: opro, iterations: 2}}
concurrency: 4
"""
SHAPES = ("circle", "kite", "heptagon", "sector")


def invoices() -> dict[str, str]:
    return {
        f"Invoice {i}": json.dumps({"vendor": f"V{i % 3}", "total": i % 4, "paid": i % 2 == 0})
        for i in range(30)
    }


def queries() -> dict[str, str]:
    return {
        f"How many {shape}s have {word} {size}?": "SELECT count(*) FROM shape WHERE "
        f"name = '{shape}' AND size {sign} {size}"
        for shape in SHAPES
        for size in range(4)
        for word, sign in (("size", "="), ("less than", "<"))
    }


def database(rows: int) -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE shape (name TEXT, size INTEGER)")
    made = [(SHAPES[number % 4], number * number % 7) for number in range(rows)]
    connection.executemany("INSERT INTO shape VALUES (?, ?)", made)
    connection.commit()
    return connection.serialize()


def fenced(language: str, answers: Mapping[str, str]) -> dict[str, str]:
    return {row: f"```{language}\n{answer}\n```" for row, answer in answers.items()}


def test_a_search_with_credit_per_field_is_scored_by_shares(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=invoices())) as server:
        project = toy_project(tmp_path, server.base_url)
        spec = SPEC.format(prompt="Give JSON.", grader="{kind: json, credit: fields}")
        project.add("toy", spec, rows_csv=csv_of(invoices()))
        outcome = project.run_json("toy")
    baseline, best = (outcome[key]["validation"] for key in ("baseline", "best"))
    assert 0 < baseline < best < 1
    # Twelve rows of three fields.
    assert 36 * baseline == pytest.approx(round(36 * baseline), abs=1e-6)
    assert 12 * baseline != pytest.approx(round(12 * baseline), abs=1e-6)
    assert "partial" in Path(outcome["report"]).read_text(encoding="utf-8")


@pytest.mark.slow
def test_an_edited_database_is_graded_anew_and_no_answer_is_paid_twice(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=fenced("sql", queries()))) as server:
        project = toy_project(tmp_path, server.base_url)
        spec = SPEC.format(prompt="Give SQL.", grader="{kind: sql, database: shapes.db}")
        folder = project.add("toy", spec, rows_csv=csv_of(queries()), shapes_db=database(50))
        first = project.run_json("toy")
        assert 0 < first["baseline"]["validation"] <= first["best"]["validation"]
        (folder / "shapes.db").write_bytes(database(3))
        repeats = server.repeats()  # headroom asks again
        second = project.run_json("toy")
        assert server.repeats() == repeats
    # Of three shapes most queries find as many as any other, none.
    assert second["baseline"]["validation"] > first["baseline"]["validation"]
    assert Path(first["report"]).parent != Path(second["report"]).parent
    (folder / "shapes.db").unlink()
    line = project.refused("check", "toy")
    assert "grader.database = 'shapes.db': cannot be read in" in line


@pytest.mark.slow
def test_code_is_run_in_a_search_where_that_is_allowed(tmp_path: Path) -> None:
    rows = {
        f"Write f(x) that gives x {sign} {number}.": f"assert f(2) == 2 {sign} {number}\n"
        f"assert f(0) == 0 {sign} {number}\nassert f(7) == 7 {sign} {number}"
        for sign in "+-*"
        for number in range(1, 12)
    }
    code = {row: f"def f(x):\n    return {row.partition('gives ')[2][:-1]}" for row in rows}
    with LoopbackServer(Behaviour(answers=fenced("python", code))) as server:
        project = toy_project(tmp_path, server.base_url)
        allowed = "{kind: code, allow_code: true, cpu_s: 1}"
        for name, grader in (("toy", allowed), ("refused", "{kind: code}")):
            spec = SPEC.format(prompt="Write Python.", grader=grader)
            project.add(name, spec, rows_csv=csv_of(rows))
        line = project.refused("check", "refused")
        assert "grader: allow_code: is not set" in line
        outcome = project.run_json("toy")
    assert 0 < outcome["baseline"]["validation"] < 1
