"""What can be known before the first call: is the input usable, and what can a run cost at most."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autoprompt_assets.commands.plan import Plan, priced_models, within
from autoprompt_assets.configuration import Bench
from autoprompt_assets.engine.budget import UNSAID_MAX_TOKENS, exceeds
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.dataset import Dataset
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.llm import Models, Role
from autoprompt_assets.engine.optimizers import Apart, unscored
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.template import foreign
from autoprompt_assets.engine.text import quantity
from autoprompt_assets.loading import load_dataset
from autoprompt_assets.resources.endpoints import KINDS, Endpoint, key_problems, place_of
from autoprompt_assets.resources.home import refuse_unusable_journal
from autoprompt_assets.search_session import rescored

_WORK: Mapping[Role, str] = {
    "target": "do this task",
    "review": "judge answers",
    "optimizer": "write prompts",
}
"""What each role is there for."""


@dataclass(frozen=True)
class Preflight:
    """What a run would take, line by line, the notes among the lines, and the rows."""

    lines: tuple[str, ...]
    notes: tuple[str, ...]
    dataset: Dataset


def preflight(name: str, bench: Bench, *, keys: bool) -> Preflight:
    """Validate spec, data and endpoints of `name`.

    Raises:
        InputError: one line per problem, missing keys included where `keys` are wanted.
        JournalError: what answers took in earlier searches cannot be read.
    """
    if name not in bench.experiments.names():
        known = ", ".join(bench.experiments.names()) or "none"
        raise InputError(
            f"experiment {shown(name)} is not in {bench.experiments.folder}; there are {known}"
        )
    spec = bench.experiments.load(name)
    endpoints = _endpoints(name, bench, spec)
    refuse_unusable_journal()
    if keys:
        problems = key_problems(endpoints, os.environ)
        if problems:
            raise InputError(bench.experiments.placed(name, problems))
    folder = bench.experiments.path(name).parent
    files = bench.store.experiment(name)
    data = load_dataset(spec, folder, files)
    plan = Plan(name, spec, priced_models(name, bench, spec, data), data, files)
    least, bound = plan.bounds()
    lines = [f"{name}: {quantity(len(data.examples), 'row')} in {spec.dataset.file}"]
    lines += [f"  {split}: {quantity(rows, 'row')}" for split, rows in data.sizes().items()]
    notes = (*data.notes, *_notes(spec, data), *_unheeded(spec, endpoints["target"]))
    notes += (*_too_small(endpoints), *_unlimited(plan.models), *_unscored(plan))
    lines += [f"  note: {note}" for note in notes]
    lines += [f"  {role}: {end.model} at {place_of(end)}" for role, end in endpoints.items()]
    lines.append(f"baseline and test comparison, at most: {_said(least)}")
    lines.append(f"the whole search, at most: {_said(bound)}")
    if not keys:
        estimate = plan.estimate(bench.store.journal)
        found = _said(within(estimate.spend, bound), "about ")
        lines.append(f"the whole search, likely: {found} (an estimate: {estimate.basis})")
    over = exceeds(spec.budget, bound)
    if over:
        lines.append(f"  the budget ends the search before that: it could take {over}")
    return Preflight(tuple(lines), notes, data)


def _endpoints(name: str, bench: Bench, spec: ExperimentSpec) -> dict[Role, Endpoint]:
    try:
        return bench.llm.endpoints(spec)
    except InputError as error:
        raise InputError(bench.experiments.placed(name, error.lines)) from None


def _notes(spec: ExperimentSpec, data: Dataset) -> Iterator[str]:
    """What a user may not have meant, and what is no error."""
    unused = data.dropped.get("left out by the split", 0)
    if unused:
        yield f"{quantity(unused, 'row')} in no split, not used; raise dataset.split to use them"
    targets = {example.target for example in data.examples}
    if len(targets) == 1 and spec.dataset.target is not None:
        yield f"every target is {shown(targets.pop())}, so there is nothing to tell apart"
    yield from _unused_wordings(spec, data)
    filled = " or ".join(spec.dataset.layout.placeholders().values())
    for name, place in spec.roles.target.places.items():
        text = spec.roles.target.texts[name]
        found = () if spec.dataset.layout.fields(text) else foreign(text)
        if found:
            listed = ", ".join(map(shown, found))
            yield f"{place} holds {listed}, sent as it stands: only {filled} is filled"


def _unused_wordings(spec: ExperimentSpec, data: Dataset) -> Iterator[str]:
    """Wordings that no strategy will try, for they are judged as every instruction is."""
    optimizer, target = spec.optimizer, spec.roles.target
    if not optimizer.given:
        return
    train = [example for example in data.examples if example.split == "train"]
    own = (optimizer.longest, optimizer.keep, spec.dataset.layout)
    lint = Lint(target.first, train, spec.grader, target.choices, *own)
    for place, wording in optimizer.given.items():
        problem = lint.problem(Candidate(target.texts.having(target.tuned[0], wording)), ())
        if problem:
            yield f"optimizer.{place} will not be tried: {problem}"


def _unheeded(spec: ExperimentSpec, target: Endpoint) -> Iterator[str]:
    if spec.roles.target.choices and not target.structured_output:
        yield (
            f"roles.target.choices are not sent as a schema, for endpoints.{target.name} does not "
            "say structured_output: true; the prompt must name them, and an answer that is none "
            "of them counts 0"
        )
    if spec.roles.target.response_format is not None and not target.structured_output:
        yield (
            f"roles.target.response_format is not sent, for endpoints.{target.name} does not say "
            "structured_output: true; the prompt must ask for that form"
        )


def _too_small(endpoints: Mapping[Role, Endpoint]) -> Iterator[str]:
    for role, endpoint in endpoints.items():
        kind = KINDS.get(endpoint.word)
        if kind is not None and role in kind.unfit:
            yield (
                f"roles.{role} is served by {endpoint.model}, which can classify but not "
                f"{_WORK[role]}; name another endpoint for it"
            )


def _unscored(plan: Plan) -> Iterator[str]:
    """Candidates of an earlier search that hold rows of this one's validation or test split."""
    check = Apart(plan.spec.roles.target.first, plan.data.examples)
    said = unscored(rescored(plan.spec, plan.files), check)
    if said:
        yield said


