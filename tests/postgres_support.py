"""A PostgreSQL server of a test's own, in a temporary folder, on a free port of 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

USER = "autoprompt"
PASSWORD = "pg-secret-0123456789"
PATIENCE_S = 60


class PostgreSQL:
    """Can be stopped and started again on what it had written."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._folder, self._numbers = programs, folder, count(1)
        # The server refuses to run as root.
        self._who: dict[str, Any] = {}
        if os.geteuid() == 0:
            self._who = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(folder, "postgres", "postgres")
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        secret = folder / "password"
        secret.write_text(PASSWORD)
        how = ["--username", USER, "--pwfile", str(secret), "--auth", "scram-sha-256"]
        command = [str(programs / "initdb"), "-D", str(folder / "data"), *how]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, **self._who)

    def start(self) -> None:
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self._folder,
        }
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._programs / "postgres"), "-D", str(self._folder / "data"), *options],
                cwd=self._folder,
                stdout=log,
                stderr=log,
                **self._who,
            )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.execute("SELECT 1")
                return
            except psycopg.OperationalError:
                assert self._process.poll() is None, self.log()
                assert time.monotonic() < deadline
                time.sleep(0.05)

    def stop(self) -> None:
        """At once, connections and all, as in a crash."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(PATIENCE_S)

    def url(self, database: str = "postgres", password: str = PASSWORD) -> str:
        """As a deployment writes it: no driver named."""
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{database}"

    def database(self) -> str:
        """The URL of a new, empty database."""
        name = f"journal{next(self._numbers)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.url(name)

    def connect(self, url: str = "") -> psycopg.Connection[tuple[Any, ...]]:
        return psycopg.connect(url or self.url(), autocommit=True)

    def execute(self, statement: str, url: str = "") -> list[tuple[Any, ...]]:
        with self.connect(url) as connection:
            done = connection.execute(statement.encode())
            return done.fetchall() if done.description else []

    def log(self) -> str:
        return (self._folder / "log").read_text()


@contextmanager
def postgresql() -> Iterator[PostgreSQL]:
    """A running server; skips where the server's programs are not installed."""
    known = [Path(shutil.which("initdb") or ""), *Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    programs = [path.parent for path in known if path.is_file()]
    if not programs:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    # Not pytest's folder: the server's user may not enter that.
    folder = Path(tempfile.mkdtemp(prefix="autoprompt-postgresql-"))
    try:
        server = PostgreSQL(max(programs), folder)
        server.start()
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder)
