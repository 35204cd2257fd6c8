"""The portfolio: steps go to what gains, and what the roles do not allow is not in it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.optimizers import (
    AcceptAll,
    Answer,
    Probe,
    Proposal,
    Proposals,
    Question,
    Reply,
    Step,
    Trial,
)
from autoprompt_assets.engine.optimizers.auto import Auto
from autoprompt_assets.engine.optimizers.protocol import Ask
from autoprompt_assets.engine.search import make_optimizer
from autoprompt_assets.engine.spec import ExperimentSpec
from tests.row_support import text_example

TRAIN = [text_example(f"e{n}", f"i{n}", f"text {n}", "ab"[n % 2], "train") for n in range(12)]
BASELINE = Step((Trial(Proposal(Candidate("First.")), 0.5, accepted=True),), "", 100)


class Part:
    """Proposes one new candidate a step, after `questions` questions."""

    def __init__(self, name: str, questions: int = 0, left: int = 1000) -> None:
        self.name, self.questions, self.left = name, questions, left
        self.told: list[Step] = []

    def ask(self, replies: Sequence[Reply]) -> Ask:
        if len(replies) < self.questions:
            return Question(({"role": "user", "content": self.name},))
        if sum(step.strategy == self.name for step in self.told) >= self.left:
            return Proposals((), "nothing left", strategy=self.name)
        candidate = Candidate(f"{self.name} {len(self.told)}")
        return Proposals((Proposal(candidate),), strategy=self.name)

    def tell(self, step: Step) -> None:
        self.told.append(step)


def searched(auto: Auto, gains: dict[str, float], steps: int, calls: int = 50) -> list[str]:
    """Whose turn each step was, where a strategy's candidates gain what `gains` says."""
    auto.tell(BASELINE)
    score, turns = 0.5, []
    for _ in range(steps):
        replies: list[Reply] = []
        while not isinstance(asked := auto.ask(replies), Proposals):
            replies.append(Answer("[[a prompt]]"))
        turns.append(asked.strategy)
        gain = gains.get(asked.strategy, 0.0)
        score += gain
        trials = [
            Trial(one, score, accepted=gain > 0, dropped=gain <= 0) for one in asked.proposals
        ]
        auto.tell(Step(tuple(trials), asked.strategy, calls))
    return turns


def parts(**questions: int) -> dict[str, Part]:
    return {name: Part(name, count) for name, count in questions.items()}


def test_each_has_a_turn_before_one_without_gain_has_two() -> None:
    turns = searched(Auto(parts(a=1, b=0, c=2)), {}, 6)
    assert set(turns[:3]) == {"a", "b", "c"}


def test_most_steps_go_to_what_gains_most() -> None:
    turns = searched(Auto(parts(a=0, b=0, c=0)), {"b": 0.04}, 12)
    assert turns.count("b") >= 8
    assert turns[0] == "a"


def test_one_that_stops_gaining_falls_back() -> None:
    auto = Auto(parts(a=0, b=0))
    first = searched(auto, {"a": 0.05}, 6)
    assert first.count("a") >= 4
    later = []
    for _ in range(12):
        asked = auto.ask(())
        assert isinstance(asked, Proposals)
        later.append(asked.strategy)
        auto.tell(Step((), asked.strategy, 50))
    assert "b" in later


def test_failures_that_cost_little_are_no_bargain() -> None:
    turns = searched(Auto(parts(a=0, b=0)), {}, 10, calls=1)
    assert turns.count("a") == turns.count("b") == 5


def test_one_with_nothing_left_is_passed_over_also_while_another_asks_its_model() -> None:
    auto = Auto({"a": Part("a", left=1), "b": Part("b", questions=2)})
    turns = searched(auto, {"a": 0.3}, 5)
    assert turns.count("a") == 1
    assert turns[1:] == ["b"] * 4


def test_all_empty_ends_the_step_with_a_reason() -> None:
    auto = Auto({"a": Part("a", left=0)})
    auto.tell(BASELINE)
    assert auto.ask(()) == Proposals((), "no strategy has a candidate left")


def test_all_are_told_whoever_proposed() -> None:
    made = parts(a=0, b=0)
    searched(Auto(made), {"a": 0.1}, 4)
    assert made["a"].told == made["b"].told
    assert len(made["a"].told) == 5


def test_fresh_object_told_the_same_history_goes_on_the_same_way() -> None:
    made = parts(a=1, b=0, c=0)
    turns = searched(Auto(made), {"c": 0.05}, 8)
    for stop in range(8):
        fresh = Auto(parts(a=1, b=0, c=0))
        for step in made["a"].told[: stop + 1]:
            fresh.tell(step)
        asked = fresh.ask((Answer("[[x]]"),) if turns[stop] == "a" else ())
        assert isinstance(asked, Proposals)
        assert asked.strategy == turns[stop]


@pytest.mark.parametrize(
    ("writes", "train", "names"),
    [
        (True, TRAIN, ["gepa", "demos", "mipro", "opro"]),
        (False, TRAIN, ["demos", "mipro"]),
        (True, [], ["gepa", "opro"]),
    ],
)
def test_roles_and_rows_decide_who_takes_part(
    writes: bool, train: list[Example], names: list[str]
) -> None:
    role = {"model": "m", "prompt": "Say a or b."}
    roles = {"target": role, **({"optimizer": {"model": "m"}} if writes else {})}
    spec = ExperimentSpec.model_validate(
        {"dataset": {"path": "x.csv"}, "roles": roles, "grader": {"kind": "exact"}}
    )
    assert spec.optimizer.strategy == "auto"
    auto = make_optimizer(spec, train, AcceptAll())
    auto.tell(BASELINE)
    turns: list[str] = []
    for _ in range(3 * len(names)):
        replies: list[Reply] = []
        while not isinstance(asked := auto.ask(replies), Proposals):
            replies.append(() if isinstance(asked, Probe) else Answer("[[Say it well.]]"))
        turns.append(asked.strategy)
        auto.tell(Step((), asked.strategy, 50))
    assert list(dict.fromkeys(turns)) == names
