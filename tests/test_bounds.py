"""Bounds on cost: what a call really holds never exceeds what was reckoned before it."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest

from autoprompt_assets.engine.budget import (
    TOKENS_PER_MESSAGE,
    UNSAID_MAX_TOKENS,
    BudgetSpec,
    Extent,
    evaluation_bound,
    exceeds,
)
from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading.judge import Judge
from autoprompt_assets.engine.llm import Asked, Models, RoleSpec
from autoprompt_assets.engine.optimizers import (
    STRATEGIES,
    Answer,
    Feedback,
    Probe,
    Proposal,
    Proposals,
    Question,
    Reply,
    Step,
    Trial,
)
from autoprompt_assets.engine.search import comparison_bound, make_optimizer, run_bound
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import HeadroomSpec
from tests.row_support import text_demo, text_example

ROWS = [
    text_example(f"e{n}", f"i{n}", "ü" * n, "target " * (30 - n), "train") for n in range(1, 30)
]
REVIEW = "{input} {{input}} {response} {{response}} {answer} {{ answer }}"


def role(prompt: str = "", max_tokens: int | None = 50) -> Asked:
    return Asked("target", RoleSpec(prompt=prompt, max_tokens=max_tokens), "e", "m")


def size(messages: tuple[dict[str, str], ...]) -> int:
    return sum(len(one["content"].encode()) + TOKENS_PER_MESSAGE for one in messages)


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate("Solve."),
        Candidate("Solve {input}, I said: {input}"),
        Candidate("Sölve.", (text_demo("a", 'b "c"'), text_demo("{input}", "ü"))),
        Candidate("Q: {input}", (text_demo("a", "b"),)),
        Candidate("Q: {{input}} {input} {{ input }}", (text_demo("{input}", "b"),)),
    ],
)
@pytest.mark.parametrize("as_choice", [True, False])
def test_every_prompt_fits_the_evaluation_s_bound(candidate: Candidate, as_choice: bool) -> None:
    models = Models(role(), None, None)
    bound = evaluation_bound(models, candidate, Extent.of(ROWS))
    asked = (candidate.messages(one.inputs, as_choice=as_choice) for one in ROWS)
    held = sum(map(size, asked))
    assert held <= bound.prompt_tokens
    assert (bound.calls, bound.completion_tokens) == (len(ROWS), len(ROWS) * 50)


def test_every_review_fits_the_evaluation_s_bound() -> None:
    target = Models(role(), None, None)
    both = Models(role(), role(REVIEW, 7), None)
    extent, candidate = Extent.of(ROWS), Candidate("Solve.")
    bound = evaluation_bound(both, candidate, extent)
    alone = evaluation_bound(target, candidate, extent)
    held = sum(size(Judge(REVIEW).messages(row, "x" * 100)) for row in ROWS)
    assert held <= bound.prompt_tokens - alone.prompt_tokens
    assert bound.completion_tokens - alone.completion_tokens == len(ROWS) * 7


def test_a_candidate_s_own_max_tokens_counts_for_its_answers_and_their_reviews() -> None:
    both = Models(role(), role(REVIEW, 7), None)
    extent, candidate = Extent.of(ROWS), Candidate("Solve.", (), {"max_tokens": 500})
    bound = evaluation_bound(both, candidate, extent)
    assert bound.completion_tokens == len(ROWS) * (500 + 7)
    held = sum(size(candidate.messages(row.inputs, as_choice=True)) for row in ROWS)
    held += sum(size(Judge(REVIEW).messages(row, "x" * 1000)) for row in ROWS)
    assert held <= bound.prompt_tokens
    unsaid = evaluation_bound(both, Candidate("Solve.", (), {"max_tokens": None}), extent)
    assert unsaid.completion_tokens == len(ROWS) * (UNSAID_MAX_TOKENS + 7)


def experiment(
    optimizer: dict[str, object], writes: bool = True, **target: object
) -> ExperimentSpec:
    prompt = {"prompt": "{prompt_scores_str} {examples}", "max_tokens": 50}
    settings = {"prompt": "Solve." * 50, "max_tokens": 50, **target}
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "a.csv"},
            "roles": {"target": settings, **({"optimizer": prompt} if writes else {})},
            "grader": {"kind": "exact"},
            "optimizer": optimizer,
            "headroom": {"rows": 4},
        }
    )


def models_of(spec: ExperimentSpec) -> Models:
    roles = spec.roles
    optimizer = Asked("optimizer", roles.optimizer, "e", "m") if roles.optimizer else None
    return Models(Asked("target", roles.target, "e", "m"), None, optimizer, spec.chat)


class Anything:
    def problem(self, candidate: Candidate, known: Collection[str]) -> str:
        return ""


class Spent:
    """What a search holds, told as it happens: prompts by `size`, answers at their longest."""

    def __init__(self, spec: ExperimentSpec) -> None:
        self.spec, self.optimizer = spec, make_optimizer(spec, ROWS, Anything())
        self.questions = self.calls = self.prompts = self.completions = 0

    def evaluate(self, candidate: Candidate, rows: Sequence[Example]) -> None:
        self.calls += len(rows)
        self.prompts += sum(
            size(candidate.messages(row.inputs, as_choice=True, chat=self.spec.chat))
            for row in rows
        )
        tokens = candidate.parameters.get("max_tokens", self.spec.roles.target.max_tokens)
        self.completions += len(rows) * tokens

    def reply(self, found: Question | Probe, name: str) -> Reply:
        if isinstance(found, Probe):
            rows = [row for row in ROWS if row.id in found.rows]
            self.evaluate(found.candidate, rows)
            return tuple(Feedback(row, "y" * 100, "wrong", 0.0, "no") for row in rows)
        self.questions, self.completions = self.questions + 1, self.completions + 50
        self.prompts += size(found.messages)
        text = f"[[{name.ljust(96, 'x')}]]" if self.questions % 3 == 0 else "x" * 100
        return Answer(text)

    def search(self) -> Spent:
        baseline = Candidate(self.spec.roles.target.prompt)
        last = self.tried([Proposal(baseline)], "", [*ROWS, *ROWS[:4]])
        for number in range(self.spec.optimizer.iterations):
            replies: list[Reply] = []
            while not isinstance(found := self.optimizer.ask(replies), Proposals):
                replies.append(self.reply(found, f"{number} {len(replies)} "))
            last = self.tried(found.proposals, found.strategy, ROWS) or last
        for candidate in (baseline, last):
            assert candidate is not None
            self.evaluate(candidate, ROWS)
        return self

    def tried(
        self, proposals: Sequence[Proposal], strategy: str, rows: Sequence[Example]
    ) -> Candidate | None:
        for proposal in proposals:
            self.evaluate(proposal.candidate, rows)
        trials = [Trial(one, 0.5, {}, accepted=True) for one in proposals]
        self.optimizer.tell(Step(tuple(trials), strategy, 10))
        return proposals[-1].candidate if proposals else None


MOST: dict[str, dict[str, object]] = {
    "opro": {"attempts": 3, "exemplars": 5, "history": 4},
    "gepa": {"attempts": 3, "minibatch": 4},
    "demos": {"demos": 4, "wordings": ["Solve!" * 60]},
    "mipro": {"attempts": 3, "demos": 4, "parameters": {"max_tokens": [10, 200]}},
    "auto": {"attempts": 3, "demos": 4, "minibatch": 4, "parameters": {"max_tokens": [10, 200]}},
}


def test_every_strategy_s_bound_is_held_against_what_it_asks() -> None:
    assert {*MOST, "rescore"} == {*STRATEGIES.words}


@pytest.mark.parametrize("prompt", ["Solve." * 50, "Solve {input} or {{input}}."])
@pytest.mark.parametrize("strategy", MOST)
def test_all_that_a_search_asks_fits_the_run_s_bound(strategy: str, prompt: str) -> None:
    optimizer = {"strategy": strategy, "iterations": 6, "candidates": 2, **MOST[strategy]}
    spec = experiment(optimizer, strategy != "demos", prompt=prompt)
    extent = Extent.of(ROWS)
    bound = run_bound(spec, models_of(spec), ROWS, extent, extent)
    spent = Spent(spec).search()
    assert spent.questions + spent.calls <= bound.calls
    assert spent.prompts <= bound.prompt_tokens
    assert spent.completions <= bound.completion_tokens


@pytest.mark.parametrize(
    ("optimizer", "calls"),
    [
        ({"strategy": "opro", "attempts": 3}, 8 * 3),
        ({"strategy": "gepa", "attempts": 3, "minibatch": 5}, 8 * (3 + 3 * 5)),
        ({"strategy": "gepa", "attempts": 3, "minibatch": 50}, 8 * (3 + 3 * len(ROWS))),
        ({"strategy": "mipro", "attempts": 2, "instructions": 3}, 3 * 2),
        ({"strategy": "mipro", "attempts": 2, "instructions": 30}, 4 * 2),
        ({"strategy": "auto", "attempts": 3, "minibatch": 5}, 8 * (3 + 3 * 5)),
        ({"strategy": "demos"}, 0),
    ],
)
def test_calls_beside_evaluations_are_counted_for_each_strategy(
    optimizer: dict[str, object], calls: int
) -> None:
    spec = experiment({"iterations": 4, "candidates": 2, **optimizer})
    none = Extent(0, 0, 0)
    assert run_bound(spec, models_of(spec), ROWS, none, none).calls == calls


@pytest.mark.parametrize(("rows", "repeated"), [(0, 0), (4, 4), (29, 29), (1000, 29)])
def test_headroom_repeats_no_more_rows_than_validation_has(rows: int, repeated: int) -> None:
    spec = experiment({"strategy": "demos", "iterations": 1}).model_copy(
        update={"headroom": HeadroomSpec(rows=rows)}
    )
    bound = run_bound(spec, models_of(spec), ROWS, Extent.of(ROWS), Extent(0, 0, 0))
    assert bound.calls == 2 * len(ROWS) + repeated


def test_demos_of_any_row_fit_the_comparison_s_bound() -> None:
    spec = experiment({"strategy": "demos", "demos": 4})
    extent = Extent.of(ROWS)
    models = Models(role(), None, None)
    bound = comparison_bound(spec, models, ROWS, extent)
    baseline = evaluation_bound(models, Candidate(spec.roles.target.prompt), extent)
    longest = sorted(ROWS, key=lambda row: len(row.target), reverse=True)[:4]
    demos = tuple(Demo(row.inputs, row.target) for row in longest)
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
