"""The only wiring: assets, checks, sensor, resources, executor."""

import dagster as dg

from autoprompt_assets import assets, checks
from autoprompt_assets.configuration import Bench
from autoprompt_assets.progress import LogProgress
from autoprompt_assets.sensors import dataset_changed

ASSETS = [
    assets.dataset,
    assets.baseline_score,
    assets.optimizer_iterations,
    assets.best_prompt,
    assets.test_comparison,
]

CHECKS = checks.ALL

defs = dg.Definitions(
    assets=ASSETS,
    asset_checks=CHECKS,
    sensors=[dataset_changed],
    resources=Bench.configured({}).definitions(LogProgress()),
    # One process per step would load the embedded model once for each.
    executor=dg.in_process_executor,
)
