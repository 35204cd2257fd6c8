"""What a model costs by the price list."""

from __future__ import annotations

from functools import cache
from typing import Any

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


def _tiers(rate: Any) -> Tiers | None:
    """A rate of the list: one figure, or a base with tiers above it."""
    if rate is None:
        return None
    tiers = getattr(rate, "tiers", None)
    if tiers is None:
        return ((0, float(rate)),)
    return ((0, float(rate.base)), *((int(one.start), float(one.price)) for one in tiers))
