"""The grader `sql`: queries run over a real SQLite file, under limits."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.grading import Grade, check_targets
from autoprompt_assets.engine.grading.sql import QueryGrader, SqlGrader
from tests.grading_support import Told, grade_of
from tests.row_support import text_example

ALL = "SELECT name, price FROM product"
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("experiment")
    with sqlite3.connect(made / "shop.db") as connection:
        connection.execute("CREATE TABLE product (id INTEGER, name TEXT, price REAL, kind TEXT)")
        connection.executemany(
            "INSERT INTO product VALUES (?, ?, ?, ?)",
            [(1, "pen", 1.5, "a"), (2, "ink", 3.0, "a"), (3, "東", 0.3, "b"), (4, None, 7, "b")],
        )
        connection.execute("CREATE TABLE bytes (data BLOB)")
        connection.execute("INSERT INTO bytes VALUES (x'00ff'), (CAST(x'ff41' AS TEXT))")
    connection.close()
    return made


def sql(folder: Path, **settings: Any) -> SqlGrader:
    made = SqlGrader.model_validate({"kind": "sql", "database": "shop.db", **settings})
    return made.located(folder, "grader")


@pytest.fixture(scope="module")
def shop(folder: Path) -> QueryGrader:
    return sql(folder, cpu_s=0.5).make()


def grade(rule: QueryGrader, target: str, answer: str) -> Grade:
    return grade_of(rule, text_example("id", "input", "q", target, "test"), answer)


@pytest.mark.parametrize(
    ("target", "answer"),
    [
        (ALL, ALL),
        (ALL, f"{ALL};"),
        (ALL, "```sql\nSELECT name AS n, price FROM product ORDER BY 2 -- all\n```"),
        (ALL, f"First I tried\n```sql\nSELECT 1\n```\nbut this is it:\n```sql\n{ALL}\n```\nDone."),
        (f"```sql\n{ALL}\n```", f"~~~\n{ALL}"),
        ("SELECT 0.3", "SELECT 0.1 + 0.2"),
        ("SELECT 3", "SELECT 3.0"),
        ("SELECT price FROM product WHERE id = 4", "SELECT 7"),
        ("SELECT 1 WHERE 0", "SELECT id FROM product WHERE id > 9"),
        ("SELECT data FROM bytes", "SELECT data FROM bytes ORDER BY rowid DESC"),
        ("SELECT NULL", "SELECT max(id) FROM product WHERE 0"),
        (f"{ALL} ORDER BY id", f"{ALL} ORDER BY id ASC"),
        (
            "SELECT name, row_number() OVER (ORDER BY id) FROM product -- order by name",
            "SELECT name, id FROM product ORDER BY id DESC",
        ),
        (
            "WITH p AS (SELECT * FROM product ORDER BY id) SELECT id FROM p",
            "VALUES (4),(3),(2),(1)",
        ),
        (
            "SELECT 'order by' AS \"order by\", id FROM product",
            "SELECT 'order by', id FROM product",
        ),
    ],
)
def test_queries_that_find_the_same_are_right(shop: QueryGrader, target: str, answer: str) -> None:
    found = grade(shop, target, answer)
    assert (found.outcome, found.feedback) == ("correct", "")


@pytest.mark.parametrize(
    ("target", "answer", "feedback"),
    [
        (
            "SELECT id FROM product ORDER BY id",
            "SELECT id FROM product ORDER BY id DESC",
            "the query finds the right rows in another order than the target's ORDER BY",
        ),
        (ALL, "SELECT name FROM product", "the query gives 1 column, want 2"),
        (
            ALL,
            f"{ALL} WHERE id > 1",
            "the query finds 3 rows, want 4; missing: ('pen', 1.5)",
        ),
        ("SELECT 1", "SELECT 2", "not wanted: (2,); missing: (1,)"),
        ("SELECT 1", "SELECT '1'", "not wanted: ('1',); missing: (1,)"),
        ("SELECT 1", "SELECT NULL", "not wanted: (None,); missing: (1,)"),
        ("SELECT id FROM product", "SELECT id FROM prodct", "failed: no such table: prodct"),
        (ALL, "I do not know.", 'failed: near "I": syntax error'),
        (ALL, f"{ALL}; {ALL}", "failed: You can only execute one statement at a time."),
        (ALL, "DELETE FROM product", "failed: not authorized"),
        (ALL, "CREATE TEMP TABLE t (a)", "failed: not authorized"),
        (
            ALL,
            "INSERT INTO product VALUES (5, 'a', 1, 'b') RETURNING name, price",
            "not authorized",
        ),
        (ALL, "ATTACH DATABASE '/tmp/x.db' AS x", "failed: not authorized"),
        (ALL, "PRAGMA writable_schema = 1", "failed: not authorized"),
        (ALL, "BEGIN", "failed: not authorized"),
        (ALL, "VACUUM", "failed: authorization denied"),
        (ALL, "SELECT load_extension('/tmp/a.so')", "not authorized to use function: load_exten"),
        (ALL, "SELECT random()", "failed: not authorized to use function: random"),
        (ALL, "-- nothing", "failed: it is no SELECT"),
        (ALL, "SELECT 1 FROM a\x00", "failed: "),
        (ALL, "SELECT '\ud800'", "failed: "),
        (ALL, "SELECT " + "(" * 10_000 + "1" + ")" * 10_000, "failed: "),
        (ALL, "SELECT '" + "a" * 200_000 + "'", "failed: query string is too large"),
        (ALL, "SELECT zeroblob(2000000000)", "failed: string or blob too big"),
        (ALL, "SELECT " + "1," * 5000 + "1", "failed: too many columns in result set"),
    ],
)
def test_what_is_wrong_is_said(shop: QueryGrader, target: str, answer: str, feedback: str) -> None:
    found = grade(shop, target, answer)
    assert found.outcome == "wrong"
    assert feedback in found.feedback
    assert grade(shop, "SELECT count(*) FROM product", "SELECT 4").outcome == "correct"


@pytest.mark.parametrize(
    ("answer", "feedback"),
    [
        (ENDLESS, "the query failed: it takes more than "),
        (ENDLESS.replace("count(*)", "i"), "the query failed: it finds more than 10,000 rows"),
        ("SELECT replace(hex(zeroblob(4000000)), '00', hex(zeroblob(20)))", "the query failed: "),
        (
            f"SELECT count(*) FROM {', '.join(f'product p{index}' for index in range(14))}",
            "the query failed: it takes more than ",
        ),
    ],
)
def test_a_query_without_end_is_wrong(shop: QueryGrader, answer: str, feedback: str) -> None:
    found = grade(shop, ALL, answer)
    assert (found.value, found.outcome) == (0.0, "wrong")
    assert found.feedback.startswith(feedback)


def test_what_sqlite_cannot_be_told_to_end_is_killed(folder: Path) -> None:
    rule = sql(folder, cpu_s=0.1).make()
    slow = "SELECT instr(hex(zeroblob(4900000)), hex(zeroblob(4000000)) || '1')"
    found = grade(rule, ALL, slow)
    assert found.feedback == "the query took too long, and had to be killed"
    assert (found.value, found.outcome) == (0.0, "wrong")
    assert grade(rule, ALL, ALL).outcome == "correct"


def test_a_worker_that_is_killed_costs_no_row(folder: Path) -> None:
    rule = sql(folder)
    made = rule.make()
    assert grade(made, ALL, ALL).outcome == "correct"
    worker = rule._queries._idle.get()
    rule._queries._idle.put(worker)
    os.kill(worker._running().pid, signal.SIGKILL)
    for _ in range(10):
        assert grade(made, ALL, ALL).outcome == "correct"


def test_rows_may_have_credit(folder: Path) -> None:
    rule = sql(folder, credit="rows").make()
    found = grade(rule, ALL, f"{ALL} WHERE id > 1")
    assert found.value == pytest.approx(6 / 7)
    ordered = "SELECT id FROM product ORDER BY id"
    assert grade(rule, ordered, "SELECT id FROM product ORDER BY id DESC").value == 0
    assert grade(rule, ordered, "VALUES (1), (2), (4), (3)").value == 0.5
    assert grade(rule, ALL, ALL).outcome == "correct"
    assert grade(rule, ALL, "SELECT 1").value == 0


def test_queries_run_side_by_side(shop: QueryGrader) -> None:
    async def run() -> list[Grade]:
        example = text_example("id", "input", "q", ALL, "test")
        answers = [ALL, "SELECT 1, 2", ENDLESS, ALL] * 5
        return await asyncio.gather(*(shop.grade(example, one, Told("")) for one in answers[:12]))

    outcomes = [one.outcome for one in asyncio.run(run())]
    assert outcomes == ["correct", "wrong", "wrong", "correct"] * 3


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (ALL, ""),
        ("SELECT nam FROM product", "is no query that can be run (no such column: nam); mend it"),
        ("nan", "stands for a value that is missing"),
        ("DROP TABLE product", "is no query that can be run (not authorized); mend it"),
    ],
)
def test_targets_that_cannot_be_run_are_named_and_give_no_grade(
    folder: Path, shop: QueryGrader, target: str, said: str
) -> None:
    problem = sql(folder).target_problem(text_example("id", "i", "q", target, "test"), "Say SQL.")
    assert problem.startswith(said) if said else not problem
    assert (grade(shop, target, ALL).outcome == "unreviewed") == bool(said)


def test_targets_without_a_grade_are_refused_before_anything_is_paid(folder: Path) -> None:
    targets = [ALL] * 60 + ["SELECT nam FROM product"]
    rows = [text_example(f"{n}", f"{n}", f"{n}", one, "test") for n, one in enumerate(targets)]
    lines = check_targets(sql(folder), rows, "Say SQL.", (), "rows.csv", unmeasured=0.02)
    assert len(lines) == 1
    with pytest.raises(InputError, match="1 of 61 test rows can get no grade"):
        check_targets(sql(folder), rows, "Say SQL.", (), "rows.csv", unmeasured=0.01)


def test_the_database_is_part_of_the_search_and_stays_as_it_is(folder: Path) -> None:
    before = (folder / "shop.db").read_bytes()
    first = sql(folder).identity()
    assert first["database"] == "shop.db"
    with sqlite3.connect(folder / "other.db") as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    other = sql(folder, database="other.db").identity()
    assert first["content"] != other["content"]
    assert (folder / "shop.db").read_bytes() == before
    assert not list(folder.glob("shop.db-*"))


def test_databases_that_cannot_be_read_are_refused(folder: Path) -> None:
    (folder / "text.db").write_text("id,name\n")
    writer = sqlite3.connect(folder / "log.db")
    writer.execute("PRAGMA journal_mode = wal")
    writer.execute("CREATE TABLE t (a)")
    writer.commit()
    said = {
        "none.db": "cannot be read in .*No such file or directory.*; name a file beside",
        "text.db": "is no SQLite file; write one with sqlite3",
        "log.db": "has rows that stand in log.db-wal alone; run PRAGMA",
    }
    for name, line in said.items():
        with pytest.raises(InputError, match=f"grader.database = '{name}': {line}"):
            sql(folder, database=name)
    writer.close()
    with pytest.raises(ValidationError):
        SqlGrader.model_validate({"kind": "sql"})


def test_reading_an_answer_is_linear(shop: QueryGrader) -> None:
    for piece in ("`", "```", "```sql\n", "'", "(", "order by ", "/*", "--", "[", "\n", " "):
        begin = time.process_time()
        grade(shop, ALL, piece * (32_000 // len(piece)))
        assert time.process_time() - begin < 1
