"""What tokens cost, as data: it can be written beside a search and read again.

A rate may be in tiers, by the prompt tokens of a call: above a tier's start all tokens of the call
are at its rate, prompt and completion alike, as providers charge.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Tiers = tuple[tuple[int, float], ...]
"""US dollars per million tokens, each above so many prompt tokens of a call; ascending, from 0."""


@dataclass(frozen=True)
class Price:
    """One model's rates in US dollars per million tokens.

    `cached` are prompt tokens that the provider had in its cache, `written` those that it put
    there; `None` where they cost what all prompt tokens do, or nobody has said.
    """

    prompt: Tiers
    completion: Tiers
    cached: Tiers | None = None
    written: Tiers | None = None

    @classmethod
    def flat(cls, prompt: float, completion: float, cached: float | None = None) -> Price:
        """A price without tiers."""
        at = None if cached is None else ((0, cached),)
        return cls(((0, prompt),), ((0, completion),), at)

    def list_usd(self, prompt: int, completion: int) -> float:
        """US dollars for one call at list price: cached prompt tokens cost what others do."""
        at_prompt, at_completion = _rate(self.prompt, prompt), _rate(self.completion, prompt)
        return (prompt * at_prompt + completion * at_completion) / 1e6

    def paid_usd(self, prompt: int, completion: int, cached: int = 0, written: int = 0) -> float:
        """US dollars for one call of which `cached` prompt tokens were read from the cache.

        `cached` and `written` are parts of `prompt`.
        """
        less = cached * (_rate(self.cached or self.prompt, prompt) - _rate(self.prompt, prompt))
        more = written * (_rate(self.written or self.prompt, prompt) - _rate(self.prompt, prompt))
        return max(0.0, self.list_usd(prompt, completion) + (less + more) / 1e6)

    def most_usd(self, prompt: int, completion: int, longest: int) -> float:
        """US dollars that calls with so many tokens in all cost at most, at list price.

        None of them has more than `longest` prompt tokens.
        """
        rates = (
            max(rate for start, rate in tiers if start == 0 or start < longest)
            for tiers in (self.prompt, self.completion)
        )
        at_prompt, at_completion = rates
        return (prompt * at_prompt + completion * at_completion) / 1e6

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return {name: tiers for name, tiers in asdict(self).items() if tiers is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Price:
        """The price that `as_json` gave."""
        return cls(**{name: _tiers(tiers) for name, tiers in data.items()})


def _rate(tiers: Tiers, prompt: int) -> float:
    # Nearly every price has one tier, and nearly every call is in the first.
    found = tiers[0][1]
    for start, rate in tiers[1:]:
        if prompt <= start:
            break
        found = rate
    return found


def _tiers(data: Sequence[Sequence[float]]) -> Tiers:
    return tuple((int(start), float(rate)) for start, rate in data)
