"""Workbooks: one sheet's two columns as the text one sees, or one line that says what is wrong."""

from __future__ import annotations

import functools
import gzip
import http.server
import io
import re
import threading
import zipfile
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet.worksheet import Worksheet

from autoprompt_assets.engine.dataset import DatasetSpec, build_dataset, open_table
from autoprompt_assets.engine.dataset.table import workbook_files
from autoprompt_assets.engine.errors import InputError
from tests.input_support import check, refused, spec_text
from tests.support import csv_of, toy_project
from tests.test_tables import refusal
from tests.workbook_support import (
    HEADER,
    HI,
    cell,
    ods,
    opened,
    saved,
    sheets,
    targets,
    workbook,
)

LOCKED = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le")
CELLS: dict[str, tuple[list[Any], list[str]]] = {
    "text": ([" a ", "007", "1.50", "NA", "null", "TRUE", "'q", "a\nb"], [" a ", "007", "1.50",
        "NA", "null", "TRUE", "'q", "a\nb"]),
    "integers": ([1, 0, -7, 123456789012345, 2.0], ["1", "0", "-7", "123456789012345", "2"]),
    "fractions": ([0.5, 0.1 + 0.2, 1 / 3, -1e-7], ["0.5", "0.3", "0.333333333333333", "-1E-07"]),
    "large numbers": ([1e20, 12345678901234567890], ["1E+20", "1.23456789012346E+19"]),
    "booleans": ([True, False], ["TRUE", "FALSE"]),
    "days": ([datetime(2024, 5, 1), date(2024, 12, 31)], ["2024-05-01", "2024-12-31"]),
    "days beside text": ([datetime(2024, 5, 1), "soon"], ["2024-05-01", "soon"]),
    "moments": ([datetime(2024, 5, 1), datetime(2024, 5, 1, 13, 30)],
        ["2024-05-01 00:00:00", "2024-05-01 13:30:00"]),
    "times": ([time(13, 30), time(0, 0, 1)], ["13:30:00", "00:00:01"]),
    "durations": ([timedelta(hours=25, minutes=30)], ["25:30:00"]),
}  # fmt: skip


@pytest.mark.parametrize("case", CELLS)
def test_a_cell_is_the_text_one_sees(case: str, tmp_path: Path) -> None:
    values, texts = CELLS[case]
    assert targets(tmp_path, *values) == texts


def test_a_number_s_dress_is_not_seen_and_is_noted(tmp_path: Path) -> None:
    def as_percent(sheet: Worksheet) -> None:
        sheet["B2"].number_format = "0%"

    table = opened(tmp_path, workbook(HEADER, ("hi", 0.5), change=as_percent))
    assert [row.target for row in table.rows] == ["0.5"]
    (note,) = table.notes
    assert note.startswith("column 'target' holds numbers, which are read as their values: the")
    assert opened(tmp_path, workbook(HEADER, ("hi", 0.5))).notes == ()
    dated = workbook(HEADER, ("hi", 0.5), ("you", datetime(2024, 5, 1)))
    assert opened(tmp_path, dated).notes == ()


