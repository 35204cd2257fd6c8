"""Queries over a SQLite file under limits, run as a program of its own: `sql_worker.py FILE CPU_S`.

Each line on standard input is `[query, target]` in JSON; each line on standard output an object:
`target_failed` where the target's query cannot be run, `failed` where the other cannot, else what
both found:

| key | |
| --- | --- |
| rows, wanted | how many rows each found |
| columns | how many columns each has |
| common | rows of one that are in the other, or stand at the same place where order counts |
| sorted | all of them are in the other, whatever the order |
| differs | the first row of each that is not in the other, as texts |

The file is opened for reading, and as one that nobody writes to; whatever is no SELECT is refused.
What SQLite itself does not end in time, or in the memory that it may have, ends the program.
"""

from __future__ import annotations

import json
import re
import resource
import signal
import sqlite3
import sys
import time
from collections import Counter
from functools import lru_cache
from pathlib import Path
from typing import Any

MOST_ROWS = 10_000
MOST_STEPS = 100_000_000
"""Instructions of SQLite's machine that one query may take: a second or two, and the same on every
machine. Seconds of CPU time are counted beside them."""
BETWEEN_LOOKS = 10_000
MOST_BYTES = 2**30
"""Of memory."""
LONGEST_VALUE = 10_000_000
LONGEST_QUERY = 100_000
LONGEST_SHOWN = 200
MORE_S = 1
"""Seconds of CPU time after the limit until what SQLite cannot be told to end is killed."""

_ALLOWED = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE))
_REFUSED = frozenset(("load_extension", "random", "randomblob", "fts3_tokenizer"))
"""Functions that reach out of the file, or that find another thing each time."""
_TOKEN = re.compile(
    r"'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^\]]*\]|--[^\n]*|/\*.*?\*/|[()]|\border\s+by\b",
    re.IGNORECASE | re.DOTALL,
)


class _Failed(Exception):
    """Why a query has no result."""


class Database:
    """One SQLite file, and how long a query over it may take."""

    def __init__(self, path: str, cpu_s: float) -> None:
        self._uri, self._cpu_s = f"{Path(path).resolve().as_uri()}?mode=ro&immutable=1", cpu_s
        self._steps, self._late = 0, 0.0
        # The targets of a few rows are looked up again and again, answer for answer.
        self.target = lru_cache(maxsize=64)(self.rows)

    def rows(self, query: str) -> tuple[int, list[tuple[Any, ...]]]:
        """How many columns `query` has, and its rows.

        Raises:
            _Failed: it cannot be run, or not within the limits.
        """
        connection = sqlite3.connect(self._uri, uri=True, isolation_level=None)
        # What it does when the time is up ends this process.
        signal.setitimer(signal.ITIMER_PROF, self._cpu_s + MORE_S)
        try:
            self._limit(connection)
            cursor = connection.execute(query)
            if cursor.description is None:
                raise _Failed("it is no SELECT")
            rows = cursor.fetchmany(MOST_ROWS + 1)
        except sqlite3.OperationalError as error:
            raise _Failed(self._reason(error)) from None
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, TypeError) as error:
            raise _Failed(str(error)) from None
        except MemoryError:
            raise _Failed("it takes more memory than it may have") from None
        finally:
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.close()
        if len(rows) > MOST_ROWS:
            raise _Failed(f"it finds more than {MOST_ROWS:,} rows")
        return len(cursor.description), rows

    def _limit(self, connection: sqlite3.Connection) -> None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.setlimit(sqlite3.SQLITE_LIMIT_SQL_LENGTH, LONGEST_QUERY)
        connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        connection.text_factory = lambda data: data.decode(errors="replace")
        connection.set_authorizer(_authorized)
        self._steps, self._late = 0, time.process_time() + self._cpu_s
        connection.set_progress_handler(self._is_late, BETWEEN_LOOKS)

    def _is_late(self) -> bool:
        self._steps += BETWEEN_LOOKS
        return self._steps > MOST_STEPS or time.process_time() > self._late

    def _reason(self, error: sqlite3.OperationalError) -> str:
        if str(error) != "interrupted":
            return str(error)
        if self._steps > MOST_STEPS:
            return f"it takes more than {MOST_STEPS:,} steps"
        return f"it takes more than {self._cpu_s:g} s of CPU time"


def _authorized(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    if action == sqlite3.SQLITE_FUNCTION:
        allowed = (second or "").lower() not in _REFUSED
    else:
        allowed = action in _ALLOWED
    return sqlite3.SQLITE_OK if allowed else sqlite3.SQLITE_DENY


def compared(database: Database, query: str, target: str) -> dict[str, Any]:
    """What both queries find; see the head of this file."""
    try:
        wanted_columns, wanted = database.target(target)
    except _Failed as error:
        return {"target_failed": str(error)}
    try:
        columns, rows = database.rows(query)
    except _Failed as error:
        return {"failed": str(error)}
    keys, wanted_keys = ([_key(row) for row in found] for found in (rows, wanted))
    counts, wanted_counts = Counter(keys), Counter(wanted_keys)
    at_place = sum(map(str.__eq__, keys, wanted_keys))
    anywhere = (counts & wanted_counts).total()
    return {
        "rows": len(rows),
        "wanted": len(wanted),
        "columns": [columns, wanted_columns],
        "common": at_place if is_ordered(target) else anywhere,
        "sorted": counts == wanted_counts,
        "differs": [
            _first(rows, keys, counts - wanted_counts),
            _first(wanted, wanted_keys, wanted_counts - counts),
        ],
    }


def is_ordered(query: str) -> bool:
    """Whether the query as a whole has an ORDER BY, and not only a part of it."""
    depth = 0
    for token in _TOKEN.finditer(query):
        if token[0] in "()":
            depth += 1 if token[0] == "(" else -1
        elif token[0][0] in "oO" and depth == 0:
            return True
    return False


def _key(row: tuple[Any, ...]) -> str:
    """The same for rows that are equal: 1 is 1.0, and nine digits of a number count."""
    return json.dumps([_plain(value) for value in row])


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    if isinstance(value, float):
        value = float(f"{value:.9g}")
        return int(value) if value.is_integer() else value
    return value


def _first(rows: list[tuple[Any, ...]], keys: list[str], wanted: Counter[str]) -> str:
    for row, key in zip(rows, keys, strict=True):
        if wanted[key]:
            return str(row)[:LONGEST_SHOWN]
    return ""


def _main() -> None:
    path, cpu_s = sys.argv[1], float(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent's to answer
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    database = Database(path, cpu_s)
    for line in sys.stdin:
        print(json.dumps(compared(database, *json.loads(line))), flush=True)  # noqa: T201


if __name__ == "__main__":
    _main()
