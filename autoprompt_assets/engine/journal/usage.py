"""What the journal holds and what it cost, and how old answers are taken out of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from autoprompt_assets.engine.journal.address import shown
from autoprompt_assets.engine.journal.schema import (
    failure,
    open_database,
    open_existing,
    open_for_reading,
)
from autoprompt_assets.engine.journal.tables import (
    completions,
    metadata,
    readings,
    request_forms,
    usage,
)
from autoprompt_assets.engine.llm import RequestForm

_SPACE = {"sqlite": "VACUUM", "postgresql": f"VACUUM {completions.name}"}


@dataclass(frozen=True)
class Account:
    """What the searches of one experiment made, replayed and paid; `answers`: those it paid first.

    `usd` counts the calls whose price is known, `unpriced` the others.
    """

    experiment: str
    answers: int = 0
    searches: int = 0
    made: int = 0
    replayed: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0


@dataclass(frozen=True)
class Ledger:
    """The journal as a whole; `oldest` and `newest` are seconds since 1970, `size` is in bytes.

    `readings` is how often sealed tests were read; pruning leaves them.
    """

    place: str
    size: int
    answers: int
    oldest: float | None
    newest: float | None
    accounts: tuple[Account, ...]
    readings: int

    def as_json(self) -> dict[str, Any]:
        """One object with plain figures; times in ISO 8601."""
        made = sum(one.made for one in self.accounts)
        replayed = sum(one.replayed for one in self.accounts)
        return {
            "journal": self.place,
            "bytes": self.size,
            "answers": self.answers,
            "oldest": _iso(self.oldest),
            "newest": _iso(self.newest),
            "made": made,
            "replayed": replayed,
            "hit_rate": hit_rate(made, replayed),
            "usd": sum(one.usd for one in self.accounts),
            "unpriced": sum(one.unpriced for one in self.accounts),
            "readings": self.readings,
            "experiments": [
                {**asdict(one), "hit_rate": hit_rate(one.made, one.replayed)}
                for one in self.accounts
            ],
        }


@dataclass(frozen=True)
class Selection:
    """Answers that `experiment` was the first to pay for, made before `before` (s since 1970)."""

    experiment: str | None = None
    before: float | None = None

    def where(self) -> sa.ColumnElement[bool]:
        """As SQL."""
        conditions: list[sa.ColumnElement[bool]] = [sa.true()]
        if self.experiment is not None:
            conditions.append(completions.c.experiment == self.experiment)
        if self.before is not None:
            conditions.append(completions.c.created_at < self.before)
        return sa.and_(*conditions)


def hit_rate(made: int, replayed: int) -> float | None:
    """The share of calls that the journal answered; `None` where there was no call."""
    return replayed / (made + replayed) if made + replayed else None


def read_ledger(url: str) -> Ledger:
    """The ledger of the journal at `url`.

    Raises:
        JournalError: it cannot be read.
    """
    with _readable(url) as engine, engine.connect() as connection:
        created = completions.c.created_at
        of_all = sa.select(sa.func.count(), sa.func.min(created), sa.func.max(created))
        answers, oldest, newest = connection.execute(of_all.select_from(completions)).one()
        read = connection.execute(sa.select(sa.func.count()).select_from(readings)).scalar_one()
        figures = (_size(connection), answers, oldest, newest, _accounts(connection), read)
        return Ledger(shown(engine.url), *figures)


def read_selection(url: str, selection: Selection) -> list[Account]:
    """What `selection` holds, by experiment: how many answers, and what they cost.

    Raises:
        JournalError: the journal cannot be read.
    """
    query = (
        sa.select(
            completions.c.experiment,
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(completions.c.usd), 0.0),
            sa.func.count() - sa.func.count(completions.c.usd),
        )
        .where(selection.where())
        .group_by(completions.c.experiment)
        .order_by(completions.c.experiment)
    )
    with _readable(url) as engine, engine.connect() as connection:
        return [
            Account(name, answers, usd=usd, unpriced=unpriced)
            for name, answers, usd, unpriced in connection.execute(query)
        ]


def read_answers(url: str, experiment: str) -> list[tuple[str, str, int, int]]:
    """What the searches of `experiment` were answered: search, role, calls, completion tokens.

    Where there is no journal, none is made.

    Raises:
        JournalError: the journal cannot be read.
    """
    names = ("search", "role", "made", "completion_tokens")
    query = sa.select(*(usage.c[name] for name in names)).where(
        usage.c.experiment == experiment, usage.c.made > 0
    )
    engine = open_existing(url)
    if engine is None:
        return []
    with _closing(engine), engine.connect() as connection:
        return [(row[0], row[1], int(row[2]), int(row[3])) for row in connection.execute(query)]


def searches_of(url: str) -> dict[str, set[str]]:
    """The searches that made or replayed a call, by experiment.

    Raises:
        JournalError: the journal cannot be read.
    """
    found: dict[str, set[str]] = {}
    query = sa.select(usage.c.experiment, usage.c.search).distinct()
    with _readable(url) as engine, engine.connect() as connection:
        for experiment, search in connection.execute(query):
            found.setdefault(experiment, set()).add(search)
    return found


def delete(url: str, selection: Selection) -> int:
    """Delete the answers and give their space back; how many bytes the journal takes then.

    What was paid stays on the accounts, and what the sealed tests have read stays read.

    Raises:
        JournalError: the journal cannot be written.
    """
    with _opened(url) as engine:
        with engine.begin() as connection:
            connection.execute(completions.delete().where(selection.where()))
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(_SPACE[engine.dialect.name])
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
            return _size(connection)


def read_forms(url: str) -> list[tuple[str, str, RequestForm]]:
    """Endpoint, model and form of every kind of request of which that is settled.

    Raises:
        JournalError: the journal cannot be read.
    """
    columns = request_forms.c
    query = sa.select(columns.endpoint, columns.model, columns.form).order_by(*columns)
    with _readable(url) as engine, engine.connect() as connection:
        return [
            (endpoint, model, RequestForm.from_json(json.loads(form)))
            for endpoint, model, form in connection.execute(query)
        ]


def forget_forms(url: str, model: str) -> int:
    """Delete what was learned of `model`'s requests, at every endpoint; how many forms that was.

    Raises:
        JournalError: the journal cannot be written.
    """
    with _opened(url) as engine, engine.begin() as connection:
        return connection.execute(
            request_forms.delete().where(request_forms.c.model == model)
        ).rowcount


@contextmanager
def _opened(url: str) -> Iterator[sa.Engine]:
    engine = open_database(url)
    with _closing(engine):
        yield engine


@contextmanager
def _readable(url: str) -> Iterator[sa.Engine]:
    engine = open_for_reading(url)
    with _closing(engine):
        yield engine


@contextmanager
def _closing(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except sa.exc.SQLAlchemyError as error:
        raise failure(f"the journal failed: {shown(engine.url)}", error) from None
    finally:
        engine.dispose()


def _accounts(connection: sa.Connection) -> tuple[Account, ...]:
    names = [column.name for column in usage.c if not column.primary_key]
    columns = [sa.func.sum(usage.c[name]).label(name) for name in names]
    searches = sa.func.count(usage.c.search.distinct()).label("searches")
    paid = sa.select(usage.c.experiment, searches, *columns).group_by(usage.c.experiment)
    found: dict[str, dict[str, Any]] = {}
    for row in connection.execute(paid).mappings():
        # PostgreSQL adds whole numbers up as decimals.
        figures = {name: float(row[name]) if name == "usd" else int(row[name]) for name in names}
        found[row["experiment"]] = {**figures, "searches": row["searches"]}
    held = sa.select(completions.c.experiment, sa.func.count()).group_by(completions.c.experiment)
    for name, answers in connection.execute(held):
        found.setdefault(name, {})["answers"] = answers
    return tuple(Account(name, **found[name]) for name in sorted(found))


def _size(connection: sa.Connection) -> int:
    if connection.dialect.name == "postgresql":
        tables = [f"pg_total_relation_size('{name}')" for name in sorted(metadata.tables)]
        return int(connection.exec_driver_sql(f"SELECT {' + '.join(tables)}").scalar_one())
    file = connection.exec_driver_sql("PRAGMA database_list").all()[0][2]
    parts = [Path(f"{file}{suffix}") for suffix in ("", "-wal")]
    return sum(part.stat().st_size for part in parts if part.exists())


def _iso(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat()
