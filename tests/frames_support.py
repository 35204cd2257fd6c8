"""A project with two finished searches, for the tests of data frames."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, KEY, OPTIONS, Project, csv_of

if TYPE_CHECKING:
    import pandas as pd

    from autoprompt_assets import Results

CHOICES = f"choices: {json.dumps(OPTIONS)}"
SPEC = f"""\
dataset: {{path: rows.csv, split: {{train: 4, validation: 12, test: 14}}}}
roles:
  target:
    model: gpt-4.1-mini
    prompt: Name the shape.
    max_tokens: 200
    {CHOICES}
    price: {{prompt: 2, completion: 10}}
  review:
    model: gpt-4.1-mini
    max_tokens: 50
    prompt: "Is it right? Model Response: {{response}} Ground Truth: {{answer}}"
    price: {{prompt: 1, completion: 5}}
  optimizer:
    model: gpt-4.1
    max_tokens: 400
    price: {{prompt: 3, completion: 7}}
    prompt: "{{prompt_scores_str}}\\nWrite a better one in [[...]]."
grader: {{kind: model}}
optimizer: {{strategy: opro, iterations: 2}}
concurrency: 4
unmeasured: 0.3
"""
FAILING = sorted(ANSWERS)[3]


def fails(body: Mapping[str, Any]) -> bool:
    return bool(body["messages"][-1]["content"] == FAILING)


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two searches: one of a single iteration first, and then the file's own."""
    folder = tmp_path_factory.mktemp("frames") / "project"
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        project = Project(folder, environ)
        project.add("toy", SPEC, rows_csv=csv_of(ANSWERS))
        server.slow = fails
        short = ("--set", "roles.target.timeout=0.4", "--set", "roles.target.deadline=0.5")
        fewer = ("--set", "optimizer.iterations=1")
        told = [project.run_json("toy", *short, *more) for more in (fewer, ())]
        (folder / "told.json").write_text(json.dumps(told))
        yield project


@pytest.fixture(scope="session")
def found(searched: Project) -> Results:
    from autoprompt_assets import results

    return results("toy", home=searched.home)


@pytest.fixture
def copied(searched: Project, tmp_path: Path) -> Project:
    return searched.copy(tmp_path / "project")


def folder(project: Project, search: str) -> Path:
    return project.home / "results" / "toy" / "searches" / search


def assert_arrow(frame: pd.DataFrame) -> None:
    import pandas as pd

    assert all(isinstance(kind, pd.ArrowDtype) for kind in frame.dtypes)
