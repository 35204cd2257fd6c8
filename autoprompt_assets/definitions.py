"""The only wiring: assets, checks, sensor, resources, executor."""

import os

import dagster as dg

from autoprompt_assets import assets, checks
from autoprompt_assets.automation import ITERATION_COUNT, dataset_changed
from autoprompt_assets.progress import LogProgress
from resources.experiments import ExperimentsResource
from resources.home import experiments_folder, journal_url, store_url
from resources.llm import LLMResource
from resources.store import StoreResource

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
    resources={
        "experiments": ExperimentsResource(folder=str(experiments_folder()), grid=ITERATION_COUNT),
        "llm": LLMResource(endpoint=os.environ.get("AUTOPROMPT_ENDPOINT", "")),
        "store": StoreResource(root=store_url(), journal=journal_url()),
        "progress": LogProgress(),
    },
    # One process per step would load the embedded model once for each.
    executor=dg.in_process_executor,
)
