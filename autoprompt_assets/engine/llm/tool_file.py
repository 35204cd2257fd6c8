"""The tools that a file beside an experiment defines, as JSON or by the signatures of functions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from autoprompt_assets.engine.controls import for_terminal
from autoprompt_assets.engine.llm import tool_worker

WALL_S = 10 * tool_worker.CPU_S
"""Seconds that a file may take, however busy the machine is; CPU time decides before."""


def tools_of(path: Path) -> list[dict[str, Any]]:
    """The public functions of a Python file as tools, in their order. Nothing of it runs in this
    process, and no key is in its environment.

    Raises:
        ValueError: it cannot be run, or holds none; "trouble; mend".
        OSError: it cannot be read.
    """
    return json.loads(_told(path, path.read_bytes()))  # type: ignore[no-any-return]


@lru_cache(maxsize=32)
def _told(path: Path, content: bytes) -> str:
    """`content` is what the file holds: another is run anew."""
    kept = ("PATH", "LANG", "SYSTEMROOT")
    command = [sys.executable, "-I", tool_worker.__file__, str(path.resolve())]
    try:
        ended = subprocess.run(  # noqa: S603 - this interpreter, on a file that the user names
            command,
            cwd=path.resolve().parent,
            env={name: os.environ[name] for name in kept if name in os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError("did not end; let it define functions and nothing more") from None
    try:
        answer = json.loads(ended.stdout)
    except ValueError:
        raise ValueError(
            f"ended by itself or by its limit of {tool_worker.CPU_S} s of CPU time (exit "
            f"{ended.returncode}); let it define functions and nothing more"
        ) from None
    if "problem" in answer:
        raise ValueError(f"cannot be used: {for_terminal(answer['problem'])[:200]}; mend it")
    if not answer["tools"]:
        raise ValueError("defines no public function; write one with typed parameters")
    return json.dumps(answer["tools"])
