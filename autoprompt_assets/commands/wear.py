"""What `autoprompt check` says of the sealed rows: how often they were read, and which never."""

from __future__ import annotations

from collections.abc import Iterator

from autoprompt_assets.engine.dataset import Dataset
from autoprompt_assets.engine.journal import read_wear
from autoprompt_assets.engine.report import wear
from autoprompt_assets.engine.statistics import least_wins, level_of
from autoprompt_assets.engine.text import quantity


def wear_lines(journal: str, data: Dataset) -> Iterator[str]:
    """Before the money is spent: at which level the next verdict would be judged.

    `journal` is its URL; where there is no journal yet, none is made.

    Raises:
        JournalError: the journal cannot be read.
    """
    test = [example for example in data.examples if example.split == "test"]
    found = read_wear(journal, test, data.spare)
    number, rows = found.verdicts + 1, f"{len(test)} test row{'s' if len(test) != 1 else ''}"
    before = "no verdict so far has"
    if found.verdicts:
        many = "verdicts have" if found.verdicts > 1 else "verdict has"
        before = f"{found.verdicts} {many}"
    yield f"sealed test: {before} read these {rows}, or a set that shares a tenth with them"
    yield f"  another pair of prompts, or another grader, is {wear(number)}"
    wins = least_wins(0, level_of(number))
    if wins > len(test):
        yield (
            f"  no gain can be shown: that takes {quantity(wins, 'row')} won and none "
            "lost; bring fresh rows"
        )
    else:
        yield f"  the least gain that can be shown is {quantity(wins, 'row')} won and none lost"
    spare = f", and {found.spare} of {len(data.spare)} in no split" if data.spare else ""
    yield f"  fresh rows, which no verdict has read: {found.fresh} of {rows}{spare}"
