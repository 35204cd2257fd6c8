"""The asset graph: what is materialized, what a person reads there, and what is stale when."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dagster._core.definitions.data_version import StaleStatus

from autoprompt_assets.engine.search import leader
from autoprompt_assets.search_session import read_history
from tests.dagster_support import (
    ALL,
    BROKEN,
    FENCED,
    ROWS,
    SINGLE,
    SPEC,
    Graph,
    change_a_target,
    failures,
    opened,
    project_with,
)
from tests.loopback import LoopbackServer
from tests.support import csv_of


def statuses(*stale: str) -> dict[str, set[StaleStatus]]:
    """Every asset fresh but those."""
    return {key: {StaleStatus.STALE if key in stale else StaleStatus.FRESH} for key in ALL}


def shown(event: dg.AssetMaterialization) -> dict[str, object]:
    return {name: value.value for name, value in event.metadata.items()}


def test_three_runs_materialize_all_five_assets_and_no_other_experiment(graph: Graph) -> None:
    runs = graph.instance.get_runs()
    assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS] * 3
    for asset in ALL:
        made = graph.instance.get_materialized_partitions(dg.AssetKey(asset))
        assert made == set(graph.partitions(asset, "alpha")), asset


def test_each_iteration_has_one_event_with_the_metadata_of_its_own(graph: Graph) -> None:
    for step in graph.iterations("alpha"):
        (event,) = graph.events("optimizer_iterations", f"alpha|{step.iteration:03d}")
        best = leader(step.scored)
        assert best is not None
        said = shown(event)
        assert said["search"] == graph.session("alpha").search_id
        assert said["candidate"] == best.candidate.id
        assert said["score"] == best.summary.score
        assert said["tokens"] == best.summary.spend.tokens
        table = said["candidates"]
        assert isinstance(table, dg.TableMetadataValue)
        (row,) = table.records
        assert row.data["id"] == best.candidate.id
        assert row.data["decision"] == best.decision
    leaders = [leader(step.scored) for step in graph.iterations("alpha")]
    candidates = {best.candidate.id for best in leaders if best}
    assert len(candidates) == 3


def test_a_person_reads_score_interval_prompt_failures_calls_cost_and_parents(graph: Graph) -> None:
    first, *_, varied = [
        shown(graph.last("optimizer_iterations", key))
        for key in graph.partitions("optimizer_iterations", "alpha")
    ]
    baseline = shown(graph.last("baseline_score", "alpha"))
    assert baseline["score"] == 0.45
    assert baseline["score ci95"] == "0.258 to 0.658"
    assert baseline["rows measured"] == "20 of 20"
    assert baseline["outcomes"] == {"correct": 9, "wrong": 11}
    # Each row, and each again to tell noise from gain.
    assert (baseline["calls made"], baseline["calls failed"]) == (20 + 20, 0)
    assert "0 of 20 rows asked twice changed their grade" in str(baseline["headroom"])
    assert isinstance(baseline["usd paid now"], float)
    assert baseline["usd paid now"] > 0
    # Demos under the first prompt: they come from it.
    history = read_history(graph.session("alpha"))
    assert first["parents"] == history.baseline.candidate.id
    assert re.fullmatch("[0-9a-f]{12}", str(varied["parents"]))
    for said in (baseline, first, shown(graph.last("test_comparison", "alpha"))):
        table = said["sample of failures"]
        assert isinstance(table, dg.TableMetadataValue)
        cells = [record.data for record in table.records]
        assert 1 <= len(cells) <= 10
        assert {cell["outcome"] for cell in cells} == {"wrong"}
        assert all(ROWS[str(cell["input"])] == cell["target"] for cell in cells)
        assert all(str(cell["target"]) not in str(cell["answer"]) for cell in cells)
    best = shown(graph.last("best_prompt", "alpha"))
    assert (best["baseline score"], best["iteration"]) == (0.45, 2)
    comparison = shown(graph.last("test_comparison", "alpha"))
    assert comparison["verdict"] == "better"
    assert comparison["rows compared"] == 30
    assert Path(str(comparison["report"])).read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_prompt_with_fences_of_its_own_stands_in_a_longer_one(graph: Graph) -> None:
    prompt = graph.last("baseline_score", "alpha").metadata["prompt"]
    assert isinstance(prompt, dg.MarkdownMetadataValue)
    opening, *inside, closing = prompt.value.splitlines()
    assert (opening, closing) == ("`````text", "`````")
    assert "\n".join(inside) == FENCED


def test_every_event_carries_code_version_data_version_and_provenance(graph: Graph) -> None:
    upstream = {
        "dataset": set(),
        "baseline_score": {"dataset"},
        "optimizer_iterations": {"baseline_score"},
        "best_prompt": {"baseline_score", "optimizer_iterations"},
        "test_comparison": {"dataset", "best_prompt"},
    }
    for asset, inputs in upstream.items():
        for key in graph.partitions(asset, "alpha"):
            tags = dict(graph.last(asset, key).tags or {})
            assert tags["dagster/code_version"] == "1"
            assert len(tags["dagster/data_version"]) == 16
            assert {name.rsplit("/", 1)[1] for name in tags if "/input_data_" in name} == inputs
            assert {name.rsplit("/", 1)[1] for name in tags if "/input_event_" in name} == inputs
    versions = [graph.data_version("optimizer_iterations", f"alpha|00{n}") for n in (1, 2, 3)]
    assert len(set(versions)) == 3


def test_equal_content_made_again_leaves_all_five_fresh_and_asks_nobody(
    graph: Graph, answering: LoopbackServer
) -> None:
    assert graph.statuses("alpha") == statuses()
    begin = len(answering.ledger)
    # In pieces, for a search that is made again from its start hides what goes stale between.
    for selection, partition in (
        (("dataset",), "alpha"),
        (("baseline_score",), "alpha"),
        (("optimizer_iterations",), "alpha|002"),
        (("optimizer_iterations",), "alpha|001...alpha|003"),
        (("best_prompt",), "alpha"),
    ):
        assert graph.materialize(selection, partition).success
        assert graph.statuses("alpha") == statuses(), selection
    assert len(answering.ledger) == begin


@pytest.mark.slow
def test_a_changed_dataset_makes_what_is_downstream_stale_until_it_is_made_again(
    graph: Graph,
) -> None:
    """Dagster calls stale what was made from another version of a direct input."""
    change_a_target(graph.project, "alpha")
    waves: tuple[tuple[tuple[str, ...], str, set[str]], ...] = (
        (("dataset",), "alpha", {"baseline_score", "test_comparison"}),
        (
            ("baseline_score",),
            "alpha",
            {"optimizer_iterations", "best_prompt", "test_comparison"},
        ),
        (("optimizer_iterations",), "alpha|001...alpha|003", {"best_prompt", "test_comparison"}),
        (("best_prompt",), "alpha", {"test_comparison"}),
        (("test_comparison",), "alpha", set()),
    )
    for selection, partition, stale in waves:
        assert graph.materialize(selection, partition).success
        assert graph.statuses("alpha") == statuses(*stale), selection
    assert graph.stale_because_of("best_prompt", "alpha") == set()


def test_iterations_made_again_with_other_content_make_the_best_prompt_stale(graph: Graph) -> None:
    stored = Path(str(graph.session("alpha").records.folder)) / "iterations" / "003.json"
    changed = json.loads(stored.read_text(encoding="utf-8")) | {"answers": ["in other words"]}
    stored.write_text(json.dumps(changed), encoding="utf-8")
    before = graph.data_version("optimizer_iterations", "alpha|003")
    assert graph.materialize(("optimizer_iterations",), "alpha|003").success

    assert graph.data_version("optimizer_iterations", "alpha|003") != before
    assert graph.stale_because_of("best_prompt", "alpha") == {"optimizer_iterations"}
    assert graph.statuses("alpha") == statuses("best_prompt")


@pytest.mark.parametrize("asset", ALL)
def test_an_instance_that_forgets_is_refused_with_one_line(
    graph: Graph, asset: str, answering: LoopbackServer, tmp_path: Path
) -> None:
    (tmp_path / ".tmp_dagster_home_x").mkdir()
    begin = len(answering.ledger)
    with (
        dg.DagsterInstance.ephemeral() as forgetful,
        dg.DagsterInstance.local_temp(str(tmp_path / ".tmp_dagster_home_x")) as temporary,
    ):
        for instance in (forgetful, temporary):
            result = graph.materialize(
                (asset,), graph.partitions(asset, "alpha")[0], instance=instance
            )
            (line,) = failures(result)
            assert line.startswith("this Dagster instance forgets everything at its end: run `.ven")
            assert line.endswith(f"or export DAGSTER_HOME={graph.project.home}")
    assert len(answering.ledger) == begin


def test_a_broken_experiment_is_a_partition_whose_dataset_says_what_is_wrong(graph: Graph) -> None:
    partitions = graph.repository.asset_graph.get(dg.AssetKey("dataset")).partitions_def
    assert partitions is not None
    assert partitions.get_partition_keys() == ["alpha", "beta", "broken"]
    (line,) = failures(graph.materialize(("dataset",), "broken"))
    assert "grader" in line
    assert "guess" in line
    assert graph.materialize(("dataset",), "alpha").success


def test_iterations_beyond_an_experiments_own_are_stopped_without_a_call(
    graph: Graph, answering: LoopbackServer
) -> None:
    assert graph.materialize(("dataset", "baseline_score"), "beta").success
    assert graph.materialize(("optimizer_iterations",), "beta|001").success
    begin = len(answering.ledger)
    assert graph.materialize(("optimizer_iterations",), "beta|002...beta|003").success
    assert len(answering.ledger) == begin
    made = [
        shown(graph.last("optimizer_iterations", key))
        for key in graph.partitions("optimizer_iterations", "beta")
    ]
    assert [said["status"] for said in made] == ["scored", "stopped", "stopped"]
    assert {said.get("reason") for said in made[1:]} == {"the experiment asks for 1 iteration"}
    assert {said["calls made"] for said in made[1:]} == {0}
    assert graph.materialize(("best_prompt", "test_comparison"), "beta").success
    assert graph.statuses("beta") == statuses()


@pytest.fixture
def formats(tmp_path: Path, answering: LoopbackServer) -> Iterator[Graph]:
    """The same rows three times: in another order and another format."""
    records = [{"input": key, "target": target} for key, target in ROWS.items()]
    parquet = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records[::-1]), parquet)
    project = project_with(tmp_path / "project", answering.base_url, comma=SPEC, broken=BROKEN)
    project.add("comma", SPEC, rows_csv=csv_of(dict(reversed(ROWS.items()))))
    lines = "\n".join(json.dumps(record) for record in records)
    project.add("lines", SPEC.replace("rows.csv", "rows.jsonl"), rows_jsonl=lines)
    content = parquet.getvalue()
    project.add("parquet", SPEC.replace("rows.csv", "rows.parquet"), rows_parquet=content)
    with opened(project) as graph:
        yield graph


def test_equal_rows_in_another_format_have_the_same_data_versions(formats: Graph) -> None:
    names = ("comma", "lines", "parquet")
    for name in names:
        assert formats.materialize(("dataset",), name).success
    assert len({formats.data_version("dataset", name) for name in names}) == 1


@pytest.mark.slow
def test_equal_searches_in_two_homes_have_equal_data_versions(
    graph: Graph, tmp_path: Path, answering: LoopbackServer
) -> None:
    keys = [(asset, key) for asset in ALL for key in graph.partitions(asset, "alpha")]
    mine = {key: graph.data_version(*key) for key in keys}
    with opened(project_with(tmp_path / "other", answering.base_url, alpha=SPEC)) as other:
        other.search("alpha")
        assert {key: other.data_version(*key) for key in keys} == mine


def test_each_single_asset_names_its_partition_and_only_its_own(graph: Graph) -> None:
    for asset in SINGLE:
        assert [event.partition for event in graph.events(asset, "alpha")] == ["alpha"]
        assert graph.events(asset, "beta") == []
