"""Bounds on cost: what a call really holds never exceeds what was reckoned before it."""

from __future__ import annotations

import pytest

from autoprompt_assets.engine.asked import Asked, Models
from autoprompt_assets.engine.bounds import (
    TOKENS_PER_MESSAGE,
    Extent,
    evaluation_bound,
    run_bound,
)
from autoprompt_assets.engine.bounds import test_bound as comparison_bound
from autoprompt_assets.engine.budget import exceeds
from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.graders import Judge
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.optimizers import Proposal, Question, Trial, make_optimizer
from autoprompt_assets.engine.spec import BudgetSpec, ExperimentSpec, RoleSpec

ROWS = [Example(f"e{n}", f"i{n}", "ü" * n, "target " * (30 - n), "train") for n in range(1, 30)]
REVIEW = "{input} {input} {response} {response} {answer}"


def role(prompt: str = "", max_tokens: int | None = 50) -> Asked:
    return Asked("target", RoleSpec(prompt=prompt, max_tokens=max_tokens), "e", "m")


def size(messages: tuple[dict[str, str], ...]) -> int:
    return sum(len(one["content"].encode()) + TOKENS_PER_MESSAGE for one in messages)


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate("Solve."),
        Candidate("Solve {input}, I said: {input}"),
        Candidate("Sölve.", (Demo("a", 'b "c"'), Demo("{input}", "ü"))),
        Candidate("Q: {input}", (Demo("a", "b"),)),
    ],
)
@pytest.mark.parametrize("as_choice", [True, False])
def test_every_prompt_fits_the_evaluation_s_bound(candidate: Candidate, as_choice: bool) -> None:
    bound = evaluation_bound(Models(role(), None, None), candidate, Extent.of(ROWS))
    held = sum(size(candidate.messages(row.input, as_choice=as_choice)) for row in ROWS)
    assert held <= bound.prompt_tokens
    assert (bound.calls, bound.completion_tokens) == (len(ROWS), len(ROWS) * 50)


def test_every_review_fits_the_evaluation_s_bound() -> None:
    target = Models(role(), None, None)
    both = Models(role(), role(REVIEW, 7), None)
    extent, candidate = Extent.of(ROWS), Candidate("Solve.")
    bound = evaluation_bound(both, candidate, extent)
    alone = evaluation_bound(target, candidate, extent)
    held = sum(size(Judge(REVIEW).review(row, "x" * 100)) for row in ROWS)
    assert held <= bound.prompt_tokens - alone.prompt_tokens
    assert bound.completion_tokens - alone.completion_tokens == len(ROWS) * 7


def experiment(optimizer: dict[str, object]) -> ExperimentSpec:
    prompt = {"prompt": "{prompt_scores_str}", "max_tokens": 50}
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "a.csv"},
            "roles": {"target": {"prompt": "Solve." * 50, "max_tokens": 50}, "optimizer": prompt},
            "grader": {"kind": "exact"},
            "optimizer": optimizer,
        }
    )


def test_every_question_of_opro_fits_the_run_s_bound() -> None:
    spec = experiment({"strategy": "opro", "iterations": 4, "candidates": 2, "attempts": 3})
    assert spec.roles.optimizer is not None
    asked = Asked("optimizer", spec.roles.optimizer, "e", "m")
    none = Extent(0, 0, 0)
    bound = run_bound(spec, Models(role(), None, asked), [], none, none)
    optimizer = make_optimizer(spec, [])
    baseline = Candidate(spec.roles.target.prompt)
    optimizer.tell([Trial(Proposal(baseline), 0.5)])
    questions, held = 0, 0
    for step in range(4):
        answers: list[str] = []
        while isinstance(found := optimizer.ask(answers), Question):
            questions, held = questions + 1, held + size(found.messages)
            usable = len(answers) % 3 == 2
            text = f"{step} {len(answers)} ".ljust(96, "x")
            answers.append(f"[[{text}]]" if usable else "x" * 100)
        optimizer.tell([Trial(proposal, 0.5) for proposal in found.proposals])
    assert questions == 24 == bound.calls
    assert held <= bound.prompt_tokens


def test_demos_of_any_row_fit_the_comparison_s_bound() -> None:
    spec = experiment({"strategy": "demos", "demos": 4})
    extent = Extent.of(ROWS)
    models = Models(role(), None, None)
    bound = comparison_bound(spec, models, ROWS, extent)
    baseline = evaluation_bound(models, Candidate(spec.roles.target.prompt), extent)
    longest = sorted(ROWS, key=lambda row: len(row.target), reverse=True)[:4]
    demos = tuple(Demo(row.input, row.target) for row in longest)
    largest = evaluation_bound(models, Candidate(spec.roles.target.prompt, demos), extent)
    assert baseline.plus(largest).prompt_tokens <= bound.prompt_tokens


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({"calls": 10}, ""),
        ({"calls": 9}, "10 calls of 9"),
        ({"tokens": 30}, ""),
        ({"tokens": 29}, "30 tokens of 29"),
        ({"usd": 0.5}, ""),
        ({"usd": 0.25}, "$0.5000 of $0.25"),
        ({}, ""),
    ],
)
def test_budget_is_kept_to_the_last_call(budget: dict[str, float], said: str) -> None:
    assert exceeds(BudgetSpec.model_validate(budget), Spend(10, 20, 10, 0.5)) == said
