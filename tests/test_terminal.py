"""The program on a terminal: Ctrl-C reaches every process of it at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, PROGRAM, toy_project


@pytest.mark.slow
def test_ctrl_c_ends_in_one_line_and_no_traceback(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.3)) as server:
        project = toy_project(tmp_path, server.base_url)
        process = subprocess.Popen(
            [str(PROGRAM), "run", "toy"],
            cwd=project.folder,
            env=project.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not server.ledger and time.monotonic() < deadline:
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert said.splitlines()[-1].startswith("interrupted; what was answered is kept")
    assert "Traceback" not in said
