"""What calls can cost at most, before the first of them is made.

A prompt has at most as many tokens as its text and its response format have UTF-8 bytes (byte-pair
encodings never make more), a few per message, and what a chat template puts before them; a
completion has at most the role's limit (`max_tokens`, under either of its names). What a model
wrote, read by another, is taken to have at most twice the tokens it was written in, and an
instruction that it wrote to hold the input no more often than the ones that were given.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autoprompt_assets.engine.asked import Asked, Models
from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.choices import choice_json
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.lint import SHORTEST_LIMIT, TIMES_FIRST
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spec_strategies import (
    AutoSpec,
    DemosSpec,
    GepaSpec,
    MiproSpec,
    OproSpec,
)
from autoprompt_assets.engine.spec_values import LIMITS
from autoprompt_assets.engine.template import fields

TOKENS_PER_MESSAGE = 16
TOKENS_PER_CALL = 128
"""What a chat template says by itself: gpt-oss's takes about 70 tokens."""
REENCODED = 2
BYTES_PER_CHARACTER = 4
WORDS = 4096
"""Bytes of what a question to the optimizer model says by itself."""
BYTES_PER_ITEM = 100
"""What stands around a prompt that is shown: its score, tags."""
BYTES_PER_ROW = 400
"""What stands around a row that is shown: tags, its outcome."""
BYTES_PER_TURN = 1000
"""What a question to try again says, and what stands around the answer before."""
REASON_BYTES = 2000
"""A grader's reason, where no review model gives one."""
JOINT_ROWS = 6
"""Train rows in a question of `mipro`."""
LEAST_ROWS = 3
"""Train rows in a question of `gepa`, if the minibatch is not more."""
PROBES = 3
"""Minibatches that `gepa` tries a prompt on before one question."""
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
        inputs = sum(size_of(example.input) for example in examples)
        targets = sum(size_of(example.target) for example in examples)
        return cls(len(examples), inputs, targets)

    def part(self, rows: int) -> Extent:
        """What `rows` of its rows hold at most."""
        rows = min(rows, self.rows)
        return replace(self, rows=rows) if rows else Extent(0, 0, 0)

    @property
    def shown(self) -> int:
        """The bytes of all rows in a question."""
        return self.input_bytes + self.target_bytes + self.rows * BYTES_PER_ROW

    @classmethod
    def most(cls, examples: Sequence[Example], rows: int) -> Extent:
        """The extent that no `rows` of `examples` exceed."""
        inputs = sorted((size_of(example.input) for example in examples), reverse=True)[:rows]
        targets = sorted((size_of(example.target) for example in examples), reverse=True)[:rows]
        return cls(len(inputs), sum(inputs), sum(targets))


def calls_bound(role: Asked, calls: int, prompt_bytes: int, tokens: int | None = None) -> Spend:
    """`calls` calls to `role` whose prompts have `prompt_bytes` bytes in all.

    `tokens` is what one completion may have, where that is not for the role to say.
    """
    form = size_of(canonical_json(role.form)) if role.form else 0
    prompt = prompt_bytes + calls * (TOKENS_PER_CALL + TOKENS_PER_MESSAGE + form)
    completion = calls * (
        role.spec.completion_limit or UNSAID_MAX_TOKENS if tokens is None else tokens
    )
    usd = role.price(prompt, completion)
    return Spend(calls, prompt, completion, usd or 0.0, calls if usd is None else 0)


def completion_bound(role: Asked, candidate: Candidate) -> int:
    """The tokens that one answer to `candidate` may have: its own limit, or the role's."""
    own = [candidate.parameters[name] for name in LIMITS if name in candidate.parameters]
    return _tokens(own[0] if own else role.spec.completion_limit)


def evaluation_bound(models: Models, candidate: Candidate, extent: Extent) -> Spend:
    """One candidate over a split: each row asked once and, with a review model, judged once."""
    per_row = sum(
        size_of(message["content"]) + TOKENS_PER_MESSAGE
        for message in candidate.messages("", as_choice=True, columns=models.columns)
    )
    rows = extent.rows
    inputs = extent.input_bytes * max(1, _count(candidate.instruction, models.columns))
    answer = completion_bound(models.target, candidate)
    bound = calls_bound(models.target, rows, per_row * rows + inputs, answer)
    if models.review is None:
        return bound
    template = models.review.spec.prompt
    prompt = size_of(template) + REENCODED * answer * _count(template, ["response"])
    texts = extent.input_bytes * _count(template, models.columns - {"response", "answer"})
    texts += extent.target_bytes * _count(template, ["answer"])
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
    """A whole search: baseline, headroom, every iteration, and the test comparison."""
    baseline = Candidate(spec.roles.target.prompt)
    bound = evaluation_bound(models, baseline, validation)
    bound = bound.plus(evaluation_bound(models, baseline, validation.part(spec.headroom.rows)))
    bound = bound.plus(test_bound(spec, models, train, test))
    each = evaluation_bound(models, _largest_candidate(spec, train), validation)
    bound = bound.plus(_times(_candidates(spec), each))
    return bound.plus(_questions(spec, models, train)).plus(_probes(spec, models, train))


def _candidates(spec: ExperimentSpec) -> int:
    return spec.optimizer.iterations * spec.optimizer.candidates


def _times(count: int, spend: Spend) -> Spend:
    return Spend(
        count * spend.calls,
        count * spend.prompt_tokens,
        count * spend.completion_tokens,
        count * spend.usd,
        count * spend.unpriced,
    )


