"""What was changed under a search: a line that names the file, the fields and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.experiments import SPEC_FILE
from autoprompt_assets.resources.storage import ExperimentStore

MOST_NAMED = 5
"""Fields that a line names."""
KEPT = "what was answered is in the journal and is not paid again"


def deciding(spec: ExperimentSpec) -> dict[str, Any]:
    """What of `spec` decides a search's path.

    Concurrency, timeouts, deadlines and the limit of a reply's size are left out: they change none.
    """
    data = spec.model_dump(mode="json", exclude={"concurrency", "description"})
    for role in data["roles"].values():
        if role is not None:
            del role["timeout"], role["deadline"], role["max_reply_bytes"]
    data["dataset"] = spec.dataset.identity()
    data["grader"], data["optimizer"] = spec.grader.identity(), spec.optimizer.identity()
    return data


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields of `after` that differ from those of `before`, as `key.path`."""
    return list(_differing(before, after, ""))


def named(fields: list[str]) -> str:
    """`fields` in a line, the first ones of many."""
    more = f" and {len(fields) - MOST_NAMED} more" if len(fields) > MOST_NAMED else ""
    return ", ".join(fields[:MOST_NAMED]) + more


def since_last(name: str, files: ExperimentStore, now: Mapping[str, Any]) -> str:
    """What of `now` is not as in the search that began last, in words; empty where all is.

    `now` is `deciding`, or that and more of a search's effective spec.
    """
    known = files.search_ids()
    fields = differing(files.search(known[-1]).read_spec(), now) if known else []
    if not fields:
        return ""
    rows = "dataset_version" in fields
    fields = [one for one in fields if one != "dataset_version"]
    said = [f"{name}/{SPEC_FILE} ({named(fields)})"] if fields else []
    said += [f"the rows of {now['dataset']['path']}"] if rows else []
    verb = "are" if rows else "is"
    return f"{' and '.join(said)} {verb} not as in the last search, {known[-1]}"


def _differing(before: Any, after: Any, place: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in after:
            yield from _differing(before.get(key), after[key], f"{place}.{key}" if place else key)
    elif before != after:
        yield place
