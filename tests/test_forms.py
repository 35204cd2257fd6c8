"""Requests take the form that a model wants: learned by one, kept for good, the same for all."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.dagster_support import ROWS, SPEC, failures, opened, project_with
from tests.loopback import Behaviour, LoopbackServer
from tests.refusing import no_schemas, reasoning, without_system
from tests.support import ANSWERS, KEY, Project, csv_of, toy_project, without_calls
from tests.test_isolation import STAGES, materialize, step

RENAMED = "max_tokens is sent as max_completion_tokens"
LEFT_OUT = re.compile(r"temperature \([\d.]+\) is left out")


@dataclass(frozen=True)
class Finished:
    """A whole run of the toy against a reasoning model, and what the server was asked by it."""

    project: Project
    server: LoopbackServer
    outcome: dict[str, Any]
    said: str
    ledger: list[dict[str, Any]]

    def again(self, folder: Path, *, home: bool = False) -> Project:
        """The toy in a new folder, with this run's journal alone or with all of its home."""
        project = Project(folder, dict(self.project.environ))
        project.add_toy()
        if home:
            shutil.copytree(self.project.home, project.home)
        else:
            project.home.mkdir()
            for path in self.project.home.glob("journal.db*"):
                shutil.copy(path, project.home)
        return project


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.refuses = reasoning
        project = toy_project(tmp_path_factory.mktemp("reasoning"), server.base_url)
        result = project.run("run", "toy", "--json", "--set", "budget={usd: 5}")
        assert result.returncode == 0, result.stderr
        yield Finished(
            project, server, json.loads(result.stdout), result.stderr, list(server.ledger)
        )


def test_a_reasoning_model_is_asked_as_it_wants(finished: Finished) -> None:
    """Each role's first request goes alone until it is answered; no other is refused."""
    for role in ("target", "review", "optimizer"):
        own = [entry for entry in finished.ledger if entry["role"] == role]
        assert [entry["refused"] for entry in own[:3]] == [True, True, False]
        assert not any(entry["refused"] for entry in own[3:])
        assert len({json.dumps(entry["body"]["messages"]) for entry in own[:3]}) == 1
    sent = [entry["body"] for entry in finished.ledger if not entry["refused"]]
    assert {body["max_completion_tokens"] for body in sent} == {200, 50, 400}
    assert not any({"max_tokens", "temperature"} & body.keys() for body in sent)
    assert [entry["refused"] for entry in finished.ledger[:4]] == [True, True, False, False]
    calls = finished.outcome["calls"]
    assert (calls["made"], calls["failed"]) == (len(sent), 0)


def test_what_is_changed_is_said_once_for_each_model(finished: Finished) -> None:
    lines = [line for line in finished.said.splitlines() if "as they were built" in line]
    assert len(lines) == 2
    for line, model in zip(lines, ("gpt-4.1-mini", "gpt-4.1"), strict=True):
        assert line.startswith(f"{model} at {finished.server.base_url} does not take requests")
        assert RENAMED in line
        assert LEFT_OUT.search(line)


def test_the_best_request_is_the_one_that_was_sent(finished: Finished) -> None:
    template = json.loads(Path(finished.outcome["best_request"]).read_bytes())
    request = template["request"]
    assert (request["max_completion_tokens"], "temperature" in request) == (200, False)
    row = next(iter(ANSWERS))
    request["messages"][-1]["content"] = request["messages"][-1]["content"].replace("{input}", row)
    assert request.keys() == finished.ledger[2]["body"].keys()
    text = (Path(finished.outcome["best_request"]).parent / "best_prompt.txt").read_text()
    assert "max_completion_tokens 200" in text
    assert "max_tokens 200" not in text.replace("max_completion_tokens", "")


@pytest.mark.slow
def test_what_was_learned_is_listed_and_forgotten_on_demand(
    finished: Finished, tmp_path: Path
) -> None:
    project = finished.again(tmp_path / "forgetful")
    for model in ("gpt-4.1-mini", "gpt-4.1"):
        listed = project.run("journal", "forms").stdout.splitlines()
        (line,) = [line for line in listed if line.startswith(f"{model} at ")]
        assert line.endswith(f": {RENAMED}, temperature is left out")
        assert project.run("journal", "forms", "--forget", model).returncode == 0
    assert project.run("journal", "forms").stdout.startswith("nothing is known yet of the form")
    line = project.refused("journal", "forms", "--forget", "gpt-4.1")
    assert line == "--forget = 'gpt-4.1': nothing is known of it; nor is it of any"
    begin = len(finished.server.ledger)
    outcome = project.run_json("toy", "--set", "budget={usd: 5}")
    refused = [entry["refused"] for entry in finished.server.ledger[begin:]]
    assert refused == [True] * 6
    assert outcome["calls"]["made"] == 0


