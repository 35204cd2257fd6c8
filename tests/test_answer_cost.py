"""What one answer costs, beside each score, and what a search will likely cost, before it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import Summary
from autoprompt_assets.engine.optimizers import Proposal
from autoprompt_assets.engine.report import render
from autoprompt_assets.engine.search import (
    AnswerCost,
    AnswerCosts,
    TestOutcome,
    read_summary,
    summary_json,
)
from autoprompt_assets.engine.search.answer_cost import dollars
from autoprompt_assets.engine.search.estimate import tokens_of
from autoprompt_assets.engine.spend import Spend
from tests.loopback import Behaviour, LoopbackServer
from tests.report_support import first, outcome_of, parse, report_of, rows_of, scored, step, summary
from tests.row_support import text_demo
from tests.support import ANSWERS, Project, toy_project

COST = re.compile(r"the whole search, (.+): (?:about )?(\d+) calls, (\d+) tokens, \$(\d+\.\d+)")
DEMOS = tuple(text_demo(f"in {n}", "out") for n in range(7))


def measured(answers: Spend) -> Summary:
    return replace(summary(5, 10), answers=answers)


def costs(before: Spend, after: Spend, best: Candidate) -> AnswerCosts:
    baseline = first()
    chosen = replace(baseline, proposal=Proposal(best))
    end = TestOutcome(measured(before), measured(after), outcome_of(32, 4).comparison, 1)
    return AnswerCosts.of(baseline, chosen, end)


@pytest.mark.parametrize(
    ("after", "best", "said"),
    [
        (Spend(10, 1000, 50, 0.0055), Candidate("Solve.", DEMOS), "costs 5.5 times the baseline's"),
        (Spend(10, 120, 50, 0.0014), Candidate("Solve.", DEMOS), ""),
        (Spend(10, 100, 500, 0.004), Candidate("Solve."), "costs 4.0 times the baseline's"),
        (
            Spend(10, 400, 50, 0.0, 10),
            Candidate("x" * 400),
            "takes 3.0 times the baseline's tokens",
        ),
    ],
)
def test_a_winner_that_costs_notably_more_is_said_so_and_why(
    after: Spend, best: Candidate, said: str
) -> None:
    found = costs(Spend(10, 100, 50, 0.001), after, best)
    assert said in found.warning
    assert bool(said) == bool(found.warning)
    assert ("7 demos" in found.warning) == (bool(best.demos) and bool(said))
    assert ("answers 10.0 times as long" in found.warning) == (after.completion_tokens == 500)
    assert ("a prompt " in found.warning) == (len(best.instruction) > 100)


def test_without_answered_test_rows_validation_s_are_taken() -> None:
    baseline = replace(first(), summary=measured(Spend(10, 100, 50, 0.001)))
    found = AnswerCosts.of(baseline, baseline, outcome_of(32, 4))
    assert found.baseline == found.best == AnswerCost(0.0001, 10.0, 5.0)
    assert AnswerCosts.of(first(), first(), outcome_of(32, 4)) == AnswerCosts(None, None, "")


def test_an_answer_s_cost_is_said_in_dollars_where_they_are_known() -> None:
    assert str(AnswerCost(0.0001, 10.4, 5.0)) == "$0.00010, 10+5 tokens"
    assert str(AnswerCost(None, 10, 5)) == str(AnswerCost(0.0, 10, 5)) == "10+5 tokens"
    assert [dollars(usd) for usd in (0, 0.0000123, 0.0456, 1.5, 1234.5)] == [
        *("$0.00", "$0.000012", "$0.046", "$1.50", "$1,234.50"),
    ]
    assert AnswerCost(1 / 3e6, 1 / 3, 2 / 3).as_json() == {
        "usd": 3.33333e-07,
        "prompt_tokens": 0.3,
        "completion_tokens": 0.7,
        "seconds": None,
    }


def test_an_evaluation_s_share_of_answers_is_stored() -> None:
    kept = measured(Spend(10, 100, 50, 0.001))
    assert read_summary(json.loads(json.dumps(summary_json(kept)))) == kept


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("The quick brown fox jumps over the lazy dog. " * 10, 80, 130),
        ("请判断这个句子属于哪一类。" * 10, 70, 150),
        ("Съешь ещё этих мягких французских булок. " * 10, 90, 260),
        ("\U0001f600" * 10, 10, 40),
        ("", 0, 0),
    ],
)
def test_tokens_are_guessed_by_script(text: str, low: int, high: int) -> None:
    assert low <= tokens_of(text) <= high


@dataclass
class Ran:
    project: Project
    before: str
    after: str
    shown: str
    outcome: dict[str, object]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path_factory.mktemp("ran"), server.base_url)
        before = project.run("check", "toy").stdout
        shown = project.run("run", "toy").stdout
        outcome = project.run_json("toy")
        yield Ran(project, before, project.run("check", "toy").stdout, shown, outcome)


def figures(said: str) -> dict[str, tuple[float, ...]]:
    return {match[1]: tuple(map(float, match.groups()[1:])) for match in COST.finditer(said)}


@pytest.mark.slow
def test_what_is_likely_stands_beside_at_most_and_comes_nearer_once_answers_are_known(
    ran: Ran,
) -> None:
    before, after = figures(ran.before), figures(ran.after)
    assert before["at most"] == after["at most"]
    calls, tokens = ran.outcome["calls"], ran.outcome["tokens"]
    assert isinstance(calls, dict)
    assert isinstance(tokens, dict)
    real = (calls["replayed"] + calls["made"], sum(tokens.values()), ran.outcome["usd"])
    for likely in (before["likely"], after["likely"]):
        assert all(a <= b for a, b in zip(likely, before["at most"], strict=True))
    assert "taken, not measured" in ran.before
    assert "as in this experiment's searches so far" in ran.after
    for figure, is_one in zip(after["likely"], real, strict=True):
        assert is_one / 3 < figure < 3 * is_one
    assert before["at most"][2] > 20 * after["likely"][2]


def test_one_answer_s_cost_stands_beside_each_score(ran: Ran) -> None:
    baseline, best = ran.outcome["baseline"], ran.outcome["best"]
    assert isinstance(baseline, dict)
    assert isinstance(best, dict)
    rows = 14
    stored = next((ran.project.home / "results").rglob("comparison.json"))
    data = json.loads(stored.read_text(encoding="utf-8"))
    for told, name in ((baseline, "baseline"), (best, "best")):
        answers = data[name]["answers"]
        assert told["answer"]["usd"] == pytest.approx(answers["usd"] / rows, rel=1e-4)
        assert told["answer"]["prompt_tokens"] == round(answers["prompt_tokens"] / rows, 1)
        # The review's share is not the answer's.
        assert answers["calls"] == rows < data[name]["spend"]["calls"]
        assert f"{dollars(told['answer']['usd'])}, " in ran.shown
    report = Path(str(ran.outcome["report"])).read_text(encoding="utf-8")
    assert parse(report).said.count("one answer:") >= 4


def test_the_report_says_that_a_winner_costs_more() -> None:
    best = scored(Candidate("Count the vertices.", DEMOS), 96, "accepted")
    report = report_of(first(), [step(1, best)], outcome_of(32, 4), rows_of(32, 4))
    end = report.outcome
    dear = replace(end, best=replace(end.best, answers=Spend(10, 900, 50, 0.01)))
    dear = replace(dear, baseline=replace(end.baseline, answers=Spend(10, 100, 50, 0.001)))
    page = parse(render(replace(report, outcome=dear)))
    assert "In use, one answer of the best prompt costs 10.0 times the baseline's" in page.said
