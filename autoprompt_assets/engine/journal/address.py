"""What the address of a journal says: which database, and how long to wait for it."""

from __future__ import annotations

import math
from pathlib import Path
from urllib.parse import unquote

import sqlalchemy as sa

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.keys import is_ambiguous

BUSY_TIMEOUT_S = 30.0
"""How long a write waits for other programs that hold the database, where its address does not say
(`?timeout=60` of a SQLite one).
"""
LONGEST_TIMEOUT_S = 3600

_POSTGRESQL = {"postgresql", "postgres", "postgresql+psycopg"}


def parse_location(url: str) -> sa.URL:
    """The address of a journal.

    Raises:
        JournalError: it is none.
    """
    forms = "write sqlite:////folder/journal.db or postgresql://user@host/database"
    try:
        location = sa.make_url(url)
        backend = location.get_backend_name()
        if backend != "sqlite" and is_ambiguous(url):
            raise ValueError
    except (sa.exc.ArgumentError, ValueError):
        # It may hold a password, and so may what the parser says of it.
        raise JournalError(
            f"the journal cannot be opened: what AUTOPROMPT_JOURNAL says is no URL; {forms}, and "
            "/ ? # @ within a password as %2F %3F %23 %40"
        ) from None
    if location.drivername in _POSTGRESQL:
        return location.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or location.database in (None, "", ":memory:"):
        raise JournalError(
            f"the journal cannot be opened: {shown(location)}: is no database that keeps a "
            f"journal; {forms}"
        )
    return location


def shown(location: sa.URL) -> str:
    """The address without what may be secret: the password, and PostgreSQL's parameters."""
    if location.get_backend_name() != "sqlite":
        location = location.set(query={})
    return location.render_as_string(hide_password=True)


def database_file(location: sa.URL) -> Path | None:
    """A SQLite database's file, which its address may name as a URI; `None` of a server's."""
    if location.get_backend_name() != "sqlite":
        return None
    assert location.database is not None
    name = location.database
    return Path(unquote(name[5:].partition("?")[0]) if name.startswith("file:") else name)


def patience_s(location: sa.URL) -> float:
    """How long a write waits for other programs: the address' `timeout`, in seconds."""
    said = location.query.get("timeout")
    if said is None:
        return BUSY_TIMEOUT_S
    try:
        seconds = float(said) if isinstance(said, str) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_TIMEOUT_S:
        raise JournalError(
            f"the journal cannot be opened: {shown(location)}: timeout is no number of seconds "
            f"up to {LONGEST_TIMEOUT_S}; write {BUSY_TIMEOUT_S:g}"
        )
    return seconds
