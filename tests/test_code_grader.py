"""The grader `code`: tests run on what a model wrote, in a process that can do little."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import Grade
from autoprompt_assets.engine.grading.code_tests import CodeGrader, CodeRunner
from autoprompt_assets.engine.inputs import Inputs, Layout
from tests.grading_support import Told, grade_of
from tests.row_support import text_example

TESTS = "assert add(1, 2) == 3\nassert add('a', 'b') == 'ab'\nassert add(0, -1) == -1"
ADD = "def add(a, b):\n    return a + b"


def code(**settings: Any) -> CodeGrader:
    return CodeGrader.model_validate({"kind": "code", "allow_code": True, "cpu_s": 1, **settings})


@pytest.fixture(scope="module")
def runner() -> CodeRunner:
    return code().make()


def grade(rule: CodeRunner, answer: str, tests: str = TESTS) -> Grade:
    return grade_of(rule, text_example("id", "input", "q", tests, "test"), answer)


@pytest.mark.parametrize(
    "answer",
    [
        ADD,
        f"```python\n{ADD}\n```",
        f"Here:\n```python\n{ADD}\n```\nIt prints:\n```\n3\n```\nUse it so:\n```python\nadd(1)",
        f"```py\n{ADD}",
        f"{ADD}\nprint('hello' * 100000)\nprint('x', file=__import__('sys').stderr)",
        f"{ADD}\nif __name__ == '__main__':\n    raise SystemExit",
        f"import json, math, pydantic\nfrom numbers import Number\n{ADD}",
        f"open('a.txt', 'w').write('a')\n{ADD}\nassert open('a.txt').read() == 'a'",
        f"import threading, time\n{ADD}\nthreading.Thread(target=time.sleep, args=[99]).start()",
        f"import subprocess, sys\n{ADD}\nsubprocess.run([sys.executable, '-S'], check=True)",
    ],
)
def test_code_that_passes_all_tests_is_right(runner: CodeRunner, answer: str) -> None:
    found = grade(runner, answer)
    assert (found.outcome, found.feedback) == ("correct", "")
    assert found.metrics["tests_passed"] == 1


def test_code_is_worth_the_share_of_tests_that_pass(runner: CodeRunner) -> None:
    found = grade(runner, "def add(a, b):\n    if a:\n        return int(a) + b\n    return 0")
    assert found.value == pytest.approx(1 / 3)
    assert found.feedback == (
        "1 of 3 tests pass; failed: assert add('a', 'b') == 'ab' (ValueError: invalid literal for "
        "int() with base 10: 'a', line 3); assert add(0, -1) == -1 (AssertionError)"
    )
    whole = grade(code(credit="whole").make(), "def add(a, b): return 3")
    assert whole.value == 0
    assert whole.metrics["tests_passed"] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("tests", "value"),
    [
        (json.dumps(["assert add(1, 1) == 2", "assert add(1, 1) == 3"]), 0.5),
        ("def check(f):\n    assert f(1, 1) == 2\ncheck(add)", 1.0),
        ("def test_a():\n    assert add(1, 1) == 2\ndef test_b():\n    assert add(1, 1) == 3", 0.5),
        ("import math\nx = add(1, 1)\nassert x == 2\nassert math.pi > x", 1.0),
        ("x = nothing\nassert add(1, 1) == 2", 1.0),
    ],
)
def test_tests_may_be_written_in_several_ways(runner: CodeRunner, tests: str, value: float) -> None:
    assert grade(runner, ADD, tests).value == value


@pytest.mark.parametrize(
    ("answer", "feedback"),
    [
        ("def add(a, b:", "the code failed: SyntaxError: "),
        ("I cannot.", "the code failed: SyntaxError: invalid syntax"),
        ("import nothing_of_this_name", "the code failed: ModuleNotFoundError: No module named"),
        ("raise SystemExit(0)", "the code failed: SystemExit: 0, line 1"),
        ("x = 1", "0 of 3 tests pass; failed: assert add(1, 2) == 3 (NameError: name 'add' is"),
        ("import os\nos._exit(0)", "the code ended its process"),
        ("import os\nos._exit(3)", "the code ended its process (exit status 3)"),
        ("import os\nos.kill(os.getpid(), 9)", "the code was ended by SIGKILL"),
        ("import ctypes\nctypes.string_at(0)", "the code was ended by SIGSEGV"),
        ("while True: pass", "the code took more than 1 s of CPU time"),
        ("def add(a, b):\n    while True: pass", "the code took more than 1 s of CPU time"),
        ("x = 'a' * 2**31", "the code failed: MemoryError, line 1"),
        ("f = open('big', 'wb')\nfor _ in range(99): f.write(b'a' * 2**20)", "the code "),
        ("(" * 100_000, "the code "),
        ("x = 1\x00", "the code failed: "),
        ("x = '\ud800'", "the code failed: "),
        (
            "class E(Exception):\n    def __str__(self): 1 / 0\nraise E",
            "the code failed: E, line 3",
        ),
        ("raise ValueError('a' * 10**6)", "the code failed: ValueError: aaaa"),
    ],
)
def test_code_that_fails_hangs_or_crashes_is_wrong(
    runner: CodeRunner, answer: str, feedback: str
) -> None:
    found = grade(runner, answer)
    assert (found.value, found.outcome) == (0.0, "wrong")
    assert found.feedback.startswith(feedback)
    assert len(found.feedback) < 700


@pytest.mark.slow
def test_code_that_sleeps_is_given_up_on_the_clock(runner: CodeRunner) -> None:
    found = grade(runner, "import time\ntime.sleep(99)")
    assert found.feedback == "the code took more than 10 s on the clock"
    assert found.value == 0


def outside(tmp_path: Path, port: int) -> dict[str, str]:
    """What code must not be able to do, and an expression that is True where it cannot."""
    return {
        "environment": "'SECRET_KEY' not in str(os.environ)",
        "parent": f"fails(lambda: open('/proc/{os.getpid()}/environ').read())",
        "file": f"fails(lambda: open({str(tmp_path / 'x')!r}, 'w'))",
        "network": f"fails(lambda: socket.create_connection(('127.0.0.1', {port}), 1))",
        "remount": "ctypes.CDLL(None).mount(None, b'/', None, 0x20 | 0x1000, None) != 0",
        "kill": f"fails(lambda: os.kill({os.getpid()}, 0))",
    }


def test_code_has_no_keys_no_network_and_no_files_of_others(
    runner: CodeRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_KEY", "hunter2")
    lead = (
        "import os, socket, ctypes\ndef fails(do):\n    try:\n        do()\n"
        "    except Exception:\n        return True\n    return False"
    )
    with socket.create_server(("127.0.0.1", 0)) as server:
        cannot = outside(tmp_path, server.getsockname()[1])
        for name, expression in cannot.items():
            found = grade(runner, lead, f"assert {expression}")
            if not found.metrics["isolated"]:
                pytest.skip("this kernel lets no process leave the network")
            assert found.outcome == "correct", name
    assert not list(tmp_path.iterdir())


def test_processes_of_the_code_end_with_it(runner: CodeRunner, tmp_path: Path) -> None:
    mark = f"{time.time_ns()}"
    found = grade(
        runner,
        f"{ADD}\nimport subprocess, sys\nsubprocess.Popen([sys.executable, '-S', '-c', "
        f"'import time; time.sleep(60)', {mark!r}], start_new_session=True)",
    )
    assert found.outcome == "correct"
    lines = [path.read_bytes() for path in Path("/proc").glob("[0-9]*/cmdline") if path.exists()]
    assert not any(mark.encode() in line for line in lines)


BOMB = """
import os, time
def count():
    for number in range(2000):
        try:
            if os.fork() == 0:
                time.sleep(60)
        except OSError:
            break
    return number
