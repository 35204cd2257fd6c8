"""The sensor that re-runs an experiment whose dataset has changed."""

import json
import os
import time
from pathlib import Path

import dagster as dg
from dagster._core.definitions.asset_key import AssetKey
from dagster._core.definitions.assets.graph.asset_graph_subset import AssetGraphSubset
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.execution.backfill import PartitionBackfill

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.loading import load_dataset
from autoprompt_assets.partitions import GRID, ITERATIONS
from autoprompt_assets.resources.experiments import (
    ExperimentsResource,
)
from autoprompt_assets.resources.storage import StoreResource

WATCHING = os.environ.get("AUTOPROMPT_WATCH_DATASETS") == "1"
"""A deployment's sensor is on from the start; elsewhere a person starts it, as a re-run is paid."""


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
    """
    seen: dict[str, str] = json.loads(context.cursor or "{}")
    said = []
    for name in experiments.names():
        try:
            spec = experiments.load(name)
            mark = file_mark(spec, experiments.path(name).parent)
            if mark is not None and seen.get(name) == mark:
                continue
            said.append(f"{name}: {_look_at(context, name, spec, experiments, store)}")
        except InputError as error:
            mark = file_mark_or_spec(experiments, name)
            if mark is None or seen.get(name) != mark:
                said.append(f"{name}: skipped, {error}")
        seen[name] = mark or ""
    context.update_cursor(json.dumps(seen))
    return dg.SkipReason("; ".join(said) or "no dataset has changed")


def _look_at(
    context: dg.SensorEvaluationContext,
    name: str,
    spec: ExperimentSpec,
    experiments: ExperimentsResource,
    store: StoreResource,
) -> str:
    last = context.instance.get_latest_data_version_record(AssetKey("dataset"), partition_key=name)
    materialization = last.asset_materialization if last else None
    if last is None or materialization is None:
        return "never materialized, so nothing is started"
    version = load_dataset(spec, experiments.path(name).parent, store.experiment(name)).version
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


def file_mark(spec: ExperimentSpec, folder: Path) -> str | None:
    """Tells cheaply whether a local file may have changed; `None` for a URL."""
    if "://" in spec.dataset.path:
        return None
    try:
        status = (folder / os.path.expanduser(spec.dataset.path)).stat()
    except OSError:
        return "missing"
    return f"{status.st_mtime_ns}-{status.st_size}-{content_hash(spec.dataset.model_dump(), 12)}"


def file_mark_or_spec(experiments: ExperimentsResource, name: str) -> str | None:
    """The mark of a broken experiment's data file or, where the spec is broken, of the spec."""
    try:
        return file_mark(experiments.load(name), experiments.path(name).parent)
    except InputError:
        status = experiments.path(name).stat()
        return f"spec-{status.st_mtime_ns}-{status.st_size}"
