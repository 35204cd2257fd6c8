"""What a user says of the three models: where each is served, how it is asked, what it costs."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from autoprompt_assets.engine.choices import choice_schema
from autoprompt_assets.engine.fields import (
    NEWER_LIMIT,
    RESERVED_EXTRA,
    SECRET_EXTRA,
    UNSUPPORTED_EXTRA,
    Frozen,
    Number,
    WebAddress,
    Whole,
)

REPLY_BYTES, REPLY_BYTES_PER_TOKEN, MOST_TOKENS = 1_000_000, 1_000, 128_000
"""What a reply may have beside its tokens, for each of them (escaped, with its log probability and
those of 20 others), and how many a role may have that does not limit them."""
MOST_REPLY_BYTES = 2**29
"""Databases hold no text of twice that."""


class PriceSpec(Frozen):
    """A model's price where the price list does not know it, in US dollars per million tokens."""

    prompt: Number = Field(ge=0)
    completion: Number = Field(ge=0)
    cached: Number | None = Field(None, ge=0)
    """Of prompt tokens that the provider had in its cache; `prompt` where it is left out."""


class RoleSpec(Frozen):
    """One model and how it is asked."""

    endpoint: str = "openai"
    """The word of a kind of endpoint, or a name from `endpoints`."""
    model: str | None = Field(None, min_length=1)
    """The endpoint's default model when left out."""
    hosted_model_uri: WebAddress | None = None
    """The base URL of an OpenAI-compatible server, where it differs from the endpoint's."""
    prompt: str = ""
    temperature: Number | None = Field(0.0, ge=0, le=2)
    """`null` leaves it out of the request, as reasoning models want it."""
    max_tokens: Whole | None = Field(1000, ge=1)
    """Of one answer; `max_completion_tokens` in `extra` is the same limit, under its newer name."""
    timeout: Number = Field(600, gt=0)
    """Seconds that one attempt may take."""
    deadline: Number | None = Field(None, gt=0)
    """Seconds that one call may take with all its attempts; three times `timeout` if left out."""
    max_reply_bytes: Whole | None = Field(None, ge=1, le=MOST_REPLY_BYTES)
    """Bytes of a whole reply, unpacked; what `max_tokens` can need many times over if left out."""
    extra: dict[str, JsonValue] = Field(default_factory=dict)
    """Further request fields, sent as they are: `reasoning_effort`, `top_p`, `seed`, …"""
    choices: tuple[str, ...] = ()
    """The only answers allowed: sent as a JSON-schema enum, decoded and checked."""
    price: PriceSpec | None = None

    @cached_property
    def form(self) -> dict[str, Any] | None:
        """The response format of its requests, where the endpoint heeds JSON schemas."""
        return choice_schema(self.choices) if self.choices else None

    @property
    def completion_limit(self) -> int | None:
        """Tokens that one answer may have, under whichever name they stand; `None` is no limit."""
        named = self.extra.get(NEWER_LIMIT)
        return named if isinstance(named, int) else self.max_tokens

    @property
    def patience(self) -> float:
        """Seconds that one call may take with all its attempts."""
        return 3 * self.timeout if self.deadline is None else self.deadline

    @property
    def longest_reply(self) -> int:
        """Bytes that a whole reply may have."""
        tokens = self.completion_limit or MOST_TOKENS
        needed = REPLY_BYTES + tokens * REPLY_BYTES_PER_TOKEN
        return self.max_reply_bytes or min(needed, MOST_REPLY_BYTES)

    @field_validator("extra")
    @classmethod
    def _no_reserved(cls, extra: dict[str, JsonValue]) -> dict[str, JsonValue]:
        for key in extra:
            if SECRET_EXTRA.fullmatch(key):
                raise ValueError(
                    f"{key!r} in extra is no request field and would be written down; take it out: "
                    "keys are given in environment variables alone"
                )
        for key in RESERVED_EXTRA:
            if key in extra:
                raise ValueError(f"{key!r} may not stand in extra; it has a place of its own")
        for key in UNSUPPORTED_EXTRA:
            if key in extra:
                raise ValueError(
                    f"{key!r} in extra is not supported: only text is read; take it out"
                )
        return extra

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        named = self.extra.get(NEWER_LIMIT)
        if named is None:
            return self
        if isinstance(named, bool) or not isinstance(named, int) or named < 1:
            raise ValueError(
                f"extra.{NEWER_LIMIT} = {json.dumps(named)} is no whole number above 0; write one"
            )
        given = self.max_tokens if "max_tokens" in self.model_fields_set else None
        if given not in (None, named):
            raise ValueError(
                f"max_tokens = {given} and extra.{NEWER_LIMIT} = {named} are one limit; keep one"
            )
        return self

    @field_validator("choices")
    @classmethod
    def _distinct(cls, choices: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(choices)) != len(choices) or any(not choice.strip() for choice in choices):
            raise ValueError("a choice is empty or stands twice; take it out")
        if len(choices) == 1:
            raise ValueError("one choice is no choice; give two or more")
        return choices
