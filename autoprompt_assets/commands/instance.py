"""Dagster's own instance in the home; what is wrong with its files is told in one line."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import dagster as dg
from dagster._check import CheckError
from dagster._core.instance.ref import InstanceRef
from sqlalchemy.exc import SQLAlchemyError
from yaml import YAMLError

from autoprompt_assets.engine.errors import RunFailed
from autoprompt_assets.resources.home import home_lock

_STORAGE_MEND = (
    "make room, mend the folder, or let another program that holds it end, and run again: what was "
    "answered is in the journal"
)
_FAULTS = (
    *(dg.DagsterError, CheckError, SQLAlchemyError, YAMLError),
    *(ImportError, OSError, ValueError),
)


def open_instance() -> dg.DagsterInstance:
    """The home's instance, without the helper processes that keep a run's output.

    A terminal's Ctrl-C reaches them too, and each would answer with a traceback.

    Raises:
        RunFailed: its settings or its storage cannot be used.
    """
    none = {
        "module": "dagster._core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
        "config": {},
    }
    return _opened({"compute_logs": none})


def open_for_webserver() -> dg.DagsterInstance:
    """The home's instance as Dagster's webserver wants it.

    Raises:
        RunFailed: its settings or its storage cannot be used.
    """
    from dagster_webserver.cli import (
        DEFAULT_DB_STATEMENT_TIMEOUT,
        DEFAULT_POOL_MAX_OVERFLOW,
        DEFAULT_POOL_RECYCLE,
    )

    return _opened(
        {},
        lambda instance: instance.optimize_for_webserver(
            DEFAULT_DB_STATEMENT_TIMEOUT, DEFAULT_POOL_RECYCLE, DEFAULT_POOL_MAX_OVERFLOW
        ),
    )


def _opened(
    overrides: Mapping[str, Any],
    prepare: Callable[[dg.DagsterInstance], None] = lambda instance: None,
) -> dg.DagsterInstance:
    home = os.environ["DAGSTER_HOME"]
    with _mendable(f"{home}/dagster.yaml: cannot be used", "mend it, or delete it to have it anew"):
        ref = InstanceRef.from_dir(home, overrides=overrides)
    with _mendable(f"{home}: Dagster's storage cannot be opened", _STORAGE_MEND), home_lock():
        instance = dg.DagsterInstance.from_ref(ref)
        prepare(instance)
        # Each makes its tables when it is first asked for.
        for part in ("run_storage", "event_log_storage", "schedule_storage", "run_coordinator"):
            getattr(instance, part)
    return instance


@contextmanager
def working_storage(instance: dg.DagsterInstance) -> Iterator[None]:
    """What is raised while a run is at work is Dagster's storage: a failed step is in its result.

    Raises:
        RunFailed: in place of it.
    """
    with _mendable(f"{instance.root_directory}: Dagster's storage failed", _STORAGE_MEND):
        yield


@contextmanager
def _mendable(what: str, mend: str) -> Iterator[None]:
    try:
        yield
    except _FAULTS as error:
        cause = getattr(error, "orig", None) or error
        said = " ".join(str(cause).split())[:300] or type(cause).__name__
        raise RunFailed(f"{what} ({said}); {mend}") from None
