"""The only wiring: assets, checks, sensor, resources, executor."""

import itertools

import dagster as dg

from autoprompt_assets.assets import STAGES
from autoprompt_assets.checks import CHECKS
from autoprompt_assets.configuration import Bench
from autoprompt_assets.progress import LogProgress
from autoprompt_assets.resources.home import experiments_folder
from autoprompt_assets.resources.host_run_coordinator import ENDPOINTS
from autoprompt_assets.resources.run_coordinator import limiting_endpoints
from autoprompt_assets.sensors import dataset_changed

defs = dg.Definitions(
    assets=[*itertools.chain(*STAGES)],
    asset_checks=CHECKS,
    sensors=[dataset_changed],
    resources=Bench.configured({}).definitions(LogProgress()),
    # One process per step would load the embedded model once for each.
    executor=dg.in_process_executor,
    # For a host's queue, which cannot read the experiments.
    metadata={ENDPOINTS: dg.MetadataValue.json(limiting_endpoints(experiments_folder()))},
)
