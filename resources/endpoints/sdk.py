"""openai's client for an endpoint, which sends what it was given and nothing of its surroundings.

Loading this module loads openai, which takes a second: it is loaded where a call is made.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

import httpx2
import openai
from openai.lib.azure import API_KEY_SENTINEL

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.resources.endpoints.endpoint import Endpoint, SentField
from autoprompt_assets.resources.endpoints.keys import read_key

LOGGERS = ("openai", "httpx2", "httpx", "httpcore2", "httpcore")
"""They print whole addresses, per call."""
USER_AGENT = f"openai-python/{openai.__version__}"
NOTHING_ELSE: dict[str, Any] = {
    "admin_api_key": "",
    "organization": "",
    "project": "",
    "webhook_secret": "",
    "max_retries": 0,
    "timeout": None,
}
"""Empty texts for what a client would look up in the environment; when to ask again, and for how
long, is not its to decide.
"""


class GivenHeaders:
    """A client that sends the headers `given`, beside those of its key and its body.

    The package's own defaults are facts of this machine and what the environment says
    (`OPENAI_CUSTOM_HEADERS`, `OPENAI_ORG_ID`, …), whatever server is asked.
    """

    given: Mapping[str, str] = {}

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        """See `openai.AsyncOpenAI`."""
        return {**self.given}


class PlainClient(GivenHeaders, openai.AsyncOpenAI):
    """Asks an OpenAI-compatible API."""


class AzureClient(GivenHeaders, openai.AsyncAzureOpenAI):
    """Asks a deployment of Azure OpenAI."""


def make_client(
    endpoint: Endpoint, base_url: str, key: str, http_client: httpx2.AsyncClient
) -> openai.AsyncOpenAI:
    """The client of an endpoint that takes its key, where there is one, as a bearer token.

    Raises:
        InputError: no client can ask at that address.
    """
    quieten()
    try:
        client = PlainClient(
            base_url=base_url,
            api_key=key,
            **NOTHING_ELSE,
            default_query=given_query(endpoint),
            http_client=http_client,
        )
    except httpx2.InvalidURL as error:
        raise InputError(f"{endpoint.name}: {base_url!r} is no address: {error}") from None
    client.given = given_headers(endpoint)
    return client


def make_azure_client(
    endpoint: Endpoint, key: str, http_client: httpx2.AsyncClient
) -> openai.AsyncOpenAI:
    """The client of a deployment, which takes its key in the header `api-key`.

    Without a key a header of the user's says who asks. The deployment is the client's own: of a
    request whose body is given as bytes the package reads no model.

    Raises:
        InputError: no client can ask at that address.
    """
    quieten()
    query = given_query(endpoint)
    try:
        client = AzureClient(
            azure_endpoint=endpoint.base_url or "",
            azure_deployment=endpoint.model,
            api_version=query.pop("api-version"),
            api_key=key or API_KEY_SENTINEL,
            **NOTHING_ELSE,
            default_query=query,
            http_client=http_client,
        )
    except httpx2.InvalidURL as error:
        raise InputError(f"{endpoint.name}: {endpoint.base_url!r} is no address: {error}") from None
    client.given = given_headers(endpoint)
    return client


def given_headers(endpoint: Endpoint) -> dict[str, str]:
    """What every request to the endpoint says beside its key."""
    # Under one spelling, so that a User-Agent of the user's takes the place of this one.
    own = {
        "content-type": "application/json",
        "accept": "application/json",
        "user-agent": USER_AGENT,
    }
    return own | {name.lower(): value for name, value in _values(endpoint.headers).items()}


def given_query(endpoint: Endpoint) -> dict[str, str]:
    """What stands behind the ? of every request to the endpoint."""
    return _values(endpoint.query)


def _values(fields: Iterable[SentField]) -> dict[str, str]:
    found = {one.name: read_key(one.env, os.environ) if one.env else one.value for one in fields}
    return {name: value for name, value in found.items() if value}


def request_options(endpoint: Endpoint, key: str) -> openai.RequestOptions:
    """What is said with each request: that nothing is added to it, and no retries, no time limit
    and no redirects are the client's to decide.
    """
    left_out: dict[str, str | openai.Omit] = {"X-Stainless-Retry-Count": openai.omit}
    if not key and "authorization" not in given_headers(endpoint):
        left_out["Authorization"] = openai.omit
    # What is not said is copied from the defaults, or drawn, per call.
    return {
        "headers": left_out,
        "params": {},
        "max_retries": 0,
        "idempotency_key": "none",
        "timeout": None,
        "follow_redirects": False,
        "security": {"bearer_auth": True},
    }


def quieten() -> None:
    """Hold the loggers of the client's packages at warnings, whatever `OPENAI_LOG` or the root
    logger says.
    """
    for name in LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(max(logger.level, logging.WARNING))
