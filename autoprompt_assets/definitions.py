"""The only wiring: assets, checks, sensor, resources, executor."""

import itertools

import dagster as dg

from autoprompt_assets.assets import STAGES
from autoprompt_assets.checks import CHECKS
from autoprompt_assets.configuration import Bench
from autoprompt_assets.progress import LogProgress
from autoprompt_assets.sensors import dataset_changed

defs = dg.Definitions(
    assets=[*itertools.chain(*STAGES)],
    asset_checks=CHECKS,
    sensors=[dataset_changed],
    resources=Bench.configured({}).definitions(LogProgress()),
    # One process per step would load the embedded model once for each.
    executor=dg.in_process_executor,
)