def _unlimited(models: Models) -> Iterator[str]:
    for role in models.roles:
        if role.spec.completion_limit is None:
            yield (
                f"roles.{role.role}.max_tokens is null: an answer is taken to have at most "
                f"{UNSAID_MAX_TOKENS:,} tokens in what a search can cost"
            )


def _said(spend: Spend, about: str = "") -> str:
    dollars = f"${spend.usd:.2f}" if spend.usd >= 1 or not about else f"${spend.usd:.4f}"
    if spend.unpriced:
        dollars += (
            f" and {quantity(spend.unpriced, 'call')} whose price is not known (set roles.*.price)"
        )
    return f"{about}{quantity(spend.calls, 'call')}, {spend.tokens} tokens, {dollars}"


def describe(bench: Bench) -> Iterator[str]:
    """A line per experiment; a broken one with its first problem."""
    names = bench.experiments.names()
    if not names:
        yield f"no experiments in {bench.experiments.folder}; `autoprompt init` makes one"
    for name in names:
        try:
            spec = bench.experiments.load(name)
            target = bench.llm.endpoints(spec)["target"]
        except InputError as error:
            yield f"{name}: BROKEN: {error.lines[0]}"
            continue
        line = (
            f"{name}: {target.model} at {target.name}, {spec.optimizer.strategy}, "
            f"{quantity(spec.optimizer.iterations, 'iteration')}. "
            f"{' '.join(spec.description.split())}"
        )
        yield line.rstrip()
