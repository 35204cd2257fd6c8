"""`autoprompt dev`: Dagster's webserver behind a guard, its daemon and its code server, as one.

It does what `dagster dev` does (dagster._cli.dev), but hosts the web application itself: no port is
open on which the guard does not stand.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import dagster as dg
import uvicorn
import yaml
from dagster._cli.proxy_server_manager import ProxyServerManager
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster._utils.log import configure_loggers
from dagster_webserver.app import create_app_from_workspace_process_context

from autoprompt_assets.commands.instance import open_for_webserver
from autoprompt_assets.commands.webguard import Address, Guard
from autoprompt_assets.engine.errors import InputError, RunFailed
from autoprompt_assets.resources.home import PROJECT

SENSOR_S = "600"
"""Seconds that the sensor may take: a table of a million rows takes it minutes to read."""
POLL_MS = 2000
"""How often an open page asks for news, as `dagster dev` has it."""
PATIENCE_S = 30.0
"""How long the daemon may take to end."""


def serve(host: str, port: int, ready: str) -> None:
    """Serve the UI until Ctrl-C or SIGTERM; print `ready`, with `{url}` filled, once it listens.

    Raises:
        InputError: nothing can listen at `host` and `port`.
        RunFailed: the storage cannot be opened, or the daemon ended by itself.
    """
    listener = bound(host, port)
    address = Address(host, listener.getsockname()[1])
    os.environ["DAGSTER_IS_DEV_CLI"] = "1"
    os.environ.setdefault("DAGSTER_SENSOR_GRPC_TIMEOUT_SECONDS", SENSOR_S)
    configure_loggers(formatter="colored", log_level="INFO")
    with listener, open_for_webserver() as instance, _code_server(instance) as workspace:
        target = WorkspaceFileTarget(paths=[str(workspace)])
        with (
            _daemon(workspace) as daemon,
            WorkspaceProcessContext(instance, target, code_server_log_level="warning") as context,
        ):
            app = create_app_from_workspace_process_context(context, "", POLL_MS)
            _host(Guard(app, address), listener, daemon, ready.format(url=address.url))


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens, before anything is started.

    Raises:
        InputError: it cannot; the port is taken, or the host is none of this machine's.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise InputError(f"--host {host!r}: there is no such host ({error}); mend it") from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(place)
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        said = getattr(error, "strerror", None) or error
        raise InputError(
            f"--host {host} --port {port}: cannot listen there ({said}); name another --port, or "
            "a --host of this machine"
        ) from None
    return listener


def _host(app: Guard, listener: socket.socket, daemon: subprocess.Popen[bytes], ready: str) -> None:
    # Forwarded headers are not believed, and are asked for by nobody.
    config = uvicorn.Config(
        app,
        log_level="critical",
        lifespan="off",
        proxy_headers=False,
        timeout_graceful_shutdown=2,
    )
    server = uvicorn.Server(config)

    def watch() -> None:
        while not server.should_exit and daemon.poll() is None:
            time.sleep(0.5)
        server.should_exit = True

    Thread(target=watch, daemon=True).start()
    sys.stdout.write(f"{ready}\n")
    sys.stdout.flush()
    server.run(sockets=[listener])
    raise RunFailed(f"Dagster's daemon ended by itself (exit code {daemon.poll()}), see above")


@contextmanager
def _code_server(instance: dg.DagsterInstance) -> Iterator[Path]:
    """The server that loads the definitions; a workspace file that names it."""
    target = WorkspaceFileTarget(paths=[str(PROJECT / "workspace.yaml")])
    with (
        ProxyServerManager(instance, target, code_server_log_level="warning") as servers,
        TemporaryDirectory() as folder,
    ):
        workspace = Path(folder) / "workspace.yaml"
        text = yaml.safe_dump({"load_from": [dict(one) for one in servers.get_code_server_specs()]})
        workspace.write_text(text, encoding="utf-8")
        yield workspace


@contextmanager
def _daemon(workspace: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon: it launches queued runs, and asks the sensors."""
    command = [sys.executable, "-m", "dagster._daemon", "run", "--workspace", str(workspace)]
    process = subprocess.Popen(command)  # noqa: S603
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
