"""What a server of the user's own is, as it is written: who answers, at what price."""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import EndpointSpec, RoleSpec
from autoprompt_assets.engine.spec import ExperimentSpec, load_spec
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS, price_of
from autoprompt_assets.resources.endpoints.azure import AzureSpec
from autoprompt_assets.resources.endpoints.keys import key_problems
from autoprompt_assets.resources.endpoints.prices import list_price
from autoprompt_assets.resources.endpoints.resolve import resolve, resolve_roles
from tests.input_support import spec_text
from tests.support import ANSWERS, ROOT, Project, csv_of, toy_project
from tests.test_azure_settings import AZURE
from tests.test_endpoint_settings import MINE, written
from tests.test_key_hosts import spec_with


def loaded(tmp_path: Path, fields: str, **others: str) -> ExperimentSpec:
    path = tmp_path / "experiment.yaml"
    path.write_text(written(fields, **others), encoding="utf-8")
    return load_spec(path, ENDPOINT_WORDS)


def test_a_version_may_stand_as_a_date(tmp_path: Path) -> None:
    spec = loaded(tmp_path, f"{AZURE}, api_version: 2024-10-21, deployment: d")
    server = spec.endpoints["mine"]
    assert isinstance(server, AzureSpec)
    assert server.api_version == str(datetime.date(2024, 10, 21))
    assert server.structured_output
    assert spec.model_dump(mode="json")["endpoints"]["mine"]["deployment"] == "d"


