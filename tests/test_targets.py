"""Targets that no answer could match are named, and above a twentieth of the rows refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import check_targets
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.loading import load_dataset
from tests.row_support import text_example
from tests.support import csv_of

LETTERED = "Which?\nA. dog\nB. red\nC. seven\nD. ten"
EXACT, CONTAINS, NUMBER = {"kind": "exact"}, {"kind": "contains"}, {"kind": "number"}
CHOICE, JSON, FIELD = {"kind": "choice"}, {"kind": "json"}, {"kind": "json", "field": "label"}


def regex(pattern: str) -> dict[str, Any]:
    return {"kind": "regex", "pattern": pattern}


def spec_of(grader: dict[str, Any], *choices: str, prompt: str = "Answer.") -> ExperimentSpec:
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "cases.csv"},
            "roles": {"target": {"prompt": prompt, "choices": choices}},
            "grader": grader,
            "optimizer": {"strategy": "demos"},
        }
    )


def check(spec: ExperimentSpec, rows: Sequence[Example]) -> tuple[str, ...]:
    target = spec.roles.target
    prompt, choices, path = target.prompt, target.choices, spec.dataset.path
    return check_targets(spec.grading, rows, prompt, choices, path, unmeasured=spec.unmeasured)


def examples(*targets: str, question: str = "in") -> list[Example]:
    return [
        text_example(
            str(n), str(n), f"{question} {n}" if question == "in" else question, target, "test"
        )
        for n, target in enumerate(targets)
    ]


# The grader, the first prompt, a target that is named, in what words, a similar one that is fine.
MISTAKES: list[tuple[dict[str, Any], str, str, str, str]] = [
    (EXACT, "Say.", '["four", "4"]', "a list or an object written as JSON", "four, 4"),
    (CONTAINS, "Say.", "['a']", "a list or an object written as Python", "[a]"),
    (EXACT, "Say.", "{'a': 1}", "written as Python", "{a: 1}"),
    (EXACT, "Say in JSON.", "{'a': 1}", "written as Python", '{"a": 1}'),
    (regex("answer: (.*)"), "Say.", '["a", "b"]', "a list or an object", "a, b"),
    (EXACT, "Here is a list of facts.", '["a", "b"]', "written as JSON", "a, b"),
    (EXACT, "Say.", "('Paris', 'Lyon')", "written as Python", "(Paris, Lyon)"),
    (EXACT, "Say.", "{'text': array(['a'], dtype=object)}", "written as Python", "text: a"),
    (EXACT, "Say.", "datetime.date(2024, 5, 1)", "written as Python", "2024-05-01"),
    (EXACT, "Say.", "b'Paris'", "written as Python", "Paris"),
    (EXACT, "Say.", "<Label.SPAM: 1>", "written as Python", "<spam>"),
    (EXACT, "Say.", "nan", "stands for a value that is missing", "nano"),
    (EXACT, "Say.", "None", "stands for a value that is missing", "none"),
    (EXACT, "Say.", "<NA>", "stands for a value that is missing", "<na"),
    (NUMBER, "Say.", "seven", "holds no number", "7"),
    (NUMBER, "Say.", "m2", "holds no number", "3 m2"),
    (NUMBER, "Say.", "3 of 7 apples", "holds several numbers", "3 apples"),
    (NUMBER, "Say.", "3 or 4", "holds several numbers", "3-4"),
    (NUMBER, "Say.", '["four", "4"]', "is a list or an object", "[3, 4]"),
    (NUMBER, "Say.", "1e999", "is no finite number", "1e99"),
    (JSON, "Say.", "spam", "is no JSON", '"spam"'),
    (JSON, "Say.", "[" * 500 + "]" * 500, "is no JSON of at most 100 levels", "[[]]"),
    (JSON, "Say.", "{'a': 1}", "is written as Python", '{"a": 1}'),
    (JSON, "Say.", '{"a":"3","b":1', "is no JSON", '{"a":"3","b":1}'),
    (JSON, "Say.", '{"a": NaN}', "is no JSON", '{"a": null}'),
    (FIELD, "Say.", '{"label": "spam"}', "a whole object where grader.field = 'label'", "spam"),
    (FIELD, "Say.", '{"label": "a", "n": 1}', "keep only what stands there, 'a'", '{"n": 1}'),
    (FIELD, "Say.", "['a']", "is written as Python", '["a"]'),
    (FIELD, "Say.", "None", "stands for a value that is missing", "null"),
    (regex(r"#### (\d+)"), "Say.", "seven", "can never be what grader.pattern matches", "7"),
    (regex(r"\((?P<it>[A-D])\)"), "Say.", "(B)", "can never be", "B"),
    (regex(r"(?i)answer: (?:is )?(yes|no)"), "Say.", "maybe", "can never be", "Yes"),
    (regex(r"\d+"), "Say.", "7 and 8", "can never be", "78"),
]
FINE: list[tuple[dict[str, Any], str, str]] = [
    (EXACT, "Answer with a JSON list.", '["four", "4"]'),
    (EXACT, "Write the numbers in brackets.", "[1, 2]"),
    (EXACT, "Write a Python dict.", "{'a': 1}"),
    (EXACT, "One of: Sports, Politics, None.", "None"),
    (CONTAINS, "Say.", "東京"),
    (CONTAINS, "Say.", "C++"),
    (EXACT, "Say.", "(3, 4)"),
    (EXACT, "List all names as a list.", '["a", "b"]'),
    (NUMBER, "Say.", "2024-05-01"),
    (NUMBER, "Say.", "So 3 + 4 = 7.\n#### 7"),
    (FIELD, "Say.", "True"),
    (FIELD, "Say.", "[A]"),
    (regex(r"(?<=#### )\d+"), "Say.", "7"),
    (regex(r"(a)|b\1?"), "Say.", "a"),
    (regex(r"answer: ([^)(]*)\)?"), "Say.", "x  y"),
]


@pytest.mark.parametrize(("grader", "prompt", "target", "words", "similar"), MISTAKES)
def test_target_that_can_never_be_met_is_named(
    grader: dict[str, Any], prompt: str, target: str, words: str, similar: str
) -> None:
    spec = spec_of(grader, prompt=prompt)
    with pytest.raises(InputError) as caught:
        check(spec, examples(target))
    (line,) = caught.value.lines
    assert line.startswith("cases.csv: the target ")
    assert words in line
    assert "(input 'in 0'); " in line
    assert check(spec, examples(similar)) == ()


@pytest.mark.parametrize(("grader", "prompt", "target"), FINE)
def test_target_that_can_be_met_is_not_named(
    grader: dict[str, Any], prompt: str, target: str
) -> None:
    assert check(spec_of(grader, prompt=prompt), examples(target)) == ()


@pytest.mark.parametrize("target", ["0", "1", "2", "3", "E", "B or C", "blue"])
def test_target_that_names_no_option_is_named(target: str) -> None:
    with pytest.raises(InputError, match="names none of the options A, B, C, D"):
        check(spec_of(CHOICE), examples(target, question=LETTERED))


@pytest.mark.parametrize("target", ["B", "b)", "red", "(B) red", "Ten"])
def test_target_that_names_an_option_is_fine(target: str) -> None:
    assert check(spec_of(CHOICE), examples(target, question=LETTERED)) == ()
    numbered = "Which?\n0. dog\n1. red\n2. ten"
    assert check(spec_of(CHOICE), examples("0", "2", "ten", question=numbered)) == ()


def test_a_target_that_is_no_choice_is_named() -> None:
    spec = spec_of(EXACT, "yes", "no")
    assert check(spec, examples("yes", "no", " yes ")) == ()
    with pytest.raises(InputError, match=r"cases\.csv: the target 'Yes' is none of roles\.target"):
        check(spec, examples("yes", "Yes"))


def test_any_grader_is_asked_whether_a_choice_is_right() -> None:
    assert check(spec_of(NUMBER, "1.0", "2.0"), examples("1", "2")) == ()
    with pytest.raises(InputError, match="'3' is none of roles"):
        check(spec_of(NUMBER, "1.0", "2.0"), examples("3"))


def test_case_is_ignored_where_the_grader_ignores_it() -> None:
    spec = spec_of({"kind": "exact", "ignore_case": True}, "yes", "no")
    assert check(spec, examples("Yes")) == ()


def test_a_twentieth_of_the_rows_is_noted_and_more_is_refused() -> None:
    spec = spec_of(NUMBER).model_copy(update={"unmeasured": 0.5})
    (note,) = check(spec, examples(*["7"] * 19, "seven"))
    assert note.startswith("the target 'seven' holds no number for the grader 'number' (input ")
    with pytest.raises(InputError):
        check(spec, examples(*["7"] * 18, "seven"))


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_scored_split_that_would_stay_without_grades_is_refused(split: str) -> None:
    """One of twenty rows is a twentieth of them, and more than `unmeasured` lets stay so."""
    rows = [replace(row, split="train") for row in examples(*["7"] * 60)]
    scored = [
        text_example(
            f"{name} {n}", str(n), f"{name} {n}", "seven" if name == split and n == 0 else "7", name
        )
        for name in ("train", "validation", "test")
        for n in range(20)
    ]
    spec = spec_of(NUMBER)
    if split == "train":
        assert len(check(spec, [*rows, *scored])) == 1
        return
    with pytest.raises(InputError) as caught:
        check(spec, [*rows, *scored])
    first, second = caught.value.lines
    assert first == (
        f"cases.csv: 1 of 20 {split} rows can get no grade, more than the 2.0% that `unmeasured` "
        "allows; mend their targets, or raise it"
    )
    assert "'seven' holds no number" in second
    lenient = spec.model_copy(update={"unmeasured": 0.05})
    assert len(check(lenient, [*rows, *scored])) == 1


def test_a_target_that_is_graded_wrong_leaves_no_row_without_a_grade() -> None:
    """Whatever pattern the target does not fit: answers are compared with it all the same."""
    rows = examples(*["7"] * 19, "seven")
    assert len(check(spec_of(regex(r"(\d+)")), rows)) == 1


def test_equal_targets_share_a_line_that_counts_their_rows() -> None:
    with pytest.raises(InputError) as caught:
        check(spec_of(NUMBER), examples("seven", "seven", "seven", "7"))
    (line,) = caught.value.lines
    assert "(input 'in 0' and 2 more)" in line


def test_many_such_targets_are_counted() -> None:
    with pytest.raises(InputError) as caught:
        check(spec_of(NUMBER), examples(*(chr(97 + n) for n in range(15))))
    assert len(caught.value.lines) == 11
    assert "5 more" in caught.value.lines[-1]


def test_a_judge_may_be_given_any_target() -> None:
    spec = ExperimentSpec.model_validate(
        {
            "dataset": {"path": "cases.csv"},
            "roles": {"target": {"prompt": "Say."}, "review": {"prompt": "{response}?"}},
            "grader": {"kind": "model"},
            "optimizer": {"strategy": "demos"},
        }
    )
    assert check(spec, examples('["four", "4"]', "nan")) == ()


def test_loaded_dataset_notes_or_refuses_such_targets(tmp_path: Path) -> None:
    spec = spec_of(NUMBER).model_copy(update={"unmeasured": 0.5})
    rows = [(f"question {number}", str(number)) for number in range(40)]
    (tmp_path / "cases.csv").write_text(csv_of([*rows, ("last", "seven")]))
    notes = load_dataset(spec, tmp_path, None).notes
    assert any("'seven' holds no number" in note for note in notes)
    (tmp_path / "cases.csv").write_text(csv_of([(question, "seven") for question, _ in rows]))
    with pytest.raises(InputError, match=r"cases\.csv: the target 'seven' holds no number"):
        load_dataset(spec, tmp_path, None)
