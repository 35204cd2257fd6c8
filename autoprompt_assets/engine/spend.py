"""What was charged and how many calls were made: the figures of a search."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Spend:
    """What a search has been charged; `usd` counts the calls whose price is known."""

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """Prompt and completion tokens together."""
        return self.prompt_tokens + self.completion_tokens

    def minus(self, other: Spend) -> Spend:
        """What is left of it without `other`."""
        return self.plus(other.times(-1))

    def plus(self, other: Spend) -> Spend:
        """Both together."""
        return Spend(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.usd + other.usd,
            self.unpriced + other.unpriced,
        )

    def times(self, count: int) -> Spend:
        """That, `count` times."""
        return Spend(
            count * self.calls,
            count * self.prompt_tokens,
            count * self.completion_tokens,
            count * self.usd,
            count * self.unpriced,
        )


@dataclass
class CallCounts:
    """What happened to the calls of this process; `usd` was paid now, not replayed.

    `cached` are the prompt tokens of the calls made that came from the provider's cache.
    """

    made: int = 0
    replayed: int = 0
    failed: int = 0
    usd: float = 0.0
    cached: int = 0

    def since(self, before: CallCounts) -> CallCounts:
        """What has happened since the counts were `before`."""
        return CallCounts(
            self.made - before.made,
            self.replayed - before.replayed,
            self.failed - before.failed,
            self.usd - before.usd,
            self.cached - before.cached,
        )

    def add(self, more: CallCounts) -> None:
        """Count `more` as well."""
        self.made += more.made
        self.replayed += more.replayed
        self.failed += more.failed
        self.usd += more.usd
        self.cached += more.cached
