"""Who launches a run writes its config: nothing in there moves a folder, a field or an endpoint."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from autoprompt_assets.progress import LogProgress
from tests.dagster_support import SHORT, Graph, failures, opened, project_with
from tests.loopback import Behaviour, LoopbackServer
from tests.support import PROGRAM

CONFIGS: dict[str, dict[str, Any]] = {
    "experiments.folder": {"folder": "/tmp/elsewhere"},
    "experiments.overrides": {"overrides": {"endpoints": "{x: {base_url: 'http://127.0.0.1:9'}}"}},
    "experiments.grid": {"grid": 1},
    "llm.endpoint": {"endpoint": "vllm"},
    "store.root": {"root": "/tmp/elsewhere"},
    "store.journal": {"journal": "sqlite:////tmp/elsewhere.db"},
    "progress.every_s": {"every_s": 0.0},
}


def run_config(field: str) -> dict[str, Any]:
    return {"resources": {field.split(".", maxsplit=1)[0]: {"config": CONFIGS[field]}}}


@pytest.mark.parametrize("field", CONFIGS)
def test_a_run_config_that_sets_a_resource_is_refused_before_the_run(
    graph: Graph, field: str
) -> None:
    job = graph.defs.resolve_implicit_global_asset_job_def()
    name = field.split(".")[1]
    with pytest.raises(dg.DagsterInvalidConfigError, match=f'unexpected config entry "{name}"'):
        dg.validate_run_config(job, run_config(field))


def test_what_such_a_run_would_ask_is_never_asked(tmp_path: Path) -> None:
    own, other = LoopbackServer(Behaviour()), LoopbackServer(Behaviour())
    with own, other:
        project = project_with(tmp_path, own.base_url, alpha=SHORT)
        endpoints = f"{{x: {{base_url: '{other.base_url}', model: m}}}}"
        overrides = {"endpoints": endpoints, "roles.target.endpoint": "x"}
        config = {"resources": {"experiments": {"config": {"overrides": overrides}}}}
        with opened(project) as graph, pytest.raises(dg.DagsterInvalidConfigError):
            dg.materialize(
                [*(graph.defs.assets or [])],  # type: ignore[list-item]
                selection=["dataset", "baseline_score"],
                instance=graph.instance,
                resources=graph.bench().definitions(LogProgress()),
                run_config=config,
                partition_key="alpha",
            )
        assert (len(own.ledger), len(other.ledger)) == (0, 0)


def test_overrides_of_the_command_line_still_count(graph: Graph) -> None:
    overrides = {"dataset.split.train": "7"}
    result = graph.materialize(("dataset",), "alpha", overrides=overrides)
    assert result.success, failures(result)
    bench = graph.bench(overrides)
    record = bench.store.experiment("alpha").read_dataset(bench.experiments.load("alpha").dataset)
    assert record.extents["train"].rows == 7


@pytest.mark.slow
def test_the_launcher_of_the_command_line_refuses_it_too(graph: Graph) -> None:
    project = graph.project
    (project.folder / "run.yaml").write_text(json.dumps(run_config("experiments.overrides")))
    arguments = ["asset", "materialize", "-m", "autoprompt_assets.definitions"]
    arguments += ["--select", "dataset", "--partition", "alpha"]
    result = subprocess.run(
        [str(PROGRAM.parent / "dagster"), *arguments, "--config", "run.yaml"],
        cwd=project.folder,
        env=project.variables(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    assert 'unexpected config entry "overrides"' in result.stderr + result.stdout
