"""MIPRO: one space of instructions, demo sets and parameters, and a search that resumes."""

from __future__ import annotations

from collections.abc import Callable, Collection
from statistics import mean
from typing import Any

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import ExactGrader
from autoprompt_assets.engine.identity import uniform
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.optimizers import (
    Answer,
    MiproSpec,
    Proposal,
    Proposals,
    Question,
    Step,
    Trial,
)
from autoprompt_assets.engine.optimizers.mipro import Mipro
from autoprompt_assets.engine.optimizers.parts.observed import POOL
from autoprompt_assets.engine.optimizers.parts.prompt_text import row_text
from tests.benchmarks.simulated.landscape import landscape
from tests.benchmarks.simulated.proposer import propose
from tests.row_support import text_demo, text_example

FIRST = "Solve it."
BASELINE = Candidate(FIRST)
TRAIN = [text_example(f"e{n}", f"i{n}", f"text {n}", "abc"[n % 3], "train") for n in range(30)]
TUNED = {"temperature": (0, 0.7), "reasoning_effort": ("low", "high")}

Score = Callable[[Candidate], float]


class Knows:
    """Refuses what was tried before, and what says so."""

    def problem(self, candidate: Candidate, known: Collection[str]) -> str:
        if candidate.id in known:
            return "that prompt was tried before"
        return "it says bad" if "bad" in candidate.instruction else ""


def mipro(writes: bool = False, train: list[Example] = TRAIN, **settings: Any) -> Mipro:
    own = settings.pop("own", None)
    spec = MiproSpec(strategy="mipro", **settings)
    return Mipro(spec, FIRST, train, Knows(), writes, own)


def step_of(*trials: Trial) -> Step:
    return Step(trials, "mipro")


def accepted(candidate: Candidate, score: float, strategy: str = "") -> Step:
    return Step((Trial(Proposal(candidate), score, {}, accepted=True),), strategy)


def begun(subject: Mipro, score: float = 0.5) -> Mipro:
    subject.tell(accepted(BASELINE, score))
    return subject


def answered(question: Question) -> str:
    """A pure function of the question, as the journal makes a model's answer."""
    return f"[[Prompt {uniform(str(question.messages)):.9f}.]]"


def proposed(subject: Mipro, answer: Callable[[Question], str] = answered) -> Proposals:
    replies: list[Answer] = []
    while not isinstance(found := subject.ask(replies), Proposals):
        assert isinstance(found, Question)
        replies.append(Answer(answer(found)))
    return found


def chance(candidate: Candidate) -> float:
    return uniform("score", candidate.id)


def searched(subject: Mipro, steps: int, score: Score = chance) -> list[Step]:
    """The steps of a search without noise, the baseline's first."""
    best = score(BASELINE)
    told = [accepted(BASELINE, best)]
    subject.tell(told[0])
    for _ in range(steps):
        trials = []
        for proposal in proposed(subject).proposals:
            value = score(proposal.candidate)
            trials.append(Trial(proposal, value, {}, accepted=value > best))
            best = max(best, value)
        told.append(step_of(*trials))
        subject.tell(told[-1])
    return told


def candidates(told: list[Step]) -> list[Candidate]:
    return [trial.candidate for step in told for trial in step.trials]


def test_same_seed_gives_the_same_search_and_another_seed_another() -> None:
    found = searched(mipro(True, parameters=TUNED), 10)
    assert found == searched(mipro(True, parameters=TUNED), 10)
    assert found == searched(mipro(True, list(reversed(TRAIN)), parameters=TUNED), 10)
    assert found != searched(mipro(True, parameters=TUNED, seed=1), 10)


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("stop", range(9))
def test_fresh_object_told_the_same_steps_goes_on_the_same_way(stop: int, count: int) -> None:
    """Written instructions included: each stands in a trial of the step that asked for it."""
    told = searched(mipro(True, candidates=count, parameters=TUNED), 9)
    subject = mipro(True, candidates=count, parameters=TUNED)
    for step in told[: stop + 1]:
        subject.tell(step)
    found = proposed(subject)
    assert found.proposals == tuple(trial.proposal for trial in told[stop + 1].trials)


def test_asking_twice_with_the_same_replies_gives_the_same() -> None:
    subject = begun(mipro(True, candidates=2))
    question = subject.ask(())
    assert isinstance(question, Question)
    assert subject.ask(()) == question
    replies = [Answer(answered(question))]
    assert isinstance(subject.ask(replies), Proposals)
    assert subject.ask(replies) == subject.ask(replies)


