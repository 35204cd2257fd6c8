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
    "openai's name of a field": (f"{MINE}, default_headers: {{}}", ".default_headers: no such fie"),
    "Azure's token elsewhere": (
        f"{MINE}, headers: {{Authorization: {{env: AZURE_OPENAI_AD_TOKEN}}}}",
        ".headers.Authorization.env names AZURE_OPENAI_AD_TOKEN, which by its name is for openai.a",
    ),
    "a number as header": (
        f"{MINE}, headers: {{X-A: 1}}",
        ".headers.X-A: is a number and no text; put it in quotes or, where it is a secret, write {",
    ),
    "a mapping as header": (
        f"{MINE}, headers: {{X-A: {{key: hunter2}}}}",
        ".headers.X-A: is a mapping and no text; write one or, where it is a secret, write {env:",
    ),
    "a mistyped env": (
        f"{MINE}, query: {{a: {{enx: TENANT}}}}",
        ".query.a: holds 'enx', no such field; did you mean 'env'?",
    ),
    "a list as header": (
        f"{MINE}, headers: {{X-A: [hunter2]}}",
        ".headers.X-A: is a list and no text; write one or, where it is a secret, write {env: NA",
    ),
    "nothing as header": (
        f"{MINE}, headers: {{X-A: }}",
        ".headers.X-A: is null and no text; put it in quotes or, where it is a secret, write {en",
    ),
    "a date as parameter": (
        f"{MINE}, query: {{a: 2024-06-01}}",
        ".query.a: is a date and no text; put it in quotes or, where it is a secret, write {env:",
    ),
    "a switch as parameter": (
        f"{MINE}, query: {{a: yes}}",
        ".query.a: is true and no text; put it in quotes or, where it is a secret, write {env: N",
    ),
    "a variable as header": (
        f"{MINE}, headers: {{X-Team: $TENANT_TOKEN}}",
        ".headers: 'X-Team' holds the variable TENANT_TOKEN, which nothing fills in; write {env: "
        "TENANT_TOKEN}",
    ),
    "a variable in braces as parameter": (
        f"{MINE}, query: {{a: '${{TENANT_TOKEN}}'}}",
        ".query: 'a' holds the variable TENANT_TOKEN, which nothing fills in; write {env: TENANT_",
    ),
    "a variable within a header": (
        f"{MINE}, headers: {{X-Team: 'Bearer ${{TENANT_TOKEN}}'}}",
        ".headers: 'X-Team' holds the variable TENANT_TOKEN, which nothing fills in; write {env: "
        "TENANT_TOKEN}, and all of the text into that variable",
    ),
    "a secret header with a variable": (
        f"{MINE}, headers: {{Authorization: 'Bearer $TENANT_TOKEN'}}",
        ".headers: 'Authorization' holds the variable TENANT_TOKEN, which nothing fills in; write",
    ),
    "a variable of Windows": (
        f"{MINE}, headers: {{X-Team: '%TENANT_TOKEN%'}}",
        ".headers: 'X-Team' holds the variable TENANT_TOKEN, which nothing fills in; write {env: ",
    ),
    "a variable in quotes": (
        f"{MINE}, headers: {{X-Team: '{{env: TENANT_TOKEN}}'}}",
        ".headers: 'X-Team' holds the variable TENANT_TOKEN, which nothing fills in; write {env: ",
    ),
    "a name in place of a variable's": (
        f"{MINE}, headers: {{X-A: {{env: hunter2}}}}",
        ".headers.X-A.env: is no name of an environment variable in capital letters; name one",
    ),
    "a key of another endpoint": (
        f"{MINE}, headers: {{X-A: {{env: OPENAI_API_KEY}}}}",
        ".headers.X-A.env: names OPENAI_API_KEY, a key of the endpoint 'openai'; give this",
    ),
    "a provider's key elsewhere": (
        f"{MINE}, query: {{a: {{env: GROQ_API_KEY}}}}",
        ".query.a.env names GROQ_API_KEY, which by its name is for groq.com; give this endpoint a",
    ),
    "a header twice": (
        f"{MINE}, headers: {{X-A: a, x-a: b}}",
        ".headers: 'X-A' and 'x-a' are one header; keep one",
    ),
    "a header in its name": (
        f"{MINE}, headers: {{'Authorization: Bearer hunter2': x}}",
        ".headers: name 1 is no header's; use letters, digits and -",
    ),
    "two keys": (
        f"{MINE}, api_key_env: MY_KEY, headers: {{authorization: {{env: OTHER}}}}",
        ".headers.authorization and api_key_env are one header; keep one",
    ),
    "a secret by its name": (
        f"{MINE}, headers: {{X-Gateway-Key: hunter2}}",
        ".headers: 'X-Gateway-Key' is by its name a secret, and secrets never stand in files; "
        "write {env: NAME}, NAME being the environment variable that holds it",
    ),
    "a secret by its name in the query": (
        f"{MINE}, query: {{sig: hunter2}}",
        ".query: 'sig' is by its name a secret, and secrets never stand in files; write {env",
    ),
    "a key by its form": (
        f"{MINE}, headers: {{X-A: sk-hunter2-hunter2-hunter2}}",
        ".headers: 'X-A' looks like a key, and keys never stand in files; write {env: NAME}, NA",
    ),
    "an empty header": (f"{MINE}, headers: {{X-A: ''}}", ".headers: 'X-A' is empty; fill it in, o"),
    "an empty parameter's name": (f"{MINE}, query: {{'': a}}", ".query: name 1 is no parameter's;"),
    "a parameter of two lines": (
        f'{MINE}, query: {{a: "b\\nhunter2"}}',
        ".query: 'a' holds a character that no parameter has (a line break, a",
    ),
    "a long header": (
        f"{MINE}, headers: {{X-A: {'a ' * 1500}b}}",
        ".headers: 'X-A' has 3001 characters and may have 2000; shorten it",
    ),
    "many headers": (
        f"{MINE}, headers: {{{', '.join(f'X-{i}: a' for i in range(40))}}}",
        ".headers: holds 40 and may hold 32; take some out",
    ),
    "headers as a list": (
        f"{MINE}, headers: [hunter2]",
        ".headers = a list: is not a mapping; write `key: value` lines below it",
    ),
    "headers as a number": (f"{MINE}, headers: 1234", ".headers = a number: is not a mapping; wri"),
    "no query": (f"{MINE}, query: ", ".query = null: is not a mapping; write `key: value` lines"),
    "a switch as query": (f"{MINE}, query: yes", ".query = true: is not a mapping; write `key: "),
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
    "a variable in small letters": (
        f"{MINE}, query: {{a: '${{tenant}}'}}",
        ".query: 'a' holds the variable tenant, which nothing fills in; write {env: NAME}, NAME be",
    ),
}  # fmt: skip
RESERVED = ["Content-Type", "content-length", "HOST", "Transfer-Encoding", "Accept-Encoding"]
BAD_VALUES = ['"a\\r\\nX-B: c"', '"a\\x7fb"', '"caf\\u00e9"', '"\\u201ca\\u201d"', '" a"', '"a\\t"']


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


@pytest.mark.parametrize("name", RESERVED)
def test_what_the_client_sets_itself_is_no_header_of_the_user_s(name: str, tmp_path: Path) -> None:
    line = line_of(tmp_path, f"{MINE}, headers: {{{name}: a}}")
    assert line == f".headers: {name!r} is set by the client itself; take it out"


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_no_header_carries_is_refused(value: str, tmp_path: Path) -> None:
    line = line_of(tmp_path, f"{MINE}, headers: {{X-A: {value}}}")
    assert line.startswith(".headers: 'X-A' holds a character that no header has (a line break")


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