def test_the_endpoints_of_the_readme_are_some(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(endpoints:.*?)```", text, re.DOTALL)
    path = tmp_path / "experiment.yaml"
    for name, identity in (
        ("gateway", 'https://gateway.example/v1?route=eu {"x-team":"search"}'),
        ("ours", "https://ours.openai.azure.com?api-version=2024-10-21"),
    ):
        roles = f"{{target: {{endpoint: {name}, prompt: Solve}}}}"
        path.write_text(spec_text(roles=roles, optimizer="{strategy: demos}") + block, "utf-8")
        spec = load_spec(path, ENDPOINT_WORDS)
        (endpoint,) = resolve_roles(spec, {}).values()
        assert endpoint.identity == identity
        assert endpoint.structured_output
        assert price_of(endpoint, None) is not None


def test_headers_are_written_down_as_they_stand_in_the_file(tmp_path: Path) -> None:
    sent = {"X-Team": "search", "X-Gateway-Key": {"env": "GATEWAY_KEY"}}
    spec = loaded(tmp_path, f"{MINE}, headers: {sent}, query: {{code: {{env: CODE}}}}, model: m")
    dumped = spec.model_dump(mode="json")["endpoints"]["mine"]
    assert (dumped["headers"], dumped["query"]) == (sent, {"code": {"env": "CODE"}})
    again = ExperimentSpec.model_validate(spec.model_dump(mode="json"), context=ENDPOINT_WORDS)
    assert again == spec


def test_what_is_sent_in_plain_sight_is_a_part_of_who_answers() -> None:
    role = RoleSpec(endpoint="mine", model="m")

    def identity(**fields: object) -> str:
        server = EndpointSpec.model_validate({"base_url": "http://a/v1/", **fields})
        return resolve(role, {"mine": server}, {}).identity

    secret = {"X-Key": {"env": "ONE"}}
    assert identity() == identity(headers=secret, api_key_env="K") == "http://a/v1"
    assert identity(query={"b": "2 3", "a": "1"}) == "http://a/v1?a=1&b=2+3"
    assert identity(headers={"X-B": "2", "x-a": "1"}) == 'http://a/v1 {"x-a":"1","x-b":"2"}'
    assert identity(headers={"X-B": "2"}, query={"a": "1"}) == 'http://a/v1?a=1 {"x-b":"2"}'
    assert identity(headers={"X-B": "2"}, identity="farm") == "farm"


def test_elsewhere_nothing_of_the_endpoint_s_own_is_sent() -> None:
    fields = {"headers": {"X-A": "a", "X-Key": {"env": "ONE"}}, "query": {"b": "2"}}
    server = EndpointSpec.model_validate(
        {"base_url": "http://a/v1", "api_key_env": "K", "prices": "openai", **fields}
    )
    for hosted, own in (("http://a/v2", True), ("http://b/v1", False)):
        role = RoleSpec(endpoint="mine", model="gpt-4o", hosted_model_uri=hosted)
        found = resolve(role, {"mine": server}, {})
        assert found.variables == (("K", "ONE") if own else ())
        assert bool(found.headers) == bool(found.query) == own
        assert (price_of(found, None) is not None) == own
        assert found.identity == ('http://a/v2?b=2 {"x-a":"a"}' if own else hosted)


def test_an_endpoint_has_the_list_prices_that_it_says(tmp_path: Path) -> None:
    for said, provider, model in (
        ("openai", "openai", "gpt-4o"),
        ("{provider: azure, model: gpt-4.1-mini}", "azure", "gpt-4.1-mini"),
    ):
        spec = loaded(tmp_path, f"{MINE}, model: gpt-4o, prices: {said}")
        endpoint = resolve_roles(spec, {})["target"]
        price = price_of(endpoint, None)
        assert price is not None
        assert price == list_price(model, provider)
        own = loaded(
            tmp_path,
            f"{MINE}, model: no-such, prices: openai",
            roles="{target: {endpoint: mine, prompt: Solve, price: {prompt: 1, completion: 2}}}",
        )
        target = own.roles.target
        assert price_of(resolve_roles(own, {})["target"], target.price) != price


ENVIRON = {
    "AZURE_OPENAI_ENDPOINT": "https://me.openai.azure.com/",
    "AZURE_OPENAI_API_KEY": "0123456789abcdef",
    "OPENAI_API_VERSION": "2024-10-21",
}


def test_azure_is_reached_by_the_environment_s_usual_variables() -> None:
    found = resolve(RoleSpec(endpoint="azure", model="prod"), {}, ENVIRON)
    assert (found.base_url, found.key_env) == (
        "https://me.openai.azure.com",
        "AZURE_OPENAI_API_KEY",
    )
    assert found.identity == "https://me.openai.azure.com?api-version=2024-10-21"
    assert (found.model, found.key_required, found.structured_output) == ("prod", True, True)
    assert price_of(found, None) is None
    for name in ("AZURE_OPENAI_ENDPOINT", "OPENAI_API_VERSION"):
        with pytest.raises(InputError, match=f"{name} is not set; the endpoint 'azure' needs it"):
            resolve(RoleSpec(endpoint="azure", model="prod"), {}, {**ENVIRON, name: ""})
    for changed, said in (
        ({"AZURE_OPENAI_ENDPOINT": "https://a/b?c=1"}, "AZURE_OPENAI_ENDPOINT: holds a query"),
        ({"AZURE_OPENAI_ENDPOINT": "https://a/openai/v1"}, "AZURE_OPENAI_ENDPOINT: is Azure's add"),
        (
            {"AZURE_OPENAI_ENDPOINT": "https://a/openai/deployments/d/chat/completions?b=hunter2"},
            "AZURE_OPENAI_ENDPOINT: is the address of a deployment; write that of its resource, up "
            "to /openai, and deployment: d",
        ),
        ({"OPENAI_API_VERSION": "latest"}, "OPENAI_API_VERSION = 'latest': is no API version; wr"),
        ({"OPENAI_API_VERSION": "v1"}, "OPENAI_API_VERSION = 'v1': belongs to Azure's address"),
    ):  # fmt: skip
        with pytest.raises(InputError) as caught:
            resolve(RoleSpec(endpoint="azure", model="prod"), {}, {**ENVIRON, **changed})
        assert str(caught.value).startswith(said)


def test_a_role_on_azure_names_a_deployment(tmp_path: Path) -> None:
    fields = f"{AZURE}, api_version: 2024-10-21"
    for role, said in (
        ("", "roles.target.model is not set, and endpoints.mine has none by default; set one"),
        ("model: a/../b,", "roles.target.model = 'a/../b': is no deployment's name; use its"),
        (
            "model: a, hosted_model_uri: 'http://b/v1',",
            "roles.target.hosted_model_uri: a role on Azure is served by its deployment; take",
        ),
    ):
        roles = f"{{target: {{endpoint: mine, {role} prompt: Solve}}}}"
        with pytest.raises(InputError) as caught:
            resolve_roles(loaded(tmp_path, fields, roles=roles), {})
        assert str(caught.value).startswith(said)
    with pytest.raises(InputError, match="model is not set, and the endpoint 'azure' has none by"):
        resolve(RoleSpec(), {}, ENVIRON, "azure")


def test_what_the_environment_lacks_or_holds_wrongly_is_said_by_variable() -> None:
    server = EndpointSpec.model_validate(
        {
            "base_url": "http://a/v1",
            "headers": {"X-Gate": {"env": "GATE"}, "Authorization": {"env": "TOKEN"}},
            "query": {"code": {"env": "CODE"}},
        }
    )
    endpoint = resolve(RoleSpec(endpoint="mine", model="m"), {"mine": server}, {})
    good = {"GATE": "a b", "TOKEN": "Bearer abc", "CODE": "1"}
    assert key_problems({"target": endpoint}, good) == []
    for changed, said in (
        ({"GATE": ""}, "GATE is not set; the role target needs it: export it, or write it into"),
        ({"TOKEN": "Bearer abc\n"}, "TOKEN ends in a line break; set it without one"),
        ({"CODE": "a\nb"}, "CODE holds a character that no key has"),
        ({"GATE": "é"}, "GATE holds a character that no key has"),
        ({"GATE": "GATE=a"}, "GATE starts with its own name; leave that out"),
    ):  # fmt: skip
        (line,) = key_problems({"target": endpoint}, {**good, **changed})
        assert line.startswith(said)


def test_organization_and_project_are_what_a_header_carries() -> None:
    endpoint = resolve(RoleSpec(model="m"), {}, {})
    environ = {"OPENAI_API_KEY": "sk-0123456789", "OPENAI_ORG_ID": "org-1"}
    assert key_problems({"target": endpoint}, environ) == []
    (line,) = key_problems({"target": endpoint}, {**environ, "OPENAI_ORG_ID": "org\n1"})
    assert line.startswith("OPENAI_ORG_ID holds a character that no key has")
    elsewhere = resolve(RoleSpec(model="m", hosted_model_uri="http://b/v1"), {}, {})
    assert key_problems({"target": elsewhere}, {"OPENAI_PROJECT_ID": "a\nb"}) == []


def test_azures_key_stays_with_the_resource_that_the_environment_names(tmp_path: Path) -> None:
    spec = loaded(tmp_path, f"{AZURE}, api_version: 2024-10-21, deployment: d")
    endpoints = resolve_roles(spec, {})
    assert key_problems(endpoints, ENVIRON) == []
    other = {**ENVIRON, "AZURE_OPENAI_ENDPOINT": "https://you.openai.azure.com"}
    assert key_problems(endpoints, other) == [
        "endpoints.mine.api_key_env = 'AZURE_OPENAI_API_KEY' is the key of "
        "AZURE_OPENAI_ENDPOINT, on another host or port; give each a variable of its own"
    ]


def test_azures_key_in_a_header_stays_there_too(tmp_path: Path) -> None:
    fields = "base_url: 'https://me.openai.azure.com/openai/v1', model: m"
    header = "headers: {api-key: {env: AZURE_OPENAI_API_KEY}}"
    endpoints = resolve_roles(loaded(tmp_path, f"{fields}, {header}"), {})
    assert key_problems(endpoints, ENVIRON) == []
    other = {**ENVIRON, "AZURE_OPENAI_ENDPOINT": "https://you.openai.azure.com"}
    assert key_problems(endpoints, other) == [
        "endpoints.mine.headers.api-key.env = 'AZURE_OPENAI_API_KEY' is the key of "
        "AZURE_OPENAI_ENDPOINT, on another host or port; give each a variable of its own"
    ]


def test_a_role_without_a_model_is_named_with_its_file(tmp_path: Path) -> None:
    project = Project(tmp_path)
    folder = project.add("toy", spec_with("{mine: {base_url: 'http://a/v1'}}"))
    said = "roles.target.model is not set, and endpoints.mine has none by default; set one of them"
    text = (folder / "experiment.yaml").read_text(encoding="utf-8")
    text = text.replace("{model: gpt-4.1-mini", "{endpoint: mine", 1)
    project.add("toy", text, rows_csv=csv_of(ANSWERS))
    assert project.refused("check", "toy") == f"{folder / 'experiment.yaml'}: {said}"
    moved = ("--set", "roles.target.endpoint=local", "--set", "roles.target.model=gpt-4o")
    assert project.refused("check", "toy", *moved).startswith(
        "--set roles.target.model = 'gpt-4o': the endpoint 'local' serves "
    )
    # What the environment says is no fault of the file.
    project.environ["AUTOPROMPT_ENDPOINT"] = "nowhere"
    assert project.refused("check", "toy").startswith("AUTOPROMPT_ENDPOINT = 'nowhere' is not kno")


def test_check_says_that_the_embedded_model_neither_writes_prompts_nor_judges(
    tmp_path: Path,
) -> None:
    project = toy_project(tmp_path)
    said = "note: roles.{} is served by SmolLM2-135M-Instruct, which can classify but not {}; name "
    notes = (said.format("review", "judge answers"), said.format("optimizer", "write prompts"))
    assert not [note for note in notes if note in project.run("check", "toy").stdout]
    project.environ["AUTOPROMPT_ENDPOINT"] = "local"
    checked = project.run("check", "toy").stdout
    assert [note for note in notes if note not in checked] == []
    assert "roles.target is served" not in checked
