"""`autoprompt_assets.results`: what a search left, as data frames."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable

import pandas as pd
import pyarrow.parquet as pq
import pytest

from autoprompt_assets import Results, results
from autoprompt_assets.engine.errors import InputError, MissingInput
from tests.frames_support import FAILING, assert_arrow, folder
from tests.support import OPTIONS, Project


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
