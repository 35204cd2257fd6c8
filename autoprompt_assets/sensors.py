"""The sensor that re-runs an experiment whose dataset has changed."""

import json
import os
import time
from collections.abc import Iterator, Mapping

import dagster as dg
from dagster._core.definitions.asset_key import AssetKey
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.execution.backfill import PartitionBackfill

from autoprompt_assets.engine.errors import InputError, Unreachable
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.glances import Glance, glances
from autoprompt_assets.loading import load_dataset
from autoprompt_assets.partitions import GRID, ITERATIONS
from autoprompt_assets.resources.experiments import (
    ExperimentsResource,
)
from autoprompt_assets.resources.storage import StoreResource

WATCHING = os.environ.get("AUTOPROMPT_WATCH_DATASETS") == "1"
"""A deployment's sensor is on from the start; elsewhere a person starts it, as a re-run is paid."""
READING_S = 20.0
"""Seconds of a tick in which another changed table is begun to be read: Dagster waits a minute."""


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING if WATCHING else dg.DefaultSensorStatus.STOPPED,
)
def dataset_changed(
    context: dg.SensorEvaluationContext,
    experiments: dg.ResourceParam[ExperimentsResource],
    store: dg.ResourceParam[StoreResource],
) -> dg.SkipReason:
    """Re-run an experiment, once and whole, when its dataset's content is no longer the one that
    was materialized last. An experiment that was never materialized is only noted.

    The cursor holds each experiment's mark of when its table was last read. A store that gives no
    answer leaves it as it is, so that no change is lost.
    """
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    found = glances(experiments, experiments.names())
    marks = {name: seen[name] for name in found if name in seen}
    said = [*_silent(found)]
    until = time.monotonic() + READING_S
    # Tables whose store tells nothing of them are read at each tick: after all others.
    for name, glance in sorted(found.items(), key=lambda one: one[1].mark is None):
        if glance.is_silent or (glance.mark is not None and seen.get(name) == glance.mark):
            continue
        if time.monotonic() > until:
            said.append(f"{name}: may have changed, and is read in the next tick")
            continue
        try:
            said.append(f"{name}: {_look_at(context, name, glance, experiments, store)}")
        except Unreachable as error:
            said.append(f"{name}: skipped, {error}")
            continue
        except InputError as error:
            said.append(f"{name}: skipped, {error}")
        marks[name] = glance.mark or ""
    context.update_cursor(json.dumps(marks))
    return dg.SkipReason("; ".join(said) or "no dataset has changed")


def _silent(found: Mapping[str, Glance]) -> Iterator[str]:
    """A line for each store that gave no answer."""
    problems = dict.fromkeys(one.problem for one in found.values() if one.is_silent)
    for problem in problems:
        names = [name for name, one in found.items() if one.is_silent and one.problem == problem]
        yield f"{', '.join(names)}: skipped, {problem}"


def _look_at(
    context: dg.SensorEvaluationContext,
    name: str,
    glance: Glance,
    experiments: ExperimentsResource,
    store: StoreResource,
) -> str:
    if glance.spec is None or glance.problem:
        return f"skipped, {glance.problem}"
    last = context.instance.get_latest_data_version_record(AssetKey("dataset"), partition_key=name)
    materialization = last.asset_materialization if last else None
    if last is None or materialization is None:
        return "never materialized, so nothing is started"
    version = load_dataset(
        glance.spec, experiments.path(name).parent, store.experiment(name)
    ).version
    if (materialization.tags or {}).get("dagster/data_version") == version:
        return "unchanged"
    backfill = f"dataset-{content_hash([name, last.storage_id, version], 12)}"
    if context.instance.get_backfill(backfill) is not None:
        return f"run {backfill} has been started for this content"
    start_backfill(context, name, backfill)
    return f"its content has changed; started {backfill}"


def start_backfill(context: dg.SensorEvaluationContext, name: str, backfill: str) -> None:
    """Launch all five assets of one experiment as one backfill, as the UI does.

    A sensor's run request cannot hold assets with different partitions, and Dagster has no public
    call for this.
    """
    assert context.repository_def is not None
    graph = context.repository_def.asset_graph
    keys = [f"{name}|{iteration}" for iteration in ITERATIONS.get_partition_keys()]
    wanted = {
        AssetKeyPartitionKey(asset, key)
        for asset in graph.materializable_asset_keys
        for key in (keys if graph.get(asset).partitions_def == GRID else [name])
    }
    context.instance.add_backfill(
        PartitionBackfill.from_asset_graph_subset(
            backfill_id=backfill,
            backfill_timestamp=time.time(),
            tags={"autoprompt/cause": "dataset_changed"},
            dynamic_partitions_store=context.instance,
            asset_graph_subset=AssetGraphSubset.from_asset_partition_set(wanted, graph),
            title=f"{name}: the dataset has changed",
            description=None,
            run_config=None,
        )
    )