def test_a_formula_is_what_it_came_to(tmp_path: Path) -> None:
    content = workbook(HEADER, ("hi", "=1+1"))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    sheet = "xl/worksheets/sheet1.xml"
    parts[sheet] = re.sub(rb"<v\s*/>|<v></v>", b"<v>2</v>", parts[sheet])
    computed = io.BytesIO()
    with zipfile.ZipFile(computed, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    assert [row.target for row in opened(tmp_path, computed.getvalue()).rows] == ["2"]
    line = refusal(tmp_path, "a.xlsx", content)
    assert "column 'target' has no text in 1 row (row 2); fill them in" in line


def merge(sheet: Worksheet) -> None:
    sheet.merge_cells("B2:B4")


def fault(sheet: Worksheet) -> None:
    sheet["B3"].value, sheet["B3"].data_type = "#DIV/0!", "e"


ROWS: dict[str, tuple[bytes, list[tuple[str, str]]]] = {
    "columns in any place": (workbook(("id", "target", None, " input "), (1, "x", 7, "hi")), [HI]),
    "empty rows": (workbook((None,), HEADER, HI, (None, " "), HI[::-1], (None,)),
        [HI, ("x", "hi")]),
    "cells that are only dressed": (workbook(HEADER, HI, change=lambda sheet: setattr(
        sheet["F90"], "font", openpyxl.styles.Font(bold=True))), [HI]),
    "notes beside the table": (workbook((*HEADER, None), (*HI, "checked?")), [HI]),
    "doubled names elsewhere": (workbook((*HEADER, "a", "a"), (*HI, 1, 2)), [HI]),
    "numbers as names": (workbook((1, *HEADER), (2, *HI)), [HI]),
    "a sheet called None": (sheets(a=[HEADER, HI], **{"None": [[" "]]}), [HI]),
    "one sheet with rows": (sheets(a=[], b=[HEADER, HI], c=[[" "]]), [HI]),
    "other sheets hidden": (sheets("b", a=[HEADER, HI], b=[HEADER, ("b", "b")]), [HI]),
}  # fmt: skip


@pytest.mark.parametrize("case", ROWS)
def test_a_sheet_is_read_as_it_stands(case: str, tmp_path: Path) -> None:
    content, rows = ROWS[case]
    assert [(row.inputs.text, row.target) for row in opened(tmp_path, content).rows] == rows


def test_blank_rows_are_counted_and_places_are_the_sheet_s(tmp_path: Path) -> None:
    content = workbook(("x",), (None,), HEADER, HI, (None,), ("a", None))
    with pytest.raises(InputError, match="the header stands in row 3; delete the rows above it"):
        opened(tmp_path, content)
    assert opened(tmp_path, workbook(HEADER, HI, (None,), HI[::-1])).notes == (
        "1 blank row was skipped",
    )
    content = workbook(HEADER, (None,), ("a", None), ("b", " "))
    assert "has no text in 2 rows (row 3, row 4); fill" in refusal(tmp_path, "a.xlsx", content)


def test_a_formula_whose_result_was_never_worked_out_is_told(tmp_path: Path) -> None:
    content = workbook(HEADER, HI, ("a", '="x"&"y"'))
    said = refusal(tmp_path, "a.xlsx", content)
    assert "column 'target' has no text in 1 row (row 3)" in said
    assert "a formula whose result the file does not hold (open and save it in Excel)" in said


MANY = sheets("c", a=[HEADER, HI], b=[HEADER, ("b", "y")], c=[HEADER, ("c", "z")])


@pytest.mark.parametrize(
    ("sheet", "target"), [("a", "x"), ("b", "y"), ("c", "z"), (1, "x"), (2, "y")]
)
def test_a_sheet_is_named_or_counted(sheet: str | int, target: str, tmp_path: Path) -> None:
    assert [row.target for row in opened(tmp_path, MANY, sheet=sheet).rows] == [target]


def test_a_number_may_be_a_name(tmp_path: Path) -> None:
    content = sheets(**{"2025": [HEADER, HI], "2024": [HEADER, ("b", "y")], "1": []})
    assert [row.target for row in opened(tmp_path, content, sheet=2024).rows] == ["y"]
    assert [row.target for row in opened(tmp_path, content, sheet=2).rows] == ["y"]
    assert "has no rows" in refusal(tmp_path, "a.xlsx", content, sheet=1)


REFUSED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "several sheets": (MANY, {}, "holds several sheets ('a', 'b'); set dataset.sheet to the one"),
    "no such sheet": (MANY, {"sheet": "d"}, "has no such sheet; there are 'a', 'b', 'c'"),
    "no such number": (MANY, {"sheet": 3}, "dataset.sheet = 3: it has no such sheet; there are"),
    "hidden rows alone": (sheets("b", a=[], b=[HEADER, HI]), {"sheet": "a"}, "has no rows; give"),
    "hidden rows": (sheets("b", a=[], b=[HEADER, HI], c=[]), {}, "or set dataset.sheet to one of"),
    "no rows": (workbook(), {}, "the file has no rows; give it some"),
    "a header alone": (workbook(HEADER), {}, "the file has no rows; give it some"),
    "a column doubled": (workbook((*HEADER, "target"), (*HI, "y")), {}, "'target' stands twice;"),
    "another name": (workbook(("Input", "target"), HI), {}, "it has 'Input'; name it in data"),
    "no such column": (workbook(("a", "target"), HI), {}, "no column 'input'; it has 'a, target'"),
    "no header": (workbook(("What is it?", 4), ("And that?", 5)), {}, "has no header, the first"),
    "merged cells": (workbook(HEADER, HI, ("b", 1), ("c", 1), change=merge), {},
        "has no text in 2 rows (row 3, row 4); fill them in or delete them: an error such as #N/A"),
    "an error": (workbook(HEADER, HI, ("b", "y"), change=fault), {}, "in 1 row (row 3); fill them"),
    "a password": (LOCKED, {}, "is locked with a password; save it without one"),
    "cut off": (workbook(HEADER, HI)[:-300], {}, "is a damaged zip archive or workbook; copy it"),
    "another program's": (workbook(("q", "__expected"), HI), {}, "is a promptfoo table ('__exp"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_workbook_that_is_not_read_is_named_in_one_line(case: str, tmp_path: Path) -> None:
    content, fields, said = REFUSED[case]
    assert said in refusal(tmp_path, "a.xlsx", content, **fields)


def test_a_part_that_is_damaged_is_named(tmp_path: Path) -> None:
    content = bytearray(workbook(HEADER, *[(f"question {n}", n) for n in range(500)]))
    at = content.index(b"xl/worksheets/sheet1.xml") + 400
    content[at : at + 20] = b"\xff" * 20
    assert "is a damaged workbook (" in refusal(tmp_path, "a.xlsx", bytes(content))


def test_a_cell_far_off_is_refused_and_ends_no_process(tmp_path: Path) -> None:
    content = workbook(HEADER, HI, change=lambda sheet: sheet.__setitem__("XFD1048576", "stray"))
    line = refusal(tmp_path, "a.xlsx", content)
    assert "reaches to row 1,048,576 and column XFD, more than 33,554,432 cells; delete" in line


def test_a_workbook_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [("a" * 1000, "x")] * 99
    monkeypatch.setattr(workbook_files, "LARGEST", 2**14)
    content = io.BytesIO(workbook(HEADER, *rows))
    with zipfile.ZipFile(content, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/a.png", b"\0" * 2**15)
    assert "unpacks to more than 0 MiB; save its" in refusal(tmp_path, "a.xlsx", content.getvalue())


def test_a_size_that_is_understated_is_found(tmp_path: Path) -> None:
    content = workbook(HEADER, *[(f"question {n}", "x" * 90) for n in range(99)])
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        size = archive.getinfo("xl/worksheets/sheet1.xml").file_size
    lying = content.replace(size.to_bytes(4, "little"), (9).to_bytes(4, "little"))
    assert lying != content
    assert "is a damaged workbook (Bad CRC-32" in refusal(tmp_path, "a.xlsx", lying)


def test_an_open_document_spreadsheet_is_read(tmp_path: Path) -> None:
    percent = 'office:value-type="percentage" office:value="0.5"'
    rows = "".join(
        f"<table:table-row>{row}</table:table-row>"
        for row in (cell("input") + cell("target"), cell("hi") + cell("50%", percent))
    )
    rows += (
        '<table:table-row table:number-rows-repeated="1048574">'
        '<table:table-cell table:number-columns-repeated="1024"/></table:table-row>'
    )
    table = opened(tmp_path, ods(rows), "a.ods")
    assert [(row.inputs.text, row.target) for row in table.rows] == [("hi", "0.5")]
    assert "may show them otherwise (percent, currency, digits)" in table.notes[0]


@pytest.mark.parametrize("name", ["a.csv", "a.xls", "a.bin", "a", "a.xlsx.gz"])
def test_a_workbook_is_known_by_its_content(name: str, tmp_path: Path) -> None:
    content = workbook(HEADER, HI)
    packed = gzip.compress(content) if name.endswith("gz") else content
    assert [row.target for row in opened(tmp_path, packed, name).rows] == ["x"]


def test_a_sheet_is_refused_of_what_is_no_workbook(tmp_path: Path) -> None:
    line = refusal(tmp_path, "a.csv", csv_of([HI]), sheet="b")
    assert "dataset.sheet = 'b' names a sheet, and this is no workbook; take it out" in line


@pytest.mark.parametrize("sheet", ["0", "-1", "''", "[a]", "true", "1.5"])
def test_a_sheet_that_cannot_be_is_refused(sheet: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(spec_text(dataset=f"{{path: a.xlsx, sheet: {sheet}}}"))
    lines = refused(path)
    check(lines, (str(path),), ["dataset.sheet"])
    assert len(lines) == 1


def test_a_workbook_is_fetched_from_an_address(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(workbook(HEADER, HI))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        path = f"http://127.0.0.1:{server.server_port}/a.xlsx?key=secret"
        table = open_table(DatasetSpec(path=path), tmp_path)
        server.shutdown()
    assert [row.target for row in table.rows] == ["x"]


def test_init_and_check_take_a_workbook(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    rows = [(f"Is {number} even?", "no" if number % 2 else "yes") for number in range(40)]
    (tmp_path / "even.xlsx").write_bytes(sheets(notes=[["by me"]], cases=[HEADER, *rows]))

    said = project.refused("init", "even", "--data", "even.xlsx")
    assert "holds several sheets ('notes', 'cases'); set --sheet to the one that is meant" in said
    made = project.run("init", "even", "--data", "even.xlsx", "--sheet", "cases")
    assert (made.returncode, made.stderr) == (0, "")
    text = (project.experiments / "even" / "experiment.yaml").read_text()
    assert '  sheet: "cases"\n' in text
    assert '    choices: ["no", "yes"]\n' in text
    checked = project.run("check", "even", "--set", "dataset.sheet=2")
    assert checked.returncode == 0, checked.stderr
    assert "even: 40 rows in " in checked.stdout


def test_a_workbook_that_is_dressed_anew_holds_the_same_rows(tmp_path: Path) -> None:
    rows = [(f"question {number}", number % 2) for number in range(20)]

    def version(*changed: tuple[str, int], change: Callable[[Worksheet], object] | None) -> str:
        content = workbook(HEADER, *rows, *changed, change=change)
        return build_dataset(opened(tmp_path, content).rows, DatasetSpec(path="a.xlsx")).version

    first = version(change=None)
    assert version(change=lambda sheet: setattr(sheet, "title", "cases")) == first
    assert version(("new", 1), change=None) != first


@pytest.mark.slow
def test_a_full_sheet_is_read(tmp_path: Path) -> None:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet()
    sheet.append(HEADER)
    for number in range(2**20 - 1):
        sheet.append((f"question {number}", number % 4))
    assert len(opened(tmp_path, saved(book)).rows) == 2**20 - 1
