"""The queue of a home, which reads the experiments itself."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from dagster._core.run_coordinator.base import SubmitRunContext

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.endpoints import KINDS
from autoprompt_assets.resources.experiments import ExperimentsResource
from autoprompt_assets.resources.home import experiments_folder
from autoprompt_assets.resources.host_run_coordinator import (
    ENDPOINT_TAG,
    EXPERIMENT_TAG,
    HostRunCoordinator,
    experiment_of,
)

LOCAL = "local"


class ExperimentRunCoordinator(HostRunCoordinator):
    """Runs carry `autoprompt/experiment` and, where it is so, `autoprompt/endpoint: local`."""

    def endpoint_of(self, experiment: str, context: SubmitRunContext) -> str:
        """`local`, or an empty text: a home limits the embedded model alone."""
        return run_tags(context.dagster_run.tags).get(ENDPOINT_TAG, "")


def run_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """The tags that follow from a run's partition tags."""
    experiment = experiment_of(tags)
    if not experiment:
        return {}
    found = {EXPERIMENT_TAG: experiment}
    is_local = limiting_endpoint(experiments_folder(), experiment) == LOCAL
    return {**found, ENDPOINT_TAG: LOCAL} if is_local else found


def limiting_endpoints(folder: Path) -> dict[str, str]:
    """By experiment, see `limiting_endpoint`; those that cannot be read are left out."""
    names = ExperimentsResource(str(folder)).names()
    found = {name: limiting_endpoint(folder, name) for name in names}
    return {name: endpoint for name, endpoint in found.items() if endpoint}


def limiting_endpoint(folder: Path, experiment: str) -> str:
    """The endpoint that limits how many runs go at a time: `local` where any role is served in the
    run's own process, else the target role's; empty where the experiment cannot be read.
    """
    try:
        spec = ExperimentsResource(folder=str(folder)).load(experiment)
    except InputError:
        return ""
    return LOCAL if _in_process(spec) else _override() or spec.roles.target.endpoint


def _in_process(spec: ExperimentSpec) -> bool:
    names = {_override() or role.endpoint for _, role in spec.roles if role is not None}
    return any(name in KINDS and KINDS[name].in_process for name in names)


def _override() -> str:
    return os.environ.get("AUTOPROMPT_ENDPOINT", "")
