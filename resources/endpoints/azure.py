"""The endpoint `azure`, and named ones of `kind: azure`: deployments of an Azure OpenAI resource.

By the resource's address, `https://NAME.openai.azure.com`, a deployment's name and an API version.
Azure's newer address, `https://NAME.openai.azure.com/openai/v1`, takes no version and is asked as
any OpenAI-compatible API is: a named endpoint without a kind.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.fields import WebAddress
from autoprompt_assets.engine.llm import EndpointSpec, SentValue
from autoprompt_assets.resources.endpoints.endpoint import (
    Endpoint,
    SentField,
    checked_url,
    identity_of,
    named_endpoint,
)
from autoprompt_assets.resources.endpoints.kind import EndpointKind

if TYPE_CHECKING:
    import httpx2
    import openai

VERSION = "api-version"
"""The query parameter of each request."""
_VERSIONED = re.compile(r"(\d{4}-\d{2}-\d{2})(-preview)?")
_DEPLOYMENT = re.compile(r"(?=.*[A-Za-z0-9])[A-Za-z0-9._-]{1,64}")
_TARGET = re.compile(r"/openai/deployments/([A-Za-z0-9._-]{1,64})(?![^/?#])")


def _version(value: Any) -> Any:
    # YAML reads 2024-10-21 as a date.
    return value.isoformat() if type(value) is date else value


def _resource(value: Any) -> Any:
    problem = _address_problem(value) if isinstance(value, str) else ""
    if problem:
        raise ValueError(problem)
    return value


ApiVersion = Annotated[str, BeforeValidator(_version)]
ResourceAddress = Annotated[WebAddress, BeforeValidator(_resource)]
"""What is said of any address would lead away from what is wrong with one of Azure's."""


