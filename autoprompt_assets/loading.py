"""The dataset of an experiment, as its file stands now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from autoprompt_assets.engine.dataset import Dataset, Table, build_dataset, open_table
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import check_targets
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.storage import ExperimentStore


def load_dataset(spec: ExperimentSpec, folder: Path, files: ExperimentStore | None) -> Dataset:
    """The dataset as its file stands now; known rows keep the split that `files` remembers.

    Raises:
        InputError: the file cannot be used, or too many of its targets can never be met.
    """
    return place(spec, open_table(spec.dataset, folder, spec.chat.readers()), files)


def place(spec: ExperimentSpec, table: Table, files: ExperimentStore | None) -> Dataset:
    """See `load_dataset`. Whoever writes what comes out holds `dataset_lock` from before on: two
    that decide the splits at once would decide them differently.
    """
    known = files.read_membership(spec.dataset) if files else None
    built = build_dataset(table.rows, spec.dataset, known, table.notes)
    target = spec.roles.target
    prompt, choices, file = target.texts.joined(), target.choices, spec.dataset.file
    found = check_targets(
        spec.grading,
        _with_targets(built.examples),
        prompt,
        choices,
        file,
        unmeasured=spec.unmeasured,
    )
    return replace(built, notes=(*built.notes, *found))


def _with_targets(examples: Sequence[Example]) -> Sequence[Example]:
    """Each row once for each target that it accepts; none for those that have none."""
    if not any(example.others for example in examples):
        return [example for example in examples if example.target]
    return [
        replace(example, target=one, others=()) for example in examples for one in example.targets
    ]
