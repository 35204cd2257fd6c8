"""What makes a row's split, and what makes a dataset's version."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoprompt_assets.engine.dataset import (
    Dataset,
    DatasetSpec,
    Membership,
    build_dataset,
    read_table,
)
from autoprompt_assets.engine.example import SPLITS, Row, Split
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.likeness import near
from tests.row_support import text_row

SPEC = DatasetSpec(path="rows.csv")
COUNTS = DatasetSpec.model_validate(
    {"path": "rows.csv", "split": {"train": 10, "validation": 20, "test": 30}}
)
ROWS = [text_row(f"question {number}", "yes" if number % 2 else "no") for number in range(200)]


def splits(dataset: Dataset) -> dict[str, Split]:
    return {example.inputs.text: example.split for example in dataset.examples}


def shuffled(rows: list[Row], seed: int = 1) -> list[Row]:
    return random.Random(seed).sample(rows, len(rows))


def relabelled(rows: list[Row]) -> list[Row]:
    return [text_row(row.inputs.text, row.target + "!") for row in rows]


CHANGES: dict[str, Callable[[list[Row]], list[Row]]] = {
    "relabelled": relabelled,
    "reordered": shuffled,
    "half removed": lambda rows: rows[::2],
    "as many added": lambda rows: [text_row(f"new {number}", "no") for number in range(200)] + rows,
    "all at once": lambda rows: shuffled([*relabelled(rows)[50:], text_row("new", "no")]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_row_ever_moves_between_splits_by_fraction(change: str) -> None:
    before = splits(build_dataset(ROWS, SPEC))
    after = splits(build_dataset(CHANGES[change](ROWS), SPEC))
    kept = before.keys() & after.keys()
    assert len(kept) >= 100
    assert all(before[text] == after[text] for text in kept)


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("spec", [SPEC, COUNTS], ids=["fractions", "counts"])
def test_stored_membership_wins_over_whatever_the_file_holds(
    change: str, spec: DatasetSpec
) -> None:
    first = build_dataset(ROWS, spec)
    second = build_dataset(CHANGES[change](ROWS), spec, first.membership)
    before, after = splits(first), splits(second)
    assert all(after[text] == before[text] for text in before.keys() & after.keys())
    left_out = {row.inputs.text for row in ROWS} - before.keys()
    assert not left_out & after.keys()


def test_stored_membership_wins_over_the_hash() -> None:
    first = build_dataset(ROWS, SPEC)
    mine = content_hash(near(ROWS[0].inputs.text), 16)
    other: Split = "test" if splits(first)[ROWS[0].inputs.text] == "train" else "train"
    known = Membership(first.membership.thresholds, {**first.membership.splits, mine: other})
    assert splits(build_dataset(ROWS, SPEC, known))[ROWS[0].inputs.text] == other


def test_removed_row_comes_back_to_its_split() -> None:
    first = build_dataset(ROWS, COUNTS)
    without = build_dataset(ROWS[:100], COUNTS, first.membership)
    again = build_dataset(ROWS, COUNTS, without.membership)
    assert splits(again) == splits(first)


def test_counts_are_met_at_first_and_new_rows_join_in_proportion() -> None:
    first = build_dataset(ROWS, COUNTS)
    assert first.sizes() == {"train": 10, "validation": 20, "test": 30}
    more = ROWS + [text_row(f"more {number}", "no") for number in range(2000)]
    second = build_dataset(more, COUNTS, first.membership)
    assert second.membership.thresholds == first.membership.thresholds
    below = 0.0
    for split, bound in zip(SPLITS, first.membership.thresholds, strict=True):
        joined = sum(1 for side in splits(second).values() if side == split)
        # Three standard deviations of the smallest, which has about 110.
        assert joined == pytest.approx((bound - below) * 2200, rel=0.3)
        below = bound


def test_seed_decides_the_split() -> None:
    other = SPEC.model_copy(update={"seed": 1})
    assert splits(build_dataset(ROWS, SPEC)) != splits(build_dataset(ROWS, other))


def test_fractions_below_one_leave_rows_out() -> None:
    spec = DatasetSpec.model_validate(
        {"path": "a", "split": {"train": 0.1, "validation": 0.1, "test": 0.1}}
    )
    dataset = build_dataset(ROWS, spec)
    assert 30 < len(dataset.examples) < 90
    assert dataset.dropped["left out by the split"] == 200 - len(dataset.examples)


@pytest.mark.parametrize("seed", range(20))
def test_spelling_variants_of_an_input_share_a_split(seed: int) -> None:
    spec = SPEC.model_copy(update={"seed": seed})
    variants = [
        "Where is it?",
        "where is IT?",
        "Where  is\tit?",
        "Where is\u00a0it?",
        " Where is it? ",
    ]
    variants += ["Ｗhere is it?"]
    rows = [text_row(text, f"target {text.strip()}") for text in variants]
    dataset = build_dataset(ROWS + rows, spec)
    sides = {splits(dataset)[text] for text in variants if text in splits(dataset)}
    assert len(sides) == 1


@pytest.mark.parametrize(
    ("rows", "dropped", "note"),
    [
        ([text_row("same", "a")] * 3, {"duplicate": 2, "conflicting": 0}, "2 duplicate rows"),
        (
            [text_row("same", "a"), text_row(" same ", "a ")],
            {"duplicate": 1, "conflicting": 0},
            "1 duplicate",
        ),
        (
            [text_row("same", "a"), text_row("same", "b"), text_row("same", "a")],
            {"duplicate": 0, "conflicting": 3},
            "3 rows were dropped because one input has conflicting targets, such as 'same'",
        ),
    ],
    ids=["duplicates", "white space", "conflicts"],
)
def test_unusable_rows_are_dropped_and_reported(
    rows: list[Row], dropped: dict[str, int], note: str
) -> None:
    dataset = build_dataset(ROWS + rows, SPEC)
    assert {key: dataset.dropped[key] for key in dropped} == dropped
    assert any(note in line for line in dataset.notes)
    kept = sum(1 for example in dataset.examples if example.inputs.text.strip() == "same")
    assert kept == (0 if dropped["conflicting"] else 1)


def test_clean_data_brings_no_note() -> None:
    assert build_dataset(ROWS, SPEC).notes == ()


def test_lacking_class_is_noted() -> None:
    dataset = build_dataset([*ROWS, text_row("the only one", "perhaps")], SPEC)
    lacking = [note for note in dataset.notes if "lacks the target 'perhaps'" in note]
    assert len(lacking) == 2


def test_free_text_targets_are_no_classes() -> None:
    rows = [text_row(f"question {number}", f"answer {number}") for number in range(200)]
    assert build_dataset(rows, SPEC).notes == ()


def test_size_far_from_what_was_asked_is_noted() -> None:
    dataset = build_dataset(ROWS[:40], COUNTS)
    assert any("test has 10 rows where 30 were asked for" in note for note in dataset.notes)


@pytest.mark.parametrize("spec", [SPEC, COUNTS], ids=["fractions", "counts"])
def test_version_does_not_depend_on_row_order(spec: DatasetSpec) -> None:
    messy = [
        *ROWS,
        text_row("question 1 ", "yes"),
        text_row(" question 1", "yes"),
        text_row("x", "a"),
    ]
    versions = {build_dataset(shuffled(messy, seed), spec).version for seed in range(10)}
    assert len(versions) == 1


def test_examples_stand_in_one_order_whatever_the_file_s() -> None:
    orders = {build_dataset(shuffled(ROWS, seed), SPEC).examples for seed in range(5)}
    assert len(orders) == 1


@pytest.mark.parametrize("change", ["relabelled", "half removed", "as many added"])
def test_version_changes_with_content(change: str) -> None:
    changed = build_dataset(CHANGES[change](ROWS), SPEC)
    assert changed.version != build_dataset(ROWS, SPEC).version


def write(path: Path, rows: list[tuple[str, str]]) -> None:
    if path.suffix == ".csv":
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([("input", "target"), *rows])
    elif path.suffix == ".jsonl":
        records = [{"target": target, "input": text} for text, target in rows]
        path.write_text("\n".join(json.dumps(record) for record in records), encoding="utf-8")
    else:
        texts, targets = zip(*rows, strict=True)
        pq.write_table(pa.table({"n": range(len(rows)), "input": texts, "target": targets}), path)


def test_version_does_not_depend_on_file_format(tmp_path: Path) -> None:
    rows = [(row.inputs.text, row.target) for row in ROWS]
    rows += [('a "quoted", text', "ja\nnein"), ("ünï 日本語 🙂", "NA"), ("spaces ", " 007")]
    versions = set()
    for name in ("rows.csv", "rows.jsonl", "rows.parquet"):
        write(tmp_path / name, random.Random(name).sample(rows, len(rows)))
        spec = DatasetSpec(path=name)
        versions.add(build_dataset(read_table(spec, tmp_path), spec).version)
    assert len(versions) == 1


@pytest.mark.parametrize(
    "target", ["NA", "null", "None", "nan", "007", "1e5", "1,5", "TRUE", "-0", "01:00"]
)
def test_csv_cells_stay_the_text_they_are(target: str, tmp_path: Path) -> None:
    write(tmp_path / "rows.csv", [("a", target)])
    assert read_table(SPEC, tmp_path) == [text_row("a", target)]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (7, "7"),
        (0.5, "0.5"),
        (True, "true"),
        ({"b": 1, "a": [None]}, '{"a":[null],"b":1}'),
        ([1], "[1]"),
    ],
)
@pytest.mark.parametrize("name", ["rows.jsonl", "rows.parquet"])
def test_typed_targets_become_text(value: Any, text: str, name: str, tmp_path: Path) -> None:
    if name == "rows.jsonl":
        (tmp_path / name).write_text(json.dumps({"input": "a", "target": value}))
    else:
        pq.write_table(pa.table({"input": ["a"], "target": [value]}), tmp_path / name)
    assert read_table(DatasetSpec(path=name), tmp_path) == [text_row("a", text)]


@pytest.mark.parametrize(
    "content",
    [
        b"input,target\na,b\nc,d\n",
        b"\xef\xbb\xbfinput,target\na,b\nc,d\n",
        b"input,target\r\na,b\r\nc,d\r\n",
        b"input,target\ra,b\rc,d",
        b'\n"input","target"\n\n"a",b\n"c","d"',
        b"n,target,input,,\n1,b,a,,\n2,d,c,,\n",
    ],
    ids=["plain", "byte order mark", "CRLF", "CR", "quotes and blank lines", "unnamed columns"],
)
def test_csv_dialects_hold_the_same_rows(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(content)
    assert read_table(SPEC, tmp_path) == [text_row("a", "b"), text_row("c", "d")]


def test_quoted_cell_keeps_its_lines_and_quotes(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b'input,target\r\n"a\r\n""b"",\nc",d\r\n')
    assert read_table(SPEC, tmp_path) == [text_row('a\r\n"b",\nc', "d")]


def test_declared_encoding_is_used(tmp_path: Path) -> None:
    for encoding in ("cp1252", "utf-16", "UTF8", "latin-1"):
        (tmp_path / "rows.csv").write_text("input,target\ncafé,ü\n", encoding=encoding)
        spec = DatasetSpec(path="rows.csv", encoding=encoding)
        assert read_table(spec, tmp_path) == [text_row("café", "ü")]


def test_named_columns_and_format_are_used(tmp_path: Path) -> None:
    (tmp_path / "rows.txt").write_text("q,a\nx,y\n")
    spec = DatasetSpec(path="rows.txt", format="csv", inputs=("q",), target="a")
    assert read_table(spec, tmp_path) == [text_row("x", "y", "q")]
    file = DatasetSpec(
        path=(tmp_path / "rows.txt").as_uri(), format="csv", inputs=("q",), target="a"
    )
    assert read_table(file, Path("/")) == [text_row("x", "y", "q")]
