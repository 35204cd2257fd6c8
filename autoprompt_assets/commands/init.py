"""`autoprompt init`: a commented experiment file for the user's own table."""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from autoprompt_assets.commands.experiment_template import GRADERS, NO_REVIEW, REVIEW, TEMPLATE
from autoprompt_assets.engine.dataset import (
    FEW,
    DatasetSpec,
    build_dataset,
    column_names,
    read_table,
)
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

FLAGS = {
    **{"path": "--data", "inputs": "--input", "target": "--target", "encoding": "--encoding"},
    **{"sheet": "--sheet"},
}
MOST_CHOICES = 20
LONGEST_CHOICE = 60
WITH_CHOICES = ("exact", "choice", "contains")
"""Graders under which few targets are all the answers that there can be."""
LINE, COMMENT = 100, "    # "
FIRST_PROMPT = "Answer the question. Say only the answer."
SEVERAL = "Say only the answer that is wanted for what follows."
REVIEWED = "Is the response right? Say yes or no."

TARGETS = (
    *("target", "label", "answer", "expected", "expected_output", "ideal", "gold", "category"),
    *("class", "intent", "sentiment", "output", "completion"),
)
"""What a column of wanted answers is called, the likeliest first."""
_NO_INPUT = re.compile(r"(?i)(?:.*[\s_-])?(?:id|uuid|index|split|created_at|unnamed: \d+)|#")
"""Names of columns that tell rows apart and say nothing of what is asked."""


@dataclass(frozen=True)
class NewTable:
    """A table as the options tell it. Empty `inputs` and `target` are looked for in the table;
    a `target` of `None` is none.
    """

    path: str
    inputs: tuple[str, ...] = ()
    target: str | None = ""
    encoding: str = "utf-8"
    sheet: str = ""


