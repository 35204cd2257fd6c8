"""An answer's limit of tokens has two names, and binds budgets under either."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.budget import Extent, evaluation_bound
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.llm import Asked, Models, Role, RoleSpec
from autoprompt_assets.engine.optimizers import (
    AcceptAll,
    Proposal,
    Proposals,
    Step,
    Trial,
)
from autoprompt_assets.engine.search import make_optimizer, run_bound
from autoprompt_assets.engine.spec import ExperimentSpec
from tests.loopback import Behaviour, LoopbackServer
from tests.row_support import text_example
from tests.support import ANSWERS, Project, toy_project

OLDER: dict[str, Any] = {"max_tokens": 70}
NEWER: dict[str, Any] = {"extra": {"max_completion_tokens": 70}}
NULL: dict[str, Any] = {**NEWER, "max_tokens": None}
ROWS = [text_example(f"e{n}", f"i{n}", f"row {n}", "yes", "train") for n in range(20)]
MIPRO = ("optimizer.strategy=mipro",)
QUESTION = ({"role": "user", "content": "q"},)


def spec_of(limit: dict[str, Any], **optimizer: Any) -> ExperimentSpec:
    roles = {"target": "Sort it.", "review": "{response} {answer}", "optimizer": ""}
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "x.csv"},
            "roles": {name: {"prompt": prompt, **limit} for name, prompt in roles.items()},
            "grader": {"kind": "model"},
            "optimizer": {"strategy": "auto", **optimizer},
            "budget": {"tokens": 10**9},
        }
    )


def models_of(spec: ExperimentSpec) -> Models:
    def asked(name: Role) -> Asked:
        return Asked(name, getattr(spec.roles, name), "e", "m")

    return Models(asked("target"), asked("review"), asked("optimizer"))


@pytest.mark.parametrize("limit", [NEWER, NULL])
def test_every_bound_is_the_same_under_either_name(limit: dict[str, Any]) -> None:
    both = [spec_of(one, parameters={"max_tokens": [40, 90]}) for one in (OLDER, limit)]
    extent = Extent.of(ROWS)
    older, newer = (run_bound(spec, models_of(spec), ROWS, extent, extent) for spec in both)
    assert older == newer


def test_it_is_sent_under_one_name() -> None:
    request = models_of(spec_of(NEWER)).target.request(QUESTION)
    assert request.parameters == {"temperature": 0.0, "max_completion_tokens": 70}


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("limit", [OLDER, NEWER])
def test_a_candidate_s_limit_takes_the_place_of_the_role_s(
    name: str, limit: dict[str, Any]
) -> None:
    target = models_of(spec_of(limit)).target
    request = target.request(QUESTION, **{name: 500})
    assert request.parameters == {"temperature": 0.0, name: 500}
    bound = evaluation_bound(
        Models(target, None, None), Candidate("Sort.", (), {name: 500}), Extent.of(ROWS)
    )
    assert bound.completion_tokens == len(ROWS) * 500


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("limit", [OLDER, NEWER])
def test_tuned_under_either_name_the_role_s_own_limit_is_one_value_and_not_two(
    name: str, limit: dict[str, Any]
) -> None:
    spec = spec_of(limit, strategy="mipro", instructions=0, parameters={name: [70, 90]})
    optimizer = make_optimizer(spec, ROWS, AcceptAll(), [])
    optimizer.tell(Step((Trial(Proposal(Candidate(spec.roles.target.prompt)), 0.5, {}),), ""))
    seen = set()
    for _ in range(12):
        found = optimizer.ask([])
        assert isinstance(found, Proposals)
        for one in found.proposals:
            seen.add(one.candidate.parameters.get(name))
            optimizer.tell(Step((Trial(one, 0.5, {}),), "mipro"))
    assert seen == {None, 90}


def test_a_limit_in_extra_of_null_is_none() -> None:
    role = RoleSpec(prompt="p", extra={"max_completion_tokens": None})
    assert role.completion_limit == 1000
    assert Asked("target", role, "e", "m").request(QUESTION).parameters["max_tokens"] == 1000


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            ("roles.target={prompt: p, max_tokens: 5, extra: {max_completion_tokens: 6}}",),
            "max_tokens = 5 and extra.max_completion_tokens = 6 are one limit; keep one",
        ),
        (
            ("roles.target.extra={max_completion_tokens: many}",),
            'extra.max_completion_tokens = "many" is no whole number above 0; write one',
        ),
        (
            ("optimizer.parameters={max_tokens: [5], max_completion_tokens: [6]}", *MIPRO),
            "max_tokens and max_completion_tokens are one limit; tune one of them",
        ),
        (
            ("roles.target={prompt: p, max_tokens: null}", "budget={tokens: 5}"),
            "roles.target.max_tokens is null; a budget of tokens or usd needs a number",
        ),
    ],
)
def test_what_cannot_be_a_limit_is_one_line(
    tmp_path: Path, settings: tuple[str, ...], said: str
) -> None:
    project = toy_project(tmp_path)
    arguments = [part for one in settings for part in ("--set", one)]
    assert project.refused("check", "toy", *arguments).endswith(said)


def test_a_limit_under_its_newer_name_is_sent_and_holds_a_budget(tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        project = Project(tmp_path, dict(toy_project(tmp_path, server.base_url).environ))
        limit = "{max_completion_tokens: 200}"
        settings = (
            *("--set", "roles.target={prompt: Name the shape., extra: " + limit + "}"),
            *("--set", "budget={tokens: 500000}", "--set", "optimizer.iterations=1"),
        )
        outcome = project.run_json("toy", *settings)
        sent = [entry["body"] for entry in server.ledger if entry["role"] == "target"]
    assert all(body["max_completion_tokens"] == 200 for body in sent)
    assert not any("max_tokens" in body for body in sent)
    request = json.loads(Path(outcome["best_request"]).read_bytes())["request"]
    assert request["max_completion_tokens"] == 200
