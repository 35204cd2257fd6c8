"""Whether a lock is still held: a server forgets those of a connection that broke."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal.lock_holders import RUN, Locks

WATCH_EVERY_S = 2.0
"""For so long one may go on that has lost its turn."""


class SearchTurn:
    """The turn of one search, until its end or until it is lost."""

    def __init__(self) -> None:
        self._lost = ""

    def lose(self, why: str) -> None:
        """Have the run stop before it asks or writes anything more."""
        self._lost = why

    def refuse(self) -> None:
        """Raise where the turn was lost.

        Raises:
            JournalError: another run has it now.
        """
        if self._lost:
            raise JournalError(self._lost)


@contextmanager
def watched(locks: Locks, name: str, again: Callable[[], bool]) -> Iterator[SearchTurn]:
    """Look on a thread whether `name` is held, while nothing else uses `locks`, if they can break.

    Where its connection broke it is taken `again` on a new one; where another holds it by then, the
    turn is lost.
    """
    turn, ended = SearchTurn(), threading.Event()
    if not locks.breakable:
        yield turn
        return

    def watch() -> None:
        while not ended.wait(WATCH_EVERY_S):
            if not _kept(locks, name, again, turn):
                return

    thread = threading.Thread(target=watch, name="journal-turn", daemon=True)
    thread.start()
    try:
        yield turn
    finally:
        ended.set()
        thread.join()


def _kept(locks: Locks, name: str, again: Callable[[], bool], turn: SearchTurn) -> bool:
    """Whether the lock is held, or may be yet; the turn is lost otherwise."""
    try:
        if locks.holds(name) or again():
            return True
        others = {one.name: one.who for one in locks.held()}
    except JournalError:
        return True  # the server is away, and lets nobody else begin
    if name.startswith(RUN) or name not in others:
        return True  # somebody prunes at this moment
    turn.lose(
        f"search {name}: the connection that held its turn broke, and another run{others[name]} is "
        "at work on it now; what was answered is kept: run again, which waits for that run's end"
    )
    return False
