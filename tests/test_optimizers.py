"""Strategies: what they ask, what they propose, and that a fresh one resumes where one stopped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.optimizers import Optimizer, Proposal, Proposals, Question, Trial
from autoprompt_assets.engine.optimizers.demos import Demos
from autoprompt_assets.engine.optimizers.opro import Opro
from autoprompt_assets.engine.optimizers.rescore import Rescore
from autoprompt_assets.engine.spec import DemosSpec, OproSpec

PROMPT = "Scores {so far}:\n{prompt_scores_str}\nWrite [[a new one]]."
BASELINE = Candidate("Solve it.")


def trial(instruction: str, score: float | None) -> Trial:
    return Trial(Proposal(Candidate(instruction)), score)


def opro(candidates: int = 1, attempts: int = 3, *told: Trial) -> Opro:
    subject = Opro(OproSpec(strategy="opro", candidates=candidates, attempts=attempts), PROMPT)
    subject.tell([trial("Solve it.", 0.5)])
    for one in told:
        subject.tell([one])
    return subject


def asked(subject: Optimizer, *answers: str) -> Question:
    found = subject.ask(answers)
    assert isinstance(found, Question)
    return found


def proposed(subject: Optimizer, *answers: str) -> Proposals:
    found = subject.ask(answers)
    assert isinstance(found, Proposals)
    return found


def instructions(found: Proposals) -> list[str]:
    return [proposal.candidate.instruction for proposal in found.proposals]


class TestOpro:
    def test_history_ascends_and_leaves_out_what_has_no_score(self) -> None:
        subject = opro(1, 3, trial("Good {x}", 0.9), trial("Broken", None), trial("Bad", 0.125))
        content = asked(subject).messages[0]["content"]
        history = "Bad: 0.12\nSolve it.: 0.50\nGood {x}: 0.90"
        assert content == f"Scores {{so far}}:\n{history}\nWrite [[a new one]]."

    @pytest.mark.parametrize(
        ("answer", "instruction"),
        [
            ("[[Do it.]]", "Do it."),
            ("I think:\n\n[[\nDo it.\nWell.\n]]\nBye", "Do it.\nWell."),
            ("Not [[this]] but [[that]]", "that"),
            ("[[Answer {as} {json: [1]}]]", "Answer {as} {json: [1]}"),
            ("[[Answer in [brackets]]]", "Answer in [brackets]"),
            ("[[Use {input} here]]", "Use {input} here"),
            ("[[ünï 日本語 🙂]]", "ünï 日本語 🙂"),
        ],
    )
    def test_prompt_is_taken_from_the_last_brackets_as_it_stands(
        self, answer: str, instruction: str
    ) -> None:
        found = proposed(opro(), answer)
        assert instructions(found) == [instruction]
        assert found.proposals[0].parents == (BASELINE.id,)

    def test_parent_is_the_best_so_far(self) -> None:
        subject = opro(1, 3, trial("Best", 0.9), trial("Worse", 0.6))
        parents = proposed(subject, "[[New]]").proposals[0].parents
        assert parents == (Candidate("Best").id,)

    @pytest.mark.parametrize(
        ("answer", "problem"),
        [
            ("Here is a prompt: Do it.", "it holds no prompt in [[...]]"),
            ("", "it holds no prompt in [[...]]"),
            ("[[Do it.", "it holds no prompt in [[...]]"),
            ("[[ \n ]]", "the prompt is empty"),
            ("[[Solve it.]]", "that prompt was tried before"),
            ("[[ Solve it. ]]", "that prompt was tried before"),
        ],
    )
    def test_unusable_answer_is_asked_again_with_its_problem(
        self, answer: str, problem: str
    ) -> None:
        question = asked(opro(), answer)
        roles = [message["role"] for message in question.messages]
        assert roles == ["system", "assistant", "user"]
        assert question.messages[1]["content"] == answer
        assert problem in question.messages[2]["content"]
        assert instructions(proposed(opro(), answer, "[[Better]]")) == ["Better"]

    @pytest.mark.parametrize("attempts", [1, 3, 10])
    def test_questions_are_bounded_and_end_with_the_reason(self, attempts: int) -> None:
        subject = opro(1, attempts)
        for count in range(attempts):
            assert isinstance(subject.ask(["no"] * count), Question)
        found = proposed(subject, *["no"] * attempts)
        assert found == Proposals((), "no usable answer: it holds no prompt in [[...]]")

    def test_candidates_of_one_step_differ_and_are_asked_apart(self) -> None:
        subject = opro(2)
        assert (asked(subject).replicate, asked(subject, "[[A]]").replicate) == (0, 1)
        assert "tried before" in asked(subject, "[[A]]", "[[A]]").messages[-1]["content"]
        assert instructions(proposed(subject, "[[A]]", "[[A]]", "[[B]]")) == ["A", "B"]

    def test_one_usable_candidate_is_enough(self) -> None:
        found = proposed(opro(2, 1), "no", "[[B]]")
        assert (instructions(found), found.reason) == (["B"], "")


TRAIN = [
    Example(f"e{number}", f"i{number}", f"text {number}", "abc"[number % 3], "train")
    for number in range(30)
]
KNOWN = {Demo(example.input, example.target) for example in TRAIN}


def demos(train: list[Example] = TRAIN, seed: int = 0, iterations: int = 8, most: int = 6) -> Demos:
    spec = DemosSpec(
        strategy="demos",
        demos=most,
        seed=seed,
        iterations=iterations,
        candidates=2,
        wordings=("Other.", "Third."),
    )
    return Demos(spec, "Solve it.", train)


def score(proposal: Proposal) -> float:
    return uniform("score", proposal.candidate.id)


def searched(subject: Demos, steps: int) -> list[list[Trial]]:
    """The steps of a search whose scores are made up, the baseline's first."""
    history = [[Trial(Proposal(BASELINE), 0.0)]]
    subject.tell(history[0])
    for _ in range(steps):
        found = proposed(subject)
        history.append([Trial(proposal, score(proposal)) for proposal in found.proposals])
        subject.tell(history[-1])
    return history


