"""What a user says of a server: where it is, what it is sent, and whose prices it has."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from pydantic import (
    Field,
    ModelWrapValidatorHandler,
    ValidationInfo,
    model_validator,
)

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.fields import Frozen, Number, VariableName, WebAddress, Whole
from autoprompt_assets.engine.keys import EndpointKeys, provider
from autoprompt_assets.engine.llm.sent_values import Headers, Query, SentValue


class PriceListSpec(Frozen):
    """Whose list prices an endpoint has: those of a provider of `genai_prices`."""

    provider: str = Field(min_length=1)
    model: str | None = Field(None, min_length=1)
    """The model whose prices hold, where it is not called as it is asked for."""

    @model_validator(mode="before")
    @classmethod
    def _provider_alone(cls, value: Any) -> Any:
        return {"provider": value} if isinstance(value, str) else value


class EndpointSpec(Frozen):
    """A server that the user names: any OpenAI-compatible API, or what its `kind` says."""

    kind: str | None = None
    """The word of a kind with settings of its own; see `resources/endpoints/azure.py`."""
    base_url: WebAddress
    api_key_env: VariableName | None = None
    """The environment variable that holds the key, which goes to no other host. Keys never stand
    in files.
    """
    model: str | None = Field(None, min_length=1)
    identity: str | None = None
    """Stands for the server in the journal, where the same model moves host."""
    structured_output: bool = False
    """It holds a model to a JSON schema (`response_format`): set it where the server does."""
    headers: Headers = Field(default_factory=dict)
    """Sent with each request, to this host alone; see `SentValue`."""
    query: Query = Field(default_factory=dict)
    """The same for the address: `base_url` itself holds no query."""
    prices: PriceListSpec | None = None
    """Where a role says no `price` of its own."""
    concurrency: Whole | None = Field(None, ge=1, le=10_000)
    """Calls in flight that it may have, of all who ask it. An experiment's own is one's alone."""
    requests_per_minute: Number | None = Field(None, gt=0)
    """Calls that may start, of all who ask it."""

    @property
    def key_header(self) -> str:
        """The header that carries the key."""
        return "Authorization"

    @property
    def default_model(self) -> str | None:
        """What a role is asked of that names no model."""
        return self.model

    @property
    def sent_query(self) -> Mapping[str, SentValue]:
        """What stands behind the ? of each address."""
        return self.query

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables that hold its secrets, by the field that names each."""
        found = {} if self.api_key_env is None else {"api_key_env": self.api_key_env}
        for field_name, values in (("headers", self.headers), ("query", self.query)):
            for name, sent in values.items():
                if sent.env is not None:
                    found[f"{field_name}.{name}.env"] = sent.env
        return found

    @model_validator(mode="wrap")
    @classmethod
    def _of_its_kind(
        cls, data: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo
    ) -> Self:
        """Read by the settings of the kind that it names."""
        word = data.get("kind") if isinstance(data, dict) else None
        if cls is not EndpointSpec or word is None:
            return handler(data)
        known = info.context.settings if info.context else {}
        model = known.get(word) if isinstance(word, str) else None
        if model is None:
            raise ValueError(
                f"kind = {shown(word)} is not known; use {', '.join(sorted(known))}, or leave it "
                "out where the server has an OpenAI-compatible API"
            )
        found: Self = model.model_validate(data, context=info.context)
        return found

    @model_validator(mode="after")
    def _secrets_go_home(self) -> Self:
        problems = [*self._foreign_keys(), *self._two_keys()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _foreign_keys(self) -> Iterator[str]:
        for place, variable in self.variables.items():
            whose = provider(variable, self.base_url)
            if whose is not None:
                yield (
                    f"{place} names {variable}, which by its name is for {whose}; give this "
                    "endpoint a variable of its own"
                )

    def _two_keys(self) -> Iterator[str]:
        for name in self.headers:
            if self.api_key_env is not None and name.lower() == self.key_header.lower():
                yield f"headers.{name} and api_key_env are one header; keep one"


@dataclass(frozen=True)
class EndpointWords:
    """What who reads a file knows of endpoints, which the engine does not."""

    keys: EndpointKeys
    """The words that any role may name, each with the variables that no other endpoint may be sent.
    """
    settings: Mapping[str, type[EndpointSpec]] = field(default_factory=dict)
    """What a user says of a server of a kind, by the kind's word."""
    price_problem: Callable[[str, str | None], str] = lambda provider, model: ""
    """Why a provider, or its model, has no list price, beginning with the field below `prices` that
    says so; empty where it has one.
    """
