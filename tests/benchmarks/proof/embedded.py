"""Our strategies that need no optimizer model, on the embedded model: three tasks for real.

The model is what the product ships, so nothing here is known exactly: a candidate's score is that
on the test rows, which the search never sees; asking them is outside of the budget.
"""

from __future__ import annotations

import asyncio
import csv
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from autoprompt_assets.engine.budget import UNLIMITED
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.search import Search
from autoprompt_assets.engine.spec import ExperimentSpec
from tests.benchmarks.measure import ROOT
from tests.benchmarks.proof.curves import Curve
from tests.benchmarks.proof.searching import MOST_ITERATIONS, Rows, Subject, example, searched
from tests.benchmarks.proof.sentences import LANGUAGES, TOPICS, written

SHIPPED = ROOT / "autoprompt_assets" / "experiments" / "question-kind"
COUNT = 300
TASKS = ("question-kind", "topic", "language")


@dataclass(frozen=True)
class Kind:
    """A task: its rows, the labels, the first prompt and other wordings, all plain text."""

    rows: Sequence[tuple[str, str]]
    choices: tuple[str, ...]
    prompt: str
    wordings: tuple[str, ...]


@cache
def kind(name: str) -> Kind:
    """One of `TASKS`."""
    if name == "topic":
        return Kind(
            written(TOPICS, COUNT),
            tuple(TOPICS),
            "Sort the sentence.",
            (
                "Classify the sentence by its topic: sport, food, weather or money.",
                "What is the sentence about: sport, food, weather or money?",
                "You label sentences from a newspaper. Labels: sport, food, weather, money.",
            ),
        )
    if name == "language":
        return Kind(
            written(LANGUAGES, COUNT),
            tuple(LANGUAGES),
            "Sort the sentence.",
            (
                "Classify the sentence by its language: English, French, German or Spanish.",
                "In which language is this: English, French, German or Spanish?",
                "You detect languages. Labels: English, French, German, Spanish.",
            ),
        )
    return _shipped()


def _shipped() -> Kind:
    spec = yaml.safe_load((SHIPPED / "experiment.yaml").read_text(encoding="utf-8"))
    with (SHIPPED / "questions.csv").open(encoding="utf-8", newline="") as file:
        rows = [(row["input"], row["target"]) for row in csv.DictReader(file)]
    target = spec["roles"]["target"]
    wordings = tuple(spec["optimizer"]["wordings"])
    return Kind(rows, tuple(target["choices"]), target["prompt"], wordings)


@dataclass(frozen=True)
class Task:
    """A task, the seed of its splits, and how many rows each split has."""

    name: str
    seed: int
    train: int = 60
    validation: int = 60
    test: int = 80

    def rows(self) -> Rows:
        """The rows of each split, drawn anew for each seed."""
        sizes: dict[Split, int] = {
            "train": self.train,
            "validation": self.validation,
            "test": self.test,
        }
        rows = kind(self.name).rows
        left = iter(sorted(rows, key=lambda row: uniform(self.name, self.seed, row[0])))
        return {
            split: [example(*next(left), split) for _ in range(size)]
            for split, size in sizes.items()
        }


def spec_of(task: Task, optimizer: Mapping[str, Any]) -> ExperimentSpec:
    """The experiment as a user would write it, after the shipped one."""
    made = kind(task.name)
    target = {
        "endpoint": "local",
        "prompt": made.prompt,
        "temperature": 0,
        "max_tokens": 48,
        "timeout": 120,
        "choices": made.choices,
    }
    known = {"iterations": MOST_ITERATIONS, "seed": task.seed, "wordings": made.wordings}
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "rows.csv"},
            "roles": {"target": target},
            "grader": {"kind": "exact"},
            "optimizer": {**known, **optimizer},
            "concurrency": 4,
        }
    )


def run(task: Task, optimizer: Mapping[str, Any], budget: int, journal: Path) -> Curve:
    """One search until `budget` calls are spent. All share `journal`, so no request is made twice:
    the calls that count are those that the search is charged.
    """
    rows = task.rows()

    async def measure(search: Search, candidate: Candidate) -> float:
        summary = await search.scoring.score(candidate, subject.split("test"), "test", UNLIMITED)
        return summary.score

    subject = Subject(spec_of(task, optimizer), rows, journal)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(searched(subject, Path(folder), budget, measure))