def write_experiment(
    folder: Path, name: str, table: NewTable, prompt: str | None = None, grader: str = "exact"
) -> tuple[Path, DatasetSpec]:
    """Write `folder/name/experiment.yaml` for `table`; the path of the file, and what it reads.

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
    data = table.path
    source = data if "://" in data else os.path.realpath(os.path.expanduser(data))
    spec, targets = _read(replace(table, path=source), grader)
    place = source if "://" in data else os.path.relpath(source, path.parent)
    text = _text(spec, place, targets, prompt, grader)
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
    return path, spec


def _read(table: NewTable, grader: str) -> tuple[DatasetSpec, list[str]]:
    """What is said and found of a table, and the targets in it."""
    try:
        spec = _dataset(_guessed(table, grader))
        rows = read_table(spec, Path.cwd())
        if len({row.inputs[spec.inputs[0]] for row in rows}) * FEW <= len(rows):
            spec = spec.model_copy(update={"split_by": spec.inputs})
        built = build_dataset(rows, spec)
    except InputError as error:
        options = {f"dataset.{name}": flag for name, flag in FLAGS.items()}
        options["set it to null"] = "give --no-target"
        pattern = re.compile("|".join(map(re.escape, options)))
        lines = [pattern.sub(lambda found: options[found[0]], line) for line in error.lines]
        raise InputError(lines) from None
    return spec, sorted({example.target.strip() for example in built.examples})


def _guessed(table: NewTable, grader: str) -> NewTable:
    """`table` with the columns that are not said; the usual names where none is likelier."""
    if table.inputs and table.target != "":
        return table
    usual = replace(
        table,
        inputs=table.inputs or ("input",),
        target="target" if table.target == "" else table.target,
    )
    names = column_names(_dataset(usual), Path.cwd())
    if len(set(names)) < len(names) or {"input", "target"} <= {*names}:
        return usual
    target = _target(names, table, grader) if table.target == "" else table.target
    others = [name for name in names if name != target and not _NO_INPUT.fullmatch(name)]
    inputs = table.inputs or (("input",) if "input" in others else tuple(others))
    if not inputs or not _is_header(names):
        return usual
    return replace(table, inputs=inputs, target=target)


def _target(names: Sequence[str], table: NewTable, grader: str) -> str | None:
    others = {name.casefold(): name for name in names if name not in table.inputs}
    found = next((others[name] for name in TARGETS if name in others), None)
    if found is None and grader == "model":
        return None
    return found or next(reversed(others.values()), "target")


def _is_header(names: Sequence[str]) -> bool:
    """Whether these may be names: no sentences, no numbers."""
    return all(len(name) <= 60 and not re.search(r"[.?!]$|^[-+\d.,%\s]+$", name) for name in names)


def _dataset(table: NewTable) -> DatasetSpec:
    """The settings of a table, as the options give them.

    Raises:
        InputError: they are none.
    """
    sheet = table.sheet
    given: dict[str, Any] = {
        "path": table.path,
        "inputs": table.inputs,
        "target": table.target,
        "encoding": table.encoding,
    }
    if sheet:
        given["sheet"] = int(sheet) if sheet.isascii() and sheet.isdigit() else sheet
    try:
        return DatasetSpec.model_validate(given)
    except ValidationError as error:
        said = [(detail["loc"], detail["msg"]) for detail in error.errors()]
    raise InputError(
        [
            f"{FLAGS.get(str(next(iter(place), '')), '--input, --target')}: "
            f"{problem.removeprefix('Value error, ')}"
            for place, problem in said
        ]
    )


def _text(
    spec: DatasetSpec, place: str, targets: list[str], prompt: str | None, grader: str
) -> str:
    """The experiment's file."""
    model = DEFAULT_MODELS["openai"]
    review = _review(spec) if grader == "model" else None
    return TEMPLATE.format(
        endpoints=textwrap.fill(
            f"{HINTS}.", LINE, initial_indent=COMMENT, subsequent_indent=COMMENT
        ),
        model=model,
        writer=DEFAULT_WRITERS["openai"],
        path=_quoted(place),
        sheet=_sheet_lines(spec.sheet),
        inputs=f"[{', '.join(map(_quoted, spec.inputs))}]",
        split_by=_split_by(spec),
        target="null" if spec.target is None else _quoted(spec.target),
        encoding=_quoted(spec.encoding),
        prompt=_block(prompt or _first_prompt(spec)),
        choices=_choices(targets if grader in WITH_CHOICES else []),
        review=(NO_REVIEW if review is None else REVIEW).format(model=model, prompt=review),
        grader=GRADERS[grader],
        # Demos are shown with their targets.
        strategy="auto" if spec.target is not None else "gepa",
    )


def _first_prompt(spec: DatasetSpec) -> str:
    return FIRST_PROMPT if len(spec.inputs) == 1 else f"{SEVERAL}\n\n{_named(spec)}"


def _review(spec: DatasetSpec) -> str:
    answer = () if spec.target is None else ("Right answer: {answer}",)
    return _block("\n\n".join((REVIEWED, _named(spec), *answer, "Response: {response}")))


def _named(spec: DatasetSpec) -> str:
    """Each column's name beside its placeholder."""
    if len(spec.inputs) == 1:
        return "{input}"
    return "\n".join(f"{name}: {{{name}}}" for name in spec.inputs)


def _split_by(spec: DatasetSpec) -> str:
    names = spec.split_by or spec.inputs[:1]
    line = f"split_by: [{', '.join(map(_quoted, names))}]"
    return line if spec.split_by else f"# {line}"


def _block(text: str) -> str:
    """A text as YAML below a role, of several lines as it stands."""
    block = "|-\n" + textwrap.indent(text, " " * 6)
    same = "\n" in text and yaml.safe_load(f"prompt: {block}") == {"prompt": text}
    return block if same else _quoted(text)


def _sheet_lines(sheet: str | int | None) -> str:
    said = sheet if isinstance(sheet, int) else _quoted(sheet or "cases")
    line = f"sheet: {said}" if sheet is not None else f"# sheet: {said}"
    return f"  # A workbook's sheet: its name, or its number among those shown.\n  {line}\n"


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
