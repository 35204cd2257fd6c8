"""Python's `re` under a limit of CPU time, run as a program of its own.

Each line on standard input is `[pattern, ignore_case, whole, text]` in JSON; each line on standard
output `[found]`, where nothing matches `[null]`, or `[]` where the limit was reached. `re` looks
for signals as it goes, so that it can be ended.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from typing import NoReturn

CPU_S = 0.5
"""Seconds of CPU time that one text may take."""


class _TooSlow(Exception):
    pass


def found(pattern: str, ignore_case: bool, whole: bool, text: str) -> str | None:
    """The first group, or all, of the last match in `text`, or of a match of all of it."""
    compiled = re.compile(pattern, re.IGNORECASE if ignore_case else 0)
    last = compiled.fullmatch(text) if whole else None
    if not whole:
        for match in compiled.finditer(text):
            last = match
    if last is None:
        return None
    return (last[1] if compiled.groups else last[0]) or ""


def _stop(*_: object) -> NoReturn:
    raise _TooSlow


def _main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # its parent's to answer
    signal.signal(signal.SIGPROF, _stop)
    for line in sys.stdin:
        answer: list[str | None] = []
        try:
            signal.setitimer(signal.ITIMER_PROF, CPU_S)
            answer = [found(*json.loads(line))]
            signal.setitimer(signal.ITIMER_PROF, 0)
        except _TooSlow:
            answer = []
        print(json.dumps(answer), flush=True)  # noqa: T201


if __name__ == "__main__":
    _main()
