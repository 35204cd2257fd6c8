"""A user's regular expression over a text that a model wrote: in linear time, or under a limit."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from autoprompt_assets.engine.grading import pattern_worker
from autoprompt_assets.engine.grading.line_worker import LineWorker
from autoprompt_assets.engine.grading.linear import is_plain, linear


class PatternTooSlow(Exception):
    """The text took the pattern longer than `pattern_worker.CPU_S` seconds of CPU time."""


def last_match(pattern: str, ignore_case: bool, text: str) -> str | None:
    """The first group of the pattern's last match in `text`, all of the match where it has none.

    Raises:
        PatternTooSlow: the search reached the limit.
    """
    compiled = linear(pattern, ignore_case) if is_plain(text) else None
    if compiled is None:
        return _found(pattern, ignore_case, False, text)
    last: Any = None
    begun = time.thread_time()
    for match in compiled.finditer(text):
        last = match
        # Each search is linear; many that each look through to the end are not.
        if time.thread_time() - begun > pattern_worker.CPU_S:
            raise PatternTooSlow
    if last is None:
        return None
    return (last[1] if compiled.groups else last[0]) or ""


def matches_whole(pattern: str, ignore_case: bool, text: str) -> bool:
    """Whether the pattern matches all of `text`.

    Raises:
        PatternTooSlow: the search reached the limit.
    """
    compiled = linear(pattern, ignore_case) if is_plain(text) else None
    if compiled is None:
        return _found(pattern, ignore_case, True, text) is not None
    return compiled.fullmatch(text) is not None


def _found(pattern: str, ignore_case: bool, whole: bool, text: str) -> str | None:
    """See `pattern_worker.found`.

    Raises:
        PatternTooSlow: the search reached the limit.
    """
    answer = _WORKER.answer(json.dumps([pattern, ignore_case, whole, text]))
    if not answer or answer == "[]\n":
        raise PatternTooSlow
    found: list[str | None] = json.loads(answer)
    return found[0]


_WORKER = LineWorker(Path(pattern_worker.__file__))
