"""`autoprompt` as its users run it: what it prints, how it exits, what it may spend."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.statistics import Headroom
from autoprompt_assets.resources.endpoints import DEFAULT_MODELS, DEFAULT_WRITERS
from tests.loopback import Behaviour, LoopbackServer
from tests.support import ANSWERS, TOY, Project, csv_of, ended, toy_project

AT_MOST = re.compile(r"the whole search, at most: (\d+) calls, (\d+) tokens, \$\d+\.\d\d")
BROKEN = TOY.replace("concurrency: 4", "concurency: 4")


@dataclass(frozen=True)
class Finished:
    """A project with a finished run of its toy, a broken experiment beside it."""

    project: Project
    server: LoopbackServer
    out: str
    outcome: dict[str, Any]
    requests: int


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path_factory.mktemp("finished"), server.base_url)
        project.add("broken", BROKEN, rows_csv=csv_of(ANSWERS))
        # This one as users start it; the other runs begin in a process that has the libraries.
        result = ended(project.start_afresh("run", "--json", "toy"), timeout=240)
        assert result.returncode == 0, result.stderr
        project.assert_key_is_nowhere(result.stdout + result.stderr)
        yield Finished(
            project, server, result.stdout, json.loads(result.stdout), len(server.ledger)
        )


# What is printed


def test_json_is_one_object_with_the_agreed_keys_alone_on_stdout(finished: Finished) -> None:
    shape = {
        "experiment": "",
        "best_prompt": "",
        "best_candidate": ["demos", "parameters", "texts"],
        "baseline": ["answer", "confusion", "metrics", "test", "validation"],
        "best": ["answer", "confusion", "iteration", "metrics", "test", "validation"],
        "comparison": [
            *("confidence", "difference", "interval", "level", "p_value", "reading", "reason"),
            *("verdict", "wear"),
        ],
        "validation_minus_test": "",
        "headroom": sorted(field.name for field in fields(Headroom)),
        "candidates": ["accepted", "dropped", "evaluated", "rejected"],
        "tried": [],
        "stopped": "",
        "calls": ["failed", "made", "replayed"],
        "tokens": ["completion", "prompt"],
        "usd": "",
        "usd_paid": "",
        "cached_tokens": "",
        "best_request": "",
        "report": "",
    }
    outcome = dict(finished.outcome)
    assert len(finished.out.splitlines()) == 1
    assert list(outcome) == list(shape)
    tried = outcome.pop("tried")
    assert tried
    for one in tried:
        keys = ["answer", "candidate", "decision", "iteration", "metrics", "rows", "score"]
        assert sorted(one) == keys
        keys = ["completion_tokens", "prompt_tokens", "seconds", "usd"]
        assert sorted(one["answer"]) == keys
    del shape["tried"]
    for key, inner in shape.items():
        assert sorted(outcome[key]) == inner if inner else not isinstance(outcome[key], dict | list)
    low, high = outcome["comparison"]["interval"]
    assert low <= outcome["comparison"]["difference"] <= high
    assert outcome["comparison"]["verdict"] in ("better", "worse", "not shown")
    assert outcome["calls"]["made"] == finished.requests
    assert outcome["calls"]["failed"] == 0
    assert Path(outcome["report"]).read_text(encoding="utf-8").startswith("<!")
    assert json.loads(Path(outcome["best_request"]).read_bytes())["request"]["messages"]


def test_check_needs_no_key_and_its_at_most_is_more_than_a_run_takes(finished: Finished) -> None:
    project = Project(finished.project.folder)
    result = project.run("check", "toy")

    assert (result.returncode, result.stderr) == (0, "")
    for line in ("train: 4 rows", "validation: 12 rows", "test: 14 rows"):
        assert f"  {line}\n" in result.stdout
    found = AT_MOST.search(result.stdout)
    assert found, result.stdout
    calls, tokens = int(found[1]), int(found[2])
    made = finished.outcome["calls"]
    # Baseline, its repeat, two candidates and the test of two, each row asked and judged; six
    # questions.
    assert calls == 2 * (4 * 12 + 2 * 14) + 6
    assert made["made"] + made["replayed"] <= calls
    assert sum(finished.outcome["tokens"].values()) <= tokens


def test_list_names_each_experiment_and_what_is_wrong_with_a_broken_one(
    finished: Finished,
) -> None:
    result = Project(finished.project.folder).run("list")

    assert (result.returncode, result.stderr) == (0, "")
    broken, toy = result.stdout.splitlines()
    assert broken.startswith("broken: BROKEN: ")
    assert "did you mean 'concurrency'?" in broken
    assert toy == "toy: gpt-4.1-mini at openai, opro, 2 iterations. A toy."


def test_a_run_for_people_ends_with_the_verdict_and_the_report(finished: Finished) -> None:
    result = finished.project.run("run", "toy")

    assert result.returncode == 0
    assert f"verdict: {finished.outcome['comparison']['verdict']}" in result.stdout
    assert finished.outcome["best_prompt"][:40] in result.stdout
    assert f"report: {finished.outcome['report']}" in result.stdout


# What is refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "nosuch"), "experiment 'nosuch' is not in "),
        (("check", "nosuch"), "experiment 'nosuch' is not in "),
        (("run", "toy", "--set", "optimizer.iterations=3"), "optimizer.iterations = 3: the parti"),
        (("run", "toy", "--set", "concurrency"), '--set "concurrency": is not key.path=value'),
        (("init", "toy", "--data", "new.csv"), "exists; choose another NAME"),
        (("init", "../up", "--data", "new.csv"), "NAME '../up': use lower-case letters"),
        (("init", "Upper", "--data", "new.csv"), "NAME 'Upper': use lower-case letters"),
        (("init", "new", "--data", "nosuch.csv"), "nosuch.csv"),
        (("init", "new", "--data", "new.csv", "--input", "question"), "question"),
        (
            ("init", "new", "--data", "new.csv", "--input", "input", "--target", "input"),
            "the same column",
        ),
    ],
)
def test_wrong_input_is_refused_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], said: str
) -> None:
    project = toy_project(tmp_path)
    (tmp_path / "new.csv").write_text(csv_of(ANSWERS), encoding="utf-8")

    assert said in project.refused(*arguments)
    assert not (project.experiments / "new").exists()
    assert not (project.home / "results").exists()


def test_a_home_that_cannot_be_written_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    home = tmp_path / "file" / "home"
    line = toy_project(tmp_path, AUTOPROMPT_HOME=str(home)).refused("list")
    assert line.startswith(f"AUTOPROMPT_HOME: {tmp_path / 'file'}")


# Settings for one run, and new experiments


def test_fewer_iterations_can_be_asked_for_and_the_rest_are_stopped(
    finished: Finished, tmp_path: Path
) -> None:
    project = finished.project.copy(tmp_path / "fewer")
    outcome = project.run_json("toy", "--set", "optimizer.iterations=1")

    # The path is the same as far as it goes, and so is free.
    assert outcome["calls"]["made"] <= 2 * 14
    first, second = iterations(project, outcome)
    assert first["status"] == "scored"
    assert (second["status"], second["reason"]) == (
        "stopped",
        "the experiment asks for 1 iteration",
    )


@pytest.mark.slow
def test_a_budget_ends_the_search_early_with_a_verdict_and_is_never_exceeded(
    tmp_path: Path, finished: Finished
) -> None:
    project = toy_project(tmp_path, finished.server.base_url)
    # Baseline and its repeat 48, its test and the best's 56, one question, one candidate 24: no
    # second one.
    budget = 2 * 2 * 12 + 2 * 2 * 14 + 1 + 2 * 12
    begin = len(finished.server.ledger)
    outcome = project.run_json("toy", "--set", f"budget.calls={budget}")

    first, second = iterations(project, outcome)
    assert first["status"] == "scored"
    assert second["status"] == "stopped"
    assert second["reason"].startswith("the budget does not cover the next step: ")
    assert second["reason"].endswith(f" calls of {budget}")
    assert outcome["stopped"] == second["reason"]
    assert outcome["comparison"]["verdict"] in ("better", "worse", "not shown")
    assert len(finished.server.ledger) - begin == outcome["calls"]["made"] <= budget
    assert outcome["calls"]["made"] + outcome["calls"]["replayed"] <= budget


def test_a_budget_too_small_for_baseline_and_test_is_one_line_and_no_call(
    tmp_path: Path, finished: Finished
) -> None:
    project = toy_project(tmp_path, finished.server.base_url)
    begin = len(finished.server.ledger)
    line = project.refused("run", "toy", "--set", "budget.calls=79")

    assert line == (
        "budget: baseline and test comparison alone may take 80 calls of 79; raise it, or "
        "lower max_tokens or the split"
    )
    assert len(finished.server.ledger) == begin


def test_init_writes_an_experiment_that_check_and_list_show(tmp_path: Path) -> None:
    project = toy_project(tmp_path)
    table = [(f"Is {i} even?", "yes" if i % 2 == 0 else "no") for i in range(40)]
    text = csv_of(table).replace("input,target", "question,even", 1)
    (tmp_path / "even.csv").write_text(text, encoding="utf-8")
    columns = ("--input", "question", "--target", "even", "--prompt", "Is it even? {so: it}")
    made = project.run("init", "even-numbers", "--data", "even.csv", *columns)

    assert (made.returncode, made.stderr) == (0, "")
    path = project.experiments / "even-numbers" / "experiment.yaml"
    assert f"wrote {path}\n" in made.stdout
    spec = path.read_text(encoding="utf-8")
    # YAML reads a bare yes or no as true or false.
    assert 'choices: ["no", "yes"]' in spec
    assert "Is it even? {so: it}" in spec
    assert spec.count("\n    # ") + spec.count("\n  # ") + spec.count("\n# ") > 10
    checked = project.run("check", "even-numbers")
    assert checked.returncode == 0, checked.stderr
    assert "even-numbers: 40 rows in " in checked.stdout
    assert AT_MOST.search(checked.stdout)
    target, writer = DEFAULT_MODELS["openai"], DEFAULT_WRITERS["openai"]
    listed = project.run("list").stdout.splitlines()
    assert f"even-numbers: {target} at openai, auto, 12 iterations." in listed
    assert max(len(line) for line in spec.splitlines() if "# " in line) <= 100
    assert f"optimizer: {writer} at openai" in checked.stdout


def iterations(project: Project, outcome: dict[str, Any]) -> list[dict[str, Any]]:
    """The iterations of the search that `outcome` is about."""
    folder = Path(outcome["report"]).parent / "iterations"
    assert folder.is_relative_to(project.home)
    return [json.loads(path.read_bytes()) for path in sorted(folder.glob("[!.]*.json"))]


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ('"$0" list > /dev/full', "standard output cannot be written"),
        ('"$0" list | true; exit ${PIPESTATUS[0]}', ""),
        ('"$0" list >&-', "standard output is closed; for a run without it write > /dev/null"),
        ('"$0" list >&- 2>&-', ""),
        pytest.param('"$0" list 0<&- 2>&- > /dev/full', "", marks=pytest.mark.slow),
        pytest.param('"$0" list > /dev/full 2>&1', "", marks=pytest.mark.slow),
    ],
    ids=["full", "closed pipe", "closed", "all closed", "the others closed", "both full"],
)
def test_a_standard_output_that_cannot_be_written_is_no_traceback(
    command: str, said: str, tmp_path: Path
) -> None:
    project = toy_project(tmp_path)
    for number in range(60):
        project.add(f"toy{number}", TOY.replace("A toy.", "A toy. " * 40))
    done = project.shell(command)
    assert done.returncode == 1
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == bool(said)


@pytest.mark.parametrize(
    "command",
    [
        *("check toy", "--help"),
        *(pytest.param(one, marks=pytest.mark.slow) for one in ("list", "journal", "run toy")),
    ],
)
def test_a_full_standard_output_is_named_however_little_was_printed(
    command: str, tmp_path: Path
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        done = project.shell(f'"$0" {command} > /dev/full')
    assert done.returncode == 1
    *_, line = done.stderr.splitlines()
    assert line == (
        "standard output cannot be written (No space left on device); what was done is kept"
    )
    assert "the home" not in done.stderr


@pytest.mark.slow
def test_a_full_error_output_ends_no_run(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        done = project.shell('"$0" run --json toy 2> /dev/full')
    assert done.returncode == 0
    assert json.loads(done.stdout)["experiment"] == "toy"


def test_check_names_wordings_that_will_not_be_tried(tmp_path: Path) -> None:
    optimizer = "optimizer={strategy: demos, iterations: 2, wordings: [Say the shape., '{input}!']}"
    said = toy_project(tmp_path).run("check", "toy", "--set", optimizer).stdout
    assert "note: optimizer.wordings.1 will not be tried: it holds {input}, and the first" in said
    assert "optimizer.wordings.0" not in said
