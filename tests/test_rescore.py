"""`--rescore` under another split: no candidate is scored on rows that it holds."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.dataset import near_id
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.optimizers import Apart
from tests.loopback import Behaviour, LoopbackServer
from tests.row_support import text_demo, text_example
from tests.support import KEY, OPTIONS, Project, csv_of

ROWS = {f"Which shape is path {i}?": OPTIONS[i % 4] for i in range(40)}
SPEC = """\
dataset: {path: rows.csv, split: {train: 16, validation: 12, test: 12}}
roles: {target: {model: gpt-4.1-mini, prompt: Name the shape., max_tokens: 200}}
grader: {kind: exact}
optimizer: {strategy: demos, iterations: 3, candidates: 4, demos: 1, race: false}
"""
OTHER_SPLIT = ("--rescore", "latest", "--set", "dataset.seed=5")
HELD = "hold rows that this search scores them on, or other columns"


@pytest.fixture(scope="module")
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ROWS)) as server:
        yield server


def searched(folder: Path, server: LoopbackServer, *settings: str) -> Project:
    project = Project(folder, {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY})
    project.add("toy", SPEC, rows_csv=csv_of(ROWS))
    project.run_json("toy", *settings)
    return project


def rescored(project: Project) -> tuple[dict[str, set[str]], list[dict[str, Any]]]:
    """The rows of the splits, by input, and the iterations of the search that scored again."""
    searches = (project.home / "results" / "toy" / "searches").iterdir()
    specs = {path: json.loads((path / "spec.json").read_bytes()) for path in searches}
    (found,) = (path for path, spec in specs.items() if spec["optimizer"]["strategy"] == "rescore")
    rows = found.parents[1] / "datasets" / specs[found]["dataset_version"] / "rows.parquet"
    splits: dict[str, set[str]] = {}
    for row in pq.read_table(rows).to_pylist():
        splits.setdefault(row["split"], set()).add(row["input.input"])
    steps = sorted((found / "iterations").glob("*.json"))
    return splits, [json.loads(path.read_bytes()) for path in steps]


def shown(candidate: dict[str, Any]) -> set[str]:
    return {demo["inputs"]["input"] for demo in candidate["demos"]}


@pytest.mark.slow
def test_a_candidate_that_holds_rows_it_would_be_scored_on_is_refused_and_not_asked(
    tmp_path: Path, server: LoopbackServer
) -> None:
    project = searched(tmp_path, server)
    begin = len(server.ledger)
    result = project.run("run", "toy", *OTHER_SPLIT)
    assert result.returncode == 0, result.stderr
    splits, steps = rescored(project)
    scored_on = splits["test"] | splits["validation"]
    scored = [one["candidate"] for step in steps for one in step["candidates"]]
    refused = [one["candidate"] for step in steps for one in step["rejected"]]
    assert len(scored) > 1 < len(refused)
    assert not [one for one in scored if shown(one) & scored_on]
    assert all(shown(one) & scored_on for one in refused)
    reasons = {one["reason"] for step in steps for one in step["rejected"]}
    assert reasons == {
        f"it shows 1 {split} row of this search as demos" for split in ("test", "validation")
    }
    notes = [line for line in result.stderr.splitlines() if HELD in line]
    count = f"note: {len(refused)} of {len(scored) + len(refused)} candidates {HELD}"
    assert [note.partition(" and are")[0] for note in notes] == [count]
    for entry in server.ledger[begin:]:
        asked = [one["content"] for one in entry["body"]["messages"] if one["role"] == "user"]
        assert not scored_on.intersection(asked[:-1])


def test_where_none_is_left_it_is_refused_before_anything_is_paid(
    tmp_path: Path, server: LoopbackServer
) -> None:
    optimizer = "optimizer={strategy: demos, iterations: 2, demos: 14}"
    project = searched(tmp_path, server, "--set", optimizer)
    begin = len(server.ledger)
    line = project.refused("run", "toy", *OTHER_SPLIT)
    assert f"all 2 candidates {HELD} (the first: it shows " in line
    assert line.endswith(
        "(the dataset.seed and dataset.split of that search, and its dataset.inputs)"
    )
    assert len(server.ledger) == begin


STORY = (
    "Ann walks from her house to the mill at three in the morning, meets Bob at the old bridge "
    "and lends him half of her eleven apples."
)
PLACES: list[tuple[str, Split]] = [
    ("Where is it?", "train"),
    ("Who was it?", "test"),
    (STORY, "test"),
    ("Why?", "validation"),
]
PLACED = [
    text_example(str(number), near_id(text), text, "x", split)
    for number, (text, split) in enumerate(PLACES)
]


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (Candidate("Say it.", (text_demo("Where is it?", "x"),)), ""),
        (Candidate("Say it.", (text_demo(" who was IT ?!", "x"),)), "it shows 1 test row"),
        (
            Candidate(
                "A", (text_demo("Why?", "x"), text_demo(STORY, "x"), text_demo("Who was it?", "y"))
            ),
            "it shows 2 test rows and 1 validation row",
        ),
        (Candidate(f"Solve it. Example: {STORY} x"), "a test row"),
        (Candidate("Ask who it was."), ""),
    ],
)
def test_what_a_candidate_holds_is_known_by_its_text(candidate: Candidate, said: str) -> None:
    problem = Apart("Name it.", PLACED).problem(candidate, ())
    assert said in problem
    assert bool(problem) == bool(said)


def test_what_the_first_prompt_holds_itself_is_no_row() -> None:
    assert Apart(f"Solve it: {STORY}", PLACED).problem(Candidate(f"Solve it: {STORY}"), ()) == ""


def test_a_candidate_with_other_texts_is_told_so() -> None:
    problem = Apart({"system": "Name it.", "user": "{input}"}, ()).problem(Candidate("Name."), ())
    assert problem == "its texts are prompt, and those of this search are system, user"
