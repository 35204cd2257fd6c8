"""How many connections this process may have open."""

from __future__ import annotations

import sys

from autoprompt_assets.engine.errors import InputError

if sys.platform != "win32":
    import resource

OWN_FILES = 100
"""What is open beside connections: databases, logs, results, libraries."""


def allow_connections(concurrency: int) -> None:
    """See that this process may open a connection for each call in flight, and its own files.

    Raises:
        InputError: the system does not let it.
    """
    if sys.platform == "win32":
        return
    wanted = concurrency + OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise InputError(
            f"concurrency = {concurrency}: this process may have {hard} files open, and needs "
            f"{wanted}; lower it, or raise the limit (ulimit -n)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
