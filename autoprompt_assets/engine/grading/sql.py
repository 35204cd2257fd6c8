"""The grader `sql`: what the answer's query finds in a SQLite file, against the target's query."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, PrivateAttr

from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import Number
from autoprompt_assets.engine.grading.answer_form import AnswerMark, common_marks
from autoprompt_assets.engine.grading.code_text import code_in
from autoprompt_assets.engine.grading.grade import Grade, graded, unparsable, unreviewed
from autoprompt_assets.engine.grading.line_worker import LineWorkers
from autoprompt_assets.engine.grading.protocol import Ask, GraderSettings
from autoprompt_assets.engine.grading.target_form import missing_problem
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.text import quantity

_LANGUAGES = frozenset(("sql", "sqlite", "sqlite3"))
_MAGIC = b"SQLite format 3\0"
_NO_ROWS = {"rows_f1": 0.0}
_MISSING = "is no query that can be run"


class SqlGrader(GraderSettings):
    """Right when the answer's query finds in `database` what the target's finds.

    The order of rows counts where the target has an ORDER BY, names of columns never. The file is
    read and never written to; a query that fails, hangs or writes is wrong.
    """

    kind: Literal["sql"]
    database: str = Field(min_length=1)
    """A SQLite file in the experiment's folder."""
    credit: Literal["whole", "rows"] = "whole"
    """`rows`: the F1 of the rows that are right, or of those at their place where order counts."""
    cpu_s: Number = Field(5.0, gt=0, le=600)
    """Seconds of CPU time that one query may take."""
    reads_input: ClassVar[bool] = False
    bad_target_ungraded: ClassVar[bool] = True
    compares_whole: ClassVar[bool] = True
    _file: Path | None = PrivateAttr(None)
    _hash: str = PrivateAttr("")

    def located(self, folder: Path, place: str) -> Self:
        """The same with its database in `folder`, as it is now.

        Raises:
            InputError: it is not there, is no SQLite file, or is being written to.
        """
        file = folder / self.database
        begins = f"{place}.database = {shown(self.database)}: "
        try:
            data = file.read_bytes()
            log = Path(f"{file}-wal")
            unfinished = log.exists() and log.stat().st_size > 0
        except OSError as error:
            said = error.strerror or type(error).__name__
            raise InputError(
                f"{begins}cannot be read in {folder} ({said}); name a file beside the experiment's"
            ) from None
        if not data.startswith(_MAGIC):
            raise InputError(f"{begins}is no SQLite file; write one with sqlite3")
        if unfinished:
            raise InputError(
                f"{begins}has rows that stand in {log.name} alone; run PRAGMA "
                "wal_checkpoint(TRUNCATE) on it, and close it"
            )
        found = self.model_copy()
        found._file, found._hash = file.resolve(), hashlib.sha256(data).hexdigest()
        return found

    def identity(self) -> dict[str, Any]:
        """The settings, and what the database holds."""
        return {**super().identity(), "content": self._hash}

    def make(self, review_prompt: str = "", layout: Layout = SINGLE) -> QueryGrader:
        """What runs the queries. No process is started yet."""
        return QueryGrader(self._queries, self.credit)

    def target_problem(self, example: Example, prompt: str) -> str:
        """A missing value, or a query that cannot be run."""
        problem = missing_problem(example.target, prompt)
        if problem:
            return problem
        query = code_in(example.target, _LANGUAGES, "last")
        answer = self._queries.answer(json.dumps([query, query]))
        if not answer:
            return f"{_MISSING} (it ends the program); mend it"
        found = json.loads(answer)
        return f"{_MISSING} ({found['target_failed']}); mend it" if "target_failed" in found else ""

    def marks(self, first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
        """No fence, which it does without."""
        yield from common_marks(first, fence=False)

    @lazy
    def _queries(self) -> LineWorkers:
        if self._file is None:
            raise InputError(f"the folder of {self.database} is not known; load it from a file")
        from autoprompt_assets.engine.grading import sql_worker

        wall_s = 20 * (self.cpu_s + sql_worker.MORE_S)
        program = Path(sql_worker.__file__)
        return LineWorkers(program, str(self._file), str(self.cpu_s), wall_s=wall_s)


class QueryGrader:
    """Runs an answer's query and its target's, and compares what they find."""

    def __init__(self, queries: LineWorkers, credit: Literal["whole", "rows"]) -> None:
        self._queries, self._credit = queries, credit

    async def grade(self, example: Example, answer: str, ask: Ask) -> Grade:
        """Wrong where the answer's query fails; `unreviewed` where the target's does."""
        query = code_in(answer, _LANGUAGES, "last")
        if not query.strip():
            return unparsable("the answer holds no query", _NO_ROWS)
        target = code_in(example.target, _LANGUAGES, "last")
        said = await self._queries.answered(json.dumps([query, target]))
        if not said:
            return graded(
                0.0, feedback="the query took too long, and had to be killed", metrics=_NO_ROWS
            )
        found = json.loads(said)
        if "target_failed" in found:
            reason = f"the target {shown(example.target, 60)} {_MISSING} ({found['target_failed']})"
            return unreviewed(reason)
        if "failed" in found:
            said = f"the query failed: {found['failed']}"
            return graded(0.0, feedback=said, metrics=_NO_ROWS)
        return self._compared(found)

    def _compared(self, found: dict[str, Any]) -> Grade:
        rows, wanted, common = found["rows"], found["wanted"], found["common"]
        same_width = found["columns"][0] == found["columns"][1]
        f1 = 2 * common / (rows + wanted) if rows + wanted else float(same_width)
        right = same_width and rows == wanted == common
        value = float(right) if self._credit == "whole" or right else min(f1, _ALMOST)
        metrics = {"rows_f1": f1}
        return graded(value, feedback="" if right else _difference(found), metrics=metrics)


_ALMOST = 0.999
"""Of an answer that is not right."""


def _difference(found: dict[str, Any]) -> str:
    rows, wanted = found["rows"], found["wanted"]
    given, right = found["columns"]
    if given != right:
        return f"the query gives {quantity(given, 'column')}, want {right}"
    if found["sorted"]:
        return "the query finds the right rows in another order than the target's ORDER BY"
    said = [f"the query finds {quantity(rows, 'row')}, want {wanted}"] if rows != wanted else []
    extra, missing = found["differs"]
    said += [f"not wanted: {extra}"] if extra else []
    said += [f"missing: {missing}"] if missing else []
    return "; ".join(said)
