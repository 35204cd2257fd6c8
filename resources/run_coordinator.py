"""Tags every queued run with its experiment and endpoint, so that the home's limits can hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.resources.endpoints import KINDS
from autoprompt_assets.resources.experiments import ExperimentsResource
from autoprompt_assets.resources.home import experiments_folder

PARTITION_TAGS = (
    "dagster/partition/experiment",
    "dagster/partition",
    "dagster/asset_partition_range_start",
)


class ExperimentRunCoordinator(QueuedRunCoordinator):
    """A queue whose runs carry `autoprompt/experiment` and, where it is so, `…/endpoint: local`.

    Dagster documents this way of tagging runs (custom run coordinators); tags of assets and
    partitions do not reach the runs that the UI and backfills launch.
    """

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Tag the run, then queue it."""
        tags = run_tags(context.dagster_run.tags)
        if tags:
            self._instance.add_run_tags(context.dagster_run.run_id, tags)
        return super().submit_run(context)


def run_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that follow from a run's partition tags."""
    import os

    partition = next((tags[key] for key in PARTITION_TAGS if key in tags), "")
    experiment = partition.split("|")[0]
    if not experiment:
        return {}
    found: dict[str, Any] = {"autoprompt/experiment": experiment}
    try:
        spec = ExperimentsResource(folder=str(experiments_folder())).load(experiment)
    except InputError:
        return found
    override = os.environ.get("AUTOPROMPT_ENDPOINT")
    names = {override or role.endpoint for _, role in spec.roles if role is not None}
    in_process = any(name in KINDS and KINDS[name].in_process for name in names)
    return {**found, "autoprompt/endpoint": "local"} if in_process else found