class TestDemos:
    def test_same_seed_gives_the_same_search_and_another_seed_another(self) -> None:
        assert searched(demos(), 8) == searched(demos(), 8)
        assert searched(demos(), 8) == searched(demos(list(reversed(TRAIN))), 8)
        assert searched(demos(), 8) != searched(demos(seed=1), 8)

    @pytest.mark.parametrize("stop", range(9))
    def test_fresh_object_told_the_same_history_goes_on_the_same_way(self, stop: int) -> None:
        history = searched(demos(), 8)
        subject = demos()
        for step in history[: stop + 1]:
            subject.tell(step)
        expected = [one.proposal for one in history[stop + 1]] if stop < 8 else None
        found = list(proposed(subject).proposals)
        assert found == (expected or found)

    def test_asking_twice_changes_nothing(self) -> None:
        subject = demos()
        searched(subject, 3)
        assert subject.ask(()) == subject.ask(())

    @pytest.mark.parametrize("seed", range(10))
    def test_demos_come_from_train_rows_and_fit_the_limit(self, seed: int) -> None:
        for step in searched(demos(seed=seed), 8)[1:]:
            for one in step:
                shown = one.proposal.candidate.demos
                assert set(shown) <= KNOWN
                assert len(set(shown)) == len(shown) <= 6
                assert shown

    @pytest.mark.parametrize("seed", range(10))
    def test_explored_demos_are_balanced_over_the_targets(self, seed: int) -> None:
        for step in searched(demos(seed=seed), 4)[1:]:
            for one in step:
                counts = Counter(demo.answer for demo in one.proposal.candidate.demos)
                held = [counts[target] for target in "abc"]
                assert max(held) - min(held) <= 1

    @pytest.mark.parametrize("seed", range(10))
    def test_no_candidate_is_proposed_twice(self, seed: int) -> None:
        history = searched(demos(TRAIN[:6], seed), 20)
        tried = [one.proposal.candidate.id for step in history for one in step]
        assert len(set(tried)) == len(tried)

    @pytest.mark.parametrize("seed", range(10))
    def test_second_half_changes_one_thing_of_the_best(self, seed: int) -> None:
        history = searched(demos(seed=seed), 8)
        for place in range(5, 9):
            told = [one for step in history[:place] for one in step]
            best = max(told, key=lambda one: one.score or 0.0).proposal.candidate
            for one in history[place]:
                made = one.proposal.candidate
                assert one.proposal.parents == (best.id,)
                reworded = made.instruction != best.instruction
                exchanged = len(set(made.demos) ^ set(best.demos))
                assert (reworded, exchanged) in {(True, 0), (False, 1), (False, 2)}

    def test_unselectable_candidates_are_never_the_best(self) -> None:
        subject = demos(iterations=1)
        subject.tell([Trial(Proposal(BASELINE), 0.0)])
        best, broken = (
            Proposal(Candidate("Solve it.", tuple(sorted(KNOWN, key=str)[:n]))) for n in (3, 4)
        )
        subject.tell([Trial(best, 0.6), Trial(broken, None)])
        assert all(one.parents == (best.candidate.id,) for one in proposed(subject).proposals)

    def test_small_train_split_is_used_whole(self) -> None:
        history = searched(demos(TRAIN[:2], most=8), 2)
        assert all(len(one.proposal.candidate.demos) == 2 for step in history[1:] for one in step)

    def test_exhausted_space_ends_with_a_reason(self) -> None:
        subject = Demos(DemosSpec(strategy="demos", demos=1), "Solve it.", TRAIN[:1])
        searched(subject, 1)
        assert subject.ask(()) == Proposals((), "every candidate was tried before")


class TestRescore:
    def test_earlier_candidates_come_again_step_by_step(self) -> None:
        earlier = [[Candidate("A"), Candidate("B")], [], [Candidate("C")]]
        subject = Rescore(earlier)
        subject.tell([Trial(Proposal(BASELINE), 0.5)])
        found = []
        for _ in range(4):
            found.append(proposed(subject))
            subject.tell([])
        assert [instructions(one) for one in found] == [["A", "B"], [], ["C"], []]
        assert [bool(one.reason) for one in found] == [False, True, False, True]


STRATEGIES: dict[str, Callable[[], Optimizer]] = {
    "opro": opro,
    "demos": demos,
    "rescore": lambda: Rescore([]),
}


@pytest.mark.parametrize("name", STRATEGIES)
def test_step_may_end_with_partial_results(name: str) -> None:
    subject = STRATEGIES[name]()
    subject.tell([Trial(Proposal(BASELINE), None)])
    subject.tell([])
    assert isinstance(subject.ask(()), Question | Proposals)
