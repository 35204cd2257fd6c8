"""What the UI, a terminal and `--json` say of an iteration and of a search's end."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import dagster as dg
import pytest
from rich.console import Console

from autoprompt_assets.commands import show_outcome
from autoprompt_assets.commands.run import Outcome, counted
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.optimizers import Proposal, Rejected
from autoprompt_assets.engine.search import AnswerCost, AnswerCosts, select
from autoprompt_assets.engine.spend import CallCounts
from autoprompt_assets.engine.statistics import Headroom
from autoprompt_assets.metadata import iteration_metadata, outcome_metadata
from tests.report_support import (
    COUNT,
    FIRST,
    SPEND,
    dropped,
    first,
    outcome_of,
    room,
    scored,
    step,
    story,
)

SEARCH = "0123456789ab"
NO_COSTS = AnswerCosts(None, None, "")
KNOWN = {first().candidate.id: first().candidate}


@pytest.fixture
def outcome() -> Outcome:
    best = select(first(), story())
    end = outcome_of(32, 4)
    counts = CallCounts(made=5)
    files = ("best_request.json", "r.html")
    return Outcome(
        "toy", SEARCH, first(), best, end, room(), counted(story()), SPEND, *files, calls=counts
    )


def test_an_iteration_tells_each_candidates_record() -> None:
    found = iteration_metadata(story()[0], SEARCH, KNOWN)
    table = found["candidates"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["decision"] for record in table.records] == [
        "survived",
        "dropped",
        "accepted",
    ]
    assert table.records[1].data["rows seen"] == 8
    assert table.records[0].data["parents"] == first().candidate.id
    assert (found["strategy"], found["decision"], found["rows seen"]) == (
        "reflect",
        "accepted",
        150,
    )
    assert found["why"].startswith("better on 34 and worse on 10")
    assert "I would count:" in found["optimizer's words"].md_str


def test_what_the_best_of_a_step_changed_is_a_fenced_diff() -> None:
    diff = iteration_metadata(story()[0], SEARCH, KNOWN)["diff"].md_str
    assert diff.startswith("```diff\n--- ")
    assert f"\n-{FIRST}\n" in diff
    assert "diff" not in iteration_metadata(story()[0], SEARCH, {})
    ticks = step(1, scored("```\n# no heading", 70, "accepted"))
    assert iteration_metadata(ticks, SEARCH, KNOWN)["diff"].md_str.startswith("````diff")


def test_what_was_rejected_is_told_with_the_reason() -> None:
    records = iteration_metadata(story()[1], SEARCH, {})["rejected"].records
    assert [record.data["why"] for record in records] == [
        "the instruction holds the text of 1 validation row: `M 12,3 L 4,5`",
        "it was tried before",
    ]
    only = Rejected(Proposal(Candidate("x")), "empty")
    nothing = replace(step(1), status="unusable", rejected=(only,))
    assert "candidates" not in iteration_metadata(nothing, SEARCH, {})
    assert len(iteration_metadata(nothing, SEARCH, {})["rejected"].records) == 1


def test_dagster_takes_the_metadata() -> None:
    for number in story():
        dg.AssetMaterialization("x", metadata=iteration_metadata(number, SEARCH, KNOWN))


def test_the_outcome_tells_the_gap_and_both_intervals() -> None:
    end = outcome_of(32, 4)
    found = outcome_metadata(end, select(first(), story()), SEARCH, "r.html", NO_COSTS)
    assert found["validation minus test score"] == pytest.approx(117 / 150 - 92 / 96)
    assert found["difference, 95% interval"] == "+0.133 to +0.450"
    assert found["won interval"] == "0.739 to 0.969"
    assert (found["reading"], found["level"]) == (1, 0.05)
    assert found["wear"].startswith("the first verdict on these rows")
    graded = replace(end, comparison=replace(end.comparison, won_interval=None))
    assert "won interval" not in outcome_metadata(
        graded, select(first(), []), SEARCH, "r.html", NO_COSTS
    )


def test_a_later_verdict_is_told_with_its_level_and_wider_intervals() -> None:
    end = outcome_of(32, 4, reading=3)
    found = outcome_metadata(end, select(first(), story()), SEARCH, "r.html", NO_COSTS)
    low, high = found["difference, 98.33% interval"].split(" to ")
    assert float(low) < 0.133
    assert float(high) > 0.450
    assert (found["reading"], found["level"]) == (3, 0.05 / 3)
    assert found["wear"] == (
        "the 3rd verdict on these rows: judged at .0167 (.05/3), 98.33% interval; not corrected "
        "for what was changed after seeing the earlier ones"
    )


def test_candidates_are_counted_by_what_was_decided() -> None:
    assert counted(story()) == {"evaluated": 15, "accepted": 3, "dropped": 5, "rejected": 2}
    assert counted([step(1, dropped(COUNT, 1, 8, 0.1))])["dropped"] == 1


def test_json_has_gap_headroom_and_counts(outcome: Outcome) -> None:
    found = json.loads(json.dumps(outcome.as_json()))
    assert found["validation_minus_test"] == pytest.approx(117 / 150 - 92 / 96)
    assert Headroom.from_json(found["headroom"]) == room()
    assert found["candidates"] == counted(story())


def test_a_terminal_shows_gap_and_counts(outcome: Outcome) -> None:
    out = io.StringIO()
    show_outcome(outcome, Console(file=out, width=100))
    said = " ".join(out.getvalue().split())
    assert "validation minus test score of the best prompt: -0.178" in said
    assert "candidates: 15 evaluated, of which 3 accepted and 5 dropped early; 2 rejected" in said


def test_a_terminal_shows_parts_of_rows_to_one_place(outcome: Outcome) -> None:
    out = io.StringIO()
    baseline = replace(outcome.test.baseline, total=21.4286)
    test = replace(outcome.test, baseline=baseline)
    show_outcome(replace(outcome, test=test), Console(file=out, width=100))
    assert f"21.4/{baseline.measured} " in out.getvalue()


def test_the_end_tells_what_one_answer_costs() -> None:
    costs = AnswerCosts(AnswerCost(0.001, 9, 1), AnswerCost(None, 90, 1), "one answer costs more")
    best = select(first(), story())
    found = outcome_metadata(outcome_of(32, 4), best, SEARCH, "r.html", costs)
    assert found["one answer, baseline"] == "$0.0010, 9+1 tokens"
    assert found["one answer, best"] == "90+1 tokens"
    assert found["one answer, compared"] == "one answer costs more"
