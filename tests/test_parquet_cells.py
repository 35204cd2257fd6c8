"""Cells of Parquet files as a person sees them, of every type that such a file holds."""

from __future__ import annotations

import datetime as dt
import io
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoprompt_assets.engine.dataset import DatasetSpec, open_table, read_table
from autoprompt_assets.engine.errors import InputError

NAN = float("nan")
NOON = 1714557600  # 2024-05-01 10:00:00 UTC
DAY = 1714521600  # 2024-05-01 00:00:00 UTC
FEATURE = {"names": ["neg", "pos"], "_type": "ClassLabel"}


def write(folder: Path, table: pa.Table) -> DatasetSpec:
    pq.write_table(table, folder / "a.parquet")
    return DatasetSpec(path="a.parquet")


def targets(folder: Path, column: pa.Array, **metadata: str) -> list[str]:
    table = pa.table({"input": [f"question {number}" for number in range(len(column))],
                      "target": column})  # fmt: skip
    spec = write(folder, table.replace_schema_metadata(metadata or None))
    return [row.target for row in read_table(spec, folder)]


def moments(unit: str, *counts: int, zone: str | None = None) -> pa.Array:
    return pa.array(counts, pa.timestamp(unit, zone))


CELLS: dict[str, tuple[pa.Array, list[str]]] = {
    # Floats (T1)
    "float32": (pa.array([0.1, 0.6], pa.float32()), ["0.1", "0.6"]),
    "float32 with and without fraction": (pa.array([1.5, 1.0, 1e-7, 16777216.0, 3.4028235e38],
        pa.float32()), ["1.5", "1.0", "1e-07", "16777216.0", "3.4028235e+38"]),
    "float16": (pa.array([0.1, 0.333, 65504.0], pa.float16()), ["0.1", "0.333", "65500.0"]),
    "float64": (pa.array([0.1, 1 / 3, 1.0, 1e20]), ["0.1", "0.3333333333333333", "1.0", "1e+20"]),
    "whole floats": (pa.array([1.0, -2.0, 9007199254740991.0]), ["1", "-2", "9007199254740991"]),
    "whole float32": (pa.array([0.0, 1.0], pa.float32()), ["0", "1"]),
    "floats beyond whole numbers": (pa.array([1.0, 1e300]), ["1.0", "1e+300"]),
    "floats in lists": (pa.array([[0.1, 2.0, None]], pa.list_(pa.float32())), ["[0.1,2.0,null]"]),
    # Whole numbers
    "uint64": (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
    "int64": (pa.array([-(2**63), 2**53 + 1]), ["-9223372036854775808", "9007199254740993"]),
    "bool": (pa.array([True, False]), ["true", "false"]),
    "decimal": (pa.array([Decimal("1.50"), Decimal("-0.10")]), ["1.50", "-0.10"]),
    "decimal of hundreds": (pa.array([Decimal("1E+2")], pa.decimal128(9, 0)), ["100"]),
    # Days and times
    "timestamp[ns]": (moments("ns", NOON * 10**9), ["2024-05-01 10:00:00"]),
    "timestamp[ns] with nanoseconds": (moments("ns", NOON * 10**9 + 1),
        ["2024-05-01 10:00:00.000000001"]),
    "timestamp[us]": (moments("us", NOON * 10**6 + 120000), ["2024-05-01 10:00:00.12"]),
    "timestamp[ms]": (moments("ms", -1), ["1969-12-31 23:59:59.999"]),
    "timestamps at midnight": (moments("ns", DAY * 10**9, 0), ["2024-05-01", "1970-01-01"]),
    "one timestamp at midnight": (moments("us", DAY * 10**6, NOON * 10**6),
        ["2024-05-01 00:00:00", "2024-05-01 10:00:00"]),
    "UTC": (moments("ns", NOON * 10**9, zone="UTC"), ["2024-05-01 10:00:00+00:00"]),
    "a zone": (moments("us", NOON * 10**6, zone="+05:30"), ["2024-05-01 15:30:00+05:30"]),
    "date32": (pa.array([dt.date(2024, 5, 1)]), ["2024-05-01"]),
    "date64": (pa.array([DAY * 1000], pa.date64()), ["2024-05-01"]),
    "time": (pa.array([dt.time(9, 5)]), ["09:05:00"]),
    "time64[ns]": (pa.array([36000 * 10**9 + 1], pa.time64("ns")), ["10:00:00.000000001"]),
    "duration": (pa.array([5400, -90, 86400, 2 * 86400 + 1], pa.duration("s")),
        ["01:30:00", "-00:01:30", "1 day 00:00:00", "2 days 00:00:01"]),
    "duration[ns]": (pa.array([1500000001], pa.duration("ns")), ["00:00:01.500000001"]),
    # Texts and what holds others
    "text": (pa.array(["NA", " 007", "1.0"], pa.large_string()), ["NA", " 007", "1.0"]),
    "bytes": (pa.array(["ü".encode()]), ["ü"]),
    "dictionary": (pa.array(["b", "a", "b"]).dictionary_encode(), ["b", "a", "b"]),
    "list": (pa.array([["a", "ü"]]), ['["a","ü"]']),
    "list of days": (pa.array([[dt.date(2024, 5, 1)]]), ['["2024-05-01"]']),
    "struct": (pa.array([{"b": Decimal("1.50"), "a": None}]), ['{"a":null,"b":1.50}']),
    "struct of nanoseconds": (
        pa.StructArray.from_arrays([moments("ns", NOON * 10**9 + 1)], ["at"]),
        ['{"at":"2024-05-01 10:00:00.000000001"}'],
    ),
    "map": (pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int32())), ['{"k":1}']),
}  # fmt: skip


