"""What a search, and its test comparison, can be charged at most: `bounds`, added up.

Nothing is guessed of what a strategy asks the optimizer model: it is made to ask, with texts as
long as they can be. What an instruction can have is what `lint` lets pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autoprompt_assets.engine.budget import (
    BYTES_PER_TOKEN,
    TOKENS_PER_MESSAGE,
    Extent,
    Prompts,
    calls_bound,
    completion_bound,
    evaluation_bound,
    tokens_said,
)
from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.choices import choice_json
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import LIMITS
from autoprompt_assets.engine.lint import most_fields
from autoprompt_assets.engine.llm import Models
from autoprompt_assets.engine.message import content_size
from autoprompt_assets.engine.optimizers import (
    AGAIN_BYTES,
    Sizes,
    Work,
)
from autoprompt_assets.engine.search.iteration import MOST_REASON
from autoprompt_assets.engine.search.strategy import longest_question
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.text import size_of

REASON_BYTES = 4 * MOST_REASON
"""A grader's feedback, in characters of the most bytes."""
FIGURES = 1024
"""Bytes of a question that depend on what it shows: numbers, marks of cuts, numbered tags."""


def comparison_bound(
    spec: ExperimentSpec,
    models: Models,
    train: Sequence[Example],
    test: Extent,
    earlier: Sequence[Candidate] = (),
) -> Spend:
    """The test comparison: baseline and the largest candidate that the search can select.

    `earlier` are the candidates of the search to re-score.
    """
    baseline = evaluation_bound(models, spec.first, test)
    if spec.optimizer.repeats:
        each = [evaluation_bound(models, one, test) for one in earlier]
        return baseline.plus(_most(each))
    return baseline.plus(evaluation_bound(models, largest_candidate(spec, train), test))


def run_bound(
    spec: ExperimentSpec,
    models: Models,
    train: Sequence[Example],
    validation: Extent,
    test: Extent,
    earlier: Sequence[Candidate] = (),
) -> Spend:
    """A whole search: baseline, headroom, every iteration, and the test comparison."""
    baseline = spec.first
    bound = evaluation_bound(models, baseline, validation)
    bound = bound.plus(evaluation_bound(models, baseline, validation.part(spec.headroom.rows)))
    bound = bound.plus(comparison_bound(spec, models, train, test, earlier))
    if spec.optimizer.repeats:
        for one in earlier:
            bound = bound.plus(evaluation_bound(models, one, validation))
        return bound
    each = evaluation_bound(models, largest_candidate(spec, train), validation)
    bound = bound.plus(each.times(spec.optimizer.total))
    return bound.plus(_questions(spec, models, train)).plus(_probes(spec, models, train))


def largest_candidate(spec: ExperimentSpec, train: Sequence[Example]) -> Candidate:
    """One that is no smaller than any that the search can propose, in any part."""
    target, chat = spec.roles.target, spec.chat
    held, texts = target.texts, target.texts
    for name in target.tuned:
        fills = most_fields(texts[name], chat.layout)
        names = "".join(f"{{{one}}}" * times for one, times in fills.items())
        held = held.having(name, names)
        texts = texts.having(name, names + "x" * _instruction_bytes(spec, name))
    _, exchange = chat.parts(held)
    demos = [Demo(example.inputs, example.target) for example in train]

    def size(demo: Demo) -> int:
        turns = chat.render(exchange, demo.inputs)
        return sum(map(content_size, turns)) + size_of(choice_json(demo.answer))

    demos.sort(key=size)
    shown = spec.optimizer.most(spec.roles.optimizer is not None).demos
    largest = demos[len(demos) - min(shown, len(demos)) :]
    return Candidate(texts, tuple(largest), _largest_parameters(spec))


def _work(spec: ExperimentSpec, models: Models) -> Work:
    return spec.optimizer.most(models.optimizer is not None)


def _questions(spec: ExperimentSpec, models: Models, train: Sequence[Example]) -> Spend:
    """Every question to the optimizer model; under `auto` each may be any strategy's.

    Each conversation is as long as it can be: every answer is refused, and told again.
    """
    writer, work = models.optimizer, _work(spec, models)
    if writer is None or not work.conversations:
        return Spend()
    first = longest_question(spec, train, _sizes(spec, models)) + FIGURES
    answer = BYTES_PER_TOKEN * tokens_said(writer.spec.completion_limit)
    turn = answer + AGAIN_BYTES + 2 * TOKENS_PER_MESSAGE
    turns = work.attempts * (work.attempts - 1) // 2
    total = work.conversations * (work.attempts * first + turns * turn)
    longest = first + (work.attempts - 1) * turn
    return calls_bound(writer, work.conversations * work.attempts, Prompts(total, longest))


def _sizes(spec: ExperimentSpec, models: Models) -> Sizes:
    target = Candidate("", (), _largest_parameters(spec))
    answer = BYTES_PER_TOKEN * completion_bound(models.target, target)
    instruction = max(_instruction_bytes(spec, name) for name in spec.roles.target.tuned)
    return Sizes(instruction, answer, REASON_BYTES, spec.optimizer.total)


def _probes(spec: ExperimentSpec, models: Models, train: Sequence[Example]) -> Spend:
    """Every call on train rows that comes before a question."""
    work = _work(spec, models)
    if not work.probes:
        return Spend()
    rows = Extent.most(train, work.probe_rows)
    return evaluation_bound(models, largest_candidate(spec, train), rows).times(work.probes)


def _instruction_bytes(spec: ExperimentSpec, name: str) -> int:
    """What the text `name` can have, given or written: by its tokens, and as it is checked."""
    strategy, writer = spec.optimizer, spec.roles.optimizer
    answer = None
    if writer is not None and strategy.asks:
        answer = BYTES_PER_TOKEN * tokens_said(writer.completion_limit)
    return strategy.instruction_bytes(spec.roles.target.texts[name], answer)


def _largest_parameters(spec: ExperimentSpec) -> dict[str, Any]:
    """The limit of tokens that the search can choose, where it may choose."""
    tuned = spec.optimizer.tuned
    names = [name for name in LIMITS if name in tuned]
    if not names:
        return {}
    values = (spec.roles.target.completion_limit, *tuned[names[0]])
    return {names[0]: max(map(tokens_said, values))}


def _most(spends: Sequence[Spend]) -> Spend:
    """The most of each figure."""
    if not spends:
        return Spend()
    return Spend(
        max(one.calls for one in spends),
        max(one.prompt_tokens for one in spends),
        max(one.completion_tokens for one in spends),
        max(one.usd for one in spends),
        max(one.unpriced for one in spends),
    )
