"""The home: one folder that holds all that is written, results, journal and Dagster's own.

The environment's AUTOPROMPT_HOME wins over `.env`, `.env` over the default, for every command, and
DAGSTER_HOME is always that same folder: where Dagster was started on another, assets refuse to run.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

import autoprompt_assets
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.keys import is_ambiguous
from autoprompt_assets.resources.env_file import (
    HOME,
    NAMES,
    advice,
    hides_the_environment,
    passed_over,
    read_env,
    remember,
    remembered,
    resolved,
)
from autoprompt_assets.resources.whole_file import replacing

PROJECT = Path(autoprompt_assets.__file__).resolve().parent.parent
ENV_FILE = Path(".env")
STORE, EXPERIMENTS = "AUTOPROMPT_STORE", "AUTOPROMPT_EXPERIMENTS"
_PREPARED: list[Path] = []
"""The home of this process, where a command of ours has prepared one."""
DAGSTER_YAML = """\
# Written by autoprompt when this home was made; yours to change.
telemetry:
  enabled: false
nux:
  enabled: false
run_coordinator:
  module: autoprompt_assets.resources.run_coordinator
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
    """AUTOPROMPT_HOME from the environment, else as `.env` here or in the project names it, else
    `.autoprompt` in the project.
    """
    said = os.environ.get(HOME) or remembered(ENV_FILE) or remembered(PROJECT / ENV_FILE)
    return resolved(said) if said else PROJECT / ".autoprompt"


def experiments_folder() -> Path:
    """AUTOPROMPT_EXPERIMENTS, else the shipped folder.

    Raises:
        InputError: it is a file.
    """
    said = os.environ.get(EXPERIMENTS)
    if not said:
        return PROJECT / "autoprompt_assets" / "experiments"
    folder = resolved(said)
    if folder.is_file():
        raise InputError(
            f"{EXPERIMENTS} = {shown(said)}: is a file; name the folder that holds a folder for "
            "each experiment"
        )
    return folder


