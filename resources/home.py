"""The home: one folder that holds all that is written, results, journal and Dagster's own."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values, set_key
from filelock import FileLock, Timeout

from autoprompt_assets.engine.errors import InputError

PROJECT = Path(__file__).resolve().parent.parent
DAGSTER_YAML = """\
# Written by autoprompt when this home was made; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
run_coordinator:
  module: resources.run_coordinator
  class: ExperimentRunCoordinator
  config:
    max_concurrent_runs: 10
    tag_concurrency_limits:
      # One run at a time per experiment.
      - key: autoprompt/experiment
        value:
          applyLimitPerUniqueValue: true
        limit: 1
      # One run at a time on the embedded model.
      - key: autoprompt/endpoint
        value: local
        limit: 1
"""


def home_folder() -> Path:
    """AUTOPROMPT_HOME from the environment or `.env` here, else `.autoprompt` in the project."""
    said = os.environ.get("AUTOPROMPT_HOME") or dotenv_values(".env").get("AUTOPROMPT_HOME")
    return Path(said).expanduser().resolve() if said else PROJECT / ".autoprompt"


def experiments_folder() -> Path:
    """AUTOPROMPT_EXPERIMENTS, else the shipped folder."""
    said = os.environ.get("AUTOPROMPT_EXPERIMENTS")
    if said:
        return Path(said).expanduser().resolve()
    return PROJECT / "autoprompt_assets" / "experiments"


def prepare_home() -> Path:
    """Create the home and point Dagster at it: in this process, and in `.env` for its commands.

    Raises:
        OSError: the home cannot be written.
    """
    home = home_folder()
    home.mkdir(parents=True, exist_ok=True)
    settings = home / "dagster.yaml"
    if not settings.exists():
        settings.write_text(DAGSTER_YAML, encoding="utf-8")
    os.environ["AUTOPROMPT_HOME"] = os.environ["DAGSTER_HOME"] = str(home)
    if Path("workspace.yaml").exists():
        for name in ("AUTOPROMPT_HOME", "DAGSTER_HOME"):
            if dotenv_values(".env").get(name) != str(home):
                set_key(".env", name, str(home))
    return home


@contextmanager
def home_lock() -> Iterator[None]:
    """Held while Dagster's own storage is opened: processes that make it at once break it."""
    path = home_folder() / "locks" / "home"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


@contextmanager
def search_lock(search: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Held while a process works on a search; another waits, and then reads what was done.

    The system lets go of it when its holder ends, however it ends.
    """
    path = home_folder() / "locks" / f"{search}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting(f"another run is at work on search {search}; waiting for it")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def searches_at_work() -> list[str]:
    """The ids of the searches that a process of this home works on at this moment."""
    busy = []
    for path in sorted((home_folder() / "locks").glob("*.lock")):
        lock = FileLock(path)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            busy.append(path.stem)
        else:
            lock.release()
    return busy


def store_url() -> str:
    """Where results are kept: AUTOPROMPT_STORE (a folder or universal_pathlib URL), or the home."""
    return os.environ.get("AUTOPROMPT_STORE") or str(home_folder())


def journal_url() -> str:
    """AUTOPROMPT_JOURNAL (an SQLAlchemy URL), or `journal.db` in the home."""
    return os.environ.get("AUTOPROMPT_JOURNAL") or f"sqlite:///{home_folder() / 'journal.db'}"


def refuse_unusable_journal() -> None:
    """Raise `InputError` where AUTOPROMPT_JOURNAL is no URL that a journal can have.

    The value is not repeated: it may hold a password.
    """
    url = journal_url()
    if not re.match(r"(sqlite|postgres(ql)?)(\+\w+)?://", url):
        raise InputError(
            "AUTOPROMPT_JOURNAL: is no journal's URL; write postgresql://user@host/database, or "
            "sqlite:////absolute/path.db"
        )
