"""Few-shot search and re-scoring: strategies that ask no model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.optimizers import (
    DemosSpec,
    GepaSpec,
    OproSpec,
    Optimizer,
    Probe,
    Proposal,
    Proposals,
    Question,
    Step,
    Trial,
)
from autoprompt_assets.engine.optimizers.demos import Demos
from autoprompt_assets.engine.optimizers.gepa import Gepa
from autoprompt_assets.engine.optimizers.opro import Opro
from autoprompt_assets.engine.optimizers.protocol import incumbent
from autoprompt_assets.engine.optimizers.rescore import Rescore
from tests.optimizer_support import (
    BASELINE,
    TRAIN,
    Lenient,
    baseline,
    instructions,
    proposed,
    told,
    trial,
)

KNOWN = {Demo(example.inputs, example.target) for example in TRAIN}


def demos(train: list[Example] = TRAIN, seed: int = 0, iterations: int = 8, most: int = 6) -> Demos:
    spec = DemosSpec(
        strategy="demos",
        demos=most,
        seed=seed,
        iterations=iterations,
        candidates=2,
        wordings=("Other.", "Third."),
    )
    return Demos(spec, BASELINE.instruction, train)


def searched(subject: Demos, steps: int) -> list[Step]:
    """The steps of a search whose scores are made up, the baseline's first."""
    history, best = [baseline(0.0)], 0.0
    subject.tell(history[0])
    for _ in range(steps):
        trials = []
        for proposal in proposed(subject).proposals:
            score = uniform("score", proposal.candidate.id)
            trials.append(Trial(proposal, score, accepted=score > best))
            best = max(best, score)
        history.append(Step(tuple(trials), "demos"))
        subject.tell(history[-1])
    return history


class TestDemos:
    def test_same_seed_gives_the_same_search_and_another_seed_another(self) -> None:
        assert searched(demos(), 8) == searched(demos(), 8)
        assert searched(demos(), 8) == searched(demos(list(reversed(TRAIN))), 8)
        assert searched(demos(), 8) != searched(demos(seed=1), 8)

    @pytest.mark.parametrize("stop", range(9))
    def test_fresh_object_told_the_same_history_goes_on_the_same_way(self, stop: int) -> None:
        history = searched(demos(), 9)
        resumed = told(demos(), *history[: stop + 1])
        expected = [one.proposal for one in history[stop + 1].trials]
        assert list(proposed(resumed).proposals) == expected

    def test_asking_twice_changes_nothing(self) -> None:
        subject = demos()
        searched(subject, 3)
        assert subject.ask(()) == subject.ask(())

    @pytest.mark.parametrize("seed", range(10))
    def test_demos_come_from_train_rows_and_fit_the_limit(self, seed: int) -> None:
        for step in searched(demos(seed=seed), 8)[1:]:
            for one in step.trials:
                shown = one.candidate.demos
                assert set(shown) <= KNOWN
                assert len(set(shown)) == len(shown) <= 6
                assert shown

    @pytest.mark.parametrize("seed", range(10))
    def test_explored_demos_are_balanced_over_the_targets(self, seed: int) -> None:
        for step in searched(demos(seed=seed), 4)[1:]:
            for one in step.trials:
                counts = Counter(demo.answer for demo in one.candidate.demos)
                held = [counts[target] for target in "abc"]
                assert max(held) - min(held) <= 1

    @pytest.mark.parametrize("seed", range(10))
    def test_no_candidate_is_proposed_twice(self, seed: int) -> None:
        history = searched(demos(TRAIN[:6], seed), 20)
        tried = [one.candidate.id for step in history for one in step.trials]
        assert len(set(tried)) == len(tried)

    @pytest.mark.parametrize("seed", range(10))
    def test_second_half_changes_one_thing_of_the_one_to_beat(self, seed: int) -> None:
        history = searched(demos(seed=seed), 8)
        for place in range(5, 9):
            best = incumbent([one for step in history[:place] for one in step.trials])
            assert best is not None
            for one in history[place].trials:
                made = one.candidate
                assert one.proposal.parents == (best.candidate.id,)
                reworded = made.instruction != best.candidate.instruction
                exchanged = len(set(made.demos) ^ set(best.candidate.demos))
                assert (reworded, exchanged) in {(True, 0), (False, 1), (False, 2)}

    def test_what_was_not_accepted_is_never_gone_on_from(self) -> None:
        best, luckier = (
            Candidate("Solve it.", tuple(sorted(KNOWN, key=str)[:count])) for count in (3, 4)
        )
        trials = trial(best, 0.6, accepted=True), trial(luckier, 0.7)
        subject = told(demos(iterations=1), baseline(0.0), Step(trials))
        assert all(one.parents == (best.id,) for one in proposed(subject).proposals)

    def test_demos_drawn_for_a_known_instruction_come_from_who_had_it(self) -> None:
        written = Candidate("Written by another strategy.")
        found = Step((trial(written, 0.6, accepted=True),), "gepa")
        for one in proposed(told(demos(iterations=20), baseline(), found)).proposals:
            known = one.candidate.instruction == written.instruction
            assert one.parents == ((written.id,) if known else ())
        alone = Demos(DemosSpec(strategy="demos"), BASELINE.instruction, TRAIN)
        made = proposed(told(alone, baseline(), found)).proposals
        assert [one.parents for one in made] == [(written.id,)] * len(made)

    def test_small_train_split_is_used_whole(self) -> None:
        history = searched(demos(TRAIN[:2], most=8), 2)
        assert all(len(one.candidate.demos) == 2 for step in history[1:] for one in step.trials)

    def test_exhausted_space_ends_with_a_reason(self) -> None:
        subject = Demos(DemosSpec(strategy="demos", demos=1), "Solve it.", TRAIN[:1])
        searched(subject, 1)
        found = Proposals((), "every candidate was tried before", strategy="demos")
        assert subject.ask(()) == found


class TestRescore:
    def test_earlier_candidates_come_again_step_by_step(self) -> None:
        first, child = Proposal(Candidate("A")), Proposal(Candidate("B"), ("parent",), "reworded")
        earlier = [[first, child], [], [Proposal(Candidate("C"))]]
        subject = told(Rescore(earlier), baseline())
        found = []
        for _ in range(4):
            found.append(proposed(subject))
            subject.tell(Step(()))
        assert [instructions(one) for one in found] == [["A", "B"], [], ["C"], []]
        assert [bool(one.reason) for one in found] == [False, True, False, True]
        assert {one.strategy for one in found} == {"rescore"}
        assert found[0].proposals == (first, child), "with their parents and notes"


STRATEGIES: dict[str, Callable[[], Optimizer]] = {
    "opro": lambda: Opro(OproSpec(strategy="opro"), "", TRAIN, Lenient()),
    "gepa": lambda: Gepa(GepaSpec(strategy="gepa"), BASELINE.instruction, TRAIN, Lenient()),
    "demos": demos,
    "rescore": lambda: Rescore([]),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_step_may_end_with_partial_results(name: str) -> None:
    without = Trial(Proposal(Candidate("Not selectable.")), None)
    steps = baseline(None), Step(()), Step((without,), name), Step((), name, 3)
    subject = told(STRATEGIES[name](), *steps)
    assert isinstance(subject.ask(()), Question | Probe | Proposals)
