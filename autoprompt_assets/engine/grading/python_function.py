"""The grader `python`: a function of the user's, in a worker."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, PrivateAttr, field_validator

from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Number, Whole
from autoprompt_assets.engine.grading.function_pool import FunctionPool, Limits
from autoprompt_assets.engine.grading.grade import Grade
from autoprompt_assets.engine.grading.own_files import OwnFiles
from autoprompt_assets.engine.grading.protocol import Ask, GraderSettings
from autoprompt_assets.engine.inputs import ONE, SINGLE, Layout

_FUNCTION = re.compile(r"([^:]+\.py):([A-Za-z_]\w*)")


class PythonGrader(GraderSettings):
    """`def grade(row, answer)` of a file beside the experiment's, or `async def grade(row, answer,
    ask)`.

    `row` is a dict of the row's columns (numbers and JSON as Python has them), `target` (a text,
    empty where there is none), `targets` (all that are accepted) and `id`; `answer` is a text. It
    returns True,
    False, a number from 0 to 1, or a dict of `value`, `feedback` (a text for who writes the next
    prompt) and `metrics` (numbers by name). `await ask("…")` asks the review model.
    """

    kind: Literal["python"]
    function: str
    """`grade.py:grade`: the file in the experiment's folder, and the function in it."""
    files: tuple[str, ...] = ()
    """What else it reads, in the same folder. All Python files there count without being named:
    where one is changed, answers are graded anew."""
    cpu_s: Number = Field(10.0, gt=0, le=3600)
    """Seconds of CPU time that one row may take; ten times that on the clock."""
    reviews: Whole = Field(0, ge=0, le=100)
    """How often it asks the review model about one row at most."""
    longest_review: Whole = Field(20_000, ge=1)
    """UTF-8 bytes that one such question may have."""
    _files: OwnFiles | None = PrivateAttr(None)
    _place: str = PrivateAttr("grader")

    @field_validator("function")
    @classmethod
    def _names_a_function(cls, function: str) -> str:
        if not _FUNCTION.fullmatch(function):
            raise ValueError("is no function of a Python file; write e.g. grade.py:grade")
        return function

    @property
    def needs_target(self) -> bool:
        """False."""
        return False

    @property
    def most_reviews(self) -> int:
        """As the file says."""
        return self.reviews

    @property
    def review_bytes(self) -> int:
        """As the file says."""
        return self.longest_review

    def review_problems(self, prompt: str) -> Iterator[str]:
        """None: the function says what is asked."""
        yield from ()

    @property
    def file(self) -> str:
        """The file that holds the function, below the experiment's folder."""
        return self.function.rpartition(":")[0]

    def located(self, folder: Path, place: str) -> Self:
        """The same with its files in `folder`, as they are now.

        Raises:
            InputError: one of them is not there.
        """
        if not (folder / self.file).is_file():
            raise InputError(
                f"{place}.function = {shown(self.function)}: there is no {self.file} in {folder}; "
                "name a file beside the experiment's"
            )
        found = self.model_copy()
        found._place = place
        found._files = OwnFiles.of(folder, self.files, f"{place}.files")
        return found

    def problems(self, place: str) -> tuple[str, ...]:
        """What keeps the function from being called: it is loaded, and not called."""

        problem = asyncio.run(self._pool().problem())
        return (f"{place}.function = {shown(self.function)}: {problem}",) if problem else ()

    def identity(self) -> dict[str, Any]:
        """The settings, and what the files hold."""
        hashes = self._files.hashes if self._files else {}
        return {**super().identity(), "files": hashes}

    def make(self, review_prompt: str = "", layout: Layout = SINGLE) -> FunctionGrader:
        """A grader that has no worker yet."""
        return FunctionGrader(self._pool(), layout)

    def _pool(self) -> FunctionPool:
        if self._files is None:
            raise InputError(f"the folder of {self.function} is not known; load it from a file")
        name = self.function.rpartition(":")[2]
        limits = Limits(self.cpu_s, self.reviews, self.longest_review, self._place)
        return FunctionPool(self._files, self.file, name, limits)


class FunctionGrader:
    """Grades by a function of the user's. `pool` runs it."""

    def __init__(self, pool: FunctionPool, layout: Layout) -> None:
        self._pool, self._layout = pool, layout

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        """Its grade; where it has a fault of its own the row is `unreviewed`.

        Raises:
            InputError: it cannot be loaded, or its files were changed.
        """
        row = {name: example.inputs.value(name) for name in self._layout.columns}
        if len(row) == 1:
            row[ONE] = example.inputs.value(*self._layout.columns)
        row |= {"target": example.target, "targets": list(example.targets)}
        row["id"] = example.name or example.id
        return await self._pool.grade(row, answer, ask)
