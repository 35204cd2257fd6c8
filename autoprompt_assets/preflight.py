"""What can be known before the first call: is the input usable, and what can a run cost at most."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

from autoprompt_assets.bench import Bench
from autoprompt_assets.engine.asked import Models
from autoprompt_assets.engine.bounds import Extent, evaluation_bound, run_bound, test_bound
from autoprompt_assets.engine.budget import exceeds
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.dataset import SPLITS, Dataset
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.template import fields, foreign
from autoprompt_assets.session import load_dataset
from resources.endpoints import Endpoint, missing_keys
from resources.home import refuse_unusable_journal


@dataclass(frozen=True)
class Preflight:
    """What a run would take, line by line, and the notes among the lines."""

    lines: tuple[str, ...]
    notes: tuple[str, ...]


def preflight(name: str, bench: Bench, *, keys: bool) -> Preflight:
    """Validate spec, data and endpoints of `name`.

    Raises:
        InputError: one line per problem, missing keys included where `keys` are wanted.
    """
    if name not in bench.experiments.names():
        known = ", ".join(bench.experiments.names()) or "none"
        raise InputError(
            f"experiment {shown(name)} is not in {bench.experiments.folder}; there are {known}"
        )
    spec = bench.experiments.load(name)
    endpoints = bench.llm.endpoints(spec)
    refuse_unusable_journal()
    if keys:
        problems = missing_keys(endpoints, os.environ)
        if problems:
            raise InputError(problems)
    folder = bench.experiments.path(name).parent
    data = load_dataset(spec, folder, bench.store.experiment(name))
    least, bound = _bounds(spec, bench.llm.models(spec), data)
    lines = [f"{name}: {len(data.examples)} rows in {spec.dataset.path}"]
    lines += [f"  {split}: {rows} rows" for split, rows in data.sizes().items()]
    notes = (*data.notes, *_notes(spec, data), *_unheeded(spec, endpoints["target"]))
    lines += [f"  note: {note}" for note in notes]
    lines += [f"  {role}: {end.model} at {end.name}" for role, end in endpoints.items()]
    lines.append(f"baseline and test comparison, at most: {_said(least)}")
    lines.append(f"the whole search, at most: {_said(bound)}")
    over = exceeds(spec.budget, bound)
    if over:
        lines.append(f"  the budget may end the search early: at most {over}")
    return Preflight(tuple(lines), notes)


def _notes(spec: ExperimentSpec, data: Dataset) -> Iterator[str]:
    """What a user may not have meant, and what is no error."""
    unused = data.dropped.get("left out by the split", 0)
    if unused:
        yield f"{unused} rows are in no split and are not used; raise dataset.split to use them"
    targets = {example.target for example in data.examples}
    if len(targets) == 1:
        yield f"every target is {shown(targets.pop())}, so there is nothing to tell apart"
    prompt = spec.roles.target.prompt
    found = () if fields(prompt, spec.dataset.columns) else foreign(prompt)
    if found:
        listed = ", ".join(map(shown, found))
        yield f"roles.target.prompt holds {listed}, sent as it stands: only {{input}} is filled"


def _unheeded(spec: ExperimentSpec, target: Endpoint) -> Iterator[str]:
    if spec.roles.target.choices and not target.structured_output:
        yield (
            f"roles.target.choices are not sent as a schema, for endpoints.{target.name} does not "
            "say structured_output: true; the prompt must name them, and an answer that is none "
            "of them counts 0"
        )


def _bounds(spec: ExperimentSpec, models: Models, data: Dataset) -> tuple[Spend, Spend]:
    """The worst case of baseline and test comparison, and of the whole search.

    Raises:
        InputError: the budget is below what is certain to be needed or set aside.
    """
    rows = {split: [row for row in data.examples if row.split == split] for split in SPLITS}
    validation, test = Extent.of(rows["validation"]), Extent.of(rows["test"])
    baseline = evaluation_bound(models, Candidate(spec.roles.target.prompt), validation)
    reserve = test_bound(spec, models, rows["train"], test)
    # Calls are known; tokens and dollars settle far below their bounds as answers come in.
    over = exceeds(spec.budget, Spend(calls=baseline.calls).plus(reserve))
    if over:
        raise InputError(
            f"budget: baseline and test comparison alone may take {over}; raise it, or lower "
            "max_tokens or the split"
        )
    return baseline.plus(reserve), run_bound(spec, models, rows["train"], validation, test)


def _said(bound: Spend) -> str:
    dollars = f"${bound.usd:.2f}"
    if bound.unpriced:
        dollars += f" and {bound.unpriced} calls whose price is not known (set roles.*.price)"
    return f"{bound.calls} calls, {bound.tokens} tokens, {dollars}"


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
        yield (
            f"{name}: {target.model} at {target.name}, {spec.optimizer.strategy}, "
            f"{spec.optimizer.iterations} iterations. {' '.join(spec.description.split())}"
        )
