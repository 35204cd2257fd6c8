"""What locks on a journal are called, and who holds one."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar, Protocol

import sqlalchemy as sa

from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.journal.schema import failure

PRUNING = "prune"
RUN = "run-"


@dataclass(frozen=True)
class AtWork:
    """A lock that another process holds, and who that is, in words."""

    name: str
    who: str

    @property
    def search(self) -> str:
        """The search that it is at work on; empty for a run, which may be between two steps."""
        return "" if self.name.startswith(RUN) else self.name

    def runs(self, experiment: str) -> bool:
        """Whether it is a run of `experiment`."""
        return self.name == run_of(experiment)


class Locks(Protocol):
    """The locks of one journal; a name is a search's id, `run_of` an experiment or `PRUNING`.

    Several may hold that of a run.
    """

    breakable: ClassVar[bool]
    """One may end before it is let go of."""

    def take(self, name: str) -> bool:
        """Whether it was free, and is this process's now."""

    def holds(self, name: str) -> bool:
        """Whether it still is, by whoever keeps the locks."""

    def release(self, name: str) -> None:
        """Let go of it."""

    def held(self) -> list[AtWork]:
        """What other processes hold."""


def run_of(experiment: str) -> str:
    """The name of the lock that runs of `experiment` hold."""
    return f"{RUN}{content_hash(experiment, 12)}"


@contextmanager
def lockable(address: str) -> Iterator[None]:
    """What fails within is a `JournalError` of the journal at `address`."""
    try:
        yield
    except (sa.exc.SQLAlchemyError, OSError, ImportError) as error:
        raise failure(f"the journal cannot be opened: {address}", error) from None


def holder_note() -> dict[str, str | int]:
    """This process, its host and the time, in ISO 8601."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    return {"process": os.getpid(), "host": socket.gethostname(), "since": since}


def in_words(process: int, host: str, since: str) -> str:
    """Who that is, as it follows a name in a sentence."""
    return f" (process {process} on {host}, since {since[:16].replace('T', ' ')} UTC)"
