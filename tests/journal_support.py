"""What tests of the journal share: requests, one journal at a time, processes of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from autoprompt_assets.engine.errors import JournalError
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.engine.llm import Completion, Request
from tests.engine_support import make_completion

T = TypeVar("T")
ANSWER = make_completion("yes")
MOVE_AWAY = (
    "move it away to start a new one, which pays for its answers again and counts verdicts anew"
)


def question(text: str, replicate: int = 0) -> Request:
    messages = ({"role": "user", "content": text},)
    return Request("target", "test http://host", "a-model", messages, replicate=replicate)


def use(url: str, work: Callable[[Journal], Awaitable[T]], search: str = "s") -> T:
    async def run() -> T:
        async with Journal(url, "shapes", search) as journal:
            return await work(journal)

    return asyncio.run(run())


def record(url: str, request: Request, completion: Completion, search: str = "s") -> Completion:
    return use(url, lambda journal: journal.record(request, completion), search)


async def replayed(journal: Journal, requests: Sequence[Request]) -> list[Completion | None]:
    """What the journal knows of each, read at once."""
    return list(await asyncio.gather(*map(journal.look_up, requests)))


def replay(url: str, *requests: Request, search: str = "s") -> list[Completion | None]:
    return use(url, lambda journal: replayed(journal, requests), search)


def start(script: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments],
        cwd=Path(__file__).absolute().parent.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def at_once(processes: list[subprocess.Popen[str]]) -> list[str]:
    """What each printed after all were told to go on at the same time."""
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin
        process.stdin.write("\n")
        process.stdin.flush()
    results = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0] * len(processes), results
    return [out for out, _ in results]


def refused(url: str) -> str:
    """The one line with which opening the journal fails."""
    with pytest.raises(JournalError) as caught:
        Journal(url)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith("the journal cannot be opened: ")
    return line


async def failing(work: Awaitable[object]) -> str:
    """The one line with which a call fails, soon."""
    with pytest.raises(JournalError) as caught:
        await asyncio.wait_for(work, 10)
    line = str(caught.value)
    assert line.isprintable()
    assert line.startswith("the journal failed: ")
    return line
