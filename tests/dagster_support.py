"""Dagster on a project of a test's own: definitions read afresh, a real instance on disk."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.data_version import (
    CachingStaleStatusResolver,
    StaleStatus,
)
from dagster._core.definitions.temporal_context import TemporalContext
from dagster._time import get_current_datetime

from autoprompt_assets.engine.search import Iteration
from autoprompt_assets.progress import LogProgress
from autoprompt_assets.resources.home import DAGSTER_YAML
from autoprompt_assets.search_session import Session, open_session
from tests.loopback import FEATURES
from tests.support import OPTIONS, Project, csv_of

SINGLE = ("dataset", "baseline_score", "best_prompt", "test_comparison")
ALL = ("dataset", "baseline_score", "optimizer_iterations", "best_prompt", "test_comparison")
READ_ONCE = ("grid", "partitions", "sensors", "configuration", "assets", "checks", "definitions")
KEPT_OUT = ("AUTOPROMPT_ENDPOINT", "AUTOPROMPT_STORE", "AUTOPROMPT_JOURNAL")
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
ROWS = {f"Which shape is path {i}?": OPTIONS[i % 4] for i in range(60)}
WORDING = " ".join([*FEATURES.values()][:4])
FENCED = "Name the shape.\n````json\n{}\n````"
# Demos ask no optimizer model; the wording holds phrases that the loopback target heeds.
SPEC = f"""\
description: Shapes.
dataset:
  path: rows.csv
  split: {{train: 8, validation: 20, test: 30}}
roles:
  target:
    model: gpt-4.1-mini
    prompt: "Name the shape.\\n````json\\n{{}}\\n````"
    max_tokens: 200
grader: {{kind: choice}}
optimizer:
  strategy: demos
  iterations: 3
  demos: 4
  wordings: ["{WORDING}"]
concurrency: 8
"""
SHORT = SPEC.replace("iterations: 3", "iterations: 1")
BROKEN = SPEC.replace("grader: {kind: choice}", "grader: {kind: guess}")


@dataclass
class Graph:
    """The five assets, the checks and the sensor of one project, in this process."""

    project: Project
    instance: dg.DagsterInstance
    defs: dg.Definitions

    @property
    def repository(self) -> dg.RepositoryDefinition:
        return self.defs.get_repository_def()

    def materialize(
        self,
        selection: dg.AssetSelection | tuple[str, ...],
        partition: str,
        *,
        overrides: Mapping[str, str] | None = None,
        instance: dg.DagsterInstance | None = None,
    ) -> dg.ExecuteInProcessResult:
        """One run, with the tags that the UI gives it; a partition "first...last" is a range."""
        first, _, last = partition.partition("...")
        tags = {"dagster/partition": first}
        if last:
            tags = {
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
            }
        assets: list[Any] = [*(self.defs.assets or []), *(self.defs.asset_checks or [])]
        return dg.materialize(
            assets,
            selection=selection if isinstance(selection, dg.AssetSelection) else [*selection],
            instance=instance or self.instance,
            resources=self.bench(overrides).definitions(LogProgress()),
            run_config=QUIET,
            raise_on_error=False,
            tags=tags,
        )

    def search(self, name: str) -> None:
        """All five assets, in the three runs that a backfill makes of them."""
        for selection, partition in (
            (("dataset", "baseline_score"), name),
            (("optimizer_iterations",), f"{name}|001...{name}|003"),
            (("best_prompt", "test_comparison"), name),
        ):
            result = self.materialize(selection, partition)
            assert result.success, failures(result)

    def tick(self, cursor: str | None = None) -> tuple[str, str]:
        """One evaluation of the dataset sensor: what it says, and the cursor that it leaves."""
        sensor = self.repository.get_sensor_def("dataset_changed")
        with dg.build_sensor_context(
            self.instance, cursor, definitions=self.defs, resources=self.defs.resources
        ) as context:
            data = sensor.evaluate_tick(context)
        assert data.run_requests == []
        assert data.cursor is not None
        return data.skip_message or "", data.cursor

    def backfills(self) -> dict[str, set[tuple[str, str | None]]]:
        """Each backfill's asset partitions."""
        found = {}
        for backfill in self.instance.get_backfills():
            assert backfill.asset_backfill_data is not None
            subset = backfill.asset_backfill_data.target_subset
            found[backfill.backfill_id] = {
                (each.asset_key.to_user_string(), each.partition_key)
                for each in subset.iterate_asset_partitions()
            }
        return found

    def status(self, asset: str, partition: str) -> StaleStatus:
        return self._resolver().get_status(dg.AssetKey(asset), partition)

    def stale_because_of(self, asset: str, partition: str) -> set[str]:
        causes = self._resolver().get_stale_causes(dg.AssetKey(asset), partition)
        return {cause.dependency.asset_key.to_user_string() for cause in causes if cause.dependency}

    def statuses(self, name: str) -> dict[str, set[StaleStatus]]:
        """The status of each asset; that of the iterations over all of them."""
        return {
            asset: {self.status(asset, key) for key in self.partitions(asset, name)}
            for asset in ALL
        }

    def partitions(self, asset: str, name: str) -> list[str]:
        return [f"{name}|{n:03d}" for n in (1, 2, 3)] if asset == "optimizer_iterations" else [name]

    def events(self, asset: str, partition: str) -> list[dg.AssetMaterialization]:
        wanted = dg.AssetRecordsFilter(dg.AssetKey(asset), asset_partitions=[partition])
        found = self.instance.fetch_materializations(wanted, limit=100, ascending=True).records
        made = [record.asset_materialization for record in found]
        return [event for event in made if event is not None]

    def last(self, asset: str, partition: str) -> dg.AssetMaterialization:
        return self.events(asset, partition)[-1]

    def data_version(self, asset: str, partition: str) -> str:
        return (self.last(asset, partition).tags or {})["dagster/data_version"]

    def session(self, name: str) -> Session:
        bench = self.bench()
        return open_session(name, bench.experiments, bench.llm, bench.store)

    def bench(self, overrides: Mapping[str, str] | None = None) -> Any:
        """What `autoprompt run` works with; its module is read afresh, so no type can name it."""
        module = importlib.import_module("autoprompt_assets.configuration")
        return module.Bench.configured(overrides or {})

    def iterations(self, name: str) -> list[Iteration]:
        return self.session(name).records.read_iterations()

    def _resolver(self) -> CachingStaleStatusResolver:
        """What the UI shows is read through this class, anew for each question."""
        graph = self.repository.asset_graph
        now = TemporalContext(effective_dt=get_current_datetime(), last_event_id=None)
        view = AssetGraphView(temporal_context=now, instance=self.instance, asset_graph=graph)
        return CachingStaleStatusResolver(self.instance, graph, view)


