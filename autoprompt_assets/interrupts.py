"""Ctrl-C and SIGTERM while coroutines run: the work is cancelled in order, then the signal told."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, TypeVar

T = TypeVar("T")
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run_interruptible(runner: asyncio.Runner, work: Coroutine[Any, Any, T]) -> T:
    """`runner.run(work)`, but a signal cancels `work` and is handed on once that has ended.

    Dagster's own handlers raise wherever the signal happens to land; inside a callback of the
    event loop that exception would be logged and lost, and the run would go on.
    """
    if threading.current_thread() is not threading.main_thread():
        return runner.run(work)
    arrived: list[int] = []

    async def watched() -> T:
        task, loop = asyncio.current_task(), asyncio.get_running_loop()
        assert task is not None

        def cancel(number: int, _: FrameType | None) -> None:
            arrived.append(number)
            loop.call_soon_threadsafe(task.cancel)

        with _handled_by(cancel):
            return await work

    try:
        result = runner.run(watched())
    except BaseException:
        if not arrived:
            raise
    else:
        if not arrived:
            return result
    signal.raise_signal(arrived[0])
    raise KeyboardInterrupt


@contextmanager
def _handled_by(handler: Any) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handled in before.items():
            signal.signal(number, handled)
