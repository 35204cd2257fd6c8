"""Which rows are one input, and which are near duplicates that share a split."""

from __future__ import annotations

import html
import random
import sys
import unicodedata
from collections.abc import Callable

import pytest

from autoprompt_assets.engine.dataset import DatasetSpec, build_dataset
from autoprompt_assets.engine.example import SPLITS, Split
from autoprompt_assets.engine.likeness import PLANES, near
from tests.row_support import text_row

SPEC = DatasetSpec(path="rows.csv")
COUNTS = DatasetSpec.model_validate(
    {"path": "rows.csv", "split": {"train": 10, "validation": 20, "test": 30}}
)
ROWS = [text_row(f"question {number}", "yes" if number % 2 else "no") for number in range(200)]
SEEN_ALIKE = {
    "zero-width space": "\u200b",
    "byte order mark": "\ufeff",
    "soft hyphen": "\u00ad",
    "word joiner": "\u2060",
    "left-to-right mark": "\u200e",
    "right-to-left embedding": "\u202b",
    "isolate": "\u2068",
    "variation selector": "\ufe0f",
    "ideographic variation": "\U000e0101",
    "Mongolian selector": "\u180b",
    "filler": "\u3164",
    "grapheme joiner": "\u034f",
    "joiner": "\u200d",
    "non-joiner": "\u200c",
    "tag": "\U000e0041",
    "null": "\x00",
    "bell": "\x07",
    "escape": "\x1b",
    "unit separator": "\x1f",
    "delete": "\x7f",
    "C1 control": "\x9c",
    "annotation": "\ufff9",
}


@pytest.mark.parametrize("mark", SEEN_ALIKE.values(), ids=SEEN_ALIKE)
def test_rows_that_look_the_same_are_one_input(mark: str) -> None:
    places = random.Random(mark)
    changed = []
    for row in ROWS[:100]:
        at = places.randrange(len(row.inputs.text) + 1)
        changed.append(text_row(row.inputs.text[:at] + mark + row.inputs.text[at:], row.target))
    dataset = build_dataset([*changed, *ROWS], SPEC)
    assert dataset.dropped["duplicate"] == 100
    assert {example.inputs.text for example in dataset.examples} == {
        row.inputs.text for row in ROWS
    }
    relabelled = [text_row(row.inputs.text, "another") for row in changed]
    assert build_dataset([*relabelled, *ROWS], SPEC).dropped["conflicting"] == 200


@pytest.mark.parametrize(
    "pair",
    [
        ("مى\u200cخواهم", "مىخواهم"),
        ("क्\u200dष", "क्ष"),
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f468\U0001f469\U0001f467"),
        ("\U0001f3f4\U000e0067\U000e0062\U000e007f", "\U0001f3f4\U000e0067\U000e0063\U000e007f"),
        ("a  b", "a b"),
        ("a\n  b", "a\nb"),
        ("H２O", "H2O"),
    ],
    ids=["Persian", "Hindi", "family", "flags", "spaces", "indented", "full width"],
)
def test_rows_that_look_different_are_both_kept_on_one_side(pair: tuple[str, str]) -> None:
    for seed in range(10):
        rows = [text_row(text, target) for text, target in zip(pair, "ab", strict=True)]
        dataset = build_dataset(ROWS + rows, SPEC.model_copy(update={"seed": seed}))
        found = [example for example in dataset.examples if example.inputs.text in pair]
        assert len(found) == 2
        assert len({example.split for example in found}) == 1


NEAR: dict[str, Callable[[str], str]] = {
    "curly quotes": lambda text: text.replace('"', "”").replace("'", "’"),
    "no quotes": lambda text: text.replace('"', ""),
    "guillemets": lambda text: text.replace('"', "»"),
    "long dash": lambda text: text.replace(" - ", " — "),
    "dash without spaces": lambda text: text.replace(" - ", "–"),
    "two hyphens": lambda text: text.replace(" - ", "--"),
    "minus": lambda text: text.replace("-", "−"),
    "entities": html.escape,
    "entities twice": lambda text: html.escape(html.escape(text)),
    "numbered entities": lambda text: text.replace("'", "&#8217;").replace(" ", "&nbsp;"),
    "no full stop": lambda text: text.rstrip("."),
    "another stop": lambda text: text.rstrip(".") + "。",
    "an ellipsis": lambda text: text.rstrip(".") + "…",
    "a stop in the quotes": lambda text: f'"{text}"',
    "a stop after the quotes": lambda text: f'"{text.rstrip(".")}".',
    "a Burmese stop": lambda text: text.rstrip(".") + "\u104b",
    "a Khmer stop": lambda text: text.rstrip(".") + "\u17d4",
    "a Tibetan stop": lambda text: text.rstrip(".") + "\u0f0d",
    "an Armenian question": lambda text: text.rstrip(".") + "\u055e",
    "an interrobang": lambda text: text.rstrip(".") + "\u203d",
    "a question in Spanish": lambda text: f"\u00bf{text.rstrip('.')}?",
    "a blank": lambda text: text.replace(" ", "\u2800"),
    "capitals": str.upper,
    "full width": lambda text: text.replace("T", "Ｔ"),
}  # fmt: skip


@pytest.mark.parametrize("change", NEAR.values(), ids=NEAR)
def test_near_duplicates_are_kept_in_one_split_and_named_with_their_number(
    change: Callable[[str], str],
) -> None:
    rows = [
        text_row(f"The \"café\" № {n} - it's Tom & Jerry's <b>best</b>, at -{n} degrees.", "yes")
        for n in range(150)
    ]
    others = [text_row(change(row.inputs.text), "no") for row in rows]
    dataset = build_dataset(rows + others, SPEC)
    sides: dict[str, set[Split]] = {}
    for example in dataset.examples:
        sides.setdefault(example.input_id, set()).add(example.split)
    assert len(dataset.examples) == 300
    assert [len(found) for found in sides.values()] == [1] * 150
    (note,) = [note for note in dataset.notes if "near duplicates" in note]
    assert note.startswith("300 rows are near duplicates (150 groups that differ only in case, ")


def test_inputs_of_marks_alone_are_not_all_near_duplicates() -> None:
    marks = ["?", "!", ".", "...", "-", "--", '"', "'", ",", ";", "()", "?!", "…"]
    ids = {mark: near(mark) for mark in marks}
    assert "" not in ids.values()
    assert len(set(ids.values())) == len(marks) - 3
    assert ids["-"] == ids["--"]
    assert ids['"'] == ids["'"]
    assert ids["..."] == ids["…"]


def test_counts_are_of_rows_where_many_are_near_duplicates() -> None:
    rows = [text_row(f"question {n}{end}", "yes") for n in range(60) for end in ("", ".", "!")]
    dataset = build_dataset(rows, COUNTS)
    sizes = dataset.sizes()
    assert sum(sizes.values()) <= 60
    for split, wanted in zip(SPLITS, (10, 20, 30), strict=True):
        assert abs(sizes[split] - wanted) <= 2


def test_no_punctuation_is_left_out() -> None:
    """Of the planes that are not looked at: a newer Python may know more characters."""
    beyond = map(chr, range(PLANES, sys.maxunicode + 1))
    assert not [char for char in beyond if unicodedata.category(char)[0] == "P"]
