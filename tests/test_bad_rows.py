"""What cannot be done with columns: one line with its mend, before anything is paid."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.spec import ExperimentSpec, load_spec
from autoprompt_assets.loading import load_dataset
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS
from tests.support import ROOT
from tests.ticket_support import BOTH, TICKETS, written

ROLES: dict[str, object] = {
    "target": {"prompt": "Route it."},
    "optimizer": {"prompt": "{prompt_scores_str}"},
}


def refusal(
    folder: Path,
    rows: Sequence[Mapping[str, object]],
    settings: Mapping[str, object],
    **experiment: object,
) -> tuple[str, ...]:
    """The lines that the experiment is refused with: its file, or its table."""
    dataset = {"path": written(folder, rows), **BOTH, **settings}
    said = {
        "dataset": dataset,
        "roles": ROLES,
        "grader": {"kind": "exact"},
        "optimizer": {"strategy": "opro"},
        **experiment,
    }
    path = folder / "experiment.yaml"
    path.write_text(json.dumps(said))
    with pytest.raises(InputError) as caught:
        load_dataset(load_spec(path, ENDPOINT_WORDS), folder, None)
    return caught.value.lines


def table(*rows: Mapping[str, object]) -> list[Mapping[str, object]]:
    return [*TICKETS[:3], *rows]


ODD = {**TICKETS[3]}
BAD: dict[str, tuple[Sequence[Mapping[str, object]], dict[str, object], str]] = {
    "no such column": (table(), {"inputs": ["subject", "bodi"]},
        "has no column 'bodi'; it has 'ticket, customer, lang, subject, body, meta, label', "
        "perhaps 'body' is meant; mend dataset.inputs"),
    "another case": (table(), {"inputs": ["Subject", "body"]},
        "has no column 'Subject'; it has 'subject'; name it in dataset.inputs"),
    "no target": (table(), {"target": "answers"},
        "mend dataset.target, or set it to null where the grader needs none"),
    "a path into text": (TICKETS[:1], {"inputs": ["subject", "body.tier"]},
        "line 1 has no 'body.tier', for column 'body' is no JSON ('Body 0, {subject}'); name a "
        "column of JSON objects, or the column alone"),
    "a path into a number": (TICKETS[:1], {"inputs": ["subject", "meta.age.unit"]},
        "line 1 has no 'meta.age.unit', for column 'meta' holds no object ('0') to look for 'unit' "
        "in; name a column of JSON objects, or the column alone"),
    "a path that leads nowhere": (table(), {"inputs": ["subject", "meta.tear"]},
        "column 'meta.tear' is empty in every row; take it out of dataset.inputs, or mend its"),
    "a path into no column": (table(), {"inputs": ["subject", "mata.tier"]},
        "has no column 'mata.tier'; it has"),
    "an input twice": (table(), {"inputs": ["subject", "subject"]},
        "dataset: inputs names 'subject' twice; name it once"),
    "no input": (table(), {"inputs": []}, "dataset.inputs: is an empty list; name at least"),
    "target among inputs": (table(), {"inputs": ["subject", "label"]},
        "dataset: inputs and target are the same column 'label'; name two"),
    "all inputs empty": (table({**ODD, "subject": "", "body": " ", "meta": {}}), {},
        "all of dataset.inputs are empty in 1 row (line 4); fill one of them in, or delete"),
    "an empty target": (table({**ODD, "label": None}), {},
        "column 'label' is empty in 1 row (line 4); fill them in or delete them"),
    "targets that are no list": (table({**ODD, "label": '["a"]'}), {"targets": "any"},
        "column 'label' holds no JSON list of targets in 3 rows (line 1, line 2, line 3), such as "
        "'billing'; write [\"a\", \"b\"], or take dataset.targets out"),
    "targets of an empty list": (
        [{**one, "label": ["a"]} for one in TICKETS[:3]] + [{**ODD, "label": []}],
        {"targets": "any"}, "holds no JSON list of targets in 1 row (line 4), such as '[]'"),
    "any of no target": (table(), {"targets": "any", "target": None},
        "dataset: targets = 'any' and target is null; name the column as target"),
    "a group that is not there": (table(), {"group": "custmer"},
        "has no column 'custmer'; it has 'ticket, customer, lang, subject, body, meta, label', "
        "perhaps 'customer' is meant; mend dataset.group"),
    "a group that is empty": (table({**ODD, "customer": ""}), {"group": "customer"},
        "column 'customer' is empty in 1 row (line 4); fill them in or delete them"),
    "a group and split_by": (table(), {"group": "customer", "split_by": "subject"},
        "dataset: split_by and group both decide a row's split; keep one of them"),
    "split_by that is not there": (table(), {"split_by": ["thread"]},
        "has no column 'thread'; it has"),
    "where leaves nothing": (table(), {"where": {"lang": "fr", "customer": ["c0", "c1"]}},
        "dataset.where leaves none of 3 rows (column 'lang' holds 'en', 'de'; column 'customer' "
        "holds 'c0', 'c1', 'c2'); mend its values"),
    "where without values": (table(), {"where": {"lang": []}},
        "dataset.where.lang: is an empty list; name at least one"),
    "where of a list in a list": (table(), {"where": {"lang": [["en"]]}},
        "is no text, number, true, false or null"),
    "where of no column": (table(), {"where": {"language": "en"}}, "mend dataset.where"),
    "an id twice": (table({**ODD, "ticket": "T1"}), {"id": "ticket"},
        "column 'ticket' (dataset.id) holds 'T1' in line 2 and in line 4; give each row its own"),
    "an id that is empty": (table({**ODD, "ticket": " "}), {"id": "ticket"},
        "column 'ticket' is empty in 1 row (line 4)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_use_is_one_line_with_its_mend(case: str, tmp_path: Path) -> None:
    rows, settings, said = BAD[case]
    lines = refusal(tmp_path, rows, settings)
    assert len(lines) == 1, lines
    assert said in lines[0]


JUDGE = {**ROLES, "review": {"prompt": "Is {response} a good answer to {subject}?"}}
REST: dict[str, tuple[dict[str, object], dict[str, object], str]] = {
    "a placeholder of no column": (
        {"inputs": ["subject", "body"]},
        {"roles": {**ROLES, "target": {"prompt": "{subject} {boddy}"}}},
        "roles.target.prompt holds {boddy}, which nothing fills: there is {body}, {subject}; to "
        "send the braces put spaces inside them: { boddy }"),
    "the single column's name, of several": ({},
        {"roles": {**ROLES, "target": {"prompt": "Route it: {input}"}}},
        "holds {input}, which nothing fills: there is {body}, {meta.tier}, {subject}; where the "
        "input is meant write {body} or {meta.tier} or {subject}"),
    "a path of no column": ({},
        {"roles": {**ROLES, "target": {"prompt": "{subject} {meta.tear}"}}},
        "roles.target.prompt holds {meta.tear}, which nothing fills"),
    "a review of no column": ({},
        {"roles": {**JUDGE, "review": {"prompt": "{response} {label}?"}}, "grader":
         {"kind": "model"}}, "roles.review.prompt holds {label}, which nothing fills"),
    "a column that is called as the target is in reviews": ({"inputs": ["subject", "answer"]},
        {"roles": {**JUDGE, "target": {"prompt": "{subject}"}}, "grader": {"kind": "model"}},
        "dataset.inputs names 'answer', which in roles.review.prompt is the target; rename the"),
    "a grader that needs a target": ({"target": None}, {},
        "dataset.target is null, and the grader 'exact' needs a target; name its column"),
    "a review that shows a target": ({"target": None},
        {"roles": {**JUDGE, "review": {"prompt": "{response} or {answer}?"}}, "grader":
         {"kind": "model"}},
        "roles.review.prompt holds {answer}, the target, and dataset.target is null; take it out"),
    "demos without targets": ({"target": None},
        {"roles": JUDGE, "grader": {"kind": "model"}, "optimizer": {"strategy": "demos"}},
        "optimizer.strategy = 'demos' shows rows with their targets as demos, and dataset.target "
        "is null; choose gepa or opro"),
    "a field of before": ({"input": "subject"}, {},
        "dataset.input: no such field; did you mean 'inputs'?"),
}  # fmt: skip


@pytest.mark.parametrize("case", REST)
def test_what_does_not_fit_together_is_one_line(case: str, tmp_path: Path) -> None:
    settings, experiment, said = REST[case]
    lines = refusal(tmp_path, table(), settings, **experiment)
    assert len(lines) == 1, lines
    assert said in lines[0]


def test_the_examples_of_the_page_are_experiments() -> None:
    page = (ROOT / "autoprompt_assets" / "docs" / "rows.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    assert len(blocks) > 3
    for block in blocks:
        said = yaml.safe_load(block)
        roles = {"target": {"prompt": "Do it."}, "optimizer": {}}
        whole = {"roles": roles, "grader": {"kind": "exact"}, **said}
        ExperimentSpec.model_validate({**whole, "optimizer": said.get("optimizer", {})})
