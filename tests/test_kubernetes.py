"""The values for Dagster's Helm chart: keys that the chart takes, and what compose says as well."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import jsonschema
import pytest
import yaml

from tests.support import ROOT
from tests.test_compose import SERVICES
from tests.test_image_pins import pins

FOLDER = ROOT / "deploy" / "kubernetes"
TEXT = (FOLDER / "values.yaml").read_text(encoding="utf-8")
VALUES: dict[str, Any] = yaml.safe_load(TEXT)
CHART = yaml.safe_load((ROOT / "tests/kubernetes/chart_keys.yaml").read_text(encoding="utf-8"))
INSTANCE = yaml.safe_load((ROOT / "deploy/dagster.yaml").read_text(encoding="utf-8"))
DAEMON = VALUES["dagsterDaemon"]
(CODE,) = VALUES["dagster-user-deployments"]["deployments"]
CLASSES = (
    DAEMON["runCoordinator"]["config"]["customRunCoordinator"],
    VALUES["computeLogManager"]["config"]["customComputeLogManager"],
)


def environment(variables: list[dict[str, Any]]) -> dict[str, str]:
    return {one["name"]: one["value"] for one in variables if "value" in one}


def secrets(value: Any) -> Iterator[str]:
    """The names of all secrets that are asked for below `value`."""
    if isinstance(value, list):
        for one in value:
            yield from secrets(one)
    elif isinstance(value, dict):
        yield from (one["name"] for one in value.get("envSecrets", ()))
        yield from ([value["secretKeyRef"]["name"]] if "secretKeyRef" in value else ())
        for one in value.values():
            yield from secrets(one)


def test_every_key_is_one_that_the_chart_takes() -> None:
    jsonschema.Draft202012Validator.check_schema(CHART)
    jsonschema.Draft202012Validator(CHART).validate(VALUES)


@pytest.mark.parametrize(
    ("place", "wrong"),
    [
        ("dagsterDaemon.runCoordinator.type", "HostRunCoordinator"),
        ("dagsterDaemon.runMonitoring.poll_interval_seconds", 2),
        ("computeLogManager.type", "LocalComputeLogManager"),
        ("runLauncher.config.k8sRunLauncher.env", {"OPENAI_API_KEY": "key"}),
        ("retention.sensor.purgeAfterDays", {"skipped": 7}),
        ("postgresql.password", "word"),
    ],
)
def test_a_key_or_word_that_the_chart_does_not_take_is_found(place: str, wrong: object) -> None:
    values = inner = copy.deepcopy(VALUES)
    *parents, last = place.split(".")
    for name in parents:
        inner = inner[name]
    inner[last] = wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(CHART).validate(values)


def test_dagster_starts_on_what_the_chart_makes_of_the_values(tmp_path: Path) -> None:
    """All but storage and launcher, as the chart's template writes the instance's file."""
    queue, logs = CLASSES
    monitoring = {
        re.sub("[A-Z]", lambda one: f"_{one[0].lower()}", key): value
        for key, value in DAEMON["runMonitoring"].items()
    }
    kept = VALUES["retention"]["sensor"]["purgeAfterDays"]
    instance = {
        "run_coordinator": queue,
        "compute_logs": {**logs, "config": {"base_dir": str(tmp_path / "logs")}},
        "run_monitoring": monitoring,
        "retention": {"sensor": {"purge_after_days": kept}},
        "telemetry": VALUES["telemetry"],
        **VALUES["additionalInstanceConfig"],
    }
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(instance), encoding="utf-8")
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        assert type(made.run_coordinator).__name__ == queue["class"]
        assert type(made.compute_log_manager).__name__ == logs["class"]
        assert made.get_settings("run_monitoring") == monitoring
        assert made.run_retries_max_retries == 1


def test_queue_retries_and_retention_are_those_of_the_docker_deployment() -> None:
    queue, logs = CLASSES
    assert queue == INSTANCE["run_coordinator"]
    assert (logs["module"], logs["class"]) == tuple(
        INSTANCE["compute_logs"][key] for key in ("module", "class")
    )
    extra = VALUES["additionalInstanceConfig"]
    assert extra["run_retries"] == INSTANCE["run_retries"]
    assert DAEMON["runRetries"] == {"enabled": False}, "else the chart writes run_retries, too"
    monitoring = INSTANCE["run_monitoring"]
    for key, name in (
        ("maxResumeRunAttempts", "max_resume_run_attempts"),
        ("freeSlotsAfterRunEndSeconds", "free_slots_after_run_end_seconds"),
    ):
        assert DAEMON["runMonitoring"][key] == monitoring[name]
    kept = VALUES["retention"]["sensor"]["purgeAfterDays"]
    assert INSTANCE["retention"]["sensor"]["purge_after_days"].items() <= kept.items()


def test_the_environment_is_that_of_the_docker_deployment() -> None:
    own, docker = environment(CODE["env"]), SERVICES["code"]["environment"]
    for name in ("AUTOPROMPT_HOME", "AUTOPROMPT_EXPERIMENTS", "AUTOPROMPT_JOURNAL"):
        assert own[name] == docker[name]
    assert own["AUTOPROMPT_WATCH_DATASETS"] == "1"
    assert own["AUTOPROMPT_HOME"] == VALUES["global"]["dagsterHome"]
    assert CODE["codeServerArgs"] == SERVICES["code"]["command"][-2:]
    database = VALUES["postgresql"]
    assert own["AUTOPROMPT_JOURNAL"] == "postgresql://{}@{}/{}".format(
        *(database[f"postgresql{part}"] for part in ("Username", "Host", "Database"))
    )
    assert database["postgresqlScheme"] == INSTANCE["storage"]["postgres"]["postgres_db"]["scheme"]


def test_keys_are_named_by_their_secrets_alone_and_runs_alone_have_those_of_endpoints() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    named = {*secrets(VALUES), VALUES["global"]["postgresqlSecretName"]}
    assert named == {"autoprompt-database", "autoprompt-keys", "autoprompt-storage"}
    assert named == {*re.findall(r"create secret generic (\S+)", page)}
    launcher = VALUES["runLauncher"]["config"]["k8sRunLauncher"]
    assert [*secrets(launcher)] == ["autoprompt-keys"]
    assert TEXT.count("name: autoprompt-keys") == 1
    assert not re.search(r"(?i)(password|_key|token): +[\"']?\w", TEXT.replace("key: postgres", ""))


def test_images_are_those_that_are_built_and_nobody_in_them_is_root() -> None:
    images = [VALUES["dagsterWebserver"]["image"], DAEMON["image"], CODE["image"]]
    assert images[0] == images[1]
    assert images[2]["repository"].endswith("/autoprompt-code")
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert {one["repository"] for one in images} == {
        image for image in re.findall(r"--tag (\S+):0\.1\.0", page) if "/" in image
    }
    for one in (VALUES["dagsterWebserver"], DAEMON, CODE):
        assert one["podSecurityContext"]["runAsUser"] == 10001
        assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_chart_and_launcher_are_of_the_pinned_dagster() -> None:
    launcher = pins(FOLDER / "requirements.txt")
    host = pins(ROOT / "deploy/requirements-docker-host.txt")
    assert launcher["dagster-k8s"] == host["dagster-docker"]
    shared = launcher.keys() & host.keys()
    assert {name: launcher[name] for name in shared} == {name: host[name] for name in shared}
    page = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert f"--version {host['dagster']}" in page
    assert f"({host['dagster']})" in TEXT
