"""Our strategies on a simulated model."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.search import Search
from autoprompt_assets.engine.spec import ExperimentSpec
from tests.benchmarks.proof.curves import Curve
from tests.benchmarks.proof.searching import MOST_ITERATIONS, Rows, Subject, example, searched
from tests.benchmarks.simulated.landscape import Landscape, landscape
from tests.benchmarks.simulated.server import OPTIMIZER, TARGET

WITHOUT_OPTIMIZER = ("demos",)
"""These get the landscape's wordings instead. Who has an optimizer model gets none: the peers and
`opro` have none either.
"""
TAKES_PARAMETERS = ("mipro", "auto")
"""Where a request field matters, these are told which, with values to try, as a user would."""


@dataclass(frozen=True)
class Task:
    """A landscape, the seed of its rows and words, and how many rows each split has."""

    name: str
    seed: int
    train: int = 60
    validation: int = 100
    test: int = 150

    @property
    def landscape(self) -> Landscape:
        return landscape(self.name, self.seed)

    def rows(self) -> Rows:
        """The rows of each split; no input stands in two."""
        sizes: dict[Split, int] = {
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
        }
        # The few more are for rows that happen to be drawn twice.
        left = iter(self.landscape.rows(sum(sizes.values()) + 20, self.seed))
        return {
            split: [example(*next(left), split) for _ in range(size)]
            for split, size in sizes.items()
        }

    def true_score(self, candidate: Candidate) -> float:
        """The candidate's exact accuracy over all rows there could be."""
        demos = [(demo.inputs.text, demo.answer) for demo in candidate.demos]
        return self.landscape.true_score(candidate.instruction, demos, candidate.parameters)


def spec_of(task: Task, base_url: str, optimizer: Mapping[str, Any]) -> ExperimentSpec:
    """The experiment as a user would write it."""
    land = task.landscape
    role = {"endpoint": "simulated", "max_tokens": 200}
    roles = {"target": {**role, "model": TARGET, "prompt": land.first_prompt}}
    settings = {"iterations": MOST_ITERATIONS, "seed": task.seed, **optimizer}
    strategy = settings["strategy"]
    if strategy in WITHOUT_OPTIMIZER:
        settings["wordings"] = list(land.wordings)
    else:
        asked = {"model": OPTIMIZER, "max_tokens": 2000, "temperature": 1.0}
        roles["optimizer"] = {**role, **asked}
    if strategy in TAKES_PARAMETERS and land.parameters:
        settings["parameters"] = {name: list(tried) for name, tried in land.parameters.items()}
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "rows.csv"},
            "endpoints": {"simulated": {"base_url": base_url}},
            "roles": roles,
            "grader": {"kind": "exact"},
            "optimizer": settings,
            "concurrency": 16,
        }
    )


def run(task: Task, base_url: str, optimizer: Mapping[str, Any], budget: int) -> Curve:
    """One search until `budget` calls are spent, and its verdict."""

    async def measure(search: Search, candidate: Candidate) -> float:
        return task.true_score(candidate)

    with tempfile.TemporaryDirectory() as made:
        folder, spec = Path(made), spec_of(task, base_url, optimizer)
        subject = Subject(spec, task.rows(), folder / "journal.db")
        return asyncio.run(searched(subject, folder, budget, measure))