def prepare_home() -> str:
    """Make the home and point Dagster at it: in this process, and for its own commands in `.env`,
    in the project's folder alone.

    Nobody else may enter a home that is made here; of one that is there, the rights are the user's
    choice. Files in it follow the umask, so that whoever opens the folder to a group can.

    Returns a note for the user, or an empty text.

    Raises:
        InputError: the home has no absolute path or cannot be written, `.env` cannot be read, or
            the umask takes new files away from their owner.
    """
    _refuse_umask()
    _refuse_relative()
    home = home_folder()
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        (home / "locks").mkdir(exist_ok=True)
        for folder in (home, home / "locks"):
            if not os.access(folder, os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        if not (home / "dagster.yaml").exists():
            with replacing(home / "dagster.yaml") as file:
                file.write_text(DAGSTER_YAML, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{HOME}: {error.filename or home} cannot be written ({error.strerror}); "
            "set it to a folder of yours"
        ) from None
    os.environ.update(dict.fromkeys(NAMES, str(home)))
    _PREPARED.append(home)
    return remember(ENV_FILE, home) if _in_checkout() else passed_over(ENV_FILE, home)


def _in_checkout() -> bool:
    """True in this project's own folder: the `.env` of any other is not ours to write."""
    return (PROJECT / "workspace.yaml").is_file() and Path.cwd().samefile(PROJECT)


def _refuse_umask() -> None:
    mask = os.umask(0o077)
    os.umask(mask)
    if mask & stat.S_IRWXU:
        raise InputError(
            f"umask {mask:04o}: takes new files and folders away from their owner; set it to 022, "
            "or to 077 for files that are yours alone"
        )


def _refuse_relative() -> None:
    said = os.environ.get(HOME) or remembered(ENV_FILE) or remembered(PROJECT / ENV_FILE)
    if said and not os.path.isabs(os.path.expanduser(said)):
        raise InputError(
            f"{HOME} = {shown(said)}: is another folder wherever one stands; write it as an "
            f"absolute path, such as {Path(said).absolute()}"
        )


def foreign_instance(root: str) -> str:
    """Why results may not be recorded in the Dagster instance at `root`, or an empty text.

    Results and Dagster's records belong to one home: else what one has paid for, the other does not
    know, and pays for again.
    """
    home = home_folder()
    if home in _PREPARED:
        return ""
    if ".tmp_dagster_home" in root or not root:
        return (
            "this Dagster instance forgets everything at its end: run `.venv/bin/autoprompt list` "
            f"once in {PROJECT} and start the command there, or export DAGSTER_HOME={home}"
        )
    if hides_the_environment(ENV_FILE):
        mend = "run `.venv/bin/autoprompt list` once here, which mends its lines"
        if not _in_checkout():
            mend = f"write {advice(home)} there instead"
        return (
            f"{ENV_FILE.absolute()} names {home} as the home even where another is exported: {mend}"
        )
    dagster = resolved(os.environ.get("DAGSTER_HOME") or root)
    if dagster != home:
        line = read_env(ENV_FILE).get("DAGSTER_HOME")
        says = f", as {ENV_FILE.absolute()} says," if line and resolved(line) == dagster else ""
        other = "start it in another folder" if says else f"DAGSTER_HOME={home}"
        return (
            f"Dagster's home is {dagster}{says} and the home of the results is {home}: export "
            f"{HOME}={dagster}, or {other}, so that they are one"
        )
    return ""


@contextmanager
def home_lock() -> Iterator[None]:
    """Held while Dagster's own storage is opened: processes that make it at once break it."""
    with _held(home_folder() / "locks" / "home"):
        yield


@contextmanager
def dataset_lock(experiment: str, folder: str | None) -> Iterator[None]:
    """Held while the splits of an experiment's rows are read, decided and written.

    `folder` is where they are kept: whoever keeps them there takes turns, whatever home is theirs.
    `None` stands for a store that cannot lock (a URL): then those of one home do.
    """
    with _held(Path(folder or home_folder() / "locks") / f"dataset-{experiment}"):
        yield


def _held(path: Path) -> FileLock:
    path.parent.mkdir(parents=True, exist_ok=True)
    return FileLock(path)


@contextmanager
def search_lock(search: str, folder: str | None, waiting: Callable[[str], None]) -> Iterator[None]:
    """Held while a process writes the results of a search; another waits, and then reads them.

    Who pays for a search is the journal's to tell, see `engine.journal_locks`. `folder` is as in
    `dataset_lock`. The system lets go of it when its holder ends, however it ends.
    """
    paths = [home_folder() / "locks" / f"{search}.lock"]
    paths += [Path(folder) / f"search-{search}"] if folder else []
    with ExitStack() as stack:
        for path in paths:
            lock = _held(path)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting(f"another run is at work on search {search}; waiting for it")
                lock.acquire()
            stack.callback(lock.release)
        yield


def store_url() -> str:
    """Where results are kept: AUTOPROMPT_STORE (a folder or universal_pathlib URL), or the home."""
    return os.environ.get(STORE) or str(home_folder())


def results_url(home: str | os.PathLike[str] | None) -> str:
    """Where results are read: in `home` where it is given, else where a command that is started
    here would keep them. Nothing is made.

    Raises:
        InputError: the home that the environment or `.env` names has no absolute path, or `home` is
            no folder that holds results.
    """
    if home is not None:
        return _given_url(home)
    _refuse_relative()
    # A command takes `.env` into its environment; who only looks leaves the environment alone.
    return store_url() if STORE in os.environ else read_env(ENV_FILE).get(STORE) or store_url()


def _given_url(home: object) -> str:
    example = 'write e.g. home="/srv/autoprompt"'
    said = os.fspath(home) if isinstance(home, str | os.PathLike) else None
    if not isinstance(said, str):
        raise InputError(f"home = {shown(home)}: is no folder; {example}")
    if not said:
        raise InputError(f"home = '': is empty; leave it out, or {example}")
    if "://" in said:
        return said
    try:
        folder = resolved(said)
    except ValueError:  # a NUL, or half a character
        raise InputError(f"home = {shown(said)}: is no folder's name; {example}") from None
    problem = _no_home(folder)
    if problem:
        raise InputError(f"home = {shown(said, 200)}: {problem}")
    return str(folder)


def _no_home(folder: Path) -> str:
    """Why no results can be in `folder`, and which other is meant; empty where they can."""
    if not os.path.isdir(folder):
        problem = "is a file" if os.path.exists(folder) else "there is no such folder"
        return f"{problem}; give the folder that holds results/"
    if os.path.isdir(folder / "results"):
        return ""
    inner = folder / ".autoprompt"
    if os.path.isdir(inner / "results"):
        return f"holds no results; give {str(inner)!r}"
    around = (one for one in (folder, *folder.parents) if one.name == "results")
    # Any folder may be called so: in one of ours experiments have their searches.
    home = next((one.parent for one in around if any(one.glob("*/searches"))), None)
    return f"lies within a home; give {str(home)!r}" if home else ""


def journal_url() -> str:
    """AUTOPROMPT_JOURNAL (an SQLAlchemy URL), or `journal.db` in the home."""
    return os.environ.get("AUTOPROMPT_JOURNAL") or f"sqlite:///{home_folder() / 'journal.db'}"


def refuse_unusable_journal() -> None:
    """Raise `InputError` where AUTOPROMPT_JOURNAL is no URL that a journal can have.

    The value is not repeated: it may hold a password.
    """
    url = journal_url()
    known = re.match(r"(sqlite|postgres(ql)?)(\+\w+)?://", url)
    if not known or (known[1] != "sqlite" and is_ambiguous(url)):
        raise InputError(
            "AUTOPROMPT_JOURNAL: is no journal's URL; write postgresql://user@host/database, with "
            "/ ? # @ within a password as %2F %3F %23 %40, or sqlite:////absolute/path.db"
        )
