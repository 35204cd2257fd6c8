"""A program of this project in a process of its own that need not load the libraries first.

Half of a short run goes by while Dagster and its like load. Here a server (`multiprocessing`'s fork
server, one for each pytest worker) loads them once, and with them those modules of the project that
look at nothing while they load; programs are forked from it, each with its own arguments,
environment, folder, outputs and signals, and each loads itself what reads the environment or the
experiments (`grid`, and whatever needs it). Starting a fresh interpreter is left to the tests that
call `Project.start_afresh`.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from pkgutil import walk_packages
from tempfile import TemporaryFile

import autoprompt_assets.engine
import autoprompt_assets.resources

# What `autoprompt run` loads that is not ours.
LIBRARIES = (
    *("aiohttp", "alembic.command", "click", "dagster", "dagster._core.storage.sqlite_storage"),
    *("dotenv", "filelock", "fsspec.implementations.local", "genai_prices", "jinja2", "optuna"),
    *("openai", "pandas", "pyarrow.parquet", "rich.progress", "rich.table", "scipy.special"),
    *("sqlalchemy.dialects.sqlite", "upath.implementations.local", "yaml"),
)
ROOMS = (autoprompt_assets.engine, autoprompt_assets.resources)
OURS = (
    *("autoprompt_assets.cli", "autoprompt_assets.changes", "autoprompt_assets.frames"),
    *("autoprompt_assets.report_input", "autoprompt_assets.metadata"),
    *("autoprompt_assets.commands.init", "autoprompt_assets.commands.instance"),
    *("autoprompt_assets.commands.journal", "autoprompt_assets.commands.wear"),
    *(found.name for room in ROOMS for found in walk_packages(room.__path__, f"{room.__name__}.")),
)
WARMED = "tests.warmed"
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([*LIBRARIES, *OURS, WARMED])


class Program:
    """`main` of a module at work. It is asked and ended as a `subprocess.Popen` is."""

    def __init__(
        self, module: str, arguments: Sequence[str], environ: Mapping[str, str], folder: Path
    ) -> None:
        self.args = [*arguments]
        self._outputs = [TemporaryFile() for _ in range(2)]  # noqa: SIM115 - it closes them
        # A connection is what can be handed to another process with its descriptor.
        ends = [Connection(os.dup(file.fileno()), readable=False) for file in self._outputs]
        given = (module, self.args, dict(environ), str(folder), ends)
        self._process = FORKS.Process(target=_enter, args=given, daemon=True)
        self._process.start()
        for end in ends:
            end.close()

    @property
    def returncode(self) -> int | None:
        """None while it runs; the negative number of the signal that killed it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None and self._process.pid is not None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """What it wrote to stdout and to stderr, once it has ended."""
        self._process.join(timeout)
        if self._process.is_alive():
            raise subprocess.TimeoutExpired(self._process.name, timeout or 0.0)
        out, err = (_content(file.fileno()) for file in self._outputs)
        return out, err


def _content(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()


def _enter(
    module: str, arguments: list[str], environ: dict[str, str], folder: str, ends: list[Connection]
) -> None:
    """In the new process: take on what a fresh interpreter is given, then be the program."""
    for number, end in enumerate(ends, 1):
        os.dup2(end.fileno(), number)
        end.close()
    os.environ.clear()
    os.environ.update(environ)
    os.chdir(folder)
    added = [path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:0] = added
    if added:
        _forget_ours()
    sys.argv = [module, *arguments]
    # The tests' own environment may forbid what a program may do: keep what it has compiled.
    sys.dont_write_bytecode = False
    importlib.import_module(module).main()


def _forget_ours() -> None:
    """Load all of ours anew: packages that the path adds are looked for only then."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "autoprompt_assets"]:
        del sys.modules[name]
