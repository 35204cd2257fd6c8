"""A key goes to its own host: whatever a file, an override or the environment names beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.keys import origin
from autoprompt_assets.engine.llm import EndpointSpec, RoleSpec
from autoprompt_assets.resources.endpoints.resolve import resolve
from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, KEY, TOY, Project, csv_of, toy_project

MINE = "sk-mine-0123456789abcdef"
ENVIRON = {"OPENAI_BASE_URL": "https://gate.example/v1", "VLLM_BASE_URL": "http://gpu:8000/v1"}
NAMED = {"mine": EndpointSpec(base_url="http://mine:81/v1", api_key_env="MINE_KEY", model="m")}


@pytest.fixture(name="own", scope="module")
def _own() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        yield server


@pytest.fixture(name="other", scope="module")
def _other() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        yield server


@pytest.fixture(autouse=True)
def _fresh(own: LoopbackServer, other: LoopbackServer) -> None:
    own.ledger.clear()
    other.ledger.clear()


def spec_with(endpoints: str) -> str:
    """The toy without a review and a writer, and with endpoints of its own."""
    head, _, rest = TOY.partition("  review:")
    tail = rest[rest.index("grader:") :].replace("kind: model", "kind: choice")
    tail = tail.replace("strategy: opro, iterations: 2", "strategy: demos, iterations: 1")
    return f"{head}{tail}endpoints: {endpoints}\n"


def keyed_project(folder: Path, own: LoopbackServer) -> Project:
    project = Project(folder, {"OPENAI_API_KEY": KEY, "MINE_KEY": MINE})
    project.environ["OPENAI_BASE_URL"] = own.base_url
    endpoints = f"{{mine: {{base_url: '{own.base_url}', api_key_env: MINE_KEY, model: m}}}}"
    project.add("toy", spec_with(endpoints), rows_csv=csv_of(ANSWERS))
    return project


def keys_sent(server: LoopbackServer) -> set[str | None]:
    return {entry["authorization"] for entry in server.ledger}


def override(project: Project, *settings: str) -> str:
    arguments = [part for setting in settings for part in ("--set", setting)]
    return project.refused("run", "toy", *arguments)


# Each would have sent a key to the other host, which stands for {other}.
MOVES = {
    "the address": ["endpoints.mine.base_url={other}"],
    "the variable": ["endpoints.mine.api_key_env=OTHER_KEY"],
    "a whole endpoint": ["endpoints.mine={base_url: '{other}', api_key_env: MINE_KEY, model: m}"],
    "all endpoints": ["endpoints={mine: {base_url: '{other}', api_key_env: MINE_KEY, model: m}}"],
    "a new one": ["endpoints.x={base_url: '{other}', api_key_env: MINE_KEY, model: m}"],
    "a new one in parts": ["endpoints.x.base_url={other}", "endpoints.x.api_key_env=MINE_KEY"],
}


@pytest.mark.parametrize("move", MOVES)
def test_an_override_that_moves_a_key_is_refused_before_a_call(
    tmp_path: Path, own: LoopbackServer, other: LoopbackServer, move: str
) -> None:
    project = keyed_project(tmp_path, own)
    settings = [part.replace("{other}", other.base_url) for part in MOVES[move]]
    line = override(project, *settings, "roles.target.endpoint=mine")
    assert line.startswith("--set endpoints")
    assert "write base_url and api_key_env there" in line or "is the key of" in line
    assert (own.ledger, other.ledger) == ([], [])


@pytest.mark.parametrize(
    "variable", ["OPENAI_API_KEY", "VLLM_API_KEY", "AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN"]
)
def test_a_named_endpoint_cannot_have_the_key_of_something_else(
    tmp_path: Path, own: LoopbackServer, other: LoopbackServer, variable: str
) -> None:
    project = keyed_project(tmp_path, own)
    endpoints = f"{{x: {{base_url: '{other.base_url}', api_key_env: {variable}, model: m}}}}"
    project.add("toy", spec_with(endpoints).replace("{model:", "{endpoint: x, model:"))
    line = project.refused("run", "toy")
    assert f"endpoints.x.api_key_env: names {variable}, " in line
    assert line.endswith("give this endpoint a variable of its own")
    override_line = override(
        keyed_project(tmp_path / "2", own), f"endpoints.mine.api_key_env={variable}"
    )
    assert f"names {variable}" in override_line
    assert (own.ledger, other.ledger) == ([], [])


@pytest.mark.parametrize(
    ("variable", "url", "whose"),
    [
        ("GROQ_API_KEY", "https://api.groq.com/openai/v1", None),
        ("GROQ_API_KEY", "https://groq.com.evil/v1", "groq.com"),
        ("XAI_API_KEY", "https://max.ai/v1", "x.ai"),
        ("HF_TOKEN", "https://router.huggingface.co/v1", None),
        ("HF_TOKEN", "http://127.0.0.1:8000/v1", "huggingface.co"),
        ("TOGETHER_API_KEY", "https://api.together.xyz/v1", None),
        ("MY_GROQ_API_KEY", "http://127.0.0.1:8000/v1", None),
    ],
)
def test_a_providers_key_goes_to_that_provider_alone(
    tmp_path: Path, variable: str, url: str, whose: str | None
) -> None:
    project = Project(tmp_path, {variable: MINE})
    endpoints = f"{{x: {{base_url: '{url}', api_key_env: {variable}, model: m}}}}"
    spec = spec_with(endpoints).replace("{model:", "{endpoint: x, model:")
    project.add("toy", spec, rows_csv=csv_of(ANSWERS))
    if whose is None:
        assert project.run("check", "toy").returncode == 0
        return
    line = project.refused("check", "toy")
    assert line.endswith(
        f"endpoints.x.api_key_env names {variable}, which by its name is for {whose}; give this "
        "endpoint a variable of its own"
    )


def test_two_hosts_cannot_share_a_key_in_one_file_nor_in_two(
    tmp_path: Path, own: LoopbackServer, other: LoopbackServer
) -> None:
    project = keyed_project(tmp_path, own)
    theirs = f"{{base_url: '{other.base_url}', api_key_env: MINE_KEY, model: m}}"
    both = f"{{mine: {{base_url: '{own.base_url}', api_key_env: MINE_KEY}}, x: {theirs}}}"
    project.add("both", spec_with(both), rows_csv=csv_of(ANSWERS))
    lines = project.run("run", "both").stderr
    assert "endpoints.x.api_key_env = 'MINE_KEY' is the key of endpoints.mine too" in lines

    (project.experiments / "both" / "experiment.yaml").unlink()
    spec = spec_with(f"{{x: {theirs}}}").replace("{model:", "{endpoint: x, model:")
    project.add("guest", spec, rows_csv=csv_of(ANSWERS))
    line = project.refused("run", "guest")
    assert (
        f"too in {project.experiments / 'toy' / 'experiment.yaml'}, on another host or port" in line
    )
    # A file that is wrong in another way still says whose key it is.
    toy = project.experiments / "toy" / "experiment.yaml"
    toy.write_text(toy.read_text().replace("kind: choice", "kind: guess"))
    assert "on another host" in project.refused("run", "guest")
    assert (own.ledger, other.ledger) == ([], [])


def test_two_files_that_differ_in_the_port_are_both_named_with_both_addresses(
    tmp_path: Path,
) -> None:
    project = Project(tmp_path, {"MINE_KEY": MINE})
    text = spec_with("{mine: {base_url: 'http://a/v1', api_key_env: MINE_KEY, model: m}}")
    project.add("gate", text, rows_csv=csv_of(ANSWERS))
    project.add("mut", text.replace("//a/", "//a:81/"))
    gate, mut = (project.experiments / name / "experiment.yaml" for name in ("gate", "mut"))
    said = "{}: endpoints.mine.api_key_env = 'MINE_KEY' is the key of endpoints.mine too in {}, on "
    said += "another host or port ({} there, {} here); give each a variable of its own"
    # Which of the two is right nobody but the user can know.
    for name, own, other, there, here in (
        ("mut", mut, gate, "http://a:80", "http://a:81"),
        ("gate", gate, mut, "http://a:81", "http://a:80"),
    ):
        assert project.refused("check", name) == said.format(own, other, there, here)


@pytest.mark.slow
def test_a_model_that_is_hosted_elsewhere_is_sent_no_key(
    tmp_path: Path, own: LoopbackServer, other: LoopbackServer
) -> None:
    project = keyed_project(tmp_path, own)
    project.environ |= {"VLLM_BASE_URL": own.base_url, "VLLM_API_KEY": MINE}
    for endpoint in ("openai", "vllm", "mine"):
        moved = f"roles.target={{prompt: Name the shape., endpoint: {endpoint}, model: m, "
        moved += f"hosted_model_uri: '{other.base_url}'}}"
        result = project.run("run", "toy", "--set", moved)
        assert result.returncode == 0, result.stderr
    assert own.ledger == []
    assert other.ledger
    assert keys_sent(other) == {None}


@pytest.mark.slow
def test_a_key_goes_to_the_host_that_the_file_or_the_environment_says(
    tmp_path: Path, own: LoopbackServer, other: LoopbackServer
) -> None:
    project = keyed_project(tmp_path, own)
    path = f"{own.base_url}/"  # another path, or its spelling, on the same host
    keyless = f"endpoints.free={{base_url: '{other.base_url}', model: m}}"
    settings = ("--set", f"endpoints.mine.base_url={path}", "--set", keyless)
    for endpoint in ("mine", "free", "openai"):
        role = f"roles.target={{endpoint: {endpoint}, prompt: Say., model: {endpoint}-1}}"
        result = project.run("run", "toy", *settings, "--set", role)
        assert result.returncode == 0, result.stderr
    assert keys_sent(own) == {f"Bearer {MINE}", f"Bearer {KEY}"}
    assert keys_sent(other) == {None}


@pytest.mark.parametrize(
    ("endpoint", "hosted", "key"),
    [
        ("openai", None, "OPENAI_API_KEY"),
        ("openai", "https://gate.example:443/other", "OPENAI_API_KEY"),
        ("openai", "http://gate.example/v1", None),
        ("openai", "https://gate.example.evil/v1", None),
        ("openai", "https://evil/gate.example/v1", None),
        ("openai", "https://gate.example:444/v1", None),
        ("openai", "https://api.openai.com/v1", None),
        ("vllm", None, "VLLM_API_KEY"),
        ("vllm", "http://GPU:8000/v2", "VLLM_API_KEY"),
        ("vllm", "http://gpu:8001/v1", None),
        ("mine", None, "MINE_KEY"),
        ("mine", "http://mine:81/v2", "MINE_KEY"),
        ("mine", "http://mine/v1", None),
    ],
)
def test_the_host_is_scheme_name_and_port(endpoint: str, hosted: str | None, key: str) -> None:
    role = RoleSpec(endpoint=endpoint, model="m", hosted_model_uri=hosted)
    assert resolve(role, NAMED, ENVIRON).key_env == key


def test_without_a_base_url_the_key_is_openais() -> None:
    role = RoleSpec(model="m", hosted_model_uri="https://api.openai.com/v1")
    assert resolve(role, {}, {}).key_env == "OPENAI_API_KEY"
    elsewhere = RoleSpec(model="m", hosted_model_uri="https://api.openai.com.evil/v1")
    assert resolve(elsewhere, {}, {}).key_env is None


@pytest.mark.parametrize("url", ["http://host:port/v1", "http://host:99999/v1", "http://:80/v1"])
def test_an_address_without_a_host_or_port_that_can_be_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValueError, match=r"host|[Pp]ort"):
        origin(url)
    with pytest.raises(InputError, match="OPENAI_BASE_URL: has no host or port that can be"):
        resolve(RoleSpec(model="m"), {}, {"OPENAI_BASE_URL": url})
    line = toy_project(tmp_path).refused("check", "toy", "--set", f"endpoints.a.base_url={url}")
    assert "endpoints.a.base_url: has no host or port that can be" in line
