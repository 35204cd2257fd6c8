"""The tree of candidates: who hangs where, whatever the records say, and how it is shown."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.report import render
from autoprompt_assets.engine.report.tree import DEEPEST, Entry, Node, entries, tree
from autoprompt_assets.engine.search import Iteration, Scored, select
from tests.report_support import (
    COUNT,
    FINAL,
    FIRST,
    MERGED,
    SHORT,
    TWO,
    Page,
    dropped,
    first,
    outcome_of,
    parse,
    report_of,
    scored,
    step,
    story,
)


def grown(*iterations: Iteration) -> list[Node]:
    return tree(entries(first(), iterations, select(first(), iterations)))


def by_text(nodes: Sequence[Node]) -> dict[str, Node]:
    return {node.entry.scored.candidate.instruction: node for node in nodes}


def identity(text: str) -> str:
    return Candidate(text).id


def page_of(*iterations: Iteration) -> Page:
    return parse(render(report_of(first(), iterations, outcome_of(5, 4), [])))


def lineage_html(*iterations: Iteration) -> str:
    html = render(report_of(first(), iterations, outcome_of(5, 4), []))
    return html.split("<h2>Lineage</h2>")[1].split("<h2>Prompts tried</h2>")[0]


def test_a_candidate_hangs_below_its_first_parent() -> None:
    nodes = grown(step(1, scored("A", 61), scored("B", 62)), step(2, scored("C", 63, parents="A")))
    texts = [(node.entry.scored.candidate.instruction, node.depth) for node in nodes]
    assert texts == [(FIRST, 0), ("A", 1), ("C", 2), ("B", 1)]
    assert by_text(nodes)["C"].parent == identity("A")


def test_a_merge_names_its_other_parents() -> None:
    merged = scored("AB", 80, parents=("B", "A"))
    nodes = by_text(grown(step(1, scored("A", 61), scored("B", 62)), step(2, merged)))
    assert (nodes["AB"].parent, nodes["AB"].others) == (identity("B"), (identity("A"),))
    page = page_of(step(1, scored("A", 61), scored("B", 62)), step(2, merged))
    assert f"also from {identity('A')}" in page.said


def test_a_parent_that_is_not_known_hangs_it_at_the_root() -> None:
    node = by_text(grown(step(1, scored("A", 61, parents=("gone",)))))["A"]
    assert (node.depth, node.parent, node.known) == (1, first().candidate.id, False)
    page = page_of(step(1, scored("A", 61, parents=("gone",))))
    assert f"not in this search: {identity('gone')}" in page.said
    orphan = by_text(grown(step(1, scored("A", 61, parents=()))))["A"]
    assert (orphan.depth, orphan.others, orphan.known) == (1, (), True)


def test_parents_that_come_later_or_are_itself_make_no_cycle() -> None:
    early = scored("A", 61, parents=("B",))
    late = scored("B", 62, parents=("A", "B"))
    own = scored("C", 62, parents=("C",))
    nodes = grown(step(1, early, late, own))
    assert [(n.entry.scored.candidate.instruction, n.depth) for n in nodes[1:]] == [
        ("A", 1),
        ("B", 2),
        ("C", 1),
    ]


def test_each_candidate_stands_once_even_where_ids_repeat() -> None:
    again = scored("A", 61, parents=("A",))
    nodes = grown(step(1, scored("A", 61)), step(2, again), step(3, scored("B", 62, parents="A")))
    assert [(node.entry.iteration, node.depth) for node in nodes] == [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 2),
    ]
    assert "Nothing differs from" in page_of(step(1, scored("A", 61)), step(2, again)).said


def test_the_way_to_the_chosen_prompt_is_marked() -> None:
    nodes = grown(*story())
    path = [node.entry.scored.candidate for node in nodes if node.on_path]
    assert [one.instruction for one in path[:2]] == [FIRST, COUNT]
    assert path[-2:] == [TWO, FINAL]
    assert [node.entry.scored.candidate for node in nodes if node.entry.chosen] == [FINAL]
    page = page_of(*story())
    assert page.of_class("path") == len(path) == 6


def test_the_first_prompt_is_the_way_where_nothing_scored_higher() -> None:
    assert [node.on_path for node in grown(step(1, scored("A", 59)))] == [True, False]
    assert [node.on_path for node in grown(step(1, scored("A", 61)))] == [True, True]


def test_a_dropped_candidate_shows_its_difference_from_the_best_of_its_time() -> None:
    better = scored("A", 90, "accepted")
    tried = entries(
        first(),
        [step(1, better), step(2, dropped("B", 3, 12, 0.5))],
        select(first(), [step(1, better)]),
    )
    assert tried[2].gain == pytest.approx(-0.1)
    assert (
        "−10.0 points on 12 of 150 rows seen"
        in page_of(step(1, better), step(2, dropped("B", 3, 12, 0.5))).said
    )


def test_an_estimate_at_the_end_of_the_scale_is_a_bound() -> None:
    assert "−40.0 points or less on 8 of 150" in page_of(step(1, dropped("B", 0, 8, 0.0))).said
    assert "+60.0 points or more on 8 of 150" in page_of(step(1, dropped("B", 8, 8, 1.0))).said


def nested(html: str) -> list[tuple[str, int]]:
    """The ids of the tree in order, with how many lists each stands in."""
    found, depth = [], 0
    for part in re.finditer(r"<ol|</ol>|<summary>.*?<code>([0-9a-f]{12})", html, re.DOTALL):
        depth += {"<ol": 1, "</ol>": -1}.get(part[0], 0)
        if part[1]:
            found.append((part[1], depth - 1))
    assert depth == 0
    return found


@pytest.mark.parametrize("shape", ["chain", "star", "zigzag"])
def test_a_hundred_candidates_are_well_nested(shape: str) -> None:
    steps = [step(1, scored("P0", 60))]
    for i in range(1, 100):
        parent = {"chain": i - 1, "star": 0, "zigzag": i - 1 if i % 9 else 0}[shape]
        steps.append(step(i + 1, scored(f"P{i}", 60, parents=(f"P{parent}",))))
    nodes = grown(*steps)
    assert len(nodes) == 101
    assert max(node.depth for node in nodes) <= DEEPEST
    expected = [(node.entry.scored.candidate.id, node.depth) for node in nodes]
    assert nested(lineage_html(*steps)) == expected


def test_a_chain_longer_than_the_stack_needs_no_recursion() -> None:
    longest = sys.getrecursionlimit() + 200
    steps = [step(1, scored("P0", 60))]
    steps += [step(i + 1, scored(f"P{i}", 60, parents=(f"P{i - 1}",))) for i in range(1, longest)]
    assert len(grown(*steps)) == longest + 1


def test_the_smallest_tree_is_the_first_prompt_alone() -> None:
    html = lineage_html()
    assert nested(html) == [(first().candidate.id, 0)]
    assert [len(grown()), grown()[0].closes] == [1, 1]


def test_a_node_says_what_a_reader_needs() -> None:
    said = page_of(*story()).said
    assert "Why accepted: better on 34 and worse on 10 of 150 rows: p = 0.0002" in said
    assert "Note: written" in said
    assert f"Instruction, against {identity(FIRST)}" in said
    assert "moved from place 2 to 1: M 0,0" in said
    assert "temperature: not set to 0.0" in said


def test_texts_on_both_sides_of_a_diff_stay_texts() -> None:
    rest = "<b>then</b> answer with {{ 7*7 }} the letter and nothing else, please."
    one, two = (f"<script>alert({i})</script> {rest}" for i in (1, 2))
    html = lineage_html(step(1, scored(one, 60)), step(2, scored(two, 60, parents=(one,))))
    assert not re.search(r"<(script|b>then|img)", html)
    assert "{{ 7*7 }}" in html
    assert "<del>1</del><ins>2</ins>" in html
    assert "&lt;script&gt;alert(" in html


def test_right_to_left_texts_are_kept_apart() -> None:
    one, two = "ענה במילה אחת בלבד על השאלה", "ענה במילה אחת על השאלה \u202e"
    html = lineage_html(step(1, scored(one, 60)), step(2, scored(two, 60, parents=(one,))))
    assert '<pre class="diff" dir="auto">' in html
    assert "<del>בלבד </del>" in html
    whole = render(report_of(first(), [], outcome_of(5, 4), []))
    assert re.search(r"ins, del \{[^}]*unicode-bidi: isolate", whole)


def test_what_cannot_be_chosen_is_said() -> None:
    unfit: Scored = replace(scored("A", 61), selectable=False)
    assert "survived cannot be chosen" in page_of(step(1, unfit)).said


def test_entries_are_in_the_order_of_the_search() -> None:
    found: list[Entry] = entries(first(), story(), select(first(), story()))
    assert len(found) == 16
    assert [entry.iteration for entry in found] == sorted(entry.iteration for entry in found)
    assert [one.scored.candidate for one in found[9:11]] == [SHORT, TWO]
    assert found[7].scored.candidate.instruction == MERGED
