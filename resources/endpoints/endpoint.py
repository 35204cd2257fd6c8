"""Where one role is served, and the rules for any address and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.keys import address_problem, origin
from autoprompt_assets.engine.llm import EndpointSpec, SentValue


@dataclass(frozen=True)
class SentField:
    """A header or a query parameter: with a `value`, or with what the variable `env` holds."""

    name: str
    value: str = ""
    env: str | None = None
    optional: bool = False
    """It is not sent where the variable is not set, and is no secret."""


@dataclass(frozen=True)
class Endpoint:
    """Where one role is served. `base_url` is `None` for the embedded model.

    `key_env` names the variable that holds the key; the key itself is read only when a client is
    made. `identity` stands for the server in requests and holds no credentials.
    """

    name: str
    base_url: str | None
    key_env: str | None
    key_required: bool
    model: str
    identity: str
    structured_output: bool = True
    """It heeds JSON schemas: as a named endpoint's setting says, and so do all others."""
    kind: str | None = None
    """Of one that the user names: the word of its kind, or nothing; others are called as theirs."""
    headers: tuple[SentField, ...] = ()
    query: tuple[SentField, ...] = ()
    prices: tuple[str, str] | None = None
    """The provider and the model whose list prices it has, where the user says so."""
    concurrency: int | None = None
    """Calls in flight that it may have, of all who ask it, where the user says so."""
    requests_per_minute: float | None = None
    """The same of its starts."""

    @property
    def word(self) -> str:
        """The word of its kind; empty for any OpenAI-compatible server."""
        return self.name if self.kind is None else self.kind

    @property
    def secrets(self) -> tuple[str, ...]:
        """The environment variables that hold what is secret of it, the key's first."""
        own = [one.env for one in self._from_environment if not one.optional]
        return tuple(dict.fromkeys(name for name in (self.key_env, *own) if name))

    @property
    def secret_fields(self) -> tuple[tuple[str, str], ...]:
        """Each field that names such a variable, as a user's file has it, and the variable."""
        own = [] if self.key_env is None else [("api_key_env", self.key_env)]
        for field_name, values in (("headers", self.headers), ("query", self.query)):
            own += [
                (f"{field_name}.{one.name}.env", one.env)
                for one in values
                if one.env and not one.optional
            ]
        return tuple(own)

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables of which it is sent what they hold, secret or not."""
        own = [one.env for one in self._from_environment]
        return tuple(dict.fromkeys(name for name in (self.key_env, *own) if name))

    @property
    def _from_environment(self) -> list[SentField]:
        return [one for one in (*self.headers, *self.query) if one.env]


def bound_key(variable: str | None, own: str, url: str) -> str | None:
    """The variable with the key, where `url` is on the endpoint's own host; no other is sent it."""
    return variable if origin(url) == origin(own) else None


def checked_url(url: str, source: str) -> str:
    """`url` without a slash at its end.

    Raises:
        InputError: it is no plain web address; the line begins with `source`.
    """
    problem = address_problem(url)
    if problem:
        raise InputError(f"{source}: {problem}")
    return url.rstrip("/")


def named_endpoint(
    name: str, server: EndpointSpec, model: str | None, hosted: str | None
) -> Endpoint:
    """The endpoint of a role with these `model` and `hosted_model_uri` on a server that the user
    names. Key, headers and query go to its own host alone.

    Raises:
        InputError: there is no model to ask.
    """
    model = model or server.default_model
    if model is None:
        raise InputError(
            f"model is not set, and endpoints.{name} has none by default; set one of them"
        )
    own = checked_url(server.base_url, f"endpoints.{name}.base_url")
    url = checked_url(hosted, "hosted_model_uri") if hosted else own
    heeds = server.structured_output
    if origin(url) != origin(own):
        return Endpoint(name, url, None, False, model, url, heeds)
    headers, query = _fields(server.headers), _fields(server.sent_query)
    identity = None if hosted else server.identity
    key, prices = server.api_key_env, server.prices
    listed = None if prices is None else (prices.provider, prices.model or model)
    return Endpoint(
        name,
        url,
        key,
        key is not None,
        model,
        identity or identity_of(url, headers, query),
        heeds,
        server.kind or "",
        headers,
        query,
        listed,
    )


def identity_of(url: str, headers: tuple[SentField, ...], query: tuple[SentField, ...]) -> str:
    """The address with what each request carries there in plain sight, which may decide who answers
    it: a gateway's route, a version. What is secret says who asks.
    """
    plain_query = sorted((one.name, one.value) for one in query if one.env is None)
    plain = {one.name.lower(): one.value for one in headers if one.env is None}
    at = f"{url}?{urlencode(plain_query)}" if plain_query else url
    return f"{at} {canonical_json(plain)}" if plain else at


def _fields(values: Mapping[str, SentValue]) -> tuple[SentField, ...]:
    return tuple(SentField(name, one.value or "", one.env) for name, one in values.items())
