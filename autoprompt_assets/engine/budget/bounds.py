"""What calls can cost at most, before the first of them is made.

A prompt has at most as many tokens as its text and its response format have UTF-8 bytes (byte-pair
encodings never make more), a few per message, and what a chat template puts before them; a
completion has at most the role's limit (`max_tokens`, under either of its names). What a model
wrote, read by another, may have a token for each of its bytes, which are `BYTES_PER_TOKEN` a token
at most. `search_bounds` adds up a search.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import LIMITS
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.llm import Asked, Models
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.tags import room_for_numbers
from autoprompt_assets.engine.template import fields
from autoprompt_assets.engine.text import size_of

TOKENS_PER_MESSAGE = 16
TOKENS_PER_CALL = 128
"""What a chat template says by itself: gpt-oss's takes about 70 tokens."""
BYTES_PER_TOKEN = 16
"""Of an answer, on average: English has 4 to 5, Hindi up to 12 in the newest vocabularies."""
UNSAID_MAX_TOKENS = 4096
"""Taken for a role whose `max_tokens` is null, where only an estimate is asked for."""


@dataclass(frozen=True)
class Extent:
    """How much text a split holds: all that a bound needs to know of rows, sealed ones included."""

    rows: int
    input_bytes: int
    target_bytes: int
    longest_input: int = 0
    longest_target: int = 0

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Extent:
        """The extent of `examples`."""
        inputs = [size_of(example.input) for example in examples]
        targets = [size_of(example.target) for example in examples]
        longest = max(inputs, default=0), max(targets, default=0)
        return cls(len(examples), sum(inputs), sum(targets), *longest)

    def part(self, rows: int) -> Extent:
        """What `rows` of its rows hold at most."""
        rows = min(rows, self.rows)
        return replace(self, rows=rows) if rows else Extent(0, 0, 0)

    @classmethod
    def most(cls, examples: Sequence[Example], rows: int) -> Extent:
        """The extent that no `rows` of `examples` exceed."""
        inputs = sorted((size_of(example.input) for example in examples), reverse=True)[:rows]
        targets = sorted((size_of(example.target) for example in examples), reverse=True)[:rows]
        longest = max(inputs, default=0), max(targets, default=0)
        return cls(len(inputs), sum(inputs), sum(targets), *longest)


@dataclass(frozen=True)
class Prompts:
    """The prompts of some calls: bytes in all, and of the longest."""

    total: int
    longest: int


def calls_bound(role: Asked, calls: int, prompts: Prompts, tokens: int | None = None) -> Spend:
    """`calls` calls to `role`. `tokens` is what one completion may have, if the role does not say.

    Where a price is in tiers, all of them are in the dearest that the longest prompt can reach.
    """
    schema = size_of(canonical_json(role.response_format)) if role.response_format else 0
    beside = TOKENS_PER_CALL + TOKENS_PER_MESSAGE + schema
    prompt, longest = prompts.total + calls * beside, prompts.longest + beside
    completion = calls * (tokens_said(role.spec.completion_limit) if tokens is None else tokens)
    if role.price is None:
        return Spend(calls, prompt, completion, 0.0, calls)
    return Spend(calls, prompt, completion, role.price.most_usd(prompt, completion, longest), 0)


def completion_bound(role: Asked, candidate: Candidate) -> int:
    """The tokens that one answer to `candidate` may have: its own limit, or the role's."""
    own = [candidate.parameters[name] for name in LIMITS if name in candidate.parameters]
    return tokens_said(own[0] if own else role.spec.completion_limit)


def evaluation_bound(models: Models, candidate: Candidate, extent: Extent) -> Spend:
    """One candidate over a split: each row asked once and, with a review model, judged at most."""
    per_row = sum(
        size_of(message["content"]) + TOKENS_PER_MESSAGE
        for message in candidate.messages("", as_choice=True, columns=models.columns)
    )
    rows, fills = extent.rows, max(1, count_fields(candidate.instruction, models.columns))
    asked = Prompts(
        per_row * rows + fills * extent.input_bytes, per_row + fills * extent.longest_input
    )
    answer = completion_bound(models.target, candidate)
    bound = calls_bound(models.target, rows, asked, answer)
    if models.review is None:
        return bound
    return bound.plus(
        calls_bound(models.review, rows * models.most_reviews, _reviews(models, answer, extent))
    )


def _reviews(models: Models, answer: int, extent: Extent) -> Prompts:
    """The prompts of the reviews of answers that have `answer` tokens."""
    assert models.review is not None
    template = models.review.spec.prompt
    each = size_of(template) + room_for_numbers(template) + models.review_bytes
    each += BYTES_PER_TOKEN * answer * count_fields(template, ["response"])
    inputs = count_fields(template, models.columns - {"response", "answer"})
    targets = count_fields(template, ["answer"])
    once = each * extent.rows + inputs * extent.input_bytes + targets * extent.target_bytes
    return Prompts(
        models.most_reviews * once,
        each + inputs * extent.longest_input + targets * extent.longest_target,
    )


def count_fields(template: str, names: Collection[str]) -> int:
    """How often `template` is filled with a value of `names`."""
    return len(fields(template, names))


def tokens_said(value: Any) -> int:
    """What a `max_tokens` says, or what is taken where it says nothing."""
    return int(value) if isinstance(value, int | float) and value else UNSAID_MAX_TOKENS
