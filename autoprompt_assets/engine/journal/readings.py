"""Readings of sealed tests in the journal's tables; `readings` says what they are."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.journal.address import shown
from autoprompt_assets.engine.journal.schema import exclusive, failure, open_existing
from autoprompt_assets.engine.journal.tables import readings, row_sets, set_rows
from autoprompt_assets.engine.statistics import Reading, RowSet, input_number, share_wear

CHUNK = 1000
"""Rows that one statement names."""
_LOCK = 7_236_001_118  # any number of the readings' own
_HOLDING = set_rows.c.row.in_(sa.bindparam("rows", expanding=True))
_COUNTS = sa.select(set_rows.c.row_set, sa.func.count())
_SHARED = _COUNTS.where(_HOLDING).group_by(set_rows.c.row_set)
_READ = sa.select(set_rows.c.row).where(_HOLDING).distinct()


@dataclass(frozen=True)
class Wear:
    """What a table's rows have been through.

    `verdicts` is how many readings there were of these test rows, or of sets that share with them;
    `fresh` and `spare` are how many rows none ever read, of test and of those in no split.
    """

    verdicts: int
    fresh: int
    spare: int


def register(engine: sa.Engine, reading: Reading, experiment: str, search: str) -> int:
    """The reading's number, which is durable then; see `readings.Readings`.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: nothing was stored.
    """
    key = {"pair": reading.pair, "grader": reading.grader}
    with exclusive(engine, _LOCK) as connection:
        row_set = _stored(connection, reading.rows)
        same = sa.and_(readings.c.row_set == row_set, *(readings.c[k] == key[k] for k in key))
        known = connection.execute(sa.select(readings.c.number).where(same)).scalar()
        if known is not None:
            return int(known)
        number = 1 + _verdicts(connection, reading.rows)
        row = {"row_set": row_set, **key, "number": number, "created_at": time.time()}
        new = readings.insert().values(**row, experiment=experiment, search=search)
        connection.execute(new)
    return number


def read_wear(url: str, test: Sequence[Example], spare: Sequence[str]) -> Wear:
    """The wear of the rows `test`, by the journal at `url`; where there is none, none is made.

    `spare` are the input ids of the table's rows that are in no split.

    Raises:
        JournalError: the journal cannot be read.
    """
    engine = open_existing(url)
    if engine is None:
        return Wear(0, len(test), len(spare))
    try:
        with engine.connect() as connection:
            verdicts = _verdicts(connection, RowSet.of(test))
            fresh = _fresh(connection, [row.input_id for row in test])
            return Wear(verdicts, fresh, _fresh(connection, spare))
    except sa.exc.SQLAlchemyError as error:
        raise failure(f"the journal failed: {shown(engine.url)}", error) from None
    finally:
        engine.dispose()


def _stored(connection: sa.Connection, rows: RowSet) -> int:
    """The id of a set, with its rows written where it is new."""
    query = sa.select(row_sets.c.id).where(row_sets.c.key == rows.key)
    known = connection.execute(query).scalar()
    if known is not None:
        return int(known)
    new = connection.execute(row_sets.insert().values(key=rows.key, size=rows.size))
    assert new.inserted_primary_key is not None
    row_set: int = new.inserted_primary_key[0]
    for part in rows.parts(CHUNK):
        connection.execute(set_rows.insert(), [{"row": row, "row_set": row_set} for row in part])
    return row_set


def _verdicts(connection: sa.Connection, rows: RowSet) -> int:
    """How many readings there are of sets that share their wear with `rows`."""
    shared: Counter[int] = Counter()
    for part in rows.parts(CHUNK):
        for row_set, count in connection.execute(_SHARED, {"rows": part}):
            shared[row_set] += count
    read = sa.select(row_sets.c.id, row_sets.c.size, sa.func.count()).join_from(
        row_sets, readings, readings.c.row_set == row_sets.c.id
    )
    return sum(
        count
        for row_set, size, count in connection.execute(read.group_by(row_sets.c.id))
        if share_wear(shared[row_set], rows.size, size)
    )


def _fresh(connection: sa.Connection, inputs: Sequence[str]) -> int:
    """How many of `inputs` are in no set."""
    numbers = [input_number(one) for one in inputs]
    read: set[int] = set()
    for start in range(0, len(numbers), CHUNK):
        part = {"rows": numbers[start : start + CHUNK]}
        read.update(connection.execute(_READ, part).scalars())
    return sum(number not in read for number in numbers)
