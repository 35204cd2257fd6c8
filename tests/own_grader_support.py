"""Grader functions of a user's, in a folder as an experiment has one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import Grade, NoReview, PythonGrader, unreviewed
from tests.grading_support import Told
from tests.row_support import text_example

ROW = text_example("id1", "in1", "Which?", "right", "validation")


def own_grader(folder: Path, code: str, **settings: Any) -> PythonGrader:
    """The settings of the function `grade` of a file `grade.py` that holds `code`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "grade.py").write_text(code, encoding="utf-8")
    settings = {"kind": "python", "function": "grade.py:grade", **settings}
    return PythonGrader.model_validate(settings).located(folder, "grader")


def grades(
    settings: PythonGrader, *answers: str, ask: Told | None = None, row: Example = ROW
) -> list[Grade]:
    """The grades of `answers`, all asked for at once."""
    grader = settings.make()
    told = ask or Told("yes")

    async def one(answer: str) -> Grade:
        try:
            return await grader.grade(row, answer, told)
        except NoReview as error:
            return unreviewed(str(error))

    async def all_of_them() -> list[Grade]:
        return await asyncio.gather(*map(one, answers))

    return asyncio.run(all_of_them())
