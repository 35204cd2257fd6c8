"""What a user gets wrong about headers and query of a server: see `test_endpoint_settings`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_endpoint_settings import MINE, line_of

# Each the fields of the endpoint `mine`; what the line says, from its field on.
FIELDS: dict[str, tuple[str, str]] = {
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
    "a variable in small letters": (
        f"{MINE}, query: {{a: '${{tenant}}'}}",
        ".query: 'a' holds the variable tenant, which nothing fills in; write {env: NAME}, NAME be",
    ),
    "a secret without a name": (f"{MINE}, headers: {{X-A: {{env: }}}}", ".headers.X-A: "),
    "the organization of another's account": (
        f"{MINE}, headers: {{OpenAI-Organization: {{env: OPENAI_ORG_ID}}}}",
        ".headers.OpenAI-Organization.env: names OPENAI_ORG_ID, which goes with the key of ",
    ),
}  # fmt: skip
RESERVED = ["Content-Type", "content-length", "HOST", "Transfer-Encoding", "Accept-Encoding"]
BAD_VALUES = ['"a\\r\\nX-B: c"', '"a\\x7fb"', '"caf\\u00e9"', '"\\u201ca\\u201d"', '" a"', '"a\\t"']


@pytest.mark.parametrize("case", FIELDS)
def test_an_error_in_what_is_sent_names_file_endpoint_and_field(case: str, tmp_path: Path) -> None:
    fields, expected = FIELDS[case]
    assert line_of(tmp_path, fields).startswith(expected)


@pytest.mark.parametrize("name", RESERVED)
def test_what_the_client_sets_itself_is_no_header_of_the_user_s(name: str, tmp_path: Path) -> None:
    line = line_of(tmp_path, f"{MINE}, headers: {{{name}: a}}")
    assert line == f".headers: {name!r} is set by the client itself; take it out"


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_value_that_no_header_carries_is_refused(value: str, tmp_path: Path) -> None:
    line = line_of(tmp_path, f"{MINE}, headers: {{X-A: {value}}}")
    assert line.startswith(".headers: 'X-A' holds a character that no header has (a line break")
