"""What is asked of a kind of endpoint: a word that roles may name, and all that differs by it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from autoprompt_assets.engine.llm import EndpointSpec, Role
from autoprompt_assets.engine.price import Price
from autoprompt_assets.resources.endpoints.endpoint import (
    Endpoint,
    SentField,
    bound_key,
    checked_url,
    named_endpoint,
)

if TYPE_CHECKING:
    import httpx2
    import openai


class EndpointKind(ABC):
    """One kind; its instance stands in the registry."""

    word: ClassVar[str]
    hint: ClassVar[str]
    """What follows the word in the file that `init` writes: "needs OPENAI_API_KEY"."""
    model: ClassVar[str]
    """What a role is asked of that names no model."""
    writer: ClassVar[str] = ""
    """What `init` gives the role that writes prompts; the default model where it is empty."""
    keys: ClassVar[tuple[str, ...]] = ()
    """Variables that hold its keys, first the one that is sent; no other endpoint gets them."""
    keys_shared: ClassVar[bool] = False
    """Named endpoints on the provider's own domains (see `engine/keys.py`) get them, too."""
    headers: ClassVar[tuple[SentField, ...]] = ()
    """Headers that go where its key goes."""
    address: ClassVar[str] = ""
    """The variable that holds its base URL, where one does."""
    home: ClassVar[str] = ""
    """The provider's own base URL, which goes without saying."""
    in_process: ClassVar[bool] = False
    """It is served in this process: one run at a time."""
    unfit: ClassVar[tuple[Role, ...]] = ()
    """Roles that its models are too small for, which `check` says and a run does not refuse."""
    text_only: ClassVar[bool] = False
    """Its models are shown no images, and call no tools."""
    settings: ClassVar[type[EndpointSpec] | None] = None
    """What a user says of a server of this kind that he names, where he may name some."""

    @abstractmethod
    def endpoint(
        self, model: str | None, hosted: str | None, environ: Mapping[str, str]
    ) -> Endpoint:
        """The endpoint of a role with these `model` and `hosted_model_uri`, under `word`.

        Raises:
            InputError: a bad address, or a model that it does not serve.
        """

    def named(
        self, name: str, server: EndpointSpec, model: str | None, hosted: str | None
    ) -> Endpoint:
        """The endpoint of a role with these `model` and `hosted_model_uri`, on a server of this
        kind that the user calls `name`.

        Raises:
            InputError: there is no model to ask, or none that it can be asked of.
        """
        return named_endpoint(name, server, model, hosted)

    def price(self, endpoint: Endpoint) -> Price | None:
        """The price of the endpoint's model; `None` where nobody has said it.

        A role's `hosted_model_uri` can lead to another host: there the kind's own price list says
        nothing, and `None` or that host's own price alone is right (see `OpenAI`).
        """
        return None

    def base_url(self, endpoint: Endpoint) -> str:
        """Where it is reached; what is served in this process is started."""
        assert endpoint.base_url is not None
        return endpoint.base_url

    def client(
        self, endpoint: Endpoint, base_url: str, key: str, http_client: httpx2.AsyncClient
    ) -> openai.AsyncOpenAI:
        """The client that asks the endpoint; see `sdk.make_client`."""
        from autoprompt_assets.resources.endpoints.sdk import make_client

        return make_client(endpoint, base_url, key, http_client)


class HostedKind(EndpointKind):
    """An OpenAI-compatible server, at the address that the variable `address` holds, or at `url`.

    Its key goes to that host only; a role's `hosted_model_uri` may lead to another.
    """

    url: ClassVar[str]
    key_required: ClassVar[bool] = False

    def endpoint(
        self, model: str | None, hosted: str | None, environ: Mapping[str, str]
    ) -> Endpoint:
        """See `EndpointKind.endpoint`."""
        own = checked_url(environ.get(self.address) or self.url, self.address)
        url = checked_url(hosted, "hosted_model_uri") if hosted else own
        key = bound_key(self.keys[0], own, url)
        required = self.key_required and key is not None
        headers = self.headers if key is not None else ()
        return Endpoint(self.word, url, key, required, model or self.model, url, headers=headers)
