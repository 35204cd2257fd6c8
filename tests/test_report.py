"""The HTML report: what it says, and that no text of anyone else becomes markup."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.optimizers import Proposal, Rejected
from autoprompt_assets.engine.report import ComparedRow, Report, render, wear
from autoprompt_assets.engine.report.chart import BOTTOM, LEFT, RIGHT, TOP, ScorePoint, draw
from autoprompt_assets.engine.report.phrases import p_value
from autoprompt_assets.engine.search import Best, Decision, Iteration, Scored
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import measure_headroom
from tests.report_support import (
    SPEND,
    dropped,
    first,
    outcome_of,
    parse,
    report_of,
    room,
    rows_of,
    scored,
    step,
    story,
    summary,
)
from tests.row_support import text_demo

HOSTILE = [
    "<script>alert(1)</script>",
    "</pre></details></main><img src=x onerror=alert(1)>",
    '"\' onmouseover="alert(1)',
    "{{7*7}} {% raw %} {{ report }}",
    "]]> --> </title></svg></style>",
    "&amp; &lt;b&gt; &#x3c;",
    "null \x00 bell \x07 escape \x1b[31m",
    "right \u200f to \u202e left \u2066",
    "lone \ud800 surrogate",
]


@pytest.fixture
def report() -> Report:
    best = scored(Candidate("Count the vertices.", (text_demo("M 0,0", "(A)"),)), 96, "accepted")
    iterations = [
        step(1, scored("Think.", 70), scored("Think twice.", 66), answers=["I say [[Think.]]"]),
        Iteration(2, "unusable", "no usable answer: it is empty", (), ("",), SPEND),
        step(3, best),
    ]
    return report_of(first(), iterations, outcome_of(32, 4), rows_of(32, 4))


def with_text(report: Report, text: str) -> Report:
    """`report` with `text` in every place that holds someone's text."""
    candidate = Candidate(text, (text_demo(text, text),), {"stop": text})
    proposal = Proposal(candidate, (text,), text)
    best = Scored(proposal, summary(140), True, "accepted", text, 0.9)
    early = Scored(replace(proposal, parents=()), summary(1, 8), True, "dropped", text, 0.3)
    stopped = Iteration(2, "stopped", text, (early,), (text,), SPEND)
    rejected = (Rejected(proposal, text),)
    tried = Iteration(1, "scored", "", (best,), (text,), SPEND, text, rejected)
    iterations = [tried, stopped]
    room = replace(report.headroom, hopeless=True, reason=text)
    cells = (text, text, text, text, text)
    rows = [
        ComparedRow(*cells, "wrong", "correct", 0.0, 1.0),
        ComparedRow(*cells, "correct", text, 1.0, 0.0),
    ]
    names = ("experiment", "description", "search", "dataset_version", "grader", "strategy")
    texts: dict[str, Any] = dict.fromkeys(names, text)
    report = replace(report, **texts, sizes={text: 1}, roles={text: text})
    return replace(report, iterations=iterations, best=Best(1, best), rows=rows, headroom=room)


def visible(text: str) -> str:
    """As the report shows it: control characters as pictures of themselves."""
    pictures = {code: 0x2400 + code for code in range(32) if chr(code) not in "\n\t"}
    return text.translate({**pictures, 0xD800: 0xFFFD})


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_texts_stay_texts(report: Report, text: str) -> None:
    plain, hostile = parse(render(with_text(report, "PLAIN"))), render(with_text(report, text))
    page = parse(hostile)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    assert not {"script", "img", "iframe", "object", "link", "a"} & {tag for tag, _ in page.tags}
    assert [attrs.keys() for _, attrs in page.tags] == [attrs.keys() for _, attrs in plain.tags]
    as_json = visible(json.dumps(text, ensure_ascii=False))
    shown = page.text.replace(as_json, visible(text))
    assert shown.count(visible(text)) == plain.text.count("PLAIN") > 30
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", hostile)
    assert hostile.encode()


def test_nothing_is_loaded_or_run(report: Report) -> None:
    page = parse(html := render(report))
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    assert any(attrs.get("content") == policy for tag, attrs in page.tags if tag == "meta")
    names = {name for _, attrs in page.tags for name in attrs}
    assert not {name for name in names if name.startswith("on")} | names & {"src", "href", "style"}
    assert not re.search(r"https?:|url\(|@import|<script", html)


def test_equal_searches_give_equal_bytes(report: Report) -> None:
    assert render(report) == render(replace(report, iterations=tuple(report.iterations)))


