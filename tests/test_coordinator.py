"""The home's queue: every run is tagged with its experiment, and the limits hold on those tags."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import dagster as dg
import pytest
from dagster._core.remote_origin import (
    ManagedGrpcPythonEnvCodeLocationOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.run_coordinator.base import SubmitRunContext
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._utils.tags import TagConcurrencyLimitsCounter

from autoprompt_assets.resources.run_coordinator import ExperimentRunCoordinator, run_tags
from tests.dagster_support import BROKEN, SPEC, Graph, opened, project_with
from tests.loopback import LoopbackServer

LOCAL = SPEC.replace("model: gpt-4.1-mini", "endpoint: local")
REVIEWED = SPEC.replace(
    "grader: {kind: choice}",
    "  review: {endpoint: local, prompt: 'Right? {response}'}\ngrader: {kind: model}",
)
RANGE = {
    "dagster/asset_partition_range_start": "{}|001",
    "dagster/asset_partition_range_end": "{}|003",
}


@pytest.fixture
def queue(tmp_path: Path, answering: LoopbackServer) -> Iterator[Graph]:
    specs = {"far": SPEC, "near": LOCAL, "mixed": REVIEWED, "broken": BROKEN}
    with opened(project_with(tmp_path / "project", answering.base_url, **specs)) as graph:
        yield graph


def submit(graph: Graph, tags: Mapping[str, str]) -> dg.DagsterRun:
    """As the UI and the daemon do it; the workspace is handed through and not read."""
    whole = graph.repository.get_implicit_global_asset_job_def()
    iterations = any("|" in value for value in tags.values())
    asset = dg.AssetKey("optimizer_iterations" if iterations else "dataset")
    job = whole.get_subset(asset_selection={asset})
    target = LoadableTargetOrigin(module_name="autoprompt_assets.definitions")
    place = ManagedGrpcPythonEnvCodeLocationOrigin(target, "autoprompt")
    origin = RemoteRepositoryOrigin(place, graph.repository.name).get_job_origin(job.name)
    run = graph.instance.create_run_for_job(job, tags=tags, remote_job_origin=origin)
    workspace = cast(Any, None)
    return graph.instance.run_coordinator.submit_run(SubmitRunContext(run, workspace))


def single(name: str) -> dict[str, str]:
    return {"dagster/partition": name}


def added(run: dg.DagsterRun) -> dict[str, str]:
    return {key: value for key, value in run.tags.items() if key.startswith("autoprompt/")}


def test_the_home_that_autoprompt_makes_is_loaded_with_its_queue(graph: Graph) -> None:
    home = graph.project.folder / "new"
    graph.project.environ |= {"AUTOPROMPT_HOME": str(home), "DAGSTER_HOME": str(home)}
    result = graph.project.run("list")
    assert result.returncode == 0, result.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", str(home))
        with dg.DagsterInstance.get() as found, dg.DagsterInstance.from_config(str(home)) as read:
            for instance in (found, read):
                assert isinstance(instance.run_coordinator, ExperimentRunCoordinator)
                assert not instance.is_ephemeral
                assert Path(instance.root_directory) == home
    assert (home / "dagster.yaml").read_bytes() == (
        graph.project.home / "dagster.yaml"
    ).read_bytes()


@pytest.mark.parametrize(
    "tags",
    [
        pytest.param({"dagster/partition": "{}"}, marks=pytest.mark.slow),
        pytest.param(
            {
                "dagster/partition": "{}|002",
                "dagster/partition/experiment": "{}",
                "dagster/partition/iteration": "002",
            },
            marks=pytest.mark.slow,
        ),
        RANGE,
    ],
    ids=["single", "multi", "range"],
)
def test_a_queued_run_is_tagged_whatever_its_partitions(queue: Graph, tags: dict[str, str]) -> None:
    for name, wanted in (
        ("far", {"autoprompt/experiment": "far"}),
        ("near", {"autoprompt/experiment": "near", "autoprompt/endpoint": "local"}),
        ("mixed", {"autoprompt/experiment": "mixed", "autoprompt/endpoint": "local"}),
        ("broken", {"autoprompt/experiment": "broken"}),
    ):
        run = submit(queue, {key: value.format(name) for key, value in tags.items()})
        stored = queue.instance.get_run_by_id(run.run_id)
        assert stored is not None
        assert stored.status == dg.DagsterRunStatus.QUEUED
        assert added(stored) == added(run) == wanted


def test_a_run_without_partitions_is_queued_without_tags(queue: Graph) -> None:
    run = submit(queue, {"who": "somebody"})
    assert run.status == dg.DagsterRunStatus.QUEUED
    assert added(run) == {}


def test_an_experiment_that_is_gone_still_has_its_tag(queue: Graph) -> None:
    shutil.rmtree(queue.project.experiments / "near")
    assert run_tags(single("near")) == {"autoprompt/experiment": "near"}


def test_an_endpoint_for_all_roles_decides_instead_of_the_file(
    queue: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOPROMPT_ENDPOINT", "local")
    assert run_tags(single("far"))["autoprompt/endpoint"] == "local"
    monkeypatch.setenv("AUTOPROMPT_ENDPOINT", "openai")
    assert run_tags(single("near")) == {"autoprompt/experiment": "near"}


def test_the_queue_holds_back_the_same_experiment_and_the_embedded_model(queue: Graph) -> None:
    config = queue.instance.get_concurrency_config().run_queue_config
    assert config is not None
    assert config.max_concurrent_runs == 10
    far, near, mixed, broken = (
        submit(queue, single(name)) for name in ("far", "near", "mixed", "broken")
    )
    # The queue's daemon counts the runs in progress with this class.
    again = {
        name: submit(queue, {key: value.format(name) for key, value in RANGE.items()})
        for name in ("far", "near", "broken")
    }
    limits = config.tag_concurrency_limits
    idle = TagConcurrencyLimitsCounter(limits, [])
    assert not any(idle.is_blocked(run) for run in (far, near, mixed, broken))
    busy = TagConcurrencyLimitsCounter(limits, [far])
    assert busy.is_blocked(again["far"])
    assert not any(busy.is_blocked(run) for run in (near, mixed, broken))
    embedded = TagConcurrencyLimitsCounter(limits, [near])
    assert embedded.is_blocked(again["near"])
    assert embedded.is_blocked(mixed)
    assert not any(embedded.is_blocked(run) for run in (far, broken))
    assert TagConcurrencyLimitsCounter(limits, [broken]).is_blocked(again["broken"])
