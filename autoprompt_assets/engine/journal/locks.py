"""Who is at work on a journal: searches take turns on it, from whatever home they are run.

A run of several searches' steps is present from its start to its end, between the steps as well.

In a folder `locks` beside a SQLite file stand lock files, a PostgreSQL server holds advisory locks
of a session. The system, or the server, lets go of one when its holder ends, however it ends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal.address import database_file, parse_location
from autoprompt_assets.engine.journal.lock_files import LockFiles
from autoprompt_assets.engine.journal.lock_holders import (
    PRUNING,
    RUN,
    AtWork,
    Locks,
    run_of,
)
from autoprompt_assets.engine.journal.lock_server import ServerLocks
from autoprompt_assets.engine.journal.turn import SearchTurn, watched

POLL_S = 0.1
"""How often who waits for a search looks whether it is free."""
PATIENCE_S = 2.0
"""For how long a search that begins may hold up pruning, or the next that begins."""


@contextmanager
def search_turn(url: str, search: str, waiting: Callable[[str], None]) -> Iterator[SearchTurn]:
    """Held while a process works on a search of the journal at `url`; another waits for its end.

    `waiting` is told who is at work. The turn is to be asked, before anything is done, whether it
    was lost meanwhile.

    Raises:
        JournalError: the journal's locks cannot be had.
    """
    with _opened(url) as locks, _taken(locks, search, waiting) as turn:
        yield turn


@contextmanager
def run_present(url: str, experiment: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Held while a process runs `experiment`, so that nothing is pruned between two of its steps.

    Several may be present at once. `waiting` is told where one waits for the end of pruning.

    Raises:
        JournalError: the journal's locks cannot be had.
    """
    with _opened(url) as locks, _taken(locks, run_of(experiment), waiting):
        yield


@contextmanager
def _taken(locks: Locks, name: str, waiting: Callable[[str], None]) -> Iterator[SearchTurn]:
    began, told = time.monotonic(), ""
    while not _begin(locks, name):
        held = {one.name: one.who for one in locks.held()}
        line = ""
        if name in held and not name.startswith(RUN):
            line = f"another run{held[name]} is at work on search {name}; waiting for it"
        elif time.monotonic() - began > PATIENCE_S:
            line = "the journal is being pruned; waiting for the end of that"
        if line and not told:
            waiting(line)
            told = line
        time.sleep(POLL_S)
    try:
        with watched(locks, name, lambda: _begin(locks, name)) as turn:
            yield turn
    finally:
        locks.release(name)


@contextmanager
def pruning(url: str) -> Iterator[list[AtWork]]:
    """Who is at work on the journal at `url`; nobody begins until the block ends.

    Raises:
        JournalError: the journal's locks cannot be had, or another process is pruning.
    """
    with _opened(url) as locks:
        deadline = time.monotonic() + PATIENCE_S
        while not locks.take(PRUNING):
            if time.monotonic() > deadline:
                raise JournalError(
                    "journal prune: another process prunes this journal; let that end, then run "
                    "again"
                )
            time.sleep(POLL_S)
        try:
            yield [one for one in locks.held() if one.name != PRUNING]
        finally:
            locks.release(PRUNING)


def _begin(locks: Locks, name: str) -> bool:
    """Take the lock of a search or a run, unless somebody prunes at this moment."""
    if not locks.take(PRUNING):
        return False
    try:
        return locks.take(name)
    finally:
        locks.release(PRUNING)


def _opened(url: str) -> AbstractContextManager[Locks]:
    location = parse_location(url)
    file = database_file(location)
    return ServerLocks(location) if file is None else LockFiles(location, file.resolve())
