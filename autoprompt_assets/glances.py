"""A glance at the tables of experiments: which may have changed, told without reading them."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from autoprompt_assets.engine.dataset import object_mark
from autoprompt_assets.engine.errors import InputError, Unreachable
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.experiments import ExperimentsResource

MOST_STORES = 8
"""Stores that are asked at once."""
MOST_WAITS, WAIT_S = 2, 0.5
"""Answers that did not come, and the seconds from which on one was waited for."""


@dataclass(frozen=True)
class Glance:
    """What an experiment's table looks like from outside.

    `mark` changes whenever the table does; it is `None` where a store tells nothing by which to
    know. `problem` says why the table cannot be read; a store that `is_silent` may answer later.
    """

    spec: ExperimentSpec | None
    mark: str | None
    problem: str = ""
    is_silent: bool = False


def glances(experiments: ExperimentsResource, names: Sequence[str]) -> dict[str, Glance]:
    """A glance at the table of each experiment of `names`.

    Stores are looked at side by side. One that was waited for in vain `MOST_WAITS` times is not
    asked for the rest of its tables, which then count as silent: a sensor has not for ever.
    """
    found: dict[str, Glance] = {}
    stores: dict[str, dict[str, ExperimentSpec]] = {}
    for name in names:
        try:
            spec = experiments.load(name)
        except InputError as error:
            found[name] = Glance(None, _spec_mark(experiments.path(name)), str(error))
            continue
        store = _store(spec)
        if store is None:
            found[name] = Glance(spec, file_mark(spec, experiments.path(name).parent))
        else:
            stores.setdefault(store, {})[name] = spec
    with ThreadPoolExecutor(MOST_STORES) as threads:
        for some in threads.map(_of_one_store, stores.values()):
            found.update(some)
    return {name: found[name] for name in names}


def _of_one_store(specs: Mapping[str, ExperimentSpec]) -> dict[str, Glance]:
    found: dict[str, Glance] = {}
    waited: list[Glance] = []
    for name, spec in specs.items():
        if len(waited) == MOST_WAITS:
            found[name] = replace(waited[-1], spec=spec)
            continue
        begun = time.monotonic()
        found[name] = _object_glance(spec)
        if found[name].is_silent and time.monotonic() - begun > WAIT_S:
            waited.append(found[name])
    return found


def _object_glance(spec: ExperimentSpec) -> Glance:
    try:
        mark = object_mark(spec.dataset)
    except Unreachable as error:
        return Glance(spec, None, str(error), is_silent=True)
    except InputError as error:
        return Glance(spec, content_hash(str(error), 12), str(error))
    return Glance(spec, mark and f"{mark}-{_settings_mark(spec)}")


def _store(spec: ExperimentSpec) -> str | None:
    """The bucket or host of a URL; `None` for a file."""
    path = spec.dataset.path
    if "://" not in path:
        return None
    scheme, _, rest = path.rpartition("::")[2].partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


def file_mark(spec: ExperimentSpec, folder: Path) -> str | None:
    """Tells cheaply whether a local file may have changed; `None` for a URL."""
    if "://" in spec.dataset.path:
        return None
    try:
        status = (folder / os.path.expanduser(spec.dataset.path)).stat()
    except OSError:
        return "missing"
    return f"{status.st_mtime_ns}-{status.st_size}-{_settings_mark(spec)}"


def _settings_mark(spec: ExperimentSpec) -> str:
    return content_hash(spec.dataset.identity(), 12)


def _spec_mark(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return "spec-missing"
    return f"spec-{status.st_mtime_ns}-{status.st_size}"
