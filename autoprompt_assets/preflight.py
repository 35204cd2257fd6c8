"""What can be known before the first call: is the input usable, and what can a run cost at most."""

from __future__ import annotations

import os
from collections.abc import Iterator

from autoprompt_assets.engine.bounds import Extent, exceeds, run_bound
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.runner import Bench
from autoprompt_assets.session import load_dataset
from resources.endpoints import missing_keys


def preflight(name: str, bench: Bench, *, keys: bool) -> list[str]:
    """Validate spec, data and endpoints of `name`; what a run would take, line by line.

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
    if keys:
        problems = missing_keys(endpoints, os.environ)
        if problems:
            raise InputError(problems)
    folder = bench.experiments.path(name).parent
    data = load_dataset(spec, folder, bench.store.experiment(name))
    splits = {split: [row for row in data.examples if row.split == split] for split in data.sizes()}
    bound = run_bound(
        spec,
        bench.llm.models(spec),
        splits["train"],
        Extent.of(splits["validation"]),
        Extent.of(splits["test"]),
    )
    dollars = f"${bound.usd:.2f}"
    if bound.unpriced:
        dollars += f" and {bound.unpriced} calls whose price is not known (set roles.*.price)"
    lines = [f"{name}: {len(data.examples)} rows in {spec.dataset.path}"]
    lines += [f"  {split}: {len(rows)} rows" for split, rows in splits.items()]
    lines += [f"  note: {note}" for note in data.notes]
    lines += [f"  {role}: {end.model} at {end.name}" for role, end in endpoints.items()]
    lines.append(f"at most: {bound.calls} calls, {bound.tokens} tokens, {dollars}")
    over = exceeds(spec.budget, bound)
    if over:
        lines.append(f"  the budget may end the search early: at most {over}")
    return lines


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


def rescore_overrides(name: str, bench: Bench, search: str) -> dict[str, str]:
    """The overrides that score the candidates of an earlier search again (`latest` is one).

    Raises:
        InputError: there is no such search.
    """
    known = bench.store.experiment(name).search_ids()
    found = known[-1] if search == "latest" and known else search
    if found not in known:
        raise InputError(
            f"--rescore {search}: no such search of {name}; there are {', '.join(known) or 'none'}"
        )
    steps = len(bench.store.experiment(name).search(found).read_iterations())
    optimizer = {"strategy": "rescore", "search": found, "iterations": max(1, steps)}
    return {"optimizer": canonical_json(optimizer)}
