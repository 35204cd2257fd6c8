"""The compose file as it is written: who reaches what, and which settings there are."""

from __future__ import annotations

import re
from typing import Any

import yaml

from tests.support import ROOT

DEPLOY = ROOT / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
# Where the daemon reads the settings that compose has read already.
UNSAID = {"ENV_FILE"}


def having(key: str) -> set[str]:
    return {name for name, service in SERVICES.items() if service.get(key)}


def test_every_setting_stands_in_the_example() -> None:
    example = (DEPLOY / "example.env").read_text(encoding="utf-8")
    said = {*re.findall(r"^#?([A-Z_]+)=", example, re.MULTILINE)}
    passed_on = {name for name, value in SERVICES["code"]["environment"].items() if value is None}
    used = {*re.findall(r"\$\{([A-Z_]+)", TEXT)} | passed_on
    assert used - UNSAID <= said
    # What is said and not read by compose is the daemon's to hand on.
    assert said - used == {"OPENAI_API_KEY", "VLLM_BASE_URL"}


def test_the_example_holds_no_secret() -> None:
    example = (DEPLOY / "example.env").read_text(encoding="utf-8")
    secrets = re.findall(r"^#?(\w*(?:KEY|TOKEN|PASSWORD))=(.*)$", example, re.MULTILINE)
    assert len(secrets) == 6
    assert {value for _, value in secrets} == {""}


def test_the_gate_alone_has_dockers_socket_and_stands_apart() -> None:
    with_socket = {name for name, one in SERVICES.items() if "docker.sock" in str(one)}
    assert with_socket == {"docker-gate"}
    assert SERVICES["docker-gate"]["networks"] == ["control"]
    assert COMPOSE["networks"]["control"] == {"internal": True}
    beside = {name for name, one in SERVICES.items() if "control" in one["networks"]}
    assert beside == {"docker-gate", "webserver", "daemon"}


def test_the_daemon_alone_has_the_keys() -> None:
    assert having("env_file") == {"daemon"}


def test_the_page_alone_is_published_and_to_this_host_alone() -> None:
    assert having("ports") == {"webserver"}
    assert all(port.startswith("127.0.0.1:") for port in SERVICES["webserver"]["ports"])


def test_every_image_has_a_tag_that_stays() -> None:
    images = {name: one["image"] for name, one in SERVICES.items()}
    assert images.keys() == SERVICES.keys()
    for image in images.values():
        default = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", image)
        assert re.fullmatch(r"[a-z/-]+:v?\d+\.\d+[a-z0-9.-]*", default), image


def test_the_bounds_of_a_runs_container_are_those_that_the_gate_allows() -> None:
    code = SERVICES["code"]["environment"]
    context = re.sub(r"\$\{RUN_VARIABLES:-(\[.*?\])\}", r"\1", code["DAGSTER_CONTAINER_CONTEXT"])
    asked = yaml.safe_load(context)["docker"]
    gate = SERVICES["docker-gate"]["environment"]
    assert asked["networks"] == [gate["RUN_NETWORK"]]
    assert asked["container_kwargs"]["volumes"] == yaml.safe_load(gate["RUN_BINDS"])
    assert code["DAGSTER_CURRENT_IMAGE"] == gate["RUN_IMAGE"] == SERVICES["code"]["image"]
    names = {one for one in asked["env_vars"] if "=" not in one}
    assert names == {"PGPASSWORD"}
