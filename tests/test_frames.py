"""`autoprompt_assets.results`: what a search left, as data frames."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest

from autoprompt_assets import Results, results
from autoprompt_assets.engine.errors import InputError, MissingInput
from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, KEY, OPTIONS, Project, csv_of

CHOICES = f"choices: {json.dumps(OPTIONS)}"
SPEC = f"""\
dataset: {{path: rows.csv, split: {{train: 4, validation: 12, test: 14}}}}
roles:
  target:
    model: gpt-4.1-mini
    prompt: Name the shape.
    max_tokens: 200
    {CHOICES}
    price: {{prompt: 2, completion: 10}}
  review:
    model: gpt-4.1-mini
    max_tokens: 50
    prompt: "Is it right? Model Response: {{response}} Ground Truth: {{answer}}"
    price: {{prompt: 1, completion: 5}}
  optimizer:
    model: gpt-4.1
    max_tokens: 400
    price: {{prompt: 3, completion: 7}}
    prompt: "{{prompt_scores_str}}\\nWrite a better one in [[...]]."
grader: {{kind: model}}
optimizer: {{strategy: opro, iterations: 2}}
concurrency: 4
unmeasured: 0.3
"""
FAILING = sorted(ANSWERS)[3]


def fails(body: Mapping[str, Any]) -> bool:
    return bool(body["messages"][-1]["content"] == FAILING)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two searches: one of a single iteration first, and then the file's own."""
    folder = tmp_path_factory.mktemp("frames") / "project"
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        environ = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        project = Project(folder, environ)
        project.add("toy", SPEC, rows_csv=csv_of(ANSWERS))
        server.slow = fails
        short = ("--set", "roles.target.timeout=0.4", "--set", "roles.target.deadline=0.5")
        fewer = ("--set", "optimizer.iterations=1")
        told = [project.run_json("toy", *short, *more) for more in (fewer, ())]
        (folder / "told.json").write_text(json.dumps(told))
        yield project


@pytest.fixture(scope="module")
def found(searched: Project) -> Results:
    return results("toy", home=searched.home)


@pytest.fixture
def copied(searched: Project, tmp_path: Path) -> Project:
    return searched.copy(tmp_path / "project")


def folder(project: Project, search: str) -> Path:
    return project.home / "results" / "toy" / "searches" / search


def assert_arrow(frame: pd.DataFrame) -> None:
    assert all(isinstance(kind, pd.ArrowDtype) for kind in frame.dtypes)


def test_the_search_that_began_last_is_told_beside_the_others(found: Results) -> None:
    frame = found.searches
    assert_arrow(frame)
    assert list(frame["iterations"]) == [1, 2]
    assert frame["search"].iloc[-1] == found.search
    assert list(frame["differs"]) == ['{"optimizer.iterations": 1}', "{}"]
    assert set(frame["verdict"]) <= {"better", "worse", "not shown"}
    other = frame["search"].iloc[0]
    assert repr(found).startswith(f"<Results of toy, search {found.search}: 2 iterations ended, ")
    assert other in repr(found)


def test_a_search_costs_what_its_run_said(found: Results, searched: Project) -> None:
    frame, told = found.searches, json.loads((searched.folder / "told.json").read_bytes())
    assert list(frame["usd"].round(6)) == [run["usd"] for run in told]
    assert list(frame["prompt_tokens"]) == [run["tokens"]["prompt"] for run in told]
    assert list(frame["completion_tokens"]) == [run["tokens"]["completion"] for run in told]
    assert list(frame["calls"]) == [run["calls"]["made"] + run["calls"]["replayed"] for run in told]
    assert frame["usd"].iloc[-1] > found.iterations["usd"].sum()


def test_what_a_search_costs_is_not_known_without_prices_or_a_baseline(copied: Project) -> None:
    found = results("toy", home=copied.home)
    whole, place = found.searches.iloc[-1], folder(copied, found.search)
    (place / "comparison.json").unlink()
    half = results("toy", home=copied.home).searches.iloc[-1]
    assert 0 < half["usd"] < whole["usd"]
    stored = json.loads((place / "headroom.json").read_bytes())
    stored["spend"]["unpriced"] = 1
    (place / "headroom.json").write_text(json.dumps(stored))
    unpriced = results("toy", home=copied.home).searches.iloc[-1]
    assert pd.isna(unpriced["usd"])
    assert unpriced["calls"] == half["calls"]
    (place / "baseline.json").unlink()
    begun = results("toy", home=copied.home).searches.iloc[-1]
    assert begun[["calls", "prompt_tokens", "completion_tokens", "usd"]].isna().all()


