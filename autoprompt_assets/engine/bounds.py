"""What calls can cost at most, before the first of them is made.

A prompt has at most as many tokens as its text and its response format have UTF-8 bytes (byte-pair
encodings never make more), a few per message, and what a chat template puts before them; a
completion has at most `max_tokens`. What a model wrote, read by
another, is taken to have at most twice the tokens it was written in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from autoprompt_assets.engine.asked import Asked, Models
from autoprompt_assets.engine.candidate import Candidate, Demo, choice_json
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.spec import DemosSpec, ExperimentSpec, OproSpec

TOKENS_PER_MESSAGE = 16
TOKENS_PER_CALL = 128
"""What a chat template says by itself: gpt-oss's takes about 70 tokens."""
REENCODED = 2
BYTES_PER_TURN = 200
"""What stands around an answer: a score in the history, or the question to try again."""
UNSAID_MAX_TOKENS = 4096
"""Taken for a role whose `max_tokens` is null, where only an estimate is asked for."""


@dataclass(frozen=True)
class Extent:
    """How much text a split holds: all that a bound needs to know of rows, sealed ones included."""

    rows: int
    input_bytes: int
    target_bytes: int

    @classmethod
    def of(cls, examples: Sequence[Example]) -> Extent:
        """The extent of `examples`."""
        inputs = sum(_size(example.input) for example in examples)
        targets = sum(_size(example.target) for example in examples)
        return cls(len(examples), inputs, targets)


def calls_bound(role: Asked, calls: int, prompt_bytes: int) -> Spend:
    """`calls` calls to `role` whose prompts have `prompt_bytes` bytes in all."""
    form = _size(canonical_json(role.form)) if role.form else 0
    prompt = prompt_bytes + calls * (TOKENS_PER_CALL + TOKENS_PER_MESSAGE + form)
    completion = calls * (role.spec.max_tokens or UNSAID_MAX_TOKENS)
    usd = role.price(prompt, completion)
    return Spend(calls, prompt, completion, usd or 0.0, calls if usd is None else 0)


def evaluation_bound(models: Models, candidate: Candidate, extent: Extent) -> Spend:
    """One candidate over a split: each row asked once and, with a review model, judged once."""
    per_row = sum(
        _size(message["content"]) + TOKENS_PER_MESSAGE
        for message in candidate.messages("", as_choice=True)
    )
    rows = extent.rows
    inputs = extent.input_bytes * max(1, candidate.instruction.count("{input}"))
    bound = calls_bound(models.target, rows, per_row * rows + inputs)
    if models.review is None:
        return bound
    answer = models.target.spec.max_tokens or UNSAID_MAX_TOKENS
    template = models.review.spec.prompt
    prompt = _size(template) + REENCODED * answer * template.count("{response}")
    texts = extent.input_bytes * template.count("{input}")
    texts += extent.target_bytes * template.count("{answer}")
    return bound.plus(calls_bound(models.review, rows, prompt * rows + texts))


def test_bound(
    spec: ExperimentSpec, models: Models, train: Sequence[Example], test: Extent
) -> Spend:
    """The test comparison: baseline and the largest candidate that the search can select."""
    baseline = Candidate(spec.roles.target.prompt)
    largest = evaluation_bound(models, _largest_candidate(spec, train), test)
    return evaluation_bound(models, baseline, test).plus(largest)


def run_bound(
    spec: ExperimentSpec,
    models: Models,
    train: Sequence[Example],
    validation: Extent,
    test: Extent,
) -> Spend:
    """A whole search: baseline, every iteration, and the test comparison."""
    baseline = Candidate(spec.roles.target.prompt)
    largest = _largest_candidate(spec, train)
    bound = evaluation_bound(models, baseline, validation)
    bound = bound.plus(test_bound(spec, models, train, test))
    candidates = spec.optimizer.iterations * spec.optimizer.candidates
    each = evaluation_bound(models, largest, validation)
    for _ in range(candidates):
        bound = bound.plus(each)
    if isinstance(spec.optimizer, OproSpec) and models.optimizer is not None:
        answer = REENCODED * (models.optimizer.spec.max_tokens or UNSAID_MAX_TOKENS)
        answer += BYTES_PER_TURN
        questions = candidates * spec.optimizer.attempts
        history = _size(models.optimizer.spec.prompt) + _size(baseline.instruction)
        history += (candidates + spec.optimizer.attempts) * answer
        bound = bound.plus(calls_bound(models.optimizer, questions, questions * history))
    return bound


def _largest_candidate(spec: ExperimentSpec, train: Sequence[Example]) -> Candidate:
    instruction = spec.roles.target.prompt
    if isinstance(spec.optimizer, DemosSpec):
        instruction = max((instruction, *spec.optimizer.wordings), key=_size)
        demos = [Demo(example.input, example.target) for example in train]
        demos.sort(key=lambda demo: _size(demo.input) + _size(choice_json(demo.answer)))
        return Candidate(instruction, tuple(demos[-spec.optimizer.demos :]))
    if spec.roles.optimizer is not None:
        tokens = spec.roles.optimizer.max_tokens or UNSAID_MAX_TOKENS
        instruction = max(instruction, "x" * (REENCODED * tokens), key=_size)
    return Candidate(instruction)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
