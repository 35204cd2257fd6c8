"""Tables as people have them: each is read as the text one sees in it, or named with its mend."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from autoprompt_assets.commands import NewTable, write_experiment
from autoprompt_assets.engine.dataset import DatasetSpec, open_table, read_table
from autoprompt_assets.engine.dataset.table import content as packed
from autoprompt_assets.engine.errors import InputError
from tests.row_support import text_row
from tests.support import csv_of, toy_project

HI = [("hi", "x")]
JSON = json.dumps([{"input": "hi", "target": "x"}])
LINES = "input,target\nhi,x\n"


def parquet(target: pa.Array) -> bytes:
    buffer = io.BytesIO()
    inputs = [f"question {number}" for number in range(len(target))]
    pq.write_table(pa.table({"input": inputs, "target": target}), buffer)
    return buffer.getvalue()


def read(folder: Path, name: str, content: str | bytes, **fields: Any) -> list[tuple[str, str]]:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    rows = read_table(DatasetSpec(path=name, **fields), folder)
    return [(row.inputs.text, row.target) for row in rows]


def refusal(folder: Path, name: str, content: str | bytes, **fields: Any) -> str:
    """The one line that a table is refused with."""
    with pytest.raises(InputError) as caught:
        read(folder, name, content, **fields)
    (line,) = caught.value.lines
    assert line.startswith(f"{name}: ")
    assert line.isprintable()
    assert ";" in line, f"says not what to do: {line}"
    return line


READ: dict[str, tuple[str, str | bytes, list[tuple[str, str]]]] = {
    # JSON (T3)
    "an array of objects": ("a.json", JSON, HI),
    "an array over many lines": ("a.json", json.dumps(json.loads(JSON), indent=2), HI),
    "an array on one line of a .jsonl": ("a.jsonl", JSON, HI),
    "JSON Lines in a .json": ("a.json", '{"input":"hi","target":"x"}\n{"input":"b","target":"y"}',
        [*HI, ("b", "y")]),
    "JSON Lines with CR ends": ("a.jsonl", '{"input":"hi","target":"x"}\r\r{"input":"b","target":'
        '"y"}\r', [*HI, ("b", "y")]),
    "objects over many lines": ("a.json", '{\n"input":"hi",\n"target":"x"\n}\n{\n"input":"b",\n'
        '"target":"y"}', [*HI, ("b", "y")]),
    "an array in an object": ("a.json", '{"version": 1, "data": ' + JSON + "}", HI),
    "the one of two arrays that fits": ("a.json", '{"authors":[{"name":"z"}],"rows":' + JSON + "}",
        HI),
    "by column": ("a.json", '{"input": ["hi", "b"], "target": ["x", 1.0]}', [*HI, ("b", "1.0")]),
    "pandas by column": ("a.json", '{"input":{"0":"hi"},"target":{"0":"x"}}', HI),
    "pandas split": ("a.json", '{"columns":["target","input"],"index":[0],"data":[["x","hi"]]}',
        HI),
    "pandas by index": ("a.json", '{"7": {"input":"hi","target":"x"}}', HI),
    "a byte order mark": ("a.json", "\ufeff" + JSON, HI),
    "blank objects": ("a.json", JSON[:-1] + ', {}, {"input": null, "target": ""}]', HI),
    "a key with white space": ("a.json", '[{" input":"hi","target\\u200b":"x"}]', HI),
    "spelled numbers": (
        "a.jsonl",
        "\n".join(f'{{"input": {n}, "target": {n}}}' for n in ("1.50", "1e3", "0.10", "-0", "1E-7",
            "123456789012345678901234567890", "1" * 5000)),
        [(n, n) for n in ("1.50", "1e3", "0.10", "-0", "1E-7", "123456789012345678901234567890",
            "1" * 5000)],
    ),
    "spelled numbers within": ("a.json", '[{"input":"hi","target":{"b": 1.50, "a": [1e3, null, '
        'true, "1.50"]}}]', [("hi", '{"a":[1e3,null,true,"1.50"],"b":1.50}')]),
    # Delimiters (T4)
    "quoted semicolons": ("a.csv", '"input";"target"\r\n"hi, you";"x"\r\n', [("hi, you", "x")]),
    "semicolons": ("a.csv", "input;target\nhi;0,5\n", [("hi", "0,5")]),
    "tabs in a .csv": ("a.csv", "input\ttarget\nhi, you\tx\n", [("hi, you", "x")]),
    "a .tsv": ("a.tsv", 'input\tnote\ttarget\nhi "you"\t\tx\n', [('hi "you"', "x")]),
    "a .tab": ("a.tab", "target\tinput\nx\thi\n", HI),
    "a .tsv of commas": ("a.tsv", LINES, HI),
    "spaces before quotes": ("a.csv", ' "input", "target"\n "hi", "x, y"\n', [("hi", "x, y")]),
    "a .psv": ("a.psv", "input|target\nhi|x\n", HI),
    "bars": ("a.csv", "input|target\nhi|x;y,z\n", [("hi", "x;y,z")]),
    "a comma in a name beside semicolons": ("a.csv", 'input;target;"a, b"\nhi;x;1\n', HI),
    "Excel's first line": ("a.csv", "sep=;\r\ninput;target\r\nhi;x\r\n", HI),
    "Excel's first line, quoted": ("a.csv", '"sep=\t"\ninput\ttarget\nhi\tx\n', HI),
    "a sign of its own": ("a.csv", "SEP=^\rinput^target\rhi^x\r", HI),
    "spaces after commas": ("a.csv", 'input, "target"\nhi, "x, y"\n', [("hi", "x, y")]),
    # What Excel leaves (T5), and marks (T6)
    "blank rows": ("a.csv", "input,target,note\r\nhi,x,\r\n,,\r\n", HI),
    "blank rows of another length": ("a.csv", ",\r\ninput,target\r\n, ,,\r\nhi,x\r\n,,,,\r\n", HI),
    "blank rows of semicolons": ("a.csv", "input;target\nhi;x\n;\n;\n", HI),
    "empty columns at the end": ("a.csv", "input,target,,\nhi,x,,\nb,y\nc,z,\n",
        [*HI, ("b", "y"), ("c", "z")]),
    "empty cells beyond the header": ("a.csv", "input,target\nhi,x,,\n", HI),
    "UTF-8 with a mark": ("a.csv", "\ufeff" + LINES, HI),
    "UTF-8 with a mark and quotes": ("a.csv", '\ufeff"input";"target"\nhi;x\n', HI),
    "UTF-16": ("a.csv", "input\ttarget\nhü\tx\n".encode("utf-16"), [("hü", "x")]),
    "UTF-16 big end first": ("a.jsonl", ("\ufeff" + JSON).encode("utf-16-be"), HI),
    "UTF-32": ("a.csv", LINES.encode("utf-32"), HI),
    # Names
    "white space in the header": ("a.csv", " input ,\ttarget\nhi,x\n", HI),
    "invisible characters": ("a.csv", "\u200binput\u00a0,tar\u00adget\u200e\nhi,x\n", HI),
    "a line break in a name that is not asked for": ("a.csv", 'input,"a\nb",target\nhi,,x\n', HI),
    # Cells (T8)
    "quoted JSON": ("a.csv", 'q,input,target\n1,what,"{""a"":""3"",""b"":1}"\n',
        [("what", '{"a":"3","b":1}')]),
    "unquoted JSON without a comma": ("a.csv", 'input,target\nhi,{"a": 1}\n', [("hi", '{"a": 1}')]),
    "JSON beside semicolons": ("a.csv", 'input;target\nhi;{"a":1,"b":[2,3]}\n',
        [("hi", '{"a":1,"b":[2,3]}')]),
    "an interval in two quoted cells": ("a.csv", 'input,target,to\nhi,"[1","2]"\n', [("hi", "[1")]),
    "an open bracket": ("a.csv", "input,target\n[sic,:-[\n", [("[sic", ":-[")]),
    "a quote within": ("a.csv", 'input,target\na 5" pipe,x\n', [('a 5" pipe', "x")]),
    "a dash": ("a.csv", "input,target\n-,x\nhi,-\n", [("-", "x"), ("hi", "-")]),
    # Packed
    "gzip": ("a.csv.gz", gzip.compress(LINES.encode()), HI),
    "gzip by content alone": ("a.csv", gzip.compress(LINES.encode()), HI),
    "gzip in gzip": ("a.jsonl.gz", gzip.compress(gzip.compress(JSON.encode())), HI),
    "no gzip, whatever it is called": ("a.json.gz", JSON, HI),
    "packed Parquet": ("a.parquet.gz", gzip.compress(parquet(pa.array(["x"]))),
        [("question 0", "x")]),
    "Parquet by content": ("a.bin", parquet(pa.array(["x"])), [("question 0", "x")]),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_table_is_read_as_a_person_sees_it(case: str, tmp_path: Path) -> None:
    name, content, rows = READ[case]
    assert read(tmp_path, name, content) == rows


REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "unquoted JSON": ("a.csv", 'q,input,target\n1,what,{"a":"3","b":1}\n', "line 2: ',' expected"),
    "unquoted JSON that fills the row": ("a.csv", "id,input,target\nwhat,[1,2]\n",
        "line 2 holds '[1,2]' without quotes around it; quote cells that hold commas"),
    "an unquoted Python object": ("a.csv", "id,input,target\n7,{'a': 1, 'b': 2}\n",
        "line 2 holds \"{'a': 1, 'b': 2}\" without quotes"),
    "a cell too many": ("a.csv", "input,target\na,b,c\n", "line 2 has 3 cells where the header"),
    "text below no name": ("a.csv", "input,target,,\nhello, you,greeting,\n", "line 2 has 3 cells"),
    "a quote in the middle": ("a.csv", 'input,target\n"a" b,x\n', "line 2: ',' expected after"),
    "Excel's first line and a wrong name": (
        "a.csv", "sep=;\ninput;label\nhi;x\n", "has no column 'target'; it has 'input, label'; mend"
    ),
    "two tables": ("a.json", f'{{"train": {JSON}, "test": {JSON}}}', "holds several tables ("),
    "columns of two lengths": ("a.json", '{"input": ["a", "b"], "target": ["c"]}',
        "its columns differ in length ('input' has 2 and 'target' has 1)"),
    "a key twice": ("a.jsonl", '{"input": "a", "target": "b", "target": "c"}',
        "line 1 is not JSON (the key 'target' stands twice in one object)"),
    "an array that is cut": ("a.json", '[{"input": "a", "target": "b"},\n {"input": "c"',
        "line 2 is not JSON (Expecting ',' delimiter)"),
    "an object that is cut": ("a.json", '{\n"input": "a",\n"target": \n}', "line 4 is not JSON"),
    "JSON called CSV": ("a.csv", JSON, "looks like JSON, not CSV; set dataset.format to json"),
    "another case": ("a.csv", "Input,target\nhi,x\n", "'Input'; name it in dataset.inputs"),
    "another case in JSON": ("a.json", '[{"input":"hi","Target ":"x"}]', "to 'Target'"),
    "another case with semicolons": ("a.csv", "INPUT;target\nhi;x\n", "it has 'INPUT'; name"),
    "names that look the same": ("a.json", '[{"input":"a","target":"x"},{"input ":"b"}]',
        "the columns 'input' and 'input ' differ in white space"),
    "no header but labels": ("a.csv", "Who?,person\nWhere,place\nHim,person\n", "has no header, "),
    "no header but numbers": ("a.csv", "what is it\t4\nand that\t5\n", "has no header, "),
    "lines above the header": ("a.csv", "Export of May\n\ninput,target\nhi,x\n",
        "the header stands in line 3; delete the lines above it"),
    "lines in quotes": ("a.csv", '"input,target"\n"hi,x"\n', "each line stands in quotes as a"),
    "a Markdown table": ("a.csv", "| input | target |\n|---|:--:|\n| hi | x |\n",
        "line 2 is the rule of a Markdown table; save the table as CSV"),
    "blank rows only": ("a.csv", "input,target\n,\n,,\n", "the file has no rows; give it some"),
    "blank objects only": ("a.json", "[{}, {}]", "the file has no rows; give it some"),
    "an empty array": ("a.json", "[]", "the file has no rows; give it some"),
    "gzip cut off": ("a.csv.gz", gzip.compress(LINES.encode() * 99)[:-9], "is damaged gzip ("),
    "gzip thrice": ("a.csv", gzip.compress(gzip.compress(gzip.compress(b"a"))), "inside gzip"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_table_that_is_not_read_is_named_in_one_line(case: str, tmp_path: Path) -> None:
    name, content, said = REFUSED[case]
    assert said in refusal(tmp_path, name, content)


def test_format_of_the_file_is_obeyed_where_the_ending_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", LINES, format="csv") == HI
    assert read(tmp_path, "a.txt", "input\ttarget\nhi\tx\n", format="tsv") == HI
    assert read(tmp_path, "a.xls", "input\ttarget\nhi\tx\n", format="tsv") == HI
    assert read(tmp_path, "a.txt", JSON, format="json") == HI


def test_declared_encoding_yields_to_the_mark_in_the_file(tmp_path: Path) -> None:
    assert read(tmp_path, "a.csv", "\ufeff" + LINES, encoding="cp1252") == HI
    assert read(tmp_path, "a.csv", "input,target\nhü,x\n".encode("cp1252"), encoding="cp1252") == [
        ("hü", "x")
    ]


def test_blank_rows_are_counted(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("input,target\nhi,x\n,\n\n, \n")
    table = open_table(DatasetSpec(path="a.csv"), tmp_path)
    assert table.rows == [text_row("hi", "x")]
    assert table.notes == ("2 blank rows were skipped",)


def test_places_count_the_lines_of_the_file(tmp_path: Path) -> None:
    line = refusal(tmp_path, "a.csv", 'sep=;\n\ninput;target\n;\n"a\nb";x\nc;\n')
    assert "column 'target' is empty in 1 row (line 7)" in line


def test_a_packed_file_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LARGEST", 2**20)
    bomb = gzip.compress(LINES.encode() + b"\n" * 2**21)
    assert "unpacks to more than 1 MiB; give a smaller table" in refusal(tmp_path, "a.csv", bomb)
    assert read(tmp_path, "b.csv", gzip.compress(LINES.encode() + b"\n" * 2**19)) == HI


LONG: dict[str, Callable[[int], str]] = {
    "open brackets": lambda size: "[" * size,
    "white space before a bracket": lambda size: " " * size + "{",
    "white space within a list": lambda size: "[" + " " * size + "{'rule'",
    "a long media type": lambda size: "data:image/" + "a" * size,
    "many media types": lambda size: "data:image/" * size,
    "nearly base64": lambda size: "iVBORw0KGgo" + " " * size + "!",
    "a wide row of brackets": lambda size: ",".join(["[{"] * size),
    "white space before an assertion": lambda size: " " * size + "equals",
}


@pytest.mark.parametrize("case", LONG)
def test_reading_takes_time_in_proportion_to_length(case: str, tmp_path: Path) -> None:
    took = []
    for size in (4_000, 32_000):
        cells = LONG[case](size)
        header = ",".join(["target", "input", *[f"c{n}" for n in range(cells.count(","))]])
        begin = perf_counter()
        read(tmp_path, "a.csv", f"{header}\nx,{cells}\n")
        took.append(perf_counter() - begin)
    # Eight times the length: a quadratic reader takes 64 times as long.
    assert took[1] < 30 * max(took[0], 0.02)


def test_init_and_check_take_what_is_read(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    table = [(f"Is {number} even?", "no" if number % 2 else "yes") for number in range(40)]
    text = csv_of([*table, ("", "")]).replace(",", "\t").replace("target", " target\u200b")
    (tmp_path / "even.tsv").write_bytes(text.encode("utf-16"))

    made = project.run("init", "even", "--data", "even.tsv")
    assert (made.returncode, made.stderr) == (0, "")
    checked = project.run("check", "even")
    assert checked.returncode == 0, checked.stderr
    assert "even: 40 rows in " in checked.stdout
    assert "note: 1 blank row was skipped" in checked.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Input,target\nhi,x\n", "it has 'Input'; name it in --input"),
        ('input,target\n"data:image/png;base64,iVBORw0KGgo=",x\n', "roles.target.images"),
    ],
)
def test_init_names_what_is_not_read(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(text)
    table = NewTable(str(tmp_path / "a.csv"), ("input",), "target")
    with pytest.raises(InputError) as caught:
        write_experiment(tmp_path, "new", table)
    assert said in str(caught.value)
    assert not (tmp_path / "new").exists()


def test_a_table_whose_name_begins_with_a_tilde_is_read_where_it_lies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [(f"Is {number} even?", "no" if number % 2 else "yes") for number in range(40)]
    (tmp_path / "~nobody.csv").write_text(csv_of(rows))
    monkeypatch.chdir(tmp_path)
    table = NewTable("~nobody.csv")
    write_experiment(tmp_path / "experiments", "new", table)
    assert (tmp_path / "experiments" / "new").is_dir()
    assert len(list(read(tmp_path, "~nobody.csv", csv_of(rows)))) == 40
