"""`autoprompt`, killed once it has moved a file to its place.

`KILL_AFTER_WRITING` is the file's path as `fnmatch` takes it. Nothing comes between the move and
the kill, which no watcher from outside can promise.
"""

from __future__ import annotations

import os
import signal
import sys
from fnmatch import fnmatch


def main() -> None:
    from autoprompt_assets.cli import main as autoprompt

    awaited = [os.environ.pop("KILL_AFTER_WRITING")]

    def kill_after(event: str, arguments: tuple[object, ...]) -> None:
        if event == "os.rename" and awaited and fnmatch(str(arguments[1]), awaited[0]):
            awaited.clear()  # the move below is told of as well
            os.replace(str(arguments[0]), str(arguments[1]))
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(kill_after)
    autoprompt()