@pytest.mark.parametrize(
    ("wins", "losses", "said"),
    [
        (32, 4, "The best prompt is better: +29.2 points on 96 sealed test rows (95% interval"),
        (4, 32, "The best prompt is worse: −29.2 points on 96 sealed test rows (95% interval"),
        (5, 4, "No difference was shown: +1.4 points on 69 sealed test rows (95% interval"),
        (0, 0, "No difference was shown: 0.0 points on 60 sealed test rows (95% interval"),
    ],
)
def test_verdict_in_one_sentence(report: Report, wins: int, losses: int, said: str) -> None:
    assert said in parse(render(replace(report, outcome=outcome_of(wins, losses)))).text


def test_p_values_are_readable_decimals(report: Report) -> None:
    assert re.search(r"p = 0\.00000\d\)", render(replace(report, outcome=outcome_of(32, 4))))
    assert "p &lt; 0.000001" in render(replace(report, outcome=outcome_of(40, 1)))
    assert "p = 1)" in render(replace(report, outcome=outcome_of(5, 4)))
    near = replace(outcome_of(32, 4).comparison, p_value=0.0496)
    assert "p = 0.0496" in render(replace(report, outcome=replace(report.outcome, comparison=near)))


def test_no_row_in_common_is_said(report: Report) -> None:
    html = render(replace(report, outcome=outcome_of(0, 0, same=0), rows=[]))
    assert "no sealed test row was measured with both prompts" in html
    assert "not measured" in html


def test_baseline_may_be_the_best(report: Report) -> None:
    same = replace(report, best=Best(0, report.baseline), outcome=outcome_of(0, 0), rows=[])
    text = parse(render(same)).text
    assert "No prompt that was tried scored higher than the first one on all validation" in text
    assert "None: the best prompt is the baseline." in text


def test_gap_between_validation_and_test_is_shown(report: Report) -> None:
    # Best: 96/150 on validation, 92/96 on test; baseline: 60/150 and 64/96.
    assert "Validation minus test −31.8 points for the best prompt" in parse(render(report)).said
    said = "validation minus test is −31.8 points for the best prompt and −26.7 points for the"
    assert said in parse(render(report)).text


def test_disagreements_are_listed_wins_first(report: Report) -> None:
    text = parse(render(report)).text
    assert [f"won {i}" in text for i in range(32)] == [True] * 32
    assert text.index("won 31") < text.index("lost 0")
    assert not [same for same in ("same right", "same wrong", "not measured") if same in text]
    assert "left out" not in text.split("What the numbers mean")[0]
    assert text.count("no answer") == 4


def test_every_disagreement_is_listed_however_many(report: Report) -> None:
    page = parse(render(replace(report, rows=rows_of(450, 150))))
    assert (page.of_class("won"), page.of_class("lost")) == (450, 150)


def test_stopped_and_unusable_iterations_are_shown(report: Report) -> None:
    reason = "the budget does not cover the next step: 1,200 calls"
    more = [
        Iteration(4, "stopped", reason, (scored("Late.", 50),), (), SPEND),
        Iteration(5, "stopped", reason, (), (), Spend()),
        Iteration(7, "unusable", "no usable answer: it is empty", (), (), Spend()),
    ]
    page = parse(render(replace(report, iterations=[*report.iterations, *more])))
    text = page.said
    assert "Iteration 2: unusable, no usable answer: it is empty" in text
    assert f"Iterations 4 to 5: stopped, {reason} (1 prompt scored before it)" in text
    assert "Iteration 7: unusable" in text


def test_prompts_tried_show_what_a_reader_needs(report: Report) -> None:
    text = parse(render(report)).said
    for said in ("96/150", "96 correct, 54 wrong", "with 1 demo", "I say [[Think.]]"):
        assert said in text


@pytest.mark.parametrize(
    ("spend", "said"),
    [
        (Spend(10, 5, 5, 0.0123, 0), "$0.0123"),
        (Spend(10, 5, 5, 12.345, 3), "$12.35, and 3 calls whose price is not known"),
        (Spend(10, 5, 5, 0.0, 10), "not known: no call has a known price"),
        (Spend(10, 5, 5, 0.0, 0), "$0.00"),
    ],
)
def test_cost_says_what_has_no_price(report: Report, spend: Spend, said: str) -> None:
    assert said in parse(render(replace(report, spend=spend))).text


def test_chart_has_a_dot_for_each_candidate(report: Report) -> None:
    unfit = replace(scored("Unfit.", 149), selectable=False)
    page = parse(render(replace(report, iterations=[*report.iterations, step(4, unfit)])))
    dots = [attrs["class"] for _, attrs in page.tags if "dot" in (attrs.get("class") or "").split()]
    assert dots == ["dot", "dot", "dot", "dot chosen", "dot unfit"]
    assert (page.of_class("whisker"), page.of_class("ring")) == (5, 1)
    assert "A hollow dot could not be chosen" in page.text