@pytest.mark.slow
def test_a_form_as_built_is_forgotten_too_where_the_model_has_changed(tmp_path: Path) -> None:
    """It was settled by one answer, and rows that are new are refused in it from then on."""
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = toy_project(tmp_path, server.base_url)
        project.run_json("toy", *_one_iteration())
        assert ": as they are built" in project.run("journal", "forms").stdout
        server.refuses = reasoning
        new = ("--set", "roles.target.prompt=Which shape is it?", *_one_iteration())
        assert "`autoprompt journal forms`" in project.run("run", "toy", *new).stderr
        for model in ("gpt-4.1-mini", "gpt-4.1"):
            assert project.run("journal", "forms", "--forget", model).returncode == 0
        assert project.run("run", "toy", *new).returncode == 0


@pytest.mark.parametrize("home", [pytest.param(True, marks=pytest.mark.slow), False])
def test_with_the_endpoint_down_all_is_replayed_without_a_call(
    finished: Finished, tmp_path: Path, home: bool
) -> None:
    project = finished.again(tmp_path / "down", home=home)
    begin = len(finished.server.ledger)
    finished.server.__exit__()
    try:
        outcome = project.run_json("toy", "--set", "budget={usd: 5}")
    finally:
        finished.server.__enter__()
    assert outcome["calls"]["made"] == outcome["calls"]["failed"] == 0
    assert without_calls(outcome) == without_calls(finished.outcome)
    assert project.records("toy") == finished.project.records("toy")
    assert len(finished.server.ledger) == begin


@pytest.mark.slow
def test_a_run_that_is_killed_and_resumed_is_refused_nothing_twice(
    finished: Finished, tmp_path: Path
) -> None:
    project = Project(tmp_path / "killed", dict(finished.project.environ))
    project.add_toy()
    begin = len(finished.server.ledger)
    for number in (2, 25):
        process = project.start("run", "toy", "--set", "budget={usd: 5}")
        while len(finished.server.ledger) < begin + number and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.communicate(timeout=30)
    outcome = project.run_json("toy", "--set", "budget={usd: 5}")
    assert without_calls(outcome) == without_calls(finished.outcome)
    assert project.records("toy") == finished.project.records("toy")
    # A kill may come between a first request's refusals and its answer, and loses them then.
    refused = sum(entry["refused"] for entry in finished.server.ledger[begin:])
    assert 6 <= refused <= 6 + 2 * 2


@pytest.mark.slow
def test_each_step_of_dagster_s_builds_the_same_requests(
    finished: Finished, tmp_path: Path
) -> None:
    project = Project(tmp_path / "steps", dict(finished.project.environ))
    project.add_toy()
    project.home.mkdir()
    begin = len(finished.server.ledger)
    settings = {"budget": "{usd: 5}"}
    for asset in STAGES:
        (done,) = materialize(project, step(asset, "toy", settings))
        assert not done["failed"]
    own = finished.server.ledger[begin:]
    assert sum(entry["refused"] for entry in own) == 6
    assert len(own) == len(finished.ledger)
    for path, content in finished.project.records("toy").items():
        assert project.records("toy")[path] == content, path


@pytest.mark.slow
def test_what_init_writes_runs_on_reasoning_models_within_its_budget(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.refuses = reasoning
        project = Project(tmp_path, {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY})
        (tmp_path / "cases.csv").write_text(csv_of(ANSWERS), encoding="utf-8")
        made = project.run("init", "cases", "--data", "cases.csv")
        assert made.returncode == 0, made.stderr
        models = ("--set", "roles.target.model=gpt-5-mini", "--set", "roles.optimizer.model=gpt-5")
        outcome = project.run_json("cases", *models, *_one_iteration())
        sent = [entry["body"] for entry in server.ledger if not entry["refused"]]
    assert {body["max_completion_tokens"] for body in sent} == {4000, 8000}
    assert 0 < outcome["usd"] < 5


def test_what_is_changed_stands_in_dagster_s_log(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ROWS)) as server:
        server.refuses = reasoning
        with opened(project_with(tmp_path, server.base_url, shapes=SPEC)) as graph:
            result = graph.materialize(("dataset", "baseline_score"), "shapes")
            assert result.success, failures(result)
            logged = [entry.user_message for entry in graph.instance.all_logs(result.run_id)]
    assert sum(RENAMED in line for line in logged) == 1


