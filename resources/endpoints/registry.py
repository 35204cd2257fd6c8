"""The kinds of endpoints, a line each, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping

from autoprompt_assets.engine.llm import EndpointWords, PriceSpec
from autoprompt_assets.engine.price import Price
from autoprompt_assets.resources.endpoints.azure import Azure
from autoprompt_assets.resources.endpoints.embedded import Local
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.kind import EndpointKind
from autoprompt_assets.resources.endpoints.openai import OpenAI
from autoprompt_assets.resources.endpoints.prices import list_price, price_problem
from autoprompt_assets.resources.endpoints.vllm import Vllm

OWN: tuple[EndpointKind, ...] = (
    OpenAI(),
    Vllm(),
    Azure(),
    Local(),
)
KINDS: Mapping[str, EndpointKind] = {kind.word: kind for kind in OWN}
DEFAULT_MODELS = {kind.word: kind.model for kind in OWN}
DEFAULT_WRITERS = {kind.word: kind.writer for kind in OWN if kind.writer}
ENDPOINT_WORDS = EndpointWords(
    keys={kind.word: () if kind.keys_shared else kind.keys for kind in OWN},
    settings={kind.word: kind.settings for kind in OWN if kind.settings},
    price_problem=price_problem,
)
HINTS = "; ".join(f"{kind.word} {kind.hint}" for kind in OWN)
"""What to know of each kind, for a comment in an experiment file."""


def price_of(endpoint: Endpoint, said: PriceSpec | None) -> Price | None:
    """The price of the endpoint's model, as `said`, else by the list that a named endpoint says,
    else by its kind; `None` where nobody has said it.
    """
    if said is not None:
        return Price.flat(said.prompt, said.completion, said.cached)
    if endpoint.prices is not None:
        provider, model = endpoint.prices
        return list_price(model, provider)
    kind = KINDS.get(endpoint.word)
    return kind.price(endpoint) if kind is not None else None


def base_url(endpoint: Endpoint) -> str:
    """Where the endpoint is reached; what is served in this process is started."""
    kind = KINDS.get(endpoint.word)
    if kind is not None:
        return kind.base_url(endpoint)
    assert endpoint.base_url is not None
    return endpoint.base_url


def place_of(endpoint: Endpoint) -> str:
    """Its name, and where that leads if it is not to a provider's own address."""
    known = endpoint.base_url in (None, *(kind.home for kind in OWN))
    return endpoint.name if known else f"{endpoint.name} ({endpoint.base_url})"
