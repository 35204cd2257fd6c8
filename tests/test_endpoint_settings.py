"""What a user gets wrong about a server of his own: one line that names file, endpoint and field,
shows no secret, and says what to do, before anything is asked.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.keys import address_problem, looks_like_a_key
from autoprompt_assets.engine.llm import RoleSpec
from autoprompt_assets.resources.endpoints.resolve import resolve
from tests.input_support import check, refused, spec_text

SECRET = "hunter2"
MINE = "base_url: 'http://host/v1'"
# Each the fields of the endpoint `mine`; what the line says, from its field on.
FIELDS: dict[str, tuple[str, str]] = {
    "credentials": (
        "base_url: 'https://me:hunter2@host/v1'",
        ".base_url: holds credentials; take out what stands before the @",
    ),
    "a query in the address": (
        "base_url: 'https://host/v1?key=hunter2'",
        ".base_url: holds a query, behind the ?; take it out: what an endpoint's address needs is "
        "written below its `query` in the experiment's file, e.g. query: {route: a}",
    ),
    "a fragment": ("base_url: 'https://host/v1#hunter2'", ".base_url: holds a fragment, behind"),
    "a blank": ("base_url: 'https://host/v1 hunter2'", ".base_url: holds a blank, an @ or a ba"),
    "an @": ("base_url: 'https://host/hunter2@x'", ".base_url: holds a blank, an @ or a backsla"),
    "no scheme": ("base_url: 'host:8000/v1'", ".base_url: is no web address; start it with http"),
    "no port": ("base_url: 'http://host:port/v1'", ".base_url: has no host or port that can be; "),
    "no such number": ("base_url: 'http://256.1.1.1/v1'", ".base_url: has no host or port that"),
    "a control character": ('base_url: "http://a\\x7fb/v1"', ".base_url: holds a blank, an @ or"),
    "a route": (
        "base_url: 'http://h:8765/v1/chat/completions'",
        ".base_url: is the address of one route; write it without /chat/completions at its end",
    ),
    "a deployment's route": (
        "base_url: 'https://me.openai.azure.com/openai/deployments/d/chat/completions'",
        ".base_url: is the address of one route; write it without /chat/completions at its end",
    ),
    "a variable in the address": (
        "base_url: 'https://${HOST}/v1'",
        ".base_url: holds a variable or a placeholder, which nothing fills in; write what it st",
    ),
    "a placeholder in the address": (
        "base_url: 'https://<resource>.openai.azure.com'",
        ".base_url: holds a variable or a placeholder, which nothing fills in; write what it st",
    ),
    "no address": ("model: m", ".base_url: is missing; add it"),
    "an unknown kind": (f"{MINE}, kind: azurre", ".kind = 'azurre' is not known; use azure, or le"),
    "a list as kind": (f"{MINE}, kind: [azure]", ".kind = ['azure'] is not known; use azure, or "),
    "a mistyped field": (f"{MINE}, api_key_emv: A", ".api_key_emv: no such field; did you mean 'a"),
    "another program's name of a field": (
        f"{MINE}, azure_endpoint: 'https://me.openai.azure.com'",
        ".azure_endpoint: no such field; did you mean 'base_url'?",
    ),
    "a switch that is none": (f"{MINE}, structured_output: maybe", '.structured_output = "maybe":'),
    "an unknown provider": (
        f"{MINE}, prices: opnai",
        ".prices.provider = 'opnai' is no provider of the price list; did you mean openai",
    ),
    "an unknown model of the list": (
        f"{MINE}, prices: {{provider: azure, model: gpt-5.4-minni}}",
        ".prices: the price list of azure has none for 'gpt-5.4-minni' (did you mean gpt-5.4-mini",
    ),
    "no price for what the roles ask": (
        f"{MINE}, model: my-deployment, prices: openai",
        ".prices: the price list of openai has none for 'my-deployment' (see the package genai-pr"
        "ices); say whose it has by prices: {provider: openai, model: …}, or give the role a pri",
    ),
    "a mistyped field of prices": (
        f"{MINE}, prices: {{provider: azure, modell: gpt-4o}}",
        ".prices.modell: no such field; did you mean 'model'?",
    ),
    "a number as provider": (f"{MINE}, prices: 3", ".prices = a number: is not a mapping; write `"),
    "no call at once": (f"{MINE}, concurrency: 0", ".concurrency = 0: is too small; make it 1 "),
    "half a call": (f"{MINE}, concurrency: 1.5", ".concurrency = 1.5: is no whole number; write"),
    "no call per minute": (
        f"{MINE}, requests_per_minute: 0",
        ".requests_per_minute = 0: is too small; make it more than 0",
    ),
    "an empty model": (f"{MINE}, model: ''", ".model: is empty; fill it in"),
}  # fmt: skip


def written(fields: str, **others: str) -> str:
    roles = "{target: {endpoint: mine, prompt: Solve}}"
    own = {"roles": roles, "optimizer": "{strategy: demos}", **others}
    return spec_text(endpoints=f"{{mine: {{{fields}}}}}", **own)


def line_of(folder: Path, fields: str) -> str:
    """What the one line on the endpoint `mine` says behind its name."""
    path = folder / "experiment.yaml"
    path.write_text(written(fields), encoding="utf-8")
    lines = refused(path)
    check(lines, (f"{path}: endpoints.mine",), [])
    assert SECRET not in "\n".join(lines)
    (line,) = lines
    return line.removeprefix(f"{path}: endpoints.mine")


@pytest.mark.parametrize("case", FIELDS)
def test_an_error_in_an_endpoint_names_file_endpoint_and_field(case: str, tmp_path: Path) -> None:
    fields, expected = FIELDS[case]
    assert line_of(tmp_path, fields).startswith(expected)


@pytest.mark.parametrize(
    "route", ["/chat/completions", "/completions", "/responses", "/embeddings", "/models"]
)
@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "VLLM_BASE_URL", ""])
def test_an_address_of_one_route_is_refused(route: str, variable: str, tmp_path: Path) -> None:
    url = f"http://h:1/v1{route}/"
    said = f"is the address of one route; write it without {route} at its end"
    if variable:
        role = RoleSpec(endpoint=variable.partition("_")[0].lower(), model="m")
        with pytest.raises(InputError) as caught:
            resolve(role, {}, {variable: url})
        assert caught.value.lines == (f"{variable}: {said}",)
    else:
        path = tmp_path / "experiment.yaml"
        path.write_text(written(MINE), encoding="utf-8")
        where = "roles.target.hosted_model_uri"
        assert refused(path, [f"{where}={url}"]) == (f"--set {where}: {said}",)


def test_an_override_of_an_endpoint_is_named_as_one(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(written(MINE), encoding="utf-8")
    for setting, expected in (
        (
            "endpoints.mine.base_url=http://h/v1?a=hunter2",
            "--set endpoints.mine.base_url: holds a ",
        ),
        ("endpoints.mine.headers={X-Key: hunter2}", "--set endpoints.mine.headers: 'X-Key' is by"),
        ("endpoints.mine.kind=azurre", "--set endpoints.mine.kind = 'azurre' is not known"),
        ("endpoints.mine.prices=opnai", "--set endpoints.mine.prices.provider = 'opnai' is no"),
        (
            "endpoints.mine.headers.X-A={env: MINE_SECRET}",
            "--set endpoints.mine.headers.X-A: MINE_SECRET goes only to the host and port that "
            f"{path} names beside it; write base_url and headers.X-A.env there",
        ),
    ):
        (line,) = refused(path, [setting])
        assert line.startswith(expected)
        assert SECRET not in line


def test_an_override_cannot_move_a_secret_to_another_host(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(written(f"{MINE}, query: {{a: {{env: MINE_SECRET}}}}"), encoding="utf-8")
    (line,) = refused(path, ["endpoints.mine.base_url=http://other/v1"])
    assert line.startswith(
        "--set endpoints.mine.base_url: MINE_SECRET goes only to the host and port that"
    )


@pytest.mark.parametrize("word", ["openai", "vllm", "azure", "local"])
def test_no_endpoint_of_the_user_s_takes_the_word_of_a_kind(word: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(spec_text(endpoints=f"{{{word}: {{{MINE}}}}}"), encoding="utf-8")
    assert refused(path) == (
        f"{path}: endpoints.{word} is a built-in endpoint; give yours another name",
    )


def test_two_hosts_cannot_share_a_secret(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    one = "{base_url: 'http://a/v1', api_key_env: MINE_KEY}"
    two = "{base_url: 'http://b/v1', headers: {X-A: {env: MINE_KEY}}}"
    path.write_text(spec_text(endpoints=f"{{one: {one}, two: {two}}}"), encoding="utf-8")
    assert refused(path) == (
        f"{path}: endpoints.two.headers.X-A.env = 'MINE_KEY' is the secret of endpoints.one too, "
        "on another host or port (http://a:80 there, http://b:80 here); give each a variable of "
        "its own",
    )


@pytest.mark.parametrize(
    "key",
    [
        *("sk-proj-0123456789abcd", "gsk_0123456789abcdef", "AKIAIOSFODNN7EXAMPLE", "Bearer abc"),
        *("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx", "0123456789abcdef0123456789abcdef"),
        "AIzaSyA0123456789abcdefghijklmnopqrstuv",
    ],
)  # fmt: skip
def test_a_key_is_told_by_its_form(key: str) -> None:
    assert looks_like_a_key(key)


@pytest.mark.parametrize(
    "text",
    [
        *("search", "team-42", "sk-learn-cluster", "us-east-1", "2024-10-21", "a b c 1 2 3", "MyA"),
        *("https://example.com/my-app", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", "text/plain; q=0."),
    ],
)  # fmt: skip
def test_what_is_no_key_is_told_from_one(text: str) -> None:
    assert not looks_like_a_key(text)


def test_an_address_with_letters_of_its_own_is_one() -> None:
    for url in (
        *("http://bücher.example/v1", "http://[::1]:8000/v1", "https://h/a%40b/v1/"),
        *("https://h/models", "https://h/chat-completions/v1", "https://responses/v1"),
    ):
        assert address_problem(url) == ""
