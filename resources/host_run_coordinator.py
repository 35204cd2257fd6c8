"""The queue of a deployment's host, which has Dagster and nothing of the engine.

It tags every run from its partition key, and from what the code server says of its experiments.
Runs that the UI, backfills and sensors launch carry no tags of assets or partitions otherwise, and
the limits of `dagster.yaml` hold on tags alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import dagster as dg
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.run_coordinator.queued_run_coordinator import QueuedRunCoordinator

EXPERIMENT_TAG = "autoprompt/experiment"
ENDPOINT_TAG = "autoprompt/endpoint"
ENDPOINTS = "autoprompt/endpoints"
"""Metadata of the definitions: the endpoint whose limit an experiment's runs are counted in."""
PARTITION_TAGS = (
    "dagster/partition/experiment",
    "dagster/partition",
    "dagster/asset_partition_range_start",
)


class HostRunCoordinator(QueuedRunCoordinator):
    """A queue whose runs carry `autoprompt/experiment` and `autoprompt/endpoint`.

    Dagster documents this way of tagging runs (custom run coordinators).
    """

    def submit_run(self, context: SubmitRunContext) -> dg.DagsterRun:
        """Tag the run, then queue it."""
        experiment = experiment_of(context.dagster_run.tags)
        if experiment:
            endpoint = self.endpoint_of(experiment, context)
            tags = {EXPERIMENT_TAG: experiment} | ({ENDPOINT_TAG: endpoint} if endpoint else {})
            self._instance.add_run_tags(context.dagster_run.run_id, tags)
        return super().submit_run(context)

    def endpoint_of(self, experiment: str, context: SubmitRunContext) -> str:
        """The endpoint whose limit the experiment's runs are counted in; empty where none is known,
        as for an experiment whose file is broken.
        """
        origin = context.dagster_run.remote_job_origin
        if origin is None:
            return ""
        selector = origin.repository_origin.get_selector()
        location = context.workspace.get_code_location(selector.location_name)
        snap = location.get_repository(selector.repository_name).repository_snap
        known = (snap.metadata or {}).get(ENDPOINTS)
        found = known.value if isinstance(known, dg.JsonMetadataValue) else None
        return str(found.get(experiment, "")) if isinstance(found, Mapping) else ""


def experiment_of(tags: Mapping[str, str]) -> str:
    """The experiment that a run's partition tags name, or an empty text."""
    partition = next((tags[key] for key in PARTITION_TAGS if key in tags), "")
    return partition.split("|")[0]
