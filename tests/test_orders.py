"""The shipped experiment `extraction`: its mails, its targets, and a search on them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from autoprompt_assets.engine.grading.json_answers import JsonGrader
from autoprompt_assets.experiments import orders
from autoprompt_assets.experiments.order_mails import LAYOUTS
from autoprompt_assets.experiments.order_words import GOODS
from tests.jobs.orders import ALL, FOLDER, RULES, read, rows, shipped
from tests.jobs.server import serve
from tests.row_support import text_example
from tests.support import KEY, SHIPPED, Project

NAME = FOLDER.name
SPEC = yaml.safe_load((FOLDER / "experiment.yaml").read_text(encoding="utf-8"))
SMALL = "dataset.split={train: 20, validation: 40, test: 60}"


@pytest.fixture(scope="module")
def table() -> list[dict[str, Any]]:
    return rows()


def test_regenerating_gives_the_shipped_file(tmp_path: Path) -> None:
    again = tmp_path / "again.jsonl"
    orders.main([str(again), "--rows", "360", "--seed", "20260"])
    assert again.read_bytes() == (FOLDER / "orders.jsonl").read_bytes()
    assert b"\r" not in again.read_bytes()


def test_another_seed_gives_other_mails(table: list[dict[str, Any]]) -> None:
    assert not {row["mail"] for row in table} & {mail for mail, _ in orders.generate(360, 1)}


def test_mails_differ_by_more_than_their_figures(table: list[dict[str, Any]]) -> None:
    """Splits are a hash of the mail: two that are nearly the same would stand in two of them."""
    assert len(table) == 360 == 60 * len(LAYOUTS)
    names = "|".join((*GOODS, *map(str.lower, GOODS)))
    bare = Counter(re.sub(rf"\d|{names}", "#", row["mail"]) for row in table)
    assert max(bare.values()) == 1


def test_every_target_can_be_read_from_its_mail(table: list[dict[str, Any]]) -> None:
    for row in table:
        assert read(row["mail"]) == row["order"], row["mail"]


@pytest.mark.parametrize("seed", range(3))
def test_so_it_is_with_other_seeds(seed: int) -> None:
    for mail, wanted in orders.generate(300, seed):
        assert read(mail) == wanted, mail


def test_every_convention_decides_some_mails(table: list[dict[str, Any]]) -> None:
    """A prompt that does not state one loses the field on a share of the rows."""
    fields = ("order_number", "deliver_by", "total", "currency", "items")
    for rule, field in enumerate(fields):
        lost = [read(row["mail"], ALL - {rule})[field] != row["order"][field] for row in table]
        assert sum(lost) / len(lost) > 0.25, field


def test_fields_have_all_their_types_and_are_missing_at_times(table: list[dict[str, Any]]) -> None:
    wanted = [row["order"] for row in table]
    for field in ("order_number", "deliver_by", "currency", "total"):
        assert 10 < sum(order[field] is None for order in wanted) < 120, field
    assert {order["currency"] for order in wanted} == {"EUR", "USD", "GBP", "CHF", None}
    assert 0.25 < sum(order["express"] for order in wanted) / len(wanted) < 0.45
    assert {len(order["items"]) for order in wanted} == {1, 2, 3, 4}


def test_a_target_is_worth_one_and_one_wrong_field_a_part(table: list[dict[str, Any]]) -> None:
    grader = JsonGrader.model_validate(SPEC["grader"])
    for row in table:
        target = json.dumps(row["order"])
        example = text_example("row", "row", row["mail"], target, "test")
        assert not grader.target_problem(example, "")
        right = grader.grade(example, target)
        assert (right.value, right.outcome) == (1.0, "correct")
        other = json.dumps(row["order"] | {"order_number": "20417"})
        partly = grader.grade(example, other)
        assert partly.value == pytest.approx(6 / 7)
        assert partly.outcome == "partial"
        assert "order_number" in partly.feedback


def test_check_passes_without_a_key(tmp_path: Path) -> None:
    project = Project(tmp_path, {"AUTOPROMPT_EXPERIMENTS": str(SHIPPED)})
    checked = project.run("check", NAME)
    assert checked.returncode == 0, checked.stderr
    assert not checked.stderr
    assert "360 rows in orders.jsonl" in checked.stdout


@pytest.mark.slow
def test_a_search_with_the_roles_of_the_file_gains_by_parts(tmp_path: Path) -> None:
    roles = yaml.safe_load((SHIPPED / "geometric-shapes" / "experiment.yaml").read_text("utf-8"))
    with serve(shipped()) as server:
        environ = {
            "OPENAI_BASE_URL": server.base_url,
            "OPENAI_API_KEY": KEY,
            "AUTOPROMPT_EXPERIMENTS": str(SHIPPED),
        }
        project = Project(tmp_path, environ)
        outcome = project.run_json(NAME, "--set", SMALL)

    models = {(entry["role"], entry["model"]) for entry in server.ledger}
    assert models == {(role, roles["roles"][role]["model"]) for role in ("target", "optimizer")}
    assert outcome["best"]["validation"] > outcome["baseline"]["validation"] + 0.1
    assert outcome["comparison"]["verdict"] == "better"
    search = next((project.home / "results" / NAME / "searches").iterdir())
    graded = pd.concat(pd.read_parquet(path) for path in search.rglob("*.parquet"))
    assert graded["outcome"].eq("partial").any()
    report = (search / "report.html").read_text(encoding="utf-8")
    assert any(rule in report for rule in RULES)
    assert '<span class="tag partial">partial 0.' in report
    assert "is the least gain" not in report
