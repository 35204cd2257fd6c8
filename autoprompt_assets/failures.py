"""What a user can mend, in plain words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from autoprompt_assets.engine.errors import InputError, JournalError, MissingInput, UnmeasuredRows
from autoprompt_assets.engine.llm import CallError
from autoprompt_assets.resources.storage import plainly

KNOWN_ERRORS = (InputError, MissingInput, UnmeasuredRows, CallError, JournalError, OSError)


@contextmanager
def reported() -> Iterator[None]:
    """What a user can mend fails the asset in plain words, and is not retried."""
    try:
        yield
    except KNOWN_ERRORS as error:
        raise dg.Failure(description=plainly(error), allow_retries=False) from None
