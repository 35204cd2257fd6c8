"""What a model costs by the price list."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from functools import cache
from typing import Any

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.price import Price, Tiers

FREE = Price.flat(0.0, 0.0)
"""It costs nothing, and that is known; a price of `None` is one that nobody has said."""


@cache
def list_price(model: str, provider: str) -> Price | None:
    """What the list of `genai_prices` says; `None` where it does not know the model."""
    from genai_prices import Usage, calc_price

    try:
        found = calc_price(Usage(input_tokens=1), model, provider_id=provider).model_price
    except LookupError:
        return None
    prompt, completion = _tiers(found.input_mtok), _tiers(found.output_mtok)
    if prompt is None or completion is None:
        return None
    return Price(prompt, completion, _tiers(found.cache_read_mtok), _tiers(found.cache_write_mtok))


def price_problem(provider: str, model: str | None) -> str:
    """Why the list has no such price, with what comes near, as `EndpointWords` wants it."""
    from genai_prices.data_snapshot import get_snapshot

    providers = {one.id: one for one in get_snapshot().providers}
    if provider not in providers:
        near = _near(provider, providers)
        return f".provider = {shown(provider)} is no provider of the price list; {near}"
    if model is None or list_price(model, provider) is not None:
        return ""
    own = providers[provider]
    others = [providers[one] for one in own.fallback_model_providers or () if one in providers]
    models = [one.id for lists in (own, *others) for one in lists.models]
    return (
        f": the price list of {provider} has none for {shown(model)} ({_near(model, models)}); say "
        f"whose it has by prices: {{provider: {provider}, model: …}}, or give the role a price"
    )


def _near(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name.lower(), list(known), n=3)
    return f"did you mean {' or '.join(close)}?" if close else "see the package genai-prices"


def _tiers(rate: Any) -> Tiers | None:
    """A rate of the list: one figure, or a base with tiers above it."""
    if rate is None:
        return None
    tiers = getattr(rate, "tiers", None)
    if tiers is None:
        return ((0, float(rate)),)
    return ((0, float(rate.base)), *((int(one.start), float(one.price)) for one in tiers))
