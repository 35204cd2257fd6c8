"""`autoprompt dev` as a process of its own, and what a page would ask it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.support import PROGRAM, Project


@contextmanager
def served(project: Project) -> Iterator[str]:
    """`autoprompt dev` on a free port; its address once it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    project.folder.mkdir(parents=True, exist_ok=True)
    with (project.folder / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [str(PROGRAM), "dev", "--port", str(port)],
            cwd=project.folder,
            env=project.variables(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(lambda: answers(address), 90)
            yield address
        finally:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)


def answers(address: str) -> bool:
    try:
        return bool(graphql(address, "{version}"))
    except OSError:
        return False


def graphql(address: str, query: str) -> dict[str, Any]:
    request = urllib.request.Request(
        f"{address}/graphql",
        data=json.dumps({"query": query}).encode(),
        headers={"content-type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=20) as reply:
        data: dict[str, Any] = json.load(reply)["data"]
    return data


def wait_for(condition: Callable[[], bool], limit_s: float, every_s: float = 0.5) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(every_s)
