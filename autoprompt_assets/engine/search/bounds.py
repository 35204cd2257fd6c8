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
    count_fields,
    evaluation_bound,
    tokens_said,
)
from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.choices import choice_json
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.fields import LIMITS
from autoprompt_assets.engine.lint import TIMES_FIELDS, longest_instruction
from autoprompt_assets.engine.llm import Models
from autoprompt_assets.engine.optimizers import (
    AGAIN,
    MOST_PROBLEM,
    ROUNDS,
    AutoSpec,
    DemosSpec,
    GepaSpec,
    MiproSpec,
    OproSpec,
    RescoreSpec,
    Sizes,
    longest_question,
)
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.text import size_of

BYTES_PER_CHARACTER = 4
REASON_BYTES = 4096
"""A grader's reason, where no review model gives one."""
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
    baseline = evaluation_bound(models, Candidate(spec.roles.target.prompt), test)
    if isinstance(spec.optimizer, RescoreSpec):
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
    baseline = Candidate(spec.roles.target.prompt)
    bound = evaluation_bound(models, baseline, validation)
    bound = bound.plus(evaluation_bound(models, baseline, validation.part(spec.headroom.rows)))
    bound = bound.plus(comparison_bound(spec, models, train, test, earlier))
    if isinstance(spec.optimizer, RescoreSpec):
        for one in earlier:
            bound = bound.plus(evaluation_bound(models, one, validation))
        return bound
    each = evaluation_bound(models, largest_candidate(spec, train), validation)
    bound = bound.plus(each.times(candidates_of(spec)))
    return bound.plus(_questions(spec, models, train)).plus(_probes(spec, models, train))


def candidates_of(spec: ExperimentSpec) -> int:
    """How many candidates the search proposes at most."""
    return spec.optimizer.iterations * spec.optimizer.candidates


def conversations_of(spec: ExperimentSpec, models: Models) -> int:
    """How many instructions the optimizer model is asked for at most."""
    strategy = spec.optimizer
    if models.optimizer is None or not isinstance(
        strategy, OproSpec | GepaSpec | MiproSpec | AutoSpec
    ):
        return 0
    if isinstance(strategy, MiproSpec):
        return min(strategy.instructions, (candidates_of(spec) + 1) // 2)
    return candidates_of(spec)


def largest_candidate(spec: ExperimentSpec, train: Sequence[Example]) -> Candidate:
    """One that is no smaller than any that the search can propose, in any part."""
    fills = TIMES_FIELDS * count_fields(spec.roles.target.prompt, spec.dataset.columns)
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


def _questions(spec: ExperimentSpec, models: Models, train: Sequence[Example]) -> Spend:
    """Every question to the optimizer model; under `auto` each may be any strategy's.

    Each conversation is as long as it can be: every answer is refused, and told again.
    """
    writer, strategy = models.optimizer, spec.optimizer
    conversations = conversations_of(spec, models)
    if writer is None or not conversations:
        return Spend()
    assert not isinstance(strategy, DemosSpec | RescoreSpec)
    first = longest_question(spec, train, _sizes(spec, models)) + FIGURES
    again = size_of(AGAIN) + BYTES_PER_CHARACTER * MOST_PROBLEM + 2 * TOKENS_PER_MESSAGE
    turn = BYTES_PER_TOKEN * tokens_said(writer.spec.completion_limit) + again
    turns = strategy.attempts * (strategy.attempts - 1) // 2
    total = conversations * (strategy.attempts * first + turns * turn)
    longest = first + (strategy.attempts - 1) * turn
    return calls_bound(writer, conversations * strategy.attempts, Prompts(total, longest))


def _sizes(spec: ExperimentSpec, models: Models) -> Sizes:
    target = Candidate("", (), _largest_parameters(spec))
    answer = BYTES_PER_TOKEN * completion_bound(models.target, target)
    reason = REASON_BYTES
    if models.review is not None:
        reason = max(reason, BYTES_PER_TOKEN * tokens_said(models.review.spec.completion_limit))
    return Sizes(_instruction_bytes(spec), answer, reason, candidates_of(spec))


def _probes(spec: ExperimentSpec, models: Models, train: Sequence[Example]) -> Spend:
    """Every call on train rows that comes before a question of `gepa`."""
    strategy = spec.optimizer
    if models.optimizer is None or not isinstance(strategy, GepaSpec | AutoSpec):
        return Spend()
    minibatch = Extent.most(train, strategy.minibatch)
    each = evaluation_bound(models, largest_candidate(spec, train), minibatch)
    return each.times(candidates_of(spec) * ROUNDS)


def _instruction_bytes(spec: ExperimentSpec) -> int:
    """What an instruction can have, given or written: by its tokens, and as it is judged."""
    strategy, first = spec.optimizer, spec.roles.target.prompt
    wordings: tuple[str, ...] = ()
    if isinstance(strategy, DemosSpec | MiproSpec | AutoSpec):
        wordings = strategy.wordings
    given = max(map(size_of, (first, *wordings)))
    writer = spec.roles.optimizer
    if writer is None or isinstance(strategy, DemosSpec):
        return given
    tokens = tokens_said(writer.completion_limit)
    written = BYTES_PER_CHARACTER * longest_instruction(first, strategy.longest)
    return max(given, min(BYTES_PER_TOKEN * tokens, written))


def _largest_parameters(spec: ExperimentSpec) -> dict[str, Any]:
    """The limit of tokens that the search can choose, where it may choose."""
    strategy = spec.optimizer
    tuned = strategy.parameters if isinstance(strategy, MiproSpec | AutoSpec) else {}
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
