"""Rows of several columns: read, told apart, split, filtered, and put into prompts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.chat import Chat
from autoprompt_assets.engine.dataset import DatasetSpec, build_dataset, open_table, read_table
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.example import Example, Row
from autoprompt_assets.engine.grading import BestTarget, ExactGrader
from autoprompt_assets.engine.inputs import Inputs, Layout
from tests.ticket_support import TICKETS, spec, written


@pytest.mark.parametrize("name", ["t.jsonl", "t.csv"])
def test_columns_and_paths_into_json_are_read_alike_from_any_table(
    name: str, tmp_path: Path
) -> None:
    path = written(tmp_path, TICKETS[:3], name)
    inputs = ["subject", "meta.tier", "meta.age", "meta"]
    rows = read_table(spec(path, inputs=inputs), tmp_path)
    assert [dict(row.inputs) for row in rows[:2]] == [
        {
            "subject": f"Subject {n}",
            "meta.tier": tier,
            "meta.age": f"{n}",
            "meta": f'{{"age":{n},"score":1.50,"tier":"{tier}"}}',
        }
        if name == "t.jsonl"
        else {
            "subject": f"Subject {n}",
            "meta.tier": tier,
            "meta.age": f"{n}",
            "meta": json.dumps(TICKETS[n]["meta"]),
        }
        for n, tier in enumerate(("gold", "free"))
    ]


def test_values_keep_what_they_were_for_a_program_that_reads_them(tmp_path: Path) -> None:
    path = written(tmp_path, [{"a": 1, "b": "1", "c": [1, {"d": None}], "e": True, "label": "x"}])
    (row,) = read_table(spec(path, inputs=["a", "b", "c", "e", "c.1"]), tmp_path)
    values = [row.inputs.value(name) for name in row.inputs]
    assert values == [1, "1", [1, {"d": None}], True, {"d": None}]
    assert list(row.inputs.values()) == ["1", "1", '[1,{"d":null}]', "true", '{"d":null}']


def test_a_prompt_names_its_columns_and_what_has_none_gets_a_line_for_each() -> None:
    layout = Layout(("subject", "meta.tier"))
    inputs = Inputs(layout.columns, ["Late {meta.tier}", "gold"])
    demo = Demo(Inputs(layout.columns, ["Old", "free"]), "no")
    chat = Candidate("{{subject}} ({meta.tier}) {input}", (demo,)).messages(
        inputs, as_choice=False, chat=Chat(layout)
    )
    assert [one["content"] for one in chat] == [
        "Old (free) {input}",
        "no",
        "Late {meta.tier} (gold) {input}",
    ]
    system = Candidate("Route it.").messages(inputs, as_choice=False, chat=Chat(layout))
    assert [one["content"] for one in system] == [
        "Route it.",
        "subject: Late {meta.tier}\nmeta.tier: gold",
    ]


def test_a_candidate_with_demos_of_several_columns_survives_json() -> None:
    layout = Layout(("a", "b"))
    one = Candidate("{a}{b}", (Demo(Inputs(layout.columns, ["x", "1.50"]), "y"),))
    again = Candidate.from_json(json.loads(json.dumps(one.as_json())))
    assert (again, again.id) == (one, one.id)


def test_rows_are_the_same_where_all_inputs_are(tmp_path: Path) -> None:
    one = TICKETS[0]
    rows = [*TICKETS[1:], one, {**one, "subject": " Subject 0 "}, {**one, "body": "other"}]
    built = build_dataset(read_table(spec(written(tmp_path, rows)), tmp_path), spec("t.jsonl"))
    assert built.dropped["duplicate"] == 1
    assert len(built.examples) == 201


def placed(rows: Sequence[Row], settings: DatasetSpec, **known: object) -> dict[str, str]:
    built = build_dataset(rows, settings, **known)  # type: ignore[arg-type]
    return {example.name: example.split for example in built.examples}


def test_another_column_before_the_others_moves_no_row(tmp_path: Path) -> None:
    path = written(tmp_path, TICKETS)
    first = spec(path, inputs=["subject"], id="ticket")
    built = build_dataset(read_table(first, tmp_path), first)
    more = spec(path, inputs=["body", "subject", "meta"], id="ticket")
    rows = read_table(more, tmp_path)
    assert placed(rows, more, known=built.membership) == placed(read_table(first, tmp_path), first)
    # By itself, another first column is another split.
    assert placed(rows, more) != placed(read_table(first, tmp_path), first)


def test_dropping_the_column_that_splits_is_refused_unless_it_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, TICKETS)
    first = spec(path, inputs=["subject", "body"], id="ticket")
    built = build_dataset(read_table(first, tmp_path), first)
    without = spec(path, inputs=["body"], id="ticket")
    with pytest.raises(InputError, match=r"set dataset.split_by to \[subject\], or to \[body\]"):
        build_dataset(read_table(without, tmp_path), without, built.membership)
    named = spec(path, inputs=["body"], id="ticket", split_by="subject")
    rows = read_table(named, tmp_path)
    assert placed(rows, named, known=built.membership) == placed(read_table(first, tmp_path), first)


@pytest.mark.parametrize("split", [{"train": 0.3}, {"train": 40, "validation": 40, "test": 40}])
def test_a_first_input_of_few_values_is_said_to_decide_the_splits(
    split: object, tmp_path: Path
) -> None:
    path = written(tmp_path, TICKETS)
    settings = spec(path, inputs=["lang", "subject"], split=split)
    said = "200 rows have 2 values of lang, which alone decide their splits; name columns that"
    with pytest.raises(InputError, match=said):
        build_dataset(read_table(settings, tmp_path), settings)
    mended = spec(path, inputs=["lang", "subject"], split_by=["lang", "subject"])
    built = build_dataset(read_table(mended, tmp_path), mended)
    assert not [note for note in built.notes if "decide" in note]


def test_a_group_stands_in_one_split(tmp_path: Path) -> None:
    path = written(tmp_path, TICKETS)
    settings = spec(path, group="customer", id="ticket")
    splits = placed(read_table(settings, tmp_path), settings)
    by_customer: dict[object, set[str]] = {}
    for ticket in TICKETS:
        by_customer.setdefault(ticket["customer"], set()).add(splits[str(ticket["ticket"])])
    assert {len(found) for found in by_customer.values()} == {1}
    assert set(splits.values()) == {"train", "validation", "test"}


def test_of_rows_alike_in_two_groups_one_split_keeps_its_own(tmp_path: Path) -> None:
    twins = [{**ticket, "customer": "z" + str(ticket["customer"]), "body": f"{ticket['body']}!"}
             for ticket in TICKETS]  # fmt: skip
    settings = spec(written(tmp_path, [*TICKETS, *twins]), group="customer", id=None)
    built = build_dataset(read_table(settings, tmp_path), settings)
    sides: dict[str, set[str]] = {}
    for example in built.examples:
        sides.setdefault(example.inputs["subject"], set()).add(example.split)
    assert {len(found) for found in sides.values()} == {1}
    assert built.dropped["alike in another split"] > 20
    again = build_dataset(read_table(settings, tmp_path), settings, built.membership)
    assert again.version == built.version


@pytest.mark.parametrize(
    ("where", "count"),
    [
        ({"lang": "en"}, 100),
        ({"lang": ["en", "de"], "meta.tier": "gold"}, 100),
        ({"meta.age": [3, 4.0, 500]}, 2),
        ({"lang": "de", "meta.tier": "free", "ticket": ["T1", "T3", "T4"]}, 2),
    ],
)
def test_where_filters_rows(where: object, count: int, tmp_path: Path) -> None:
    settings = spec(written(tmp_path, TICKETS), where=where)
    table = open_table(settings, tmp_path)
    assert len(table.rows) == count
    assert table.notes == (f"{200 - count} rows left out by dataset.where",)


def test_a_row_that_is_filtered_out_may_be_broken(tmp_path: Path) -> None:
    rows = [*TICKETS[:4], {**TICKETS[4], "label": "", "lang": "xx"}]
    settings = spec(written(tmp_path, rows), where={"lang": ["en", "de"]})
    assert len(read_table(settings, tmp_path)) == 4


def test_an_answer_is_worth_what_the_best_accepted_target_says(tmp_path: Path) -> None:
    rows = [{**TICKETS[0], "label": ["Paris", "paris, France", 1.5]}]
    settings = spec(written(tmp_path, rows), targets="any")
    (row,) = read_table(settings, tmp_path)
    assert (row.target, row.others) == ("Paris", ("paris, France", "1.5"))
    example = Example("1", "1", row.inputs, row.target, "test", row.others)
    grader = BestTarget(ExactGrader(kind="exact"))
    found = {text: grader.grade(example, text).value for text in ("Paris", "1.5", "Rome")}
    assert found == {"Paris": 1.0, "1.5": 1.0, "Rome": 0.0}
    assert example.target_text == '["Paris", "paris, France", "1.5"]'


def test_one_of_several_inputs_may_be_empty(tmp_path: Path) -> None:
    rows = [*TICKETS[:3], {**TICKETS[3], "subject": "", "meta": None}]
    found = read_table(spec(written(tmp_path, rows)), tmp_path)
    assert found[3].inputs["subject"] == found[3].inputs["meta.tier"] == ""
