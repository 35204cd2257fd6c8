"""What calls can cost at most, before the first of them is made.

A prompt has at most as many tokens as its text and its response format have UTF-8 bytes (byte-pair
encodings never make more), a few per message, and what a chat template puts before them; a
completion has at most the role's limit (`max_tokens`, under either of its names). What a model
wrote, read by another, may have a token for each of its bytes, which are `BYTES_PER_TOKEN` a token
at most. `search_bounds` adds up a search.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import LIMITS, REVIEW_NAMES
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.llm import Asked, Models
from autoprompt_assets.engine.message import IMAGE_TOKENS, content_size
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.tags import room_for_numbers
from autoprompt_assets.engine.template import fields
from autoprompt_assets.engine.text import size_of

TOKENS_PER_MESSAGE = 16
TOKENS_PER_CALL = 128
"""What a chat template says by itself: gpt-oss's takes about 70 tokens."""
TOOLS_TIMES = 2
"""A chat template writes tools out with indents and words around them."""
BYTES_PER_TOKEN = 16
"""Of an answer, on average: English has 4 to 5, Hindi up to 12 in the newest vocabularies."""
UNSAID_MAX_TOKENS = 4096
"""Taken for a role whose `max_tokens` is null, where only an estimate is asked for."""


@dataclass(frozen=True)
class Prompts:
    """The prompts of some calls: bytes in all, and of the longest."""

    total: int
    longest: int


@dataclass(frozen=True)
class Extent:
    """How much text a split holds: all that a bound needs to know of rows, sealed ones included.

    `input_bytes` are those of the inputs' texts; `columns` has, where there are several, the bytes
    of each: in all, and of the longest.
    """

    rows: int
    input_bytes: int
    target_bytes: int
    longest_input: int = 0
    longest_target: int = 0
    columns: Mapping[str, Sequence[int]] = field(default_factory=dict)

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Extent:
        """The extent of `examples`."""
        return cls.most(examples, len(examples))

    def part(self, rows: int) -> Extent:
        """What `rows` of its rows hold at most."""
        rows = min(rows, self.rows)
        return replace(self, rows=rows) if rows else Extent(0, 0, 0)

    @classmethod
    def most(cls, examples: Sequence[Example], rows: int) -> Extent:
        """The extent that no `rows` of `examples` exceed."""

        def largest(sizes: Iterable[int]) -> tuple[int, int]:
            held = sorted(sizes, reverse=True)[:rows]
            return sum(held), max(held, default=0)

        inputs = largest(size_of(example.inputs.text) for example in examples)
        targets = largest(size_of(example.target_text) for example in examples)
        names = tuple(examples[0].inputs) if examples else ()
        columns = {
            name: largest(size_of(example.inputs[name]) for example in examples)
            for name in (names if len(names) > 1 else ())
        }
        count = min(rows, len(examples))
        return cls(count, inputs[0], targets[0], inputs[1], targets[1], columns)

    def filled(self, names: Sequence[str]) -> Prompts:
        """What its rows put into a template that names these columns, each as often as it stands;
        the inputs' texts where it names none.
        """
        whole = (self.input_bytes, self.longest_input)
        held = [self.columns.get(name, whole) for name in names] or [whole]
        return Prompts(sum(one[0] for one in held), sum(one[1] for one in held))


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
    chat = models.chat
    per_row = sum(
        content_size(message) + TOKENS_PER_MESSAGE
        for message in candidate.messages(chat.layout.blank(), as_choice=True, chat=chat)
    )
    per_row += len(chat.images) * IMAGE_TOKENS
    if chat.tools:
        per_row += TOOLS_TIMES * size_of(canonical_json(chat.fields(candidate.texts)))
    rows, held = extent.rows, extent.filled(chat.named(candidate.texts))
    asked = Prompts(per_row * rows + held.total, per_row + held.longest)
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
    named = models.layout.named(template, REVIEW_NAMES)
    held = extent.filled(named) if named else Prompts(0, 0)
    targets = count_fields(template, ["answer"])
    return Prompts(
        models.most_reviews * (each * extent.rows + held.total + targets * extent.target_bytes),
        each + held.longest + targets * extent.longest_target,
    )


def count_fields(template: str, names: Collection[str]) -> int:
    """How often `template` is filled with a value of `names`."""
    return len(fields(template, names))


def tokens_said(value: Any) -> int:
    """What a `max_tokens` says, or what is taken where it says nothing."""
    return int(value) if isinstance(value, int | float) and value else UNSAID_MAX_TOKENS
