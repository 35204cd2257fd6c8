"""Jobs whose answer has a form: JSON, tool calls, SQL, a regular expression."""

from __future__ import annotations

import json
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from tests.jobs.job import Job, Message, Row, said
from tests.jobs.sorting import COUNT, hard_at

CITIES = ("Lyon", "Gdańsk", "Graz", "Porto", "Malmö")


def _orders() -> list[Row]:
    rows: list[Row] = []
    for i in range(COUNT):
        order: dict[str, Any] = {
            "number": f"A-{700 + i}",
            "date": f"2026-{i % 12 + 1:02}-{i % 28 + 1:02}",
            "name": f"Kim {chr(65 + i % 26)}.",
            "city": CITIES[i % 5],
            "total": round(12.5 + i * 3.35, 2),
            "items": [f"lamp {i}", f"cable {i % 7}"],
        }
        rows.append({"mail": f"Your order A-{700 + i}: thank you!", "order": json.dumps(order)})
    return rows


def _extracted(row: Row, known: frozenset[int]) -> Message:
    """Three of the fields are in a form of its own unless a rule says which."""
    order = json.loads(row["order"])
    if 0 not in known:
        year, month, day = order["date"].split("-")
        order["date"] = f"{day}.{month}.{year}"
    if 1 not in known:
        order["total"] = f"{order['total']} EUR"
    if 2 in known:
        order["items"].reverse()
    else:
        order["items"] = ", ".join(order["items"])
    return said(json.dumps(order))


EXTRACTION = Job(
    "Extraction to JSON with six fields",
    _orders(),
    (
        "Write dates as 2026-01-31.",
        "Write the total as a number without its currency.",
        "Write items as a list.",
    ),
    lambda row: row["mail"].split(":")[0] + ":",
    _extracted,
)


def _requests() -> list[Row]:
    rows: list[Row] = []
    for i in range(COUNT):
        calls: list[dict[str, Any]] = [
            {"name": "book", "arguments": {"room": f"R{i}", "hour": i % 9 + 9}}
        ]
        if i % 3 == 0:
            calls.insert(0, {"name": "cancel", "arguments": {"room": f"R{i + 1}"}})
        rows.append({"request": f"Request {i}: please.", "calls": json.dumps(calls)})
    return rows


def _called(row: Row, known: frozenset[int]) -> Message:
    calls = json.loads(row["calls"])
    if 0 not in known:
        calls = calls[-1:]
    for call in calls:
        if 1 not in known:
            call["arguments"]["room"] = call["arguments"]["room"].replace("R", "room ")
        if 2 not in known and "hour" in call["arguments"]:
            call["arguments"]["hour"] -= 12
    made = [
        {
            "id": f"call_{place}",
            "type": "function",
            "function": {"name": call["name"], "arguments": json.dumps(call["arguments"])},
        }
        for place, call in enumerate(calls)
    ]
    return {"role": "assistant", "content": None, "tool_calls": made}


TOOLS = Job(
    "Tool calls",
    _requests(),
    (
        "Cancel first what stands in the way.",
        "Rooms are written as R7.",
        "Hours are those of a day of 24.",
    ),
    lambda row: row["request"].split(":")[0] + ":",
    _called,
)


def _shop() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shop.db"
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE orders (id INTEGER, city TEXT, total REAL, year INTEGER)")
        orders = [(i, CITIES[i % 5], 10.0 + i % 37, 2020 + i % 7) for i in range(400)]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", orders)
        connection.commit()
        connection.close()
        return path.read_bytes()


def _questions() -> list[Row]:
    rows: list[Row] = []
    for i in range(COUNT):
        city, least = CITIES[i % 5], 10 + i % 30
        query = f"SELECT sum(total) FROM orders WHERE city = '{city}' AND total > {least}"
        question = f"Question {i}: what did {city} order above {least}?"
        rows.append({"question": question, "query": query, "hard": i % 4})
    return rows


def _queried(row: Row, known: frozenset[int]) -> Message:
    if not hard_at(row, known):
        return said(f"```sql\n{row['query']};\n```")
    wrong = (
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        row["query"].replace("orders", "order_lines"),
        row["query"].replace("sum(total)", "count(*)"),
    )
    return said(wrong[row["hard"]])


SQL = Job(
    "SQL, graded by executing it",
    _questions(),
    (
        "Do not use recursion.",
        "There is no other table.",
        "What somebody ordered is the sum of its totals.",
    ),
    lambda row: row["question"].split(":")[0] + ":",
    _queried,
    {"shop.db": _shop()},
)


def _patterns() -> list[Row]:
    return [
        {
            "wanted": f"Wanted {i}: the word x{i} or y{i}, once or more often.",
            "examples": json.dumps(
                {f"x{i}": True, f"y{i}y{i}": True, f"x{i}y{i}": True, f"z{i}": False, "": False}
            ),
            "number": i,
            "hard": i % 4,
        }
        for i in range(COUNT)
    ]


def _matching(row: Row, known: frozenset[int]) -> Message:
    i = row["number"]
    right = f"(?:x{i}|y{i})+"
    wrong = (f"(?:x{i}|y{i}", f"(?:x{i}|y{i})*", f"x{i}|y{i}")
    return said(wrong[row["hard"]] if hard_at(row, known) else right)


PATTERNS = Job(
    "Regular expressions, graded by unit tests",
    _patterns(),
    ("Close every group.", "An empty text never matches.", "More often means a plus."),
    lambda row: row["wanted"].split(":")[0] + ":",
    _matching,
)