def test_a_search_is_named_by_its_id_or_its_settings(found: Results, searched: Project) -> None:
    other = found.searches["search"].iloc[0]
    named = results("toy", search=other, home=searched.home)
    assert list(named.iterations["status"]) == ["scored", "scored"]
    assert ": 1 iteration ended, verdict" in repr(named)
    picked = results("toy", settings={"optimizer.iterations": 1}, home=str(searched.home))
    assert picked.search == other


def test_iterations_hold_each_candidate(found: Results, searched: Project) -> None:
    frame = found.iterations
    assert_arrow(frame)
    paths = sorted((folder(searched, found.search) / "iterations").glob("*.json"))
    stored = [json.loads(path.read_bytes()) for path in paths]
    tried = [one["id"] for step in stored for one in (*step["candidates"], *step["rejected"])]
    assert list(frame["candidate"])[1:] == tried
    first = frame.iloc[0]
    assert (first["iteration"], first["decision"]) == (0, "baseline")
    assert first["prompt"] == "Name the shape."
    assert first["rows"] == 12
    assert 0 <= first["low"] <= first["score"] <= first["high"] <= 1
    assert first["usd"] > 0
    assert frame["best"].sum() == 1
    steps = frame[frame["iteration"] > 0].groupby("iteration")
    assert list(steps["iteration_calls"].first()) == [step["spend"]["calls"] for step in stored]


def test_evaluations_hold_each_row(found: Results) -> None:
    frame = found.evaluations
    assert_arrow(frame)
    scored = found.iterations.dropna(subset="score").set_index("candidate")
    validation = frame[frame["split"] == "validation"]
    for candidate, rows in validation.groupby("candidate"):
        record = scored.loc[candidate]
        assert len(rows) == record["rows"]
        assert rows["value"].mean() == pytest.approx(record["score"])
        assert rows["usd"].sum() == pytest.approx(record["usd"])
        assert rows["prompt_tokens"].sum() == record["prompt_tokens"]
        assert set(rows["iteration"]) == {record["iteration"]}
    answered = frame[~frame["failed"]]
    assert set(answered["answer"].dropna()) <= set(OPTIONS)
    assert answered["reply"].str.startswith('{"answer"').all()
    assert (answered["latency_s"] >= 0).all()
    assert (answered["attempts"] == 1).all()


def test_a_row_that_failed_says_so(found: Results) -> None:
    frame = found.evaluations
    failed = frame[frame["failed"]]
    assert set(failed["input"]) == {FAILING}
    assert set(failed["outcome"]) == {"error"}
    assert failed["value"].isna().all()
    assert failed["reply"].isna().all()
    assert (failed["usd"] == 0).all()


def test_some_rows_and_columns_are_read_alone(found: Results) -> None:
    whole = found.evaluations
    best = found.rows(candidate="best", split="test", columns=["latency_s", "id", "outcome"])
    assert list(best.columns) == ["latency_s", "id", "outcome"]
    assert len(best) == 14
    assert list(best["outcome"]) == list(found.comparison["best_outcome"])
    baseline = found.rows(candidate="baseline", columns=["split"])
    assert list(baseline["split"].value_counts()) == [14, 12]
    assert found.rows(columns=["id"]).equals(whole[["id"]])


def test_the_comparison_is_told_row_by_row(found: Results, searched: Project) -> None:
    frame = found.comparison
    assert_arrow(frame)
    stored = json.loads((folder(searched, found.search) / "comparison.json").read_bytes())
    counts = frame["winner"].value_counts()
    assert len(frame) == 14
    assert counts.get("best", 0) == stored["comparison"]["wins"]
    assert counts.get("baseline", 0) == stored["comparison"]["losses"]
    assert frame["winner"].notna().sum() == stored["comparison"]["rows"]
    won = frame[frame["winner"] == "best"]
    assert (won["best_value"] > won["baseline_value"]).all()
    assert set(frame["best_answer"].dropna()) <= set(OPTIONS)


