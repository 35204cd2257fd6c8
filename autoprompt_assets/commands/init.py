"""`autoprompt init`: a commented experiment file for the user's own table."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from autoprompt_assets.engine.dataset import DatasetSpec, build_dataset, read_table
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.spec import load_spec
from autoprompt_assets.resources.endpoints import (
    DEFAULT_MODELS,
    DEFAULT_WRITERS,
    ENDPOINT_WORDS,
    HINTS,
)
from autoprompt_assets.resources.experiments import NAME, SPEC_FILE
from autoprompt_assets.resources.whole_file import replacing

OPTIONS = ("input", "target", "encoding", "sheet")
FLAGS = {"path": "--data"} | {name: f"--{name}" for name in OPTIONS}
MOST_CHOICES = 20
LONGEST_CHOICE = 60
LINE, COMMENT = 100, "    # "
FIRST_PROMPT = "Answer the question. Say only the answer."

TEMPLATE = """\
description: ""

dataset:
  # A path from this file, an absolute path, or a URL: CSV (commas, semicolons, tabs or bars),
  # JSON, JSON Lines, Parquet or a workbook (.xlsx, .xls, .ods), also with .gz.
  path: {path}
{sheet}  input: {input}
  target: {target}
  encoding: {encoding}
  # Fractions, or three counts of rows. The optimizer learns from train, candidates are selected
  # on validation, and test is read once, at the end.
  split: {{train: 0.3, validation: 0.35, test: 0.35}}
  # Changing the seed draws other splits: rows the search has seen may then move into test.
  seed: 0

roles:
  target:
{endpoints}
    endpoint: openai
    model: {model}
    # The prompt to be improved. Sent as the system message, or, where it holds the placeholder
    # {{input}} or the input column's name in braces, as a template of the user message. Put
    # spaces inside other braces around a name: {{ label }}.
    prompt: {prompt}
    temperature: 0
    # What a model thinks before it answers counts, too; an answer that is cut off counts as wrong.
    # Sent as max_completion_tokens where the model wants that.
    max_tokens: 4000
    # Seconds that one attempt may take, and a call with all its attempts (null: three times that).
    timeout: 600
    deadline: null
    # Any further request fields, for example: {{reasoning_effort: low}}
    extra: {{}}
{choices}
  optimizer:
    # Writes new prompts. Take the role out to search demos, wordings and parameters only.
    endpoint: openai
    model: {writer}
    temperature: 0.7
    max_tokens: 8000

# Servers that a role's endpoint may name: any OpenAI-compatible API, or, with kind: azure, a
# deployment of Azure's. See README.md for headers, query and prices. For example:
#   mine: {{base_url: "https://gateway.example/v1", api_key_env: MINE_KEY, model: gpt-4o}}
endpoints: {{}}

# exact, choice, contains, number, regex (with pattern), json (with field), model (the review role
# judges; add roles.review with a prompt that holds {{response}} and {{answer}}), or python (a
# function of yours, e.g. function: grade.py:grade). Several: graders, in place of this, by name,
# each with its weight. autoprompt_assets/docs/graders.md has each.
grader:
  kind: exact
  ignore_case: true

optimizer:
  # auto gives each step to what has gained most: opro, gepa, mipro or demos, see README.md.
  strategy: auto
  iterations: 12
  candidates: 1
  # Texts that every prompt must hold, for example a field's name: ["answer"]
  keep: []
  # auto, mipro and demos take wordings, instructions of yours to try; auto and mipro take
  # parameters, request fields to tune, for example {{temperature: [0, 0.7]}}. See README.md.

# Before the search the first prompt is asked twice on these validation rows: how much is noise?
# stop: true ends a search that could show no gain.
headroom: {{rows: 20, stop: false}}

# Calls in flight at one endpoint, at most. How many it takes, and how fast, is found by trying.
concurrency: 10

# What one search may be charged over all roles; null is no limit. What the test comparison can cost
# at most is set aside first; the rest is spent batch by batch until the next could exceed it.
budget:
  calls: null
  tokens: null
  usd: 5.0

