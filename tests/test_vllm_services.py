"""vLLM in compose.yaml: served as on a bare host, and reached by the gate alone."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from typing import Any

import pytest
import yaml

from tests.docker_support import engine_or_skip
from tests.support import ROOT

DEPLOY = ROOT / "deploy"
TEXT = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
EXAMPLE = (DEPLOY / "example.env").read_text(encoding="utf-8")
SERVERS = ("vllm", "vllm-0", "vllm-1")


def default(text: str) -> str:
    """A setting's default in the place of the setting."""
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", text)


def on_a_bare_host(profile: str) -> tuple[dict[str, str], list[str]]:
    """The environment and the flags of vllm.py's command, without where it listens."""
    command = [sys.executable, str(DEPLOY / "vllm.py"), "--dry-run", "--profile", profile]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    words = shlex.split(said.splitlines()[0])
    serve, listen = words.index("serve"), words.index("--uds")
    environment = dict(word.split("=", 1) for word in words[: serve - 1])
    model = words[serve + 1].rpartition("/")[2]
    return environment, [model, *words[serve + 2 : listen], *words[listen + 2 :]]


def in_a_container(name: str, flags: str | None = None) -> list[str]:
    """The same of a service, with VLLM_FLAGS if given."""
    command = SERVICES[name]["command"]
    if flags is not None:
        command = re.sub(r"\$\{VLLM_FLAGS:-[^}]*\}", flags, command)
    words = default(command).split()
    listen = words.index("--host")
    assert words[listen : listen + 4] == ["--host", "0.0.0.0", "--port", "8000"]
    model = words[0].removeprefix("/weights/")
    return [model, *words[1:listen], *words[listen + 4 :]]


@pytest.mark.parametrize("name", SERVERS)
def test_a_container_serves_as_a_bare_host_does(name: str) -> None:
    environment, flags = on_a_bare_host("24gb")
    assert in_a_container(name) == flags
    own = dict(SERVICES[name]["environment"])
    del own["VLLM_API_KEY"]
    assert own == environment
    assert SERVICES[name]["entrypoint"] == ["vllm", "serve"]
    (large,) = re.findall(r"^#VLLM_FLAGS=(.*)$", EXAMPLE, re.MULTILINE)
    assert in_a_container(name, large) == on_a_bare_host("h100")[1]


def test_the_gates_alone_reach_vllm_and_vllm_reaches_nothing_else() -> None:
    assert COMPOSE["networks"]["gpu"] == {"internal": True}
    beside = {name for name, one in SERVICES.items() if "gpu" in one["networks"]}
    gates = {"vllm-gate", "replicas-gate"}
    assert beside == {*SERVERS, "vllm-router", *gates}
    for name in beside - gates:
        assert SERVICES[name]["networks"] == ["gpu"]
        assert "ports" not in SERVICES[name]
    for name in SERVERS:
        assert SERVICES[name]["volumes"] == ["weights:/weights:ro"]


def test_the_weights_alone_go_out_and_have_the_token() -> None:
    with_token = {name for name, one in SERVICES.items() if "HF_TOKEN" in str(one)}
    assert with_token == {"weights"}
    assert SERVICES["weights"]["networks"] == ["download"]
    out = {name for name, one in SERVICES.items() if "download" in one["networks"]}
    assert out == {"weights"}


@pytest.mark.parametrize("profile", ["gpu", "replicas"])
def test_every_server_that_is_named_is_there(profile: str) -> None:
    there = {name for name, one in SERVICES.items() if profile in one.get("profiles", ())}
    (gate,) = (name for name in there if name.endswith("gate"))
    named = [default(value) for value in SERVICES[gate]["environment"].values()]
    if profile == "replicas":
        named.append(SERVICES["vllm-router"]["command"])
    hosts = set(re.findall(r"http://([a-z0-9-]+):8000", " ".join(named)))
    assert hosts == there - {"weights", gate}
    engines = SERVICES[gate]["environment"]["ENGINES"]
    assert {f"http://{name}:8000" for name in there & {*SERVERS}} == {*engines.split()}
    aliases = SERVICES[gate]["networks"]
    assert gate == "vllm-gate" or aliases["runs"] == {"aliases": ["vllm-gate"]}
    assert "VLLM_BASE_URL=http://vllm-gate:8000/v1" in EXAMPLE


def test_the_image_is_of_the_version_of_the_lock() -> None:
    lock = (DEPLOY / "requirements-vllm.txt").read_text(encoding="utf-8")
    (version,) = re.findall(r"^vllm==(\S+)", lock, re.MULTILINE)
    images = {default(SERVICES[name]["image"]) for name in ("weights", *SERVERS)}
    assert images == {f"vllm/vllm-openai:v{version}"}
    assert f"#VLLM_IMAGE=vllm/vllm-openai:v{version}\n" in EXAMPLE


def test_the_pins_of_the_router_are_hashed_and_at_the_tested_versions() -> None:
    text = (DEPLOY / "requirements-docker-router.txt").read_text(encoding="utf-8")
    tested = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    own, known = (dict(re.findall(r"^([\w.-]+)==([^ ]+)", one, re.M)) for one in (text, tested))
    assert "vllm-router" in own
    assert text.count("--hash=sha256:") >= len(own)
    shared = own.keys() & known.keys()
    assert {name: own[name] for name in shared} == {name: known[name] for name in shared}


@pytest.mark.docker
@pytest.mark.parametrize("profile", ["", "gpu", "replicas"])
def test_compose_reads_the_profiles(profile: str) -> None:
    engine_or_skip()
    needed = {"POSTGRES_PASSWORD": "x", "DOCKER_GID": "1", "ENV_FILE": "example.env"}
    command = ["docker", "compose", "-f", str(DEPLOY / "compose.yaml")]
    command += ["--env-file", "/dev/null", "--profile", profile, "config", "--services"]
    done = subprocess.run(
        command, env=os.environ | needed, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    there = {name for name, one in SERVICES.items() if profile in one.get("profiles", [profile])}
    assert {*done.stdout.split()} == there
