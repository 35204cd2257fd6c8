"""What a role's model costs: as the experiment file says, or as the price list does."""

from __future__ import annotations

from functools import cache
from typing import Any

from autoprompt_assets.engine.llm import PriceSpec
from autoprompt_assets.engine.price import Price, Tiers
from autoprompt_assets.resources.endpoints.resolve import Endpoint

FREE = Price.flat(0.0, 0.0)


def price_of(endpoint: Endpoint, said: PriceSpec | None) -> Price | None:
    """The price of the endpoint's model; `None` where nobody has said it.

    The list is OpenAI's, and counts where the key is OpenAI's, too.
    """
    if said is not None:
        return Price.flat(said.prompt, said.completion, said.cached)
    if endpoint.name == "local":
        return FREE
    return _list_price(endpoint.model) if endpoint.key_env == "OPENAI_API_KEY" else None


@cache
def _list_price(model: str) -> Price | None:
    from genai_prices import Usage, calc_price

    try:
        found = calc_price(Usage(input_tokens=1), model, provider_id="openai").model_price
    except LookupError:
        return None
    prompt, completion = _tiers(found.input_mtok), _tiers(found.output_mtok)
    if prompt is None or completion is None:
        return None
    return Price(prompt, completion, _tiers(found.cache_read_mtok), _tiers(found.cache_write_mtok))


def _tiers(rate: Any) -> Tiers | None:
    """A rate of the list: one figure, or a base with tiers above it."""
    if rate is None:
        return None
    tiers = getattr(rate, "tiers", None)
    if tiers is None:
        return ((0, float(rate)),)
    return ((0, float(rate.base)), *((int(one.start), float(one.price)) for one in tiers))
