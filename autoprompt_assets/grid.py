"""The length of the partition grid, as the experiments say it when a process first asks."""

from __future__ import annotations

from autoprompt_assets.resources.experiments import longest_iterations
from autoprompt_assets.resources.home import experiments_folder

ITERATION_COUNT = longest_iterations(experiments_folder())
"""Iterations that the grid holds for every experiment."""