@pytest.mark.slow
def test_a_value_that_is_accepted_is_kept_beside_one_that_is_not(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.refuses = reasoning
        project = toy_project(tmp_path, server.base_url)
        project.run_json("toy", *_one_iteration(), "--set", "roles.review.temperature=1")
        sent = [entry for entry in server.ledger if not entry["refused"]]
    kept = {(entry["role"], entry["body"].get("temperature")) for entry in sent}
    assert kept == {("target", None), ("review", 1), ("optimizer", None)}


def test_a_model_without_a_system_turn_is_asked_without_one(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.refuses = without_system
        project = toy_project(tmp_path, server.base_url)
        result = project.run("run", "toy", "--json", *_one_iteration())
        assert result.returncode == 0, result.stderr
        refused = [entry for entry in server.ledger if entry["refused"]]
    assert "the system turn is sent in the first user turn" in result.stderr
    # Reviews and questions to the optimizer model have a user turn alone.
    assert [entry["role"] for entry in refused] == ["target"]
    first = server.ledger[1]["body"]["messages"]
    assert first == [{"role": "user", "content": first[0]["content"]}]
    assert re.fullmatch(r"Name the shape\.\n\nWhich shape is path \d+\?", first[0]["content"])
    request = json.loads(Path(json.loads(result.stdout)["best_request"]).read_bytes())["request"]
    assert request["messages"][0]["content"].endswith("\n\n{input}")


@pytest.mark.parametrize("name", ["temperature", pytest.param("top_p", marks=pytest.mark.slow)])
def test_a_field_that_is_tuned_is_never_left_out(tmp_path: Path, name: str) -> None:
    def refuses(body: dict[str, Any]) -> dict[str, Any] | None:
        if name in body:
            return {"message": f"Unsupported parameter: '{name}'", "code": "unsupported_parameter"}
        return None

    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.refuses = refuses
        project = toy_project(tmp_path, server.base_url)
        optimizer = (
            f"{{strategy: mipro, iterations: 2, candidates: 4, parameters: {{{name}: [0.5, 0.7]}}}}"
        )
        lines = []
        for _ in range(2):
            result = project.run("run", "toy", "--set", f"optimizer={optimizer}")
            assert result.returncode == 1
            lines.append(result.stderr.splitlines()[-1])
        refused = sum(entry["refused"] for entry in server.ledger)
    for line in lines:
        assert f"optimizer.parameters.{name} cannot be tuned: gpt-4.1-mini at http://" in line
        assert f"(openai: HTTP 400: Unsupported parameter: '{name}')" in line
        assert "take it out of optimizer.parameters, or name a model that takes it" in line
    assert refused == 2


def test_a_limit_is_no_matter_of_form_where_its_value_is_too_large(tmp_path: Path) -> None:
    said = "max_tokens is too large: 200. This model supports at most 100 completion tokens."
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.refuses = lambda body: {"message": said, "param": "max_tokens", "code": None}
        project = toy_project(tmp_path, server.base_url)
        line = project.run("run", "toy").stderr.splitlines()[-1]
        assert len(server.ledger) == 5
    assert line == (
        "baseline_score: baseline: the target model refused the first 5 of 12 rows for one reason: "
        f"openai: HTTP 400: {said}; mend roles.target (its model, extra fields, limits or prompt) "
        "and run again. What was answered is kept"
    )


@pytest.mark.parametrize("concurrency", [pytest.param(1, marks=pytest.mark.slow), 64])
def test_what_is_refused_for_every_row_is_asked_five_times_on_each_run(
    tmp_path: Path, concurrency: int
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS, delay=0.005)) as server:
        server.refuses = no_schemas
        project = toy_project(tmp_path, server.base_url)
        settings = ("--set", "roles.target.choices=[a, b]", "--set", f"concurrency={concurrency}")
        for runs in (1, 2):
            result = project.run("run", "toy", *settings)
            assert result.returncode == 1
            assert len(server.ledger) == 5 * runs
            assert "the target model refused the first 5 of 12 rows" in result.stderr
            assert "'response_format' of type 'json_schema' is not supported" in result.stderr


def test_a_review_model_that_refuses_its_first_five_ends_the_search(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.refuses = no_schemas  # a review is asked for by a schema, an answer is not
        project = toy_project(tmp_path, server.base_url)
        result = project.run("run", "toy")
        assert result.returncode == 1
        assert server.counts()["review"] == 5
    line = result.stderr.splitlines()[-1]
    assert "the review model refused the first 5 of 12 rows for one reason" in line
    assert "name it under endpoints, without structured_output: true; else mend roles" in line
    assert KEY not in result.stderr


@pytest.mark.parametrize(
    "refused",
    [
        {"message": "Your input was flagged by moderation", "status": 403},
        pytest.param(
            {"message": "too long", "code": "context_length_exceeded"}, marks=pytest.mark.slow
        ),
    ],
)
def test_a_question_to_the_optimizer_that_is_stopped_ends_no_search(
    tmp_path: Path, refused: dict[str, Any]
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.refuses = lambda body: refused if body["model"] == "gpt-4.1" else None
        outcome = toy_project(tmp_path, server.base_url).run_json("toy")
    assert outcome["candidates"]["evaluated"] == 0
    assert outcome["comparison"]["verdict"] == "not shown"


def _one_iteration() -> tuple[str, ...]:
    return ("--set", "optimizer.iterations=1")
