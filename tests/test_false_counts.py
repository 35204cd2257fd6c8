"""A server whose counts are beyond what its requests can hold breaks no budget in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.budget import Budget, BudgetSpec
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.spend import Spend
from tests.engine_support import Scripted, evaluate, evaluator, examples, make_completion
from tests.loopback import Behaviour, Json, LoopbackServer, role_of
from tests.support import ANSWERS, toy_project
from tests.test_worst_case import USAGES, searched

HOLDS = "so no budget of tokens or dollars holds there; mend that"


def claims(prompt: int, said: int) -> Json:
    return {"prompt_tokens": prompt, "completion_tokens": 10**6}


def hides(prompt: int, said: int) -> Json:
    """Reasoning that is billed and stands in the total alone."""
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + 2000}


ALONE = ("--set", "roles.review=null", "--set", "grader={kind: exact}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("counts", "limit", "settings", "calls"),
    [
        (claims, "tokens", (), 24),
        (hides, "usd", ALONE, 12),
        (claims, "usd", (), 24),
        (hides, "tokens", ALONE, 12),
    ],
)
def test_it_ends_the_search_at_its_first_batch_and_on_every_run(
    counts: Callable[[int, int], Json],
    limit: str,
    settings: Sequence[str],
    calls: int,
    tmp_path: Path,
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.counts_as = lambda usage: counts(usage["prompt_tokens"], usage["completion_tokens"])
        project = toy_project(tmp_path, server.base_url)
        for _ in range(2):
            result = project.run("run", "toy", *settings, "--set", f"budget.{limit}=2000000")
            assert result.returncode == 1
            line = result.stderr.splitlines()[-1]
            assert line.startswith(f"baseline_score: budget: {calls} calls took ")
            assert HOLDS in line
        asked = server.counts().total()
        outcome = project.run_json("toy", *settings, "--set", "budget.calls=200")
    # Two of the rows may have the same review.
    assert calls - 1 <= asked <= calls
    assert outcome["calls"]["replayed"] >= calls


@pytest.mark.parametrize("role", ["review", pytest.param("optimizer", marks=pytest.mark.slow)])
def test_it_may_be_any_role_s(role: str, tmp_path: Path) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.counts_as = lambda usage: usage
        asked = server.refuses

        def lies(body: Json) -> Json | None:
            lying = role_of(body, ANSWERS) == role
            server.counts_as = lambda usage: claims(0, 0) if lying else usage
            return asked(body)

        server.refuses = lies
        project = toy_project(tmp_path, server.base_url)
        setting = ("--set", "budget.tokens=2000000", "--set", "concurrency=1")
        result = project.run("run", "toy", *setting)
    assert result.returncode == 1
    assert HOLDS in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("last", [1, 20])
def test_a_server_that_begins_to_with_the_sealed_test_is_found_out_too(
    last: int, tmp_path: Path
) -> None:
    honest = searched("opro", "ascii", "plain", tmp_path / "honest", 1e6)
    count = 0

    def usage(prompt: int, said: int) -> object:
        nonlocal count
        count += 1
        truth = USAGES["openai"](prompt, said)
        return truth if count <= honest.server.calls - last else claims(prompt, said)

    with pytest.raises(InputError, match=HOLDS):
        searched("opro", "ascii", "plain", tmp_path / "lying", 1e6, usage=usage)


def test_it_is_said_and_not_that_the_budget_is_spent(tmp_path: Path) -> None:
    """A search whose budget is spent ends well, with its test; one without a budget does not."""
    answer: dict[str, Any] = {"prompt_tokens": 3, "completion_tokens": 10**6}
    rows = examples(1000)
    llm = Scripted({row.inputs.text: make_completion("yes", **answer) for row in rows})

    async def work() -> None:
        async with evaluator(tmp_path, llm, concurrency=1) as subject:
            budget = Budget(BudgetSpec(tokens=450_000), Spend(), Spend())
            await evaluate(subject, Candidate("Say."), rows, budget)

    with pytest.raises(InputError, match=HOLDS):
        asyncio.run(work())
    # What was queued before the first batch was taken in is asked.
    assert len(llm.requests) <= 64 * 4


@pytest.mark.parametrize(
    "usage",
    [
        lambda usage: {"prompt_tokens": -5, "completion_tokens": -1},
        pytest.param(lambda usage: None, marks=pytest.mark.slow),
        pytest.param(lambda usage: {}, marks=pytest.mark.slow),
        pytest.param(lambda usage: usage | {"completion_tokens": None}, marks=pytest.mark.slow),
    ],
    ids=["negative", "none", "empty", "partial"],
)
def test_counts_that_are_none_are_taken_as_bytes_and_that_is_said_once(
    usage: Callable[[Json], Json | None], tmp_path: Path
) -> None:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        server.counts_as = usage
        project = toy_project(tmp_path, server.base_url)
        result = project.run("run", "toy", "--set", "budget.tokens=2000000")
    assert result.returncode == 0, result.stderr
    said = [line for line in result.stderr.splitlines() if "how many tokens they took" in line]
    assert len(said) == 1