"""


def test_code_may_start_few_processes(runner: CodeRunner) -> None:
    found = grade(runner, BOMB, "assert count() < 500")
    isolated = found.metrics["isolated"] and tuple(map(int, os.uname().release.split(".")[:2]))
    if os.geteuid() == 0 and not (isolated and isolated >= (6, 14)):
        pytest.skip("this kernel counts no processes of the superuser")
    assert found.outcome == "correct"


def test_several_answers_run_at_once(runner: CodeRunner) -> None:
    async def run() -> list[Grade]:
        example = text_example("id", "input", "q", TESTS, "test")
        answers = [ADD, "x", "import os; os._exit(1)"] * 4
        return await asyncio.gather(*(runner.grade(example, one, Told("")) for one in answers))

    outcomes = [one.outcome for one in asyncio.run(run())]
    assert outcomes == ["correct", "wrong", "wrong"] * 4


def test_tests_may_stand_in_a_column() -> None:
    rule = code(tests="unit_tests")
    inputs = Inputs.of({"task": "Add.", "unit_tests": TESTS})
    assert grade_of(rule.make(), Example("id", "i", inputs, "", "test"), ADD).outcome == "correct"
    assert not rule.needs_target
    assert list(rule.column_problems(Layout(("task", "unit_tests")), "grader")) == []
    assert list(rule.column_problems(Layout(("task",)), "grader")) == [
        "grader.tests = 'unit_tests' is none of dataset.inputs; add it there"
    ]


@pytest.mark.parametrize(
    ("tests", "said"),
    [
        (TESTS, ""),
        ("assert add(1,", "holds tests that are no Python ('(' was never closed); mend them"),
        ("x = 1", "is Python that holds no assert, no call and no test_ function; mend them"),
        ("[]", "is Python that holds no assert"),
        ("assert 1\x00", "holds tests that are no Python (source code string cannot contain null"),
        ("(" * 10_000, "holds tests that are no Python (too many nested parentheses)"),
    ],
)
def test_tests_that_cannot_be_run_are_named_and_give_no_grade(
    runner: CodeRunner, tests: str, said: str
) -> None:
    problem = code().target_problem(text_example("id", "i", "q", tests, "test"), "Code it.")
    assert problem.startswith(said) if said else not problem
    assert (grade(runner, ADD, tests).outcome == "unreviewed") == bool(said)


def test_code_is_run_only_where_that_is_said() -> None:
    with pytest.raises(ValidationError) as error:
        CodeGrader.model_validate({"kind": "code"})
    assert "runs what the model writes; set it to true where that may be" in str(error.value)