def test_a_dropped_dot_is_small_and_stands_at_its_estimate(report: Report) -> None:
    early = step(4, dropped("Guess.", 1, 8, 0.6))
    page = parse(render(replace(report, iterations=[*report.iterations, early])))
    dots = [attrs for _, attrs in page.tags if "dot" in (attrs.get("class") or "").split()]
    assert [dot["class"] for dot in dots] == ["dot", "dot", "dot", "dot chosen", "dot dropped"]
    assert page.of_class("whisker") == 4
    assert float(dots[4]["r"] or 0) < float(dots[0]["r"] or 0)
    assert "about 60.0% on all" in page.text
    assert float(dots[3]["cy"] or 0) < float(dots[4]["cy"] or 0) < float(dots[0]["cy"] or 0)


def mark(
    iteration: int, score: float, decision: Decision = "survived", *, half: float = 0.05
) -> ScorePoint:
    interval = (max(score - half, 0), min(score + half, 1))
    return ScorePoint(iteration, score, interval, True, False, "", decision)


def test_chart_line_follows_the_highest_score_on_all_rows() -> None:
    marks = [mark(0, 0.5), mark(1, 0.4), mark(2, 0.7, "accepted"), mark(3, 0.9, "dropped")]
    chart = draw([*marks, mark(4, 0.8), mark(5, 0.75)])
    points = [tuple(map(float, point.split(","))) for point in chart.best_so_far.split()]
    start, third, fifth = chart.dots[0], chart.dots[2], chart.dots[4]
    rises = [(third.x, start.y), (third.x, third.y), (fifth.x, third.y), (fifth.x, fifth.y)]
    assert points == [(start.x, start.y), *rises, (RIGHT, fifth.y)]


@pytest.mark.parametrize("iterations", [0, 1, 8, 16, 99, 1000])
def test_chart_stays_within_its_axes(iterations: int) -> None:
    marks = [mark(0, 0.0)]
    marks += [mark(i, 1.0) for i in range(1, iterations + 1) for _ in range(8)]
    chart = draw(marks)
    assert all(
        LEFT <= dot.x <= RIGHT and TOP <= dot.high <= dot.low <= BOTTOM for dot in chart.dots
    )
    assert 1 <= len(chart.x_ticks) <= 16
    assert len({dot.x for dot in chart.dots[1:9]}) == min(iterations * 8, 8) or iterations == 1000


def test_chart_zooms_in_on_close_scores() -> None:
    assert draw([mark(0, 0.82), mark(1, 0.84)]).y_ticks[0].text == "75%"
    assert [tick.text for tick in draw([mark(0, 1.0, half=0)]).y_ticks] == ["95%", "100%"]


@pytest.mark.parametrize(
    ("repeats", "said"),
    [
        ([(0.5, 0.5)] * 20, "how small a gain 96 test rows can show depends on how even it is"),
        ([(0.5, 0.7)] * 20, "the noise hides gains below 4.0 points on 96 test rows"),
    ],
)
def test_no_least_gain_is_given_of_graded_values(
    report: Report, repeats: list[tuple[float, float]], said: str
) -> None:
    """Without noise, 0.0 points stood there."""
    values = measure_headroom([0.5] * 40, repeats, 96)
    told = parse(render(replace(report, headroom=values))).said
    assert said in told
    assert "is the least gain" not in told


def test_headroom_is_shown_and_hopeless_is_said_plainly(report: Report) -> None:
    said = parse(render(report)).said
    assert "60.0 points: rows that any candidate could still win, 90 of 150" in said
    assert "3 of 30 rows asked twice changed their grade" in said
    assert "points is the least gain that 96 test rows can show" in said
    assert "Hopeless from the start" not in said

    said = parse(render(replace(report, headroom=room(right=148, test_rows=20)))).said
    assert "Hopeless from the start: baseline is right on 148 of 150 rows" in said


def test_both_intervals_of_the_test_are_shown_and_explained(report: Report) -> None:
    said = parse(render(report)).said
    assert "better: +29.2 points (95% interval +13.3 to +45.0)" in said
    assert "Wins among rows that differ 88.9% of 36 (95% interval 73.9% to 96.9%)" in said
    assert "Clopper and Pearson" in said
    outcome = report.outcome
    graded = replace(outcome, comparison=replace(outcome.comparison, won_interval=None))
    assert "Clopper" not in render(replace(report, outcome=graded))


def test_headroom_of_partial_values_promises_no_gain_of_nothing(report: Report) -> None:
    """Without noise no gain is too small: how small depends on how it is spread over the rows."""
    partial = replace(report.headroom, partial=True, smallest=0.0, winnable=71.25)
    said = parse(render(replace(report, headroom=partial))).said
    assert "what the first prompt's answers lack, worth 71.2 of 150 validation rows" in said


def test_long_targets_get_more_room(report: Report) -> None:
    rows = [replace(row, target='{"number": 1} ' * 9) for row in rows_of(2, 1)]
    assert '<table class="changed">' in render(report)
    assert '<table class="changed long">' in render(replace(report, rows=rows))