def test_no_candidate_is_proposed_twice_until_every_combination_was_tried() -> None:
    settings: dict[str, Any] = {"wordings": ("Other.",), "demo_sets": 2, "candidates": 2}
    subject = mipro(parameters={"temperature": (0.7,)}, **settings)
    tried = candidates(searched(subject, 8))
    assert len({one.id for one in tried}) == len(tried) == 2 * 3 * 2
    assert subject.ask(()) == Proposals((), "every combination was tried before", (), "mipro")


def test_each_written_instruction_is_proposed_at_once_and_none_is_lost() -> None:
    written: list[str] = []

    def answer(question: Question) -> str:
        written.append(f"Prompt {len(written)}.")
        return f"[[{written[-1]}]]"

    subject, seen = begun(mipro(True, instructions=3, candidates=1)), []
    for _ in range(8):
        found = proposed(subject, answer)
        seen += [one.candidate.instruction for one in found.proposals]
        subject.tell(step_of(*(Trial(one, 0.4) for one in found.proposals)))
    assert seen[:6:2] == written == ["Prompt 0.", "Prompt 1.", "Prompt 2."]


def test_new_instruction_takes_the_demos_and_parameters_to_be_beaten() -> None:
    best = Candidate("Best.", (text_demo("x", "y"),), {"temperature": 0.7})
    subject = begun(mipro(True, parameters=TUNED))
    subject.tell(accepted(best, 0.9, "demos"))
    question = subject.ask(())
    assert isinstance(question, Question)
    content = question.messages[0]["content"]
    assert content.index(FIRST) < content.index("Best.")
    assert 1 <= sum(row_text(row) in content for row in TRAIN) <= 6
    found = subject.ask([Answer("[[New.]]")])
    assert isinstance(found, Proposals)
    (made,) = found.proposals
    assert made.candidate == Candidate("New.", best.demos, best.parameters)
    assert made.parents == (best.id,)
    note = "written with the tip 'form': instruction 3, demo set 9 of 9, temperature 0.7"
    assert made.note == note


def test_questions_differ_in_their_tips_and_rows() -> None:
    subject = mipro(True, instructions=4)
    asked = []
    for step in searched(mipro(True, instructions=4), 7):
        subject.tell(step)
        found = subject.ask(())
        asked += [found.messages[0]["content"]] if isinstance(found, Question) else []
    assert len(set(asked)) == len(asked) == 4


def test_refused_instructions_are_recorded_and_asked_again_a_bounded_number_of_times() -> None:
    subject = begun(mipro(True, attempts=3))
    second = subject.ask([Answer("no brackets")])
    assert isinstance(second, Question)
    assert "holds no prompt in [[...]]" in second.messages[-1]["content"]
    found = subject.ask([*map(Answer, ("no brackets", "[[bad]]", f"[[{FIRST}]]"))])
    assert isinstance(found, Proposals)
    reasons = [(one.proposal.candidate.instruction, one.reason) for one in found.rejected]
    assert reasons == [("bad", "it says bad"), (FIRST, "that prompt was tried before")]
    # Its place is not lost: what is known is combined instead.
    assert [one.candidate.instruction for one in found.proposals] == [FIRST]


def test_wordings_that_the_judge_refuses_are_told_once_and_never_proposed() -> None:
    subject = mipro(wordings=("bad one", "Other."), demo_sets=1)
    told = searched(subject, 6)
    assert {one.instruction for one in candidates(told)} == {FIRST, "Other."}
    assert proposed(subject).rejected == ()
    fresh = begun(mipro(wordings=("bad one", "Other.")))
    assert [one.reason for one in proposed(fresh).rejected] == ["it says bad"]


def test_without_an_optimizer_model_nothing_is_asked() -> None:
    told = searched(mipro(wordings=("Other.",)), 10)
    assert {one.instruction for one in candidates(told)} == {FIRST, "Other."}


def test_parameters_are_tuned_and_the_role_s_own_value_is_none_of_its_own() -> None:
    def score(candidate: Candidate) -> float:
        effort = candidate.parameters.get("reasoning_effort") == "high"
        return 0.3 + 0.3 * (candidate.parameters.get("temperature") == 0.7) + 0.2 * effort

    told = searched(mipro(parameters=TUNED, own={"temperature": 0.0}, demo_sets=1), 10, score)
    tried = candidates(told)
    assert max(map(score, tried)) == 0.8
    assert {one.parameters.get("temperature", "own") for one in tried} == {"own", 0.7}
    assert {one.parameters.get("reasoning_effort") for one in tried} == {None, "low", "high"}


