"""The grader `code`: the answer's Python, by the tests of its row that it passes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, StrictBool, model_validator

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Number, Whole
from autoprompt_assets.engine.grading import code_worker
from autoprompt_assets.engine.grading.answer_form import AnswerMark, common_marks
from autoprompt_assets.engine.grading.code_text import code_in
from autoprompt_assets.engine.grading.grade import Grade, graded, unparsable, unreviewed
from autoprompt_assets.engine.grading.protocol import Ask, GraderSettings
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.json_text import parse_json

CLOCK = 10.0
"""Seconds on the clock for each of CPU time."""
START_S = 30.0
"""Seconds beside these that starting and ending a process may take."""
MOST_AT_ONCE = 8
_LANGUAGES = frozenset(("python", "py", "python3"))


class CodeGrader(GraderSettings):
    """Runs the row's tests on the answer's Python: worth the share of them that pass.

    `allow_code` must say that what the model writes may be run on this machine.
    """

    kind: Literal["code"]
    allow_code: StrictBool = False
    tests: str | None = None
    """The column that holds the tests, which the prompt need not name; else the target does. They
    are Python, or a JSON list of it."""
    credit: Literal["whole", "tests"] = "tests"
    cpu_s: Number = Field(5.0, ge=1, le=600)
    """Seconds of CPU time for one answer's tests, whole ones; ten times that on the clock."""
    memory_mb: Whole = Field(1024, ge=64)
    bad_target_ungraded: ClassVar[bool] = True

    @model_validator(mode="after")
    def _is_allowed(self) -> Self:
        if not self.allow_code:
            raise ValueError(
                "allow_code: is not set, and the grader 'code' runs what the model writes; set it "
                "to true where that may be"
            )
        return self

    @property
    def needs_target(self) -> bool:
        """Where no column holds the tests."""
        return self.tests is None

    def column_problems(self, layout: Layout, place: str) -> Iterator[str]:
        """The column of the tests is none of the rows'."""
        if self.tests is not None and self.tests not in layout.columns:
            yield f"{place}.tests = {self.tests!r} is none of dataset.inputs; add it there"

    def target_problem(self, example: Example, prompt: str) -> str:
        """Its tests cannot be read."""
        _, problem = tests_of(self.tests, example)
        return f"{problem}; mend them" if problem else ""

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """No fence, which it does without."""
        yield from common_marks(first, fence=False)

    def make(self, review_prompt: str = "", layout: Layout = SINGLE) -> CodeRunner:
        """What runs the tests. No process is started yet."""
        return CodeRunner(self)


def tests_of(column: str | None, example: Example) -> tuple[list[str], str]:
    """The sources of a row's tests, and what is wrong with them or an empty text."""
    text = example.target if column is None else example.inputs[column]
    where = "" if column is None else f"has tests in {column!r} that "
    sources = [text]
    try:
        found = parse_json(text)
        if isinstance(found, list) and all(isinstance(one, str) for one in found):
            sources = found
    except ValueError:
        pass
    try:
        count = sum(bool(name) for one in sources for name, _ in code_worker.parts(one))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        return [], f"{where or 'holds tests that '}are no Python ({said})"
    if not count:
        return [], f"{where or 'is Python that '}holds no assert, no call and no test_ function"
    return sources, ""


@dataclass(frozen=True)
class _Job:
    """What `code_worker` is told, and how long it may take on the clock."""

    text: bytes
    wall_s: float


class CodeRunner:
    """Runs each answer's tests in a process of its own, as many at once as there are processors."""

    def __init__(self, settings: CodeGrader) -> None:
        self._settings = settings
        self._size = min(MOST_AT_ONCE, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(self._size)
        self._room, self._turn = threading.Semaphore(self._size), threading.Lock()

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        """Wrong where the code hangs or crashes; `unreviewed` where the tests cannot be read."""
        sources, problem = tests_of(self._settings.tests, example)
        if problem:
            return unreviewed(f"the target {shown(example.target, 60)} {problem}")
        code = code_in(answer, _LANGUAGES, "first")
        if not code.strip():
            return unparsable("the answer holds no code", {"tests_passed": 0.0})
        job = self._job(code, sources)
        loop = asyncio.get_running_loop()
        found = await loop.run_in_executor(self._threads, self._found, job)
        return self._graded(found)

    def _job(self, code: str, sources: Sequence[str]) -> _Job:
        wall_s = CLOCK * self._settings.cpu_s
        places = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
        job = {
            "code": code,
            "tests": sources,
            "cpu_s": self._settings.cpu_s,
            "memory_bytes": self._settings.memory_mb * 2**20,
            "wall_s": wall_s,
            "paths": places,
        }
        return _Job(json.dumps(job).encode(), wall_s)

    def _found(self, job: _Job) -> dict[str, Any]:
        """What the worker says; where the clock ended it, what it says when it is alone."""
        with self._room:
            found = _ran(job)
        if "on the clock" not in found["ended"]:
            return found
        with self._turn:
            for _ in range(self._size):
                self._room.acquire()
            try:
                return _ran(job)
            finally:
                self._room.release(self._size)

    def _graded(self, found: dict[str, Any]) -> Grade:
        isolated = {"isolated": float(found["isolated"])}
        if found["ended"]:
            metrics = {"tests_passed": 0.0, **isolated}
            return graded(0.0, feedback=f"the code {found['ended']}", metrics=metrics)
        passed, count = found["passed"], found["tests"]
        share = passed / count if count else 0.0
        value = float(passed == count) if self._settings.credit == "whole" else share
        metrics = {"tests_passed": share, **isolated}
        return graded(value, feedback=_told(found), metrics=metrics)


def _told(found: dict[str, Any]) -> str:
    if found["failed"]:
        return f"the code failed: {found['failed']}"
    passed, count = found["passed"], found["tests"]
    if passed == count:
        return ""
    return f"{passed} of {count} tests pass; failed: {'; '.join(found['failures'])}"


def _ran(job: _Job) -> dict[str, Any]:
    """What the worker said: it has a folder of its own, and nothing of this process."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        environment = {"HOME": folder, "TMPDIR": folder, "LANG": "C.UTF-8", "PYTHONHASHSEED": "0"}
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-S", "-s", "-P", "-B", str(Path(code_worker.__file__))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=folder,
            start_new_session=True,
        )
        try:
            said, _ = process.communicate(job.text, timeout=job.wall_s + START_S)
            found: dict[str, Any] = json.loads(said)
        except (subprocess.TimeoutExpired, ValueError) as error:
            late = isinstance(error, subprocess.TimeoutExpired)
            ended = f"took more than {job.wall_s:g} s on the clock" if late else "ended its process"
            return {"ended": ended, "isolated": False}
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
    return found