class AzureSpec(EndpointSpec):
    """A resource of Azure OpenAI, or a gateway before one. A role's `model` is a deployment."""

    kind: Literal["azure"]
    base_url: ResourceAddress
    deployment: str | None = Field(None, min_length=1)
    """What a role is asked of that names no model."""
    api_version: ApiVersion
    structured_output: bool = True

    @property
    def key_header(self) -> str:
        """See `EndpointSpec.key_header`."""
        return "api-key"

    @property
    def default_model(self) -> str | None:
        """See `EndpointSpec.default_model`."""
        return self.deployment

    @property
    def sent_query(self) -> Mapping[str, SentValue]:
        """See `EndpointSpec.sent_query`."""
        return {**self.query, VERSION: SentValue.model_validate(self.api_version)}

    @model_validator(mode="after")
    def _is_azures(self) -> Self:
        problems = [*self._problems()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        problem = _version_problem(self.api_version)
        if problem:
            yield f"api_version = {shown(self.api_version)}: {problem}"
        if self.model is not None and self.deployment is not None:
            yield "model: Azure is asked for the deployment; take model out"
        elif self.model is not None:
            yield "model: Azure is asked for deployments; write deployment in its place"
        if self.deployment is not None and not _DEPLOYMENT.fullmatch(self.deployment):
            yield f"deployment = {shown(self.deployment)}: {_NO_DEPLOYMENT}"
        if any(name.lower() == VERSION for name in self.query):
            yield f"query.{VERSION} and api_version are one parameter; keep api_version"
        names = {name.lower() for name in self.headers}
        if self.api_key_env is None and names.isdisjoint(("api-key", "authorization")):
            yield (
                "api_key_env: is missing, and Azure answers nobody without a key; name the "
                "variable that holds it, or one with 'Bearer TOKEN' for headers.Authorization"
            )
        elif self.api_key_env is not None and "authorization" in names:
            yield "headers.Authorization and api_key_env both say who asks; keep one"


class Azure(EndpointKind):
    """A resource of Azure OpenAI, where the environment names it as `openai` has it named."""

    word: ClassVar[str] = "azure"
    hint: ClassVar[str] = (
        "needs AZURE_OPENAI_ENDPOINT, OPENAI_API_VERSION and AZURE_OPENAI_API_KEY, and has a "
        "deployment as model"
    )
    model: ClassVar[str] = ""
    keys: ClassVar[tuple[str, ...]] = ("AZURE_OPENAI_API_KEY",)
    keys_shared: ClassVar[bool] = True
    address: ClassVar[str] = "AZURE_OPENAI_ENDPOINT"
    version: ClassVar[str] = "OPENAI_API_VERSION"
    settings: ClassVar[type[EndpointSpec] | None] = AzureSpec

    def endpoint(
        self, model: str | None, hosted: str | None, environ: Mapping[str, str]
    ) -> Endpoint:
        """See `EndpointKind.endpoint`."""
        missing = [name for name in (self.address, self.version) if not environ.get(name)]
        if missing:
            raise InputError(
                f"{missing[0]} is not set; the endpoint 'azure' needs it: export it, or write it "
                "into .env here"
            )
        url, version = environ[self.address], environ[self.version]
        problem = _address_problem(url)
        if problem:
            raise InputError(f"{self.address}: {problem}")
        url = checked_url(url, self.address)
        problem = _version_problem(version)
        if problem:
            raise InputError(f"{self.version} = {shown(version)}: {problem}")
        if model is None:
            raise InputError(
                "model is not set, and the endpoint 'azure' has none by default; name a "
                "deployment, or an endpoint of kind azure that does"
            )
        _refuse_elsewhere(model, hosted)
        query = (SentField(VERSION, version),)
        identity = identity_of(url, (), query)
        return Endpoint(self.word, url, self.keys[0], True, model, identity, query=query)

    def base_url(self, endpoint: Endpoint) -> str:
        """Of the deployment: it has rate limits of its own."""
        return f"{endpoint.base_url}/openai/deployments/{endpoint.model}"

    def client(
        self, endpoint: Endpoint, base_url: str, key: str, http_client: httpx2.AsyncClient
    ) -> openai.AsyncOpenAI:
        """See `EndpointKind.client`."""
        from autoprompt_assets.resources.endpoints.sdk import make_azure_client

        return make_azure_client(endpoint, key, http_client)

    def named(
        self, name: str, server: EndpointSpec, model: str | None, hosted: str | None
    ) -> Endpoint:
        """See `EndpointKind.named`."""
        found = named_endpoint(name, server, model, None)
        _refuse_elsewhere(found.model, hosted)
        return found


_NO_DEPLOYMENT = "is no deployment's name; use its letters, digits, - _ and ."


def _refuse_elsewhere(deployment: str, hosted: str | None) -> None:
    if hosted is not None:
        raise InputError(
            "hosted_model_uri: a role on Azure is served by its deployment; take it out, or name "
            "the other server under endpoints"
        )
    if not _DEPLOYMENT.fullmatch(deployment):
        raise InputError(f"model = {shown(deployment)}: {_NO_DEPLOYMENT}")


def _version_problem(version: str) -> str:
    """Why the service has no such version; it names each by the day it came out."""
    if version in ("v1", "preview"):
        return (
            "belongs to Azure's address that ends in /openai/v1, an OpenAI-compatible API; write "
            "a date, such as 2024-10-21, or name that address without kind, deployment and "
            "api_version"
        )
    found = _VERSIONED.fullmatch(version)
    if found:
        with suppress(ValueError):
            date.fromisoformat(found[1])
            return ""
    return "is no API version; write a date, such as 2024-10-21 or 2025-03-01-preview"


def _address_problem(url: str) -> str:
    """What is wrong with a resource's address; the portal shows others beside it."""
    target = _TARGET.search(url)
    if target:
        return (
            "is the address of a deployment; write that of its resource, up to /openai, and "
            f"deployment: {target[1]}"
        )
    if url.rstrip("/").endswith("/openai/v1"):
        return (
            "is Azure's address without API versions, an OpenAI-compatible API; take out kind, "
            "deployment and api_version, and write model"
        )
    if url.rstrip("/").endswith("/openai"):
        return "ends in /openai, which is added; take it out"
    return ""