def test_notes_and_parents_say_what_was_combined() -> None:
    subject = begun(mipro(wordings=("Other.",), parameters=TUNED))
    told = searched(subject, 12)[1:]
    notes = [trial.proposal.note for step in told for trial in step.trials]
    assert any(note.startswith("instruction 2, demo set ") and " of 8" in note for note in notes)
    known = {BASELINE.id}
    for trial in (trial for step in told for trial in step.trials):
        assert trial.proposal.parents
        assert set(trial.proposal.parents) <= known
        known.add(trial.candidate.id)


def test_instructions_and_accepted_demos_of_other_strategies_join_the_space() -> None:
    subject = begun(mipro(demo_sets=1, demos=2))
    demos = (text_demo("x", "y"), text_demo("z", "y"))
    subject.tell(accepted(Candidate("Theirs.", demos), 0.9, "gepa"))
    tried = []
    for _ in range(4):
        found = proposed(subject).proposals
        tried += [one.candidate for one in found]
        subject.tell(step_of(*(Trial(one, 0.4, {"r": 0.0}, dropped=True) for one in found)))
    assert Candidate(FIRST, demos) in tried
    assert {one.instruction for one in tried} == {FIRST, "Theirs."}
    assert len(tried) == 2 * 3 - 2


def test_of_many_instructions_the_best_are_combined() -> None:
    subject = begun(mipro(), 0.1)
    for number in range(3 * POOL):
        theirs = Trial(Proposal(Candidate(f"Prompt {number}.")), number / 100)
        subject.tell(Step((theirs,), "opro"))
    for _ in range(10):
        (made,) = proposed(subject).proposals
        worth = made.candidate.instruction.removeprefix("Prompt ").rstrip(".")
        assert made.candidate.instruction == FIRST or int(worth) >= 2 * POOL
        subject.tell(step_of(Trial(made, None)))


def additive(seed: int) -> Score:
    def score(candidate: Candidate) -> float:
        parts: tuple[object, ...] = (candidate.instruction, candidate.demos)
        parts += tuple(sorted(candidate.parameters.items()))
        return mean(uniform(seed, part) for part in (*parts, *"xy"[len(candidate.parameters) :]))

    return score


def test_it_finds_more_than_random_draws_do() -> None:
    wordings = tuple(f"Prompt {number}." for number in range(7))
    gains = []
    for seed in range(5):
        settings: dict[str, Any] = {"seed": seed, "wordings": wordings, "parameters": TUNED}
        score = additive(seed)
        informed = candidates(searched(mipro(**settings), 20, score))
        # Told that all scored the same, it can but draw.
        blind = candidates(searched(mipro(**settings), 20, lambda candidate: 0.5))
        gains.append(max(map(score, informed)) - max(map(score, blind)))
    assert mean(gains) > 0.02


@pytest.mark.parametrize(("name", "gain"), [("shown", 0.15), ("warm", 0.15)])
def test_true_score_of_a_simulated_model_rises(name: str, gain: float) -> None:
    world = landscape(name, 0)
    train = [text_example(f"{n}", f"{n}", *row, "train") for n, row in enumerate(world.rows(60, 1))]
    judge = Lint(world.first_prompt, train, ExactGrader(kind="exact"))
    spec = MiproSpec(strategy="mipro", parameters=world.parameters)
    subject = Mipro(spec, world.first_prompt, train, judge, True)

    def true(one: Candidate) -> float:
        demos = [(demo.inputs.text, demo.answer) for demo in one.demos]
        return world.true_score(one.instruction, demos, one.parameters)

    best = Candidate(world.first_prompt)
    first = true(best)
    subject.tell(accepted(best, round(first, 2)))
    for _ in range(12):
        (made,) = proposed(subject, lambda asked: f"[[{propose(world, asked.messages)}]]").proposals
        # As coarse as a score on a hundred rows.
        score = round(true(made.candidate), 2)
        better = score > true(best) + 0.03
        best = made.candidate if better else best
        subject.tell(step_of(Trial(made, score, {}, accepted=better)))
    assert true(best) > first + gain
