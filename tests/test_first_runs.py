"""First runs at once, on versions of one table: the splits are decided once."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.loopback import Behaviour, LoopbackServer
from tests.program import Program
from tests.support import (
    ANSWERS,
    TOY,
    Project,
    csv_of,
    ended,
    toy_project,
    without_calls,
)

ROUNDS, AT_ONCE = 12, 3
SPLIT = "split: {train: 4, validation: 12, test: 14}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A home whose Dagster storage stands: making that takes turns of its own."""
    project = toy_project(tmp_path_factory.mktemp("made") / "project")
    project.home.mkdir()
    (result,) = materialized([dataset_of(project, "toy", {})])
    assert result == []
    return project


def tables(project: Project, experiment: str, seed: int) -> Iterator[dict[str, str]]:
    """Versions of one table: each lacks other rows, so that counts would cut each elsewhere."""
    spec = TOY.replace(SPLIT, "split: {train: 40, validation: 60, test: 80}")
    project.add(experiment, spec, rows_csv=csv_of(ANSWERS))
    rows = [(f"question {n}", "ABCD"[n % 4]) for n in range(400)]
    for version in range(AT_ONCE):
        kept = random.Random(seed * AT_ONCE + version).sample(rows, 200 + 60 * version)
        path = project.experiments / experiment / f"{version}.csv"
        path.write_text(csv_of(sorted(kept)), encoding="utf-8")
        yield {"dataset.path": path.name}


def dataset_of(project: Project, experiment: str, settings: dict[str, str]) -> Program:
    """The dataset of one version, materialized in a process of its own."""
    step = {"asset": "dataset", "partition": experiment, "set": settings}
    return Program("tests.stages", [json.dumps([step])], project.variables(), project.folder)


def materialized(programs: list[Program]) -> list[list[str]]:
    """What each says has failed."""
    results = [ended(program, timeout=120) for program in programs]
    assert not [result.stderr for result in results if result.returncode]
    steps = [json.loads(result.stdout)[0] for result in results]
    return [step["failed"] + step["crashed"] for step in steps]


def sides(project: Project, experiment: str) -> dict[str, set[str]]:
    """Where each input stands, over all versions that were materialized."""
    found: dict[str, set[str]] = {}
    for path in (project.home / "results" / experiment / "datasets").glob("*/rows.parquet"):
        for row in pq.read_table(path, columns=["input.input", "split"]).to_pylist():
            found.setdefault(row["input.input"], set()).add(row["split"])
    return found


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, ROUNDS))]
)
def test_no_row_is_in_ones_train_and_the_others_test(
    made: Project, tmp_path: Path, seed: int
) -> None:
    project = made.copy(tmp_path / "project")
    experiment = f"many-{seed}"
    settings = list(tables(project, experiment, seed))
    # Every other round from two homes that share a store.
    other = made.copy(tmp_path / "other") if seed % 2 else project
    for each in (project, other):
        each.environ["AUTOPROMPT_STORE"] = str(project.home)
        each.environ["AUTOPROMPT_EXPERIMENTS"] = str(project.experiments)
    programs = [
        dataset_of(each, experiment, given)
        for each, given in zip(cycle((project, other)), settings, strict=False)
    ]
    assert materialized(programs) == [[]] * AT_ONCE

    found = sides(project, experiment)
    assert len(found) > 50
    assert [text for text, splits in found.items() if len(splits) > 1] == []
    results = project.home / "results" / experiment
    (membership,) = (results / "membership").glob("*.parquet")
    remembered = {row["input_id"] for row in pq.read_table(membership).to_pylist()}
    for rows in results.glob("datasets/*/rows.parquet"):
        assert {row["input_id"] for row in pq.read_table(rows).to_pylist()} <= remembered


@pytest.mark.slow
def test_two_homes_that_share_a_store_take_turns_at_one_search(tmp_path: Path) -> None:
    """Each sweeps away what a killed run left, and without turns what the other is writing."""
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.01)) as server:
        homes = [toy_project(tmp_path / name, server.base_url) for name in ("one", "other")]
        for each in homes:
            each.environ["AUTOPROMPT_STORE"] = str(homes[0].home)
            each.environ["AUTOPROMPT_EXPERIMENTS"] = str(homes[0].experiments)
        both = [each.start("run", "toy", "--json") for each in homes]
        done = [(process.communicate(timeout=120), process.returncode) for process in both]
    assert [code for _, code in done] == [0, 0], done
    outcomes = [json.loads(out) for (out, _), _ in done]
    assert without_calls(outcomes[0]) == without_calls(outcomes[1])


def test_check_and_init_remember_no_split(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    data = str(project.experiments / "toy" / "rows.csv")
    assert project.run("check", "toy").returncode == 0
    assert project.run("init", "new", "--data", data).returncode == 0
    assert not (project.home / "results").exists()