# The share of rows that may stay without a grade because calls failed.
unmeasured: 0.02

# Raise it to ask rows whose calls failed again, as a search of its own. `autoprompt run
# --retry-failed` does so for one run.
retry: 0
"""


def write_experiment(folder: Path, name: str, table: Mapping[str, str], prompt: str | None) -> Path:
    """Write `folder/name/experiment.yaml` for `table`; the path of the file.

    `table` holds the dataset's path, input, target and encoding, and of a workbook the sheet.

    Raises:
        InputError: a bad name, one that is taken, or a table that cannot be used.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"NAME {shown(name)}: use lower-case letters, digits, - and _, starting with a letter "
            "or digit, at most 63"
        )
    path = folder / name / SPEC_FILE
    if path.exists():
        raise InputError(f"{path} exists; choose another NAME, or edit it")
    data = table["path"]
    source = data if "://" in data else os.path.realpath(os.path.expanduser(data))
    spec = _dataset({**table, "path": source})
    try:
        built = build_dataset(read_table(spec, Path.cwd()), spec)
    except InputError as error:
        options = {f"dataset.{name}": flag for name, flag in FLAGS.items()}
        pattern = re.compile("|".join(map(re.escape, options)))
        lines = [pattern.sub(lambda found: options[found[0]], line) for line in error.lines]
        raise InputError(lines) from None
    targets = sorted({example.target.strip() for example in built.examples})
    text = TEMPLATE.format(
        endpoints=textwrap.fill(
            f"{HINTS}.", LINE, initial_indent=COMMENT, subsequent_indent=COMMENT
        ),
        model=DEFAULT_MODELS["openai"],
        writer=DEFAULT_WRITERS["openai"],
        path=_quoted(source if "://" in data else os.path.relpath(source, path.parent)),
        sheet=_sheet_lines(spec.sheet),
        input=_quoted(spec.input),
        target=_quoted(spec.target),
        encoding=_quoted(spec.encoding),
        prompt=_quoted(prompt or FIRST_PROMPT),
        choices=_choices(targets),
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as file:
            file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(
            f"{path}: cannot be written ({error.strerror}); set AUTOPROMPT_EXPERIMENTS to a folder "
            "of yours"
        ) from None
    load_spec(path, ENDPOINT_WORDS)
    return path


def _dataset(table: Mapping[str, str]) -> DatasetSpec:
    """The settings of a table, as the options give them.

    Raises:
        InputError: they are none.
    """
    sheet = table.get("sheet", "")
    numbered = {"sheet": int(sheet)} if sheet.isascii() and sheet.isdigit() else {}
    try:
        return DatasetSpec.model_validate({**table, **numbered})
    except ValidationError as error:
        said = [(detail["loc"], detail["msg"]) for detail in error.errors()]
    raise InputError(
        [
            f"{FLAGS.get(str(next(iter(place), '')), '--input, --target')}: "
            f"{problem.removeprefix('Value error, ')}"
            for place, problem in said
        ]
    )


def _sheet_lines(sheet: str | int | None) -> str:
    if sheet is None:
        return ""
    said = sheet if isinstance(sheet, int) else _quoted(sheet)
    return (
        f"  # The workbook's sheet: its name, or its number among those shown.\n  sheet: {said}\n"
    )


def _choices(targets: list[str]) -> str:
    few = 2 <= len(targets) <= MOST_CHOICES and max(map(len, targets)) <= LONGEST_CHOICE
    # Labels that differ in case only are one label, untidily written: no list to hold a model to.
    few = few and len({target.casefold() for target in targets}) == len(targets)
    if not few:
        return (
            "    # The only answers allowed, where there are few: sent as a JSON-schema enum.\n"
            "    choices: []"
        )
    listed = yaml.safe_dump(
        targets, default_flow_style=True, allow_unicode=True, width=10_000, default_style='"'
    ).strip()
    return (
        "    # The only answers allowed, found in your target column: sent as a JSON-schema enum.\n"
        f"    choices: {listed}"
    )


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', allow_unicode=True, width=10_000).strip()
