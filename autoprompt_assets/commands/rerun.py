"""Runs that begin from an earlier search: its candidates scored again, its failed rows asked again.

Each is a search of its own, with a path of its own; what was answered comes from the journal.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autoprompt_assets.configuration import Bench
from autoprompt_assets.engine.errors import InputError, MissingInput
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.resources.storage import ExperimentStore, SearchStore
from autoprompt_assets.search_session import Session, open_session


def rescore_overrides(name: str, bench: Bench, search: str) -> dict[str, str]:
    """The overrides that score the candidates of an earlier search again.

    `latest` is the search that was started last, re-scored ones aside.

    Raises:
        InputError: there is no such search.
    """
    files = bench.store.experiment(name)
    known = files.search_ids()
    searched = [one for one in known if _strategy(files, one) != "rescore"]
    found = searched[-1] if search == "latest" and searched else search
    if found not in known:
        raise InputError(
            f"--rescore {search}: no such search of {name}; there are {', '.join(known) or 'none'}"
        )
    steps = len(files.search(found).read_iterations())
    if not steps:
        raise InputError(
            f"--rescore {search}: search {found} has ended no iteration; let it end first"
        )
    optimizer = {"strategy": "rescore", "search": found, "iterations": steps}
    return {"optimizer": canonical_json(optimizer)}


@dataclass(frozen=True)
class Retry:
    """What `--retry-failed` starts from: a search, and how many of its rows have no answer."""

    overrides: dict[str, str]
    search: str
    failed: int


def retry_failed(name: str, overrides: Mapping[str, str]) -> Retry:
    """The overrides that start a new path, on which the failed rows of the last are asked again.

    Raises:
        InputError: there is no search under these settings, or none of its rows failed.
    """
    number = Bench.configured(overrides).experiments.load(name).retry
    last = None
    while found := _search(name, {**overrides, "retry": str(number)}):
        last, number = found, number + 1
    if last is None:
        raise InputError(
            f"--retry-failed: {name} has no search under these settings; run it without the flag"
        )
    failed = failed_rows(last.records)
    if not failed:
        said = f"--retry-failed: no row of search {last.search_id} has ended without an answer"
        if last.records.read_outcome() is None:
            raise InputError(
                f"{said}, and the search has not ended; leave the flag out: a plain `autoprompt "
                f"run {name}` goes on with it, and asks the rows that got none"
            )
        raise InputError(f"{said}; leave the flag out")
    return Retry({"retry": str(number)}, last.search_id, failed)


def failed_rows(records: SearchStore) -> int:
    """Rows of all evaluations whose call, or whose review's call, failed."""
    return sum(
        batch.column("failed").true_count
        for split, candidate in records.evaluations()
        for batch in records.evaluation(split, candidate).batches("failed")
    )


def _search(name: str, overrides: Mapping[str, str]) -> Session | None:
    bench = Bench.configured(overrides)
    try:
        session = open_session(name, bench.experiments, bench.llm, bench.store)
    except MissingInput:
        return None
    return session if session.records.read_spec() else None


def _strategy(files: ExperimentStore, search: str) -> str:
    return str(files.search(search).read_spec()["optimizer"]["strategy"])
