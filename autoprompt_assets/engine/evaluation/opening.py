"""The first rows of an evaluation, which end it where none of them is of use, and none will be.

A request that is refused as it stands would be refused for every row, and on every run again. And
where the evaluation needs its grades, and its first rows alone have more without one than may be,
all that comes after them is paid for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from autoprompt_assets.engine.errors import UnmeasuredRows
from autoprompt_assets.engine.evaluation.result import RowResult, unmeasured_line, unmeasured_reason
from autoprompt_assets.engine.llm import RefusedAlike, RequestRefused, Role

FIRST_ROWS = 5
_SCHEMAS = ("response_format", "json_schema", "guided_json", "structured output")


class Opening:
    """Looks at rows as they settle, in the order of the rows; `label` and `rows` name the whole.

    `roles` are those that may be asked about a row.

    A row that ended otherwise shows that not every request is refused: an answer, but also a filter
    or a limit of length, which say nothing of the other rows.

    `unmeasured` is the share of rows that may stay without a grade, `None` where the evaluation may
    end without them. A row that may have a grade when it is asked again is taken for one that has.
    """

    def __init__(
        self, label: str, rows: int, roles: Sequence[Role], unmeasured: float | None = None
    ) -> None:
        self._label, self._rows = label, rows
        self._settled: dict[int, RowResult] = {}
        self._next = 0
        self._refused: dict[Role, list[RequestRefused]] = {role: [] for role in roles}
        self._ungraded: Counter[str] = Counter()
        self._allowed = unmeasured

    @property
    def _over(self) -> bool:
        return not self._refused and self._allowed is None

    def settle(self, number: int, row: RowResult) -> None:
        """Row `number`, from 0, has ended as `row`.

        Raises:
            RefusedAlike: the first rows were all refused for one reason.
            UnmeasuredRows: the first rows have no grade, and are more than may have none.
        """
        if self._over:
            return
        self._settled[number] = row
        while self._next in self._settled and not self._over:
            self._look(self._settled.pop(self._next))
            self._next += 1
        if self._over:
            self._settled.clear()

    def _look(self, row: RowResult) -> None:
        for role, refusal in _ended(row):
            before = self._refused.get(role)
            if before is None:
                continue
            if refusal is None or any(one.reason != refusal.reason for one in before):
                del self._refused[role]
                continue
            before.append(refusal)
            if len(before) == min(FIRST_ROWS, self._rows):
                raise RefusedAlike(self._line(role, refusal))
        if self._allowed is not None:
            self._look_for_grade(row, self._allowed)

    def _look_for_grade(self, row: RowResult, allowed: float) -> None:
        if row.grade.value is not None or row.transient:
            self._allowed = None
            return
        self._ungraded[unmeasured_reason(row)] += 1
        count = self._ungraded.total()
        if count >= min(FIRST_ROWS, self._rows) and count > allowed * self._rows:
            raise UnmeasuredRows(
                unmeasured_line(
                    self._ungraded, f"{self._label}: the first {count}", self._rows, allowed
                )
            )

    def _line(self, role: Role, refusal: RequestRefused) -> str:
        said, count = str(refusal), min(FIRST_ROWS, self._rows)
        mend = f"mend roles.{role} (its model, extra fields, limits or prompt)"
        if any(word in said.lower() for word in _SCHEMAS):
            mend = (
                "if the server takes no JSON schemas, name it under endpoints, without "
                f"structured_output: true; else {mend}"
            )
        if refusal.misfit is not None:
            mend += " (or, where it took such requests before: `autoprompt journal forms`)"
        return (
            f"{self._label}: the {role} model refused the first {count} of {self._rows} rows for "
            f"one reason: {said}; {mend} and run again. What was answered is kept"
        )


def _ended(row: RowResult) -> Iterator[tuple[Role, RequestRefused | None]]:
    """How the roles that were asked about a row ended: refused, or otherwise."""
    if row.completion is None:
        yield "target", row.refused
        return
    yield "target", None
    if row.reviews or row.refused is not None or row.grade.outcome == "unreviewed":
        yield "review", row.refused