def test_before_the_comparison_the_test_rows_are_sealed(copied: Project) -> None:
    search = results("toy", home=copied.home).search
    (folder(copied, search) / "comparison.json").unlink()
    found = results("toy", home=copied.home)
    line = f"search {search} has no comparison yet, and its test rows are sealed; `autoprompt run"
    with pytest.raises(MissingInput, match=line):
        found.rows(split="test")
    with pytest.raises(MissingInput, match=line):
        _ = found.comparison
    assert set(found.evaluations["split"]) == {"validation"}
    assert "no verdict yet" in repr(found)
    assert found.searches["verdict"].isna().sum() == 1


def test_a_search_under_way_has_what_has_ended(copied: Project) -> None:
    found = results("toy", home=copied.home)
    candidate = found.iterations["candidate"].iloc[-1]
    place = folder(copied, found.search)
    for name in ("iterations/002.json", "best_candidate.json", "comparison.json"):
        (place / name).unlink()
    half = results("toy", home=copied.home)
    assert half.iterations["iteration"].max() == 1
    assert half.iterations["best"].isna().all()
    assert half.rows(candidate=candidate)["iteration"].isna().all()
    shutil.rmtree(place / "evaluations")
    (place / "baseline.json").unlink()
    (place / "iterations/001.json").unlink()
    begun = results("toy", home=copied.home)
    assert begun.iterations.empty
    assert begun.evaluations.empty
    for frame, whole in ((begun.iterations, half.iterations), (begun.evaluations, found.rows())):
        assert_arrow(frame)
        assert dict(frame.dtypes) == dict(whole.dtypes)
    goes_on = "yet; `autoprompt run toy` goes on with it"
    with pytest.raises(MissingInput, match=f"{found.search} has no baseline score {goes_on}"):
        begun.rows(candidate="baseline")
    with pytest.raises(MissingInput, match=f"{found.search} has no best prompt {goes_on}"):
        half.rows(candidate="best")


def test_what_stopped_a_search_has_one_row(copied: Project) -> None:
    found = results("toy", home=copied.home)
    for number in (2, 3):
        path = folder(copied, found.search) / "iterations" / f"{number:03d}.json"
        stop = {"iteration": number, "status": "stopped", "reason": "the budget"}
        rest = {"strategy": "", "candidates": [], "rejected": [], "answers": [], "spend": {}}
        path.write_text(json.dumps(stop | rest))
    stopped = results("toy", home=copied.home)
    assert list(stopped.iterations["iteration"]) == [0, 1, 2]
    last = stopped.iterations.iloc[-1]
    assert (last["iteration"], last["status"], last["reason"]) == (2, "stopped", "the budget")
    assert pd.isna(last["candidate"])
    assert list(stopped.searches["iterations"]) == [1, 1]
    assert ": 1 iteration ended, " in repr(stopped)


DAMAGES: dict[str, Callable[[Results], pd.DataFrame]] = {
    "iterations/001.json": lambda frames: frames.iterations,
    "baseline.json": lambda frames: frames.iterations,
    "comparison.json": lambda frames: frames.comparison,
    "headroom.json": lambda frames: frames.searches,
    "spec.json": lambda frames: frames.searches,
    "prices.json": lambda frames: frames.evaluations,
}


@pytest.mark.parametrize("name", DAMAGES)
@pytest.mark.parametrize("content", ["{", '{"version": 9}', "[]"])
def test_a_damaged_file_is_named(name: str, content: str, copied: Project) -> None:
    found = results("toy", home=copied.home)
    path = folder(copied, found.search) / name
    path.write_text(content)
    if name == "spec.json" and content != "{":
        assert DAMAGES[name](found)["strategy"].isna().sum() == 1
        return
    with pytest.raises(InputError) as caught:
        DAMAGES[name](found)
    (line,) = caught.value.lines
    assert line.startswith(f"{path}: is missing, damaged or another version's; delete its folder")


@pytest.mark.parametrize("damage", ["cut", "gone", "another version's"])
def test_a_damaged_evaluation_is_named(damage: str, copied: Project) -> None:
    found = results("toy", home=copied.home)
    path = next(
        path
        for path in sorted((folder(copied, found.search) / "evaluations").glob("*.parquet"))
        if "timings" not in path.name
    )
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif damage == "gone":
        path.unlink()
    else:
        pq.write_table(pq.read_table(path).drop_columns(["reason"]), path)
    with pytest.raises(InputError, match=f"^{path}: is missing, damaged or another version's; "):
        found.evaluations.head()


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