def project_with(folder: Any, base_url: str, **specs: str) -> Project:
    """A project whose home is made; the keywords are experiments, all on the same rows."""
    project = Project(folder, {"OPENAI_BASE_URL": base_url, "OPENAI_API_KEY": "sk-test"})
    for name, spec in specs.items():
        project.add(name, spec, rows_csv=csv_of(ROWS))
    project.home.mkdir(parents=True)
    (project.home / "dagster.yaml").write_text(DAGSTER_YAML, encoding="utf-8")
    return project


@contextmanager
def opened(project: Project) -> Iterator[Graph]:
    """The project's graph. Partitions are read from its folder once, so modules load anew."""
    package = vars(importlib.import_module("autoprompt_assets"))
    names = {f"autoprompt_assets.{short}": short for short in READ_ONCE}
    modules = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    # `from autoprompt_assets import checks` takes the package's attribute where there is one.
    attributes = {short: package.pop(short) for short in READ_ONCE if short in package}
    with pytest.MonkeyPatch.context() as patch:
        for name in KEPT_OUT:
            patch.delenv(name, raising=False)
        for name, value in project.variables().items():
            patch.setenv(name, value)
        try:
            defs = importlib.import_module("autoprompt_assets.definitions").defs
            with dg.DagsterInstance.from_config(str(project.home)) as instance:
                yield Graph(project, instance, defs)
        finally:
            for name, short in names.items():
                sys.modules.pop(name, None)
                package.pop(short, None)
            sys.modules.update(modules)
            package.update(attributes)


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """What each failed step said in plain words; the error's own where it said nothing."""
    failed = [event.step_failure_data for event in result.all_node_events if event.is_step_failure]
    return [
        str(data.user_failure_data.description if data.user_failure_data else data.error)
        for data in failed
    ]


def change_a_target(project: Project, name: str) -> None:
    """The same inputs with one other target."""
    first, *_ = ROWS
    project.add(name, SPEC, rows_csv=csv_of({**ROWS, first: "(B)"}))
