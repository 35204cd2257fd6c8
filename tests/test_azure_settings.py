"""What a user gets wrong about a deployment of Azure's: see `test_endpoint_settings`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_endpoint_settings import MINE, line_of

AZURE = "kind: azure, base_url: 'https://me.openai.azure.com', api_key_env: AZURE_OPENAI_API_KEY"
# Each the fields of the endpoint `mine`; what the line says, from its field on.
FIELDS: dict[str, tuple[str, str]] = {
    "a field of Azure's": (
        f"{MINE}, deployment: d",
        ".deployment: no such field, unless of kind azure; add e.g. kind: azure, or remove it",
    ),
    "no version": (f"{AZURE}, deployment: d", ".api_version: is missing; add it"),
    "no version of a form": (
        f"{AZURE}, api_version: latest",
        ".api_version = 'latest': is no API version; write a date, such as 2024-10-21 or 2025-03-01"
        "-preview",
    ),
    "no date": (f"{AZURE}, api_version: '2024-13-41'", ".api_version = '2024-13-41': is no API ve"),
    "a version of the address without": (
        f"{AZURE}, api_version: preview",
        ".api_version = 'preview': belongs to Azure's address that ends in /openai/v1, an OpenAI-",
    ),
    "a model of Azure's": (
        f"{AZURE}, api_version: 2024-10-21, model: gpt-4o",
        ".model: Azure is asked for deployments; write deployment in its place",
    ),
    "a model beside a deployment": (
        f"{AZURE}, api_version: 2024-10-21, model: gpt-4o, deployment: d",
        ".model: Azure is asked for the deployment; take model out",
    ),
    "no deployment": (
        f"{AZURE}, api_version: 2024-10-21, deployment: a/../b",
        ".deployment = 'a/../b': is no deployment's name; use its letters",
    ),
    "the portal's target": (
        "kind: azure, api_version: 2024-10-21, api_key_env: MY_KEY, "
        "base_url: 'https://me.openai.azure.com/openai/deployments/gpt-4o/chat/completions'",
        ".base_url: is the address of a deployment; write that of its resource, up to /openai, and "
        "deployment: gpt-4o",
    ),
    "the address without versions": (
        "kind: azure, api_version: 2024-10-21, api_key_env: MY_KEY, "
        "base_url: 'https://me.openai.azure.com/openai/v1/'",
        ".base_url: is Azure's address without API versions, an OpenAI-compatible API; take out",
    ),
    "half of the address": (
        "kind: azure, api_version: 2024-10-21, api_key_env: MY_KEY, base_url: 'https://me/openai'",
        ".base_url: ends in /openai, which is added; take it out",
    ),
    "two versions": (
        f"{AZURE}, api_version: 2024-10-21, query: {{api-version: '2024-06-01'}}",
        ".query.api-version and api_version are one parameter; keep api_version",
    ),
    "Azure without a key": (
        "kind: azure, base_url: 'https://me.openai.azure.com', api_version: 2024-10-21",
        ".api_key_env: is missing, and Azure answers nobody without a key; name the",
    ),
    "two keys for Azure": (
        f"{AZURE}, api_version: 2024-10-21, headers: {{Api-Key: {{env: OTHER}}}}",
        ".headers.Api-Key and api_key_env are one header; keep one",
    ),
    "a key and a token for Azure": (
        f"{AZURE}, api_version: 2024-10-21, headers: {{Authorization: {{env: TOKEN}}}}",
        ".headers.Authorization and api_key_env both say who asks; keep one",
    ),
    "Azure's key elsewhere": (
        "kind: azure, base_url: 'https://evil.cloudapp.azure.com', api_version: 2024-10-21, "
        "api_key_env: AZURE_OPENAI_API_KEY",
        ".api_key_env names AZURE_OPENAI_API_KEY, which by its name is for openai.azure.com; give",
    ),
}


@pytest.mark.parametrize("case", FIELDS)
def test_an_error_in_a_deployment_names_file_endpoint_and_field(case: str, tmp_path: Path) -> None:
    fields, expected = FIELDS[case]
    assert line_of(tmp_path, fields).startswith(expected)
