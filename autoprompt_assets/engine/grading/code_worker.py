"""Tests of code that a model wrote, run as a program of its own in the folder it may write in.

On standard input stands one object in JSON: `code`, `tests` (a list of sources), `cpu_s`,
`memory_bytes`, `wall_s`, `paths` (more places to import from). On standard output stands one:

| key | |
| --- | --- |
| ended | how the process that ran the code ended before its time, or an empty text |
| failed | why the code could not be run at all, or an empty text |
| passed, tests | how many tests passed, of how many |
| failures | the first tests that failed, and why |
| isolated | whether there was no network |

A test is each `assert` and each call that stands for itself in `tests`, and each function in them
whose name begins with `test_`. The code runs in a grandchild of this process together with them, so
that code which is made to say that they passed can say so: it is no guard against that.
"""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

MOST_FAILURES = 3
LONGEST = 160
MOST_SAID = 2**20
"""Bytes of results: what is longer is none of ours."""


def parts(source: str) -> Iterator[tuple[str, ast.stmt]]:
    """The statements of tests in their order, each with its text where it is a test, else none.

    Raises:
        SyntaxError: `source` is no Python.
    """
    for statement in ast.parse(source).body:
        is_call = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)
        if isinstance(statement, ast.Assert) or is_call:
            yield ast.unparse(statement), statement
        else:
            yield "", statement
            if isinstance(statement, ast.FunctionDef) and statement.name.startswith("test_"):
                call = ast.parse(f"{statement.name}()").body[0]
                yield statement.name, call


def run_tests(code: str, tests: list[str]) -> dict[str, Any]:
    """What came of the tests."""
    scope: dict[str, Any] = {"__name__": "answer"}
    found: dict[str, Any] = {"failed": "", "passed": 0, "tests": 0, "failures": []}
    try:
        exec(compile(code, "answer.py", "exec"), scope)  # noqa: S102
    except BaseException as error:  # whatever it does
        found["failed"] = _said(error)
    for source in tests:
        for name, statement in parts(source):
            found["tests"] += bool(name)
            problem = found["failed"] or _problem(statement, scope)
            if not problem:
                found["passed"] += bool(name)
            elif len(found["failures"]) < MOST_FAILURES and not found["failed"]:
                found["failures"].append(f"{_cut(name or 'set-up')} ({problem})")
    return found


def _problem(statement: ast.stmt, scope: dict[str, Any]) -> str:
    try:
        exec(compile(ast.Module([statement], []), "tests.py", "exec"), scope)  # noqa: S102
    except BaseException as error:  # whatever the code does
        return _said(error)
    return ""


def _said(error: BaseException) -> str:
    line = getattr(error, "lineno", None)
    at = error.__traceback__
    while at is not None:
        if at.tb_frame.f_code.co_filename == "answer.py":
            line = at.tb_lineno
        at = at.tb_next
    try:
        text = str(error)
    except BaseException:  # it is the code's own
        text = ""
    kind = type(error).__name__
    return _cut(f"{kind}{f': {text}' if text else ''}") + (f", line {line}" if line else "")


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _run(job: dict[str, Any], results: int) -> NoReturn:
    """The process that runs the code; it ends here."""
    _isolation().give_up_rights()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    _isolation().limit(max(1, round(job["cpu_s"])), job["memory_bytes"])
    sys.path += job["paths"]
    found = run_tests(job["code"], job["tests"])
    os.write(results, json.dumps(found).encode()[:MOST_SAID])
    os._exit(0)


def _first(job: dict[str, Any], results: int, ends: int) -> NoReturn:
    """The first process of the new ones, with which all others end."""
    _isolation().own_processes()
    child = os.fork()
    if child == 0:
        os.close(ends)
        os.setsid()
        _run(job, results)
    os.close(results)
    while True:
        process, status = os.wait()
        if process == child:
            os.write(ends, str(status).encode())
            os._exit(0)


def _main() -> None:
    job = json.loads(sys.stdin.buffer.read())
    isolated = _isolation().leave(os.getcwd())
    (from_code, results), (from_first, ends) = os.pipe(), os.pipe()
    first = os.fork()
    if first == 0:
        os.close(from_code)
        os.close(from_first)
        _first(job, results, ends)
    os.close(results)
    os.close(ends)
    status = _read(from_first, time.monotonic() + job["wall_s"])
    _isolation().end_children(first)
    said = _read(from_code, time.monotonic() + 1)
    answer = {"ended": _ended(status, job), "isolated": isolated}
    try:
        found = json.loads(said)
    except ValueError:
        found = {"failed": "", "passed": 0, "tests": 0, "failures": []}
        answer["ended"] = answer["ended"] or "ended its process"
    print(json.dumps({**found, **answer}), flush=True)  # noqa: T201


def _read(descriptor: int, late: float) -> bytes:
    """All until the other end is closed or it is `late`."""
    data = b""
    while len(data) < MOST_SAID:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, late - time.monotonic()))
        more = os.read(descriptor, 65536) if ready else b""
        if not more:
            return data
        data += more
    return data


def _ended(status: bytes, job: dict[str, Any]) -> str:
    if not status:  # nobody was left to say it
        return f"took more than {job['wall_s']:g} s on the clock"
    code = os.waitstatus_to_exitcode(int(status))
    if code == -signal.SIGXCPU:
        return f"took more than {max(1, round(job['cpu_s']))} s of CPU time"
    if code < 0:
        return f"was ended by {signal.Signals(-code).name}"
    return f"ended its process (exit status {code})" if code else ""


@cache
def _isolation() -> Any:
    """The module of this folder, which stays off the path: names of the library stand in it."""
    path = Path(__file__).with_name("isolation.py")
    spec = importlib.util.spec_from_file_location("isolation", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    _main()
