"""What `autoprompt_assets.results` is asked wrongly, and where it looks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from autoprompt_assets import Results, results
from autoprompt_assets.engine.errors import InputError
from tests.support import Project


def test_what_is_not_there_is_refused_in_one_line(found: Results, searched: Project) -> None:
    home = searched.home
    with pytest.raises(InputError, match=r"'nope' has no results in .*; there are toy; run it"):
        results("nope", home=home)
    with pytest.raises(InputError, match=r"'\.\./home' has no results"):
        results("../home", home=home)
    with pytest.raises(InputError, match=f"no such search of toy; there are .*{found.search}"):
        results("toy", search="0123", home=home)
    with pytest.raises(InputError, match="no search of toy has the settings"):
        results("toy", settings={"optimizer.iterations": 9}, home=home)
    with pytest.raises(InputError, match="no column 'price'; there are iteration, candidate"):
        found.rows(columns=["price"])
    with pytest.raises(InputError, match="has no evaluation of it; there are those of"):
        found.rows(candidate="0123")
    with pytest.raises(InputError, match="split = 'train': none is stored; give 'validation'"):
        found.rows(split="train")  # type: ignore[arg-type]


WRONG_SETTINGS: dict[str, tuple[Any, str]] = {
    "text": (
        "grader.kind=contains",
        "settings = 'grader.kind=contains': is no mapping; write e.g. "
        'settings={"optimizer.iterations": 2}',
    ),
    "a list": (
        [("grader.kind", "exact")],
        "settings = [('grader.kind', 'exact')]: is no mapping; ",
    ),
    "a frame": (
        pd.DataFrame({"grader.kind": ["exact"]}),
        "settings =   grader.kind 0       exact: is no mapping; ",
    ),
    "a number for a field": ({3: 3}, "settings: 3 is no field's name; write e.g. settings={"),
    "no field": ({"": 3}, "settings: '' is no field's name; write e.g. settings={"),
    "an object": (
        {"optimizer.iterations": object()},
        "settings: optimizer.iterations = <object object at ",
    ),
    "an object within": (
        {"dataset.split": {"train": {3}}},
        "settings: dataset.split = {'train': {",
    ),
    "a mistyped field": (
        {"grader.knd": "model"},
        "settings: grader.knd: no such field; did you mean 'kind'?",
    ),
    "a mistyped section": (
        {"grder.kind": 1},
        "settings: grder: no such field; did you mean 'grader'",
    ),
    "a section that is none": ({"no.such": None}, "settings: no: no such field; use asked, "),
    "a field of a value": (
        {"grader.kind.a": 1},
        "settings: grader.kind.a: no such field; remove it",
    ),
    "a field of another kind": (
        {"grader.ignore_case": True},
        "settings: grader.ignore_case: is in no search of toy (it changes no search's path, or is "
        "another kind's); take it out",
    ),
    "what decides nothing": ({"concurrency": 4}, "settings: concurrency: is in no search of toy ("),
    "a value that none has": (
        {"optimizer.iterations": [2]},
        "no search of toy has the settings {'opt",
    ),
}


@pytest.mark.parametrize("case", WRONG_SETTINGS)
def test_wrong_settings_are_refused_in_one_line(case: str, searched: Project) -> None:
    wrong, said = WRONG_SETTINGS[case]
    with pytest.raises(InputError) as caught:
        results("toy", settings=wrong, home=searched.home)
    (line,) = caught.value.lines
    assert line.startswith(said)


def test_an_experiment_and_a_search_are_text(found: Results, searched: Project) -> None:
    names: Any = pd.Series([found.search, "toy"])
    for said, given in {"experiment": (names, None), "search": ("toy", names)}.items():
        with pytest.raises(InputError) as caught:
            results(given[0], search=given[1], home=searched.home)
        (line,) = caught.value.lines
        assert line.startswith(f"{said} = 0    {found.search} 1    ")
        assert ": is no text; write e.g. " in line


def test_settings_may_be_what_a_frame_holds(found: Results, searched: Project) -> None:
    whole = pd.Series([2]).iloc[0]
    named = results("toy", settings={"optimizer.iterations": whole}, home=searched.home)
    assert named.search == found.search


def test_a_home_that_is_none_is_refused_in_one_line(searched: Project, tmp_path: Path) -> None:
    home, file = searched.home, tmp_path / "file"
    file.touch()
    example = 'e.g. home="/srv/autoprompt"'
    kept = home / "results"
    wrong: dict[Any, str] = {
        3: f"home = 3: is no folder; write {example}",
        b"/": f"home = b'/': is no folder; write {example}",
        "": f"home = '': is empty; leave it out, or write {example}",
        "a\0b": f"home = 'a\\x00b': is no folder's name; write {example}",
        "/nope": "home = '/nope': there is no such folder; give the folder that holds results/",
        file: f"home = {str(file)!r}: is a file; give the folder that holds results/",
        kept: f"home = {str(kept)!r}: lies within a home; give {str(home)!r}",
        kept
        / "toy"
        / "searches": f"home = {str(kept / 'toy/searches')!r}: lies within a home; give ",
        "ftp://127.0.0.1:9/a": "home: 'ftp://127.0.0.1:9/a' cannot be read (Connection refused); ",
        "nofs://a": "home: Unsupported filesystem: 'nofs'; set it to a folder, or to a URL whose",
        "s3://a:b@c/": "home: holds credentials; take out what stands before the @",
    }
    for given, said in wrong.items():
        with pytest.raises(InputError) as caught:
            results("toy", home=given)
        (line,) = caught.value.lines
        assert line.startswith(said)


def test_the_folder_around_a_home_names_it(searched: Project, tmp_path: Path) -> None:
    (tmp_path / ".autoprompt").symlink_to(searched.home)
    with pytest.raises(InputError, match=r"holds no results; give '.*/\.autoprompt'$"):
        results("toy", home=tmp_path)


def test_what_rows_cannot_take_is_refused_in_one_line(found: Results) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "candidate = ['best']: is no text; give an id, 'baseline' or 'best'": {
            "candidate": ["best"]
        },
        "split = ['test']: none is stored; give 'validation' or 'test'": {"split": ["test"]},
        "split = 0    test 1    test dtype: ": {"split": pd.Series(["test", "test"])},
        "columns = 'input': is no list; write e.g. columns=['input', 'outcome']": {
            "columns": "input"
        },
        "columns = 3: is no list; write e.g. columns=['input', 'outcome']": {"columns": 3},
        "columns: no column ['id']; there are iteration, ": {"columns": [["id"]]},
        "columns: 'id' is given twice; keep one": {"columns": ["id", "input", "id"]},
        "columns = []: names none; leave it out for all": {"columns": []},
    }
    for said, given in wrong.items():
        with pytest.raises(InputError) as caught:
            found.rows(**given)
        (line,) = caught.value.lines
        assert line.startswith(said)


def test_an_experiment_without_a_search_says_how_to_make_one(copied: Project) -> None:
    shutil.rmtree(copied.home / "results" / "toy" / "searches")
    with pytest.raises(
        InputError, match=r"has no search in .* yet; `autoprompt run toy` makes one"
    ):
        results("toy", home=copied.home)


SCRIPT = """
import sys
from autoprompt_assets import results
found = results("toy")
loaded = [name for name in ("dagster", "openai", "aiohttp", "pandas") if name in sys.modules]
print(found.search, loaded, len(found.iterations), len(found.comparison), "dagster" in sys.modules)
"""


@pytest.mark.parametrize("named", ["environment", ".env", "store in .env"])
def test_a_script_elsewhere_finds_what_commands_there_would(
    named: str, found: Results, searched: Project, tmp_path: Path
) -> None:
    environ = {key: value for key, value in searched.variables().items() if "HOME" not in key}
    before = sorted(path for path in searched.home.rglob("*"))
    if named == "environment":
        environ["AUTOPROMPT_HOME"] = str(searched.home)
    elif named == ".env":
        (tmp_path / ".env").write_text(f"AUTOPROMPT_HOME='{searched.home}'\n")
    else:
        environ["AUTOPROMPT_HOME"] = str(tmp_path / "none")
        (tmp_path / ".env").write_text(f"AUTOPROMPT_STORE='{searched.home}'\n")
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(
        command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False
    )
    rows = len(found.iterations)
    assert (done.stdout, done.stderr) == (f"{found.search} [] {rows} 14 False\n", "")
    assert sorted(path for path in searched.home.rglob("*")) == before
