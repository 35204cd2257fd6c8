"""What was changed under a search: a line that names the file, the fields and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from autoprompt_assets.engine.spec import ExperimentSpec

MOST_NAMED = 5
"""Fields that a line names."""
KEPT = "what was answered is in the journal and is not paid again"


def deciding(spec: ExperimentSpec) -> dict[str, Any]:
    """What of `spec` decides a search's path.

    Concurrency, rates, timeouts, deadlines and the limit of a reply's size are left out: none of
    them changes it.
    """
    data = spec.model_dump(mode="json", exclude={"concurrency", "description"})
    for role in data["roles"].values():
        if role is not None:
            del role["timeout"], role["deadline"], role["max_reply_bytes"]
    for endpoint in data["endpoints"].values():
        del endpoint["concurrency"], endpoint["requests_per_minute"]
    data["dataset"] = spec.dataset.identity()
    data["optimizer"] = spec.optimizer.identity()
    grading = spec.grading.identity()
    del data["graders"], data["grader"]
    data |= {"graders": grading["graders"]} if spec.graders else {"grader": grading}
    return data


def differing(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The fields of `after` that differ from those of `before`, as `key.path`."""
    return list(_differing(before, after, ""))


def values_at(spec: Any, path: str) -> list[Any]:
    """The value at `key.path`, alone in a list that is empty where there is none.

    A key may hold dots itself, as an endpoint's name may.
    """
    if not isinstance(spec, Mapping):
        return []
    if path in spec:
        return [spec[path]]
    heads = (path[:at] for at, sign in enumerate(path) if sign == ".")
    found = next((head for head in heads if head in spec), None)
    return [] if found is None else values_at(spec[found], path[len(found) + 1 :])


def named(fields: list[str]) -> str:
    """`fields` in a line, the first ones of many."""
    more = f" and {len(fields) - MOST_NAMED} more" if len(fields) > MOST_NAMED else ""
    return ", ".join(fields[:MOST_NAMED]) + more


def since(search: str, then: Mapping[str, Any], now: Mapping[str, Any], file: str) -> str:
    """What of `now` is not as it was `then`, in `search`, in words; empty where all is.

    `then` is a search's effective spec; `now` is `deciding` of `file`, or that and more.
    """
    fields = differing(then, now)
    if not fields:
        return ""
    rows = "dataset_version" in fields
    fields = [one for one in fields if one != "dataset_version"]
    said = [f"{file} ({named(fields)})"] if fields else []
    said += [f"the rows of {now['dataset']['path']}"] if rows else []
    verb = "are" if rows else "is"
    return f"{' and '.join(said)} {verb} not as in the last search, {search}"


def _differing(before: Any, after: Any, place: str) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in after:
            yield from _differing(before.get(key), after[key], f"{place}.{key}" if place else key)
    elif before != after:
        yield place
