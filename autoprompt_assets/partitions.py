"""Partitions: one for each experiment, and one for each of its iterations."""

from __future__ import annotations

import warnings

import dagster as dg

from autoprompt_assets.grid import ITERATION_COUNT
from autoprompt_assets.resources.experiments import experiment_names
from autoprompt_assets.resources.home import experiments_folder

# Known: single_run backfills are beta, partitioned checks preview; both are pinned and tested here.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)

EXPERIMENTS = dg.StaticPartitionsDefinition(experiment_names(experiments_folder()))
ITERATIONS = dg.StaticPartitionsDefinition([f"{n:03d}" for n in range(1, ITERATION_COUNT + 1)])
GRID = dg.MultiPartitionsDefinition({"experiment": EXPERIMENTS, "iteration": ITERATIONS})


def iteration_range(experiment: str) -> tuple[str, str]:
    """The first and last partition key of an experiment's iterations."""
    return f"{experiment}|001", f"{experiment}|{ITERATION_COUNT:03d}"