@pytest.mark.parametrize("case", CELLS)
def test_cell_is_the_text_that_a_person_sees(case: str, tmp_path: Path) -> None:
    column, texts = CELLS[case]
    assert targets(tmp_path, column) == texts


def test_whole_numbers_beside_nulls_stay_whole(tmp_path: Path) -> None:
    """Pandas makes 1.0 of an integer beside a null, and keeps 1.0 when the null is dropped."""
    table = pa.table({"input": pa.array([1.0, NAN, 2.0]), "target": pa.array([3.0, None, 4.0]),
                      "note": pa.array([None, None, "a"])})  # fmt: skip
    read = open_table(write(tmp_path, table), tmp_path)
    assert [(row.inputs.text, row.target) for row in read.rows] == [("1", "3"), ("2", "4")]
    assert read.notes == ("1 blank row was skipped",)


@pytest.mark.parametrize("empty", [None, NAN, float("inf")])
def test_nothing_and_no_number_are_empty_cells(empty: float | None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"column 'target' is empty in 1 row \(row 2\); fill"):
        targets(tmp_path, pa.array([1.0, empty]))


def test_row_with_another_cell_is_not_blank(tmp_path: Path) -> None:
    table = pa.table({"id": [1, 2], "input": ["a", None], "target": ["b", None]})
    spec = write(tmp_path, table)
    with pytest.raises(InputError, match=r"'input' is empty in 1 row \(row 2\)"):
        read_table(spec, tmp_path)


NO_TEXT: dict[str, tuple[pa.Array, str]] = {
    "bytes of an image": (pa.array([b"\x89PNG\xff"]), "row 1, column 'target': holds bytes that"),
    "broken text": (pa.array([b"\xff"]).view(pa.string()), "holds bytes that are no UTF-8 text;"),
    "bytes in a struct": (pa.array([{"bytes": b"\xff", "path": "a.png"}]), "images and files are"),
    "a day far off": (pa.array([10**8], pa.date32()), "holds a day beyond year 9999; mend it"),
    "a zone that is none": (moments("us", 1, zone="Nowhere/City"), "'Nowhere/City'"),
}


@pytest.mark.parametrize("case", NO_TEXT)
def test_value_without_text_is_named_in_one_line(case: str, tmp_path: Path) -> None:
    column, said = NO_TEXT[case]
    with pytest.raises(InputError) as caught:
        targets(tmp_path, column)
    (line,) = caught.value.lines
    assert said in line
    assert line.startswith("a.parquet: ")
    assert ";" in line


def features(feature: Any) -> str:
    return json.dumps({"info": {"features": {"target": feature}}})


def test_class_labels_are_their_names(tmp_path: Path) -> None:
    column = pa.array([1, 0, 1])
    assert targets(tmp_path, column, huggingface=features(FEATURE)) == ["pos", "neg", "pos"]
    notes = open_table(DatasetSpec(path="a.parquet"), tmp_path).notes
    assert notes == ("column 'target' holds class labels, read as their names in the metadata",)


@pytest.mark.parametrize("feature", [{"feature": FEATURE, "_type": "List"}, [FEATURE]])
def test_lists_of_class_labels_are_their_names(feature: Any, tmp_path: Path) -> None:
    column = pa.array([[1, 0]])
    assert targets(tmp_path, column, huggingface=features(feature)) == ['["pos","neg"]']


@pytest.mark.parametrize(
    "metadata",
    [
        "",
        "[]",
        "{",
        features({"dtype": "int64", "_type": "Value"}),
        features({"_type": "ClassLabel"}),
    ],
)
def test_numbers_without_names_stay_numbers(metadata: str, tmp_path: Path) -> None:
    assert targets(tmp_path, pa.array([1, 0]), huggingface=metadata) == ["1", "0"]


def test_class_label_without_a_name_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="row 1, column 'target': the label 2 has no name among"):
        targets(tmp_path, pa.array([2, 0]), huggingface=features(FEATURE))
    with pytest.raises(InputError, match=r"'target' is empty in 1 row \(row 2\)"):
        targets(tmp_path, pa.array([1, -1]), huggingface=features(FEATURE))


def test_column_is_found_as_it_is_seen(tmp_path: Path) -> None:
    spec = write(tmp_path, pa.table({" input": ["a"], "target\u200b": [1]}))
    assert [(row.inputs.text, row.target) for row in read_table(spec, tmp_path)] == [("a", "1")]


def test_parquet_in_memory_is_read_whatever_its_name_says(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"input": ["a"], "target": [1]}), buffer)
    (tmp_path / "a.csv").write_bytes(buffer.getvalue())
    assert read_table(DatasetSpec(path="a.csv"), tmp_path)[0].target == "1"
