"""openai's client for an endpoint, which sends what it was given and nothing of its surroundings.

Loading this module loads openai, which takes a second: it is loaded where a call is made.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping

import httpx2
import openai

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.resources.endpoints.endpoint import Endpoint

LOGGERS = ("openai", "httpx2", "httpx", "httpcore2", "httpcore")
"""They print whole addresses, per call."""
USER_AGENT = f"openai-python/{openai.__version__}"


class GivenHeaders(openai.AsyncOpenAI):
    """Sends the headers `given`, beside those of its key and its body.

    The package's own defaults are facts of this machine and what the environment says
    (`OPENAI_CUSTOM_HEADERS`, `OPENAI_ORG_ID`, …), whatever server is asked.
    """

    given: Mapping[str, str] = {}

    @property
    def default_headers(self) -> dict[str, str | openai.Omit]:
        """See `openai.AsyncOpenAI`."""
        return {**self.given}


def make_client(
    endpoint: Endpoint, base_url: str, key: str, http_client: httpx2.AsyncClient
) -> openai.AsyncOpenAI:
    """The client of an endpoint that takes its key, where there is one, as a bearer token.

    Empty texts are given for what else would be looked up in the environment.

    Raises:
        InputError: no client can ask at that address.
    """
    quieten()
    try:
        client = GivenHeaders(
            base_url=base_url,
            api_key=key,
            admin_api_key="",
            organization="",
            project="",
            webhook_secret="",
            max_retries=0,
            timeout=None,
            http_client=http_client,
        )
    except httpx2.InvalidURL as error:
        raise InputError(f"{endpoint.name}: {base_url!r} is no address: {error}") from None
    client.given = given_headers(endpoint)
    return client


def given_headers(endpoint: Endpoint) -> dict[str, str]:
    """What every request to the endpoint says beside its key."""
    found = ((name, os.environ.get(variable, "").strip()) for name, variable in endpoint.headers)
    said = {name: value for name, value in found if value}
    return {
        "Content-Type": "application/json",
        "Accept": "application/json",
        "User-Agent": USER_AGENT,
        **said,
    }


def request_options(key: str) -> openai.RequestOptions:
    """What is said with each request: that nothing is added to it, and no retries, no time limit
    and no redirects are the client's to decide.
    """
    left_out: dict[str, str | openai.Omit] = {"X-Stainless-Retry-Count": openai.omit}
    if not key:
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