def _questions(spec: ExperimentSpec, models: Models, train: Sequence[Example]) -> Spend:
    """Every question to the optimizer model; under `auto` each may be any strategy's."""
    strategy, writer = spec.optimizer, models.optimizer
    if writer is None or not isinstance(strategy, OproSpec | GepaSpec | MiproSpec | AutoSpec):
        return Spend()
    sizes = []
    if isinstance(strategy, OproSpec | AutoSpec):
        sizes.append(_history_bytes(spec, strategy, writer, train))
    if isinstance(strategy, GepaSpec | AutoSpec):
        sizes.append(_reflection_bytes(spec, strategy, models, train))
    if isinstance(strategy, MiproSpec | AutoSpec):
        rows = Extent.most(train, JOINT_ROWS).shown
        sizes.append(rows + 2 * _instruction_bytes(spec) + 2 * BYTES_PER_ITEM)
    conversations = _candidates(spec)
    if isinstance(strategy, MiproSpec):
        conversations = min(strategy.instructions, (conversations + 1) // 2)
    answer = REENCODED * (writer.spec.completion_limit or UNSAID_MAX_TOKENS) + BYTES_PER_TURN
    words = WORDS + sum(size_of(text) for text in strategy.keep)
    questions = conversations * strategy.attempts
    size = words + max(sizes) + (strategy.attempts - 1) * answer
    return calls_bound(writer, questions, questions * size)


def _history_bytes(
    spec: ExperimentSpec, strategy: OproSpec | AutoSpec, writer: Asked, train: Sequence[Example]
) -> int:
    """A question of `opro`: the best prompts so far, and a few rows."""
    prompt = writer.spec.prompt
    prompts = min(strategy.history, 1 + _candidates(spec))
    history = prompts * (_instruction_bytes(spec) + BYTES_PER_ITEM)
    rows = Extent.most(train, strategy.exemplars).shown
    own = size_of(prompt) + rows * _count(prompt, ["examples"])
    return max(own, rows) + history * max(1, _count(prompt, ["prompt_scores_str"]))


def _reflection_bytes(
    spec: ExperimentSpec, strategy: GepaSpec | AutoSpec, models: Models, train: Sequence[Example]
) -> int:
    """A question of `gepa`: one prompt and what became of a minibatch, or two prompts."""
    rows = Extent.most(train, max(strategy.minibatch, LEAST_ROWS))
    candidate = Candidate("", (), _largest_parameters(spec))
    answer = REENCODED * completion_bound(models.target, candidate)
    reason = REASON_BYTES
    if models.review is not None:
        reason = max(reason, REENCODED * (models.review.spec.completion_limit or UNSAID_MAX_TOKENS))
    prompts = 2 * (_instruction_bytes(spec) + BYTES_PER_ITEM)
    return prompts + rows.shown + rows.rows * (answer + reason)


def _probes(spec: ExperimentSpec, models: Models, train: Sequence[Example]) -> Spend:
    """Every call on train rows that comes before a question of `gepa`."""
    strategy = spec.optimizer
    if models.optimizer is None or not isinstance(strategy, GepaSpec | AutoSpec):
        return Spend()
    minibatch = Extent.most(train, strategy.minibatch)
    each = evaluation_bound(models, _largest_candidate(spec, train), minibatch)
    return _times(_candidates(spec) * PROBES, each)


def _given(spec: ExperimentSpec) -> tuple[str, ...]:
    strategy = spec.optimizer
    first = spec.roles.target.prompt
    if isinstance(strategy, DemosSpec | MiproSpec | AutoSpec):
        return (first, *strategy.wordings)
    return (first,)


def _instruction_bytes(spec: ExperimentSpec) -> int:
    """What an instruction can have, given or written: by its tokens, and as it is judged."""
    given = max(map(size_of, _given(spec)))
    writer = spec.roles.optimizer
    if writer is None or isinstance(spec.optimizer, DemosSpec):
        return given
    first = len(spec.roles.target.prompt)
    limit = spec.optimizer.longest or max(SHORTEST_LIMIT, TIMES_FIRST * first)
    tokens = writer.completion_limit or UNSAID_MAX_TOKENS
    return max(given, min(REENCODED * tokens, BYTES_PER_CHARACTER * max(limit, first)))


def _largest_candidate(spec: ExperimentSpec, train: Sequence[Example]) -> Candidate:
    """One that is no smaller than any that the search can propose, in any part."""
    fills = max(_count(text, spec.dataset.columns) for text in _given(spec))
    instruction = "{input}" * fills + "x" * _instruction_bytes(spec)
    strategy = spec.optimizer
    demos: list[Demo] = []
    if isinstance(strategy, DemosSpec | MiproSpec | AutoSpec):
        demos = [Demo(example.input, example.target) for example in train]
        demos.sort(
            key=lambda one: max(1, fills) * size_of(one.input) + size_of(choice_json(one.answer))
        )
        demos = demos[-strategy.demos :]
    return Candidate(instruction, tuple(demos), _largest_parameters(spec))


def _largest_parameters(spec: ExperimentSpec) -> dict[str, Any]:
    """The limit of tokens that the search can choose, where it may choose."""
    strategy = spec.optimizer
    tuned = strategy.parameters if isinstance(strategy, MiproSpec | AutoSpec) else {}
    names = [name for name in LIMITS if name in tuned]
    if not names:
        return {}
    values = (spec.roles.target.completion_limit, *tuned[names[0]])
    return {names[0]: max(map(_tokens, values))}


def _count(template: str, names: Collection[str]) -> int:
    return len(fields(template, names))


def _tokens(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and value else UNSAID_MAX_TOKENS


def size_of(text: str) -> int:
    """UTF-8 bytes, lone surrogates included."""
    return len(text.encode("utf-8", "surrogatepass"))