def test_rows_that_are_right_in_part_show_their_value_and_feedback_the_greatest_change_first(
    report: Report,
) -> None:
    def row(name: str, before: float, after: float, said: str) -> ComparedRow:
        was, is_now = ("partial" if value < 1 else "correct" for value in (before, after))
        return ComparedRow(name, name, "A", "x", "y", was, is_now, before, after, "", said)

    rows = [
        row("small", 0.5, 0.625, "two of <b>four</b> fields are missing"),
        row("great", 0.25, 1.0, ""),
        row("fallen", 1.0, 0.75, "one field is missing"),
    ]
    page = render(replace(report, rows=rows))
    said = parse(page).said
    places = [said.index(name) for name in ("great", "small", "fallen")]
    assert places == sorted(places)
    assert "partial 0.625" in said
    assert '<span class="tag partial">' in page
    assert '<span class="tag right">' in page
    assert "two of <b>four</b> fields are missing" in said
    assert "<b>four</b>" not in page


def test_metrics_stand_beside_the_scores(report: Report) -> None:
    outcome = replace(report.outcome, best=replace(report.outcome.best, metrics={"f1 <b>": 0.8125}))
    page = render(replace(report, outcome=outcome))
    assert "Metrics on the test rows" in page
    assert "f1 <b> 0.812" in parse(page).said
    assert "f1 <b>" not in page
    assert "Metrics on the test rows" not in render(report)


def test_a_later_verdict_has_its_own_level_and_intervals(report: Report) -> None:
    said = parse(render(replace(report, outcome=outcome_of(32, 4, reading=4)))).said
    assert "(98.75% interval" in said
    assert "This is the 4th verdict on these rows: judged at .0125 (.05/4)" in said
    assert "rows that differ 88.9% of 36 (98.75% interval" in said
    assert "p is below the level, which is .05 for the first verdict" in said


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (2, "the 2nd verdict on these rows: judged at .025 (.05/2), 97.5% interval"),
        (9, "the 9th verdict on these rows: judged at .00556 (.05/9), 99.444% interval"),
        (11, "the 11th verdict on these rows: judged at .00455 (.05/11), 99.545% interval"),
        (21, "the 21st verdict on these rows: judged at .00238 (.05/21), 99.762% interval"),
        (112, "the 112th verdict on these rows: judged at .000446 (.05/112), 99.9554% interval"),
        (1000, "the 1,000th verdict on these rows: judged at .00005 (.05/1000), 99.995% interval"),
    ],
)
def test_each_verdict_s_number_level_and_confidence_are_said(number: int, said: str) -> None:
    assert wear(number).startswith(f"{said}; not corrected for what was changed after")


@pytest.mark.parametrize(
    ("p", "level", "said"),
    [
        (0.2547, 0.05, "p = 0.25"),
        (0.0498, 0.05, "p = 0.0498"),
        (0.02499, 0.025, "p = 0.02499"),
        (0.02501, 0.025, "p = 0.025"),
        (0.0004, 0.05, "p = 0.0004"),
        (0.00046, 0.0005, "p = 0.00046"),
        (1e-9, 0.05, "p < 0.000001"),
        (0.9999, 0.05, "p = 1"),
    ],
)
def test_a_p_value_says_on_which_side_of_its_level_it_is(p: float, level: float, said: str) -> None:
    assert p_value(p, level) == said


def test_prompts_tried_say_what_was_decided_and_on_how_many_rows(report: Report) -> None:
    page = parse(render(replace(report, iterations=story())))
    assert "dropped on the rows seen 40.7% (24.5% to 59.3%), 11/27" in page.said
    assert "−15.0 points on 27 of 150 rows seen" in page.said
    assert "27/150" in page.said
    assert page.said.count("better on 34 and worse on 10 of 150 rows") == 2
    assert "reflect: written" in page.said


def test_rejected_prompts_are_listed_with_the_reason(report: Report) -> None:
    said = parse(render(replace(report, iterations=story()))).said
    rejected = said.split("Prompts rejected before any call was spent on them")[1]
    assert "the instruction holds the text of 1 validation row" in rejected
    assert "it was tried before" in rejected
    assert "answer (F)." in rejected
    assert "Prompts rejected" not in render(report)


def test_of_a_text_without_end_that_was_not_tried_the_report_shows_the_beginning(
    report: Report,
) -> None:
    endless = "word " * 200_000
    refused = Rejected(Proposal(Candidate(endless)), "it is too long")
    told = step(1, rejected=(refused,), answers=(f"[[{endless}]]",) * 5)
    html = render(replace(report, iterations=[told]))
    assert len(html.encode()) < 250_000
    assert "… 980,000 more characters stand in the search" in html
