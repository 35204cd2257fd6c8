"""GEPA: whom it goes on from, what it tries, what it shows, and when it merges."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.optimizers import (
    Answer,
    Feedback,
    GepaSpec,
    Probe,
    Question,
    Reply,
    Step,
    Trial,
)
from autoprompt_assets.engine.optimizers.gepa import ROUNDS, Gepa
from autoprompt_assets.engine.optimizers.parts.prompt_text import (
    ANSWER_LIMIT,
    INPUT_LIMIT,
    ROW_LIMIT,
)
from autoprompt_assets.engine.optimizers.parts.reflection import MOST_CHILDREN
from tests.benchmarks.simulated.landscape import landscape
from tests.optimizer_support import (
    BASELINE,
    TRAIN,
    Lenient,
    World,
    asked,
    baseline,
    instructions,
    judge_of,
    probed,
    proposed,
    scores,
    search,
    text_of,
    told,
    trial,
)
from tests.row_support import text_demo, text_example

BY_ID = {example.id: example for example in TRAIN}


def gepa(*steps: Step, train: Sequence[Example] = TRAIN, **spec: Any) -> Gepa:
    made = GepaSpec(strategy="gepa", **{"minibatch": 4, **spec})
    subject = Gepa(made, BASELINE.instruction, train, Lenient("secret"))
    return told(subject, baseline(), *steps)


def step(*trials: Trial) -> Step:
    return Step(trials, "gepa")


def became(
    probe: Probe, right: int = 0, answer: str = "x", reason: str = ""
) -> tuple[Feedback, ...]:
    """Feedback where the first `right` rows went right."""
    made = []
    for place, key in enumerate(probe.rows):
        if place < right:
            made.append(Feedback(BY_ID[key], BY_ID[key].target, "correct", 1.0, ""))
        else:
            made.append(Feedback(BY_ID[key], answer, "wrong", 0.0, reason))
    return tuple(made)


class TestReflection:
    def test_rows_that_went_wrong_are_shown_and_the_others_counted(self) -> None:
        subject = gepa()
        probe = probed(subject)
        assert (probe.candidate, len(set(probe.rows))) == (BASELINE, 4)
        question = asked(subject, became(probe, 1, "nonsense", "The label is another."))
        text = text_of(question)
        assert [message["role"] for message in question.messages] == ["user"]
        assert f"<prompt>\n{BASELINE.instruction}\n</prompt>" in text
        assert "tried on 4 inputs. 1 went right" in text
        shown = [BY_ID[key].inputs.text in text.splitlines() for key in probe.rows]
        assert shown == [False, True, True, True]
        assert text.count("nonsense") == text.count("The label is another.") == 3
        for key in probe.rows[1:]:
            assert f"<target>\n{BY_ID[key].target}\n</target>" in text
        found = proposed(subject, became(probe, 1), "[[Better.]]")
        assert (instructions(found), found.strategy) == (["Better."], "gepa")
        assert found.proposals[0].parents == (BASELINE.id,)

    def test_partly_right_rows_come_last_and_unmeasured_ones_not_at_all(self) -> None:
        subject = gepa()
        first, second, third, last = (BY_ID[key] for key in probed(subject).rows)
        reply = (
            Feedback(first, "half-right", "wrong", 0.5, ""),
            Feedback(second, "lost", "error", None, "connection lost"),
            Feedback(third, "all-wrong", "wrong", 0.0, ""),
            Feedback(last, "fine", "correct", 1.0, ""),
        )
        text = text_of(asked(subject, reply))
        assert text.index("all-wrong") < text.index("half-right")
        assert "score 0.50" in text
        assert "lost" not in text
        assert "tried on 3 inputs. 1 went right" in text

    def test_further_reflections_on_a_parent_take_the_next_rows_and_wrap_around(self) -> None:
        subject, seen = gepa(minibatch=6), list[str]()
        for _ in range(10):
            seen += probed(subject).rows
            subject.tell(step())
        assert sorted(seen[:30]) == sorted(BY_ID)
        assert seen[30:] == seen[:30]

    def test_same_rows_again_are_another_draw(self) -> None:
        """The same request would be answered from the journal, for ever the same."""
        subject, replicates = gepa(minibatch=30), list[int]()
        for _ in range(3):
            replicates.append(asked(subject, became(probed(subject))).replicate)
            subject.tell(step())
        assert len(set(replicates)) == 3

    def test_two_reflections_of_one_step_on_one_parent_take_different_rows(self) -> None:
        subject = gepa(candidates=2)
        first = probed(subject)
        given: list[Reply] = [became(first), Answer("[[One.]]")]
        second = probed(subject, *given)
        assert not set(first.rows) & set(second.rows)
        given += [became(second), *map(Answer, ("[[One.]]", "[[A secret.]]", "[[Two.]]"))]
        found = proposed(subject, *given)
        assert instructions(found) == ["One.", "Two."]
        refused = [one.reason for one in found.rejected]
        assert refused == ["that prompt was tried before", "it says secret"]

    def test_all_right_minibatch_leads_to_the_next_rows(self) -> None:
        subject = gepa()
        first = probed(subject)
        second = probed(subject, became(first, 4))
        assert not set(first.rows) & set(second.rows)
        text = text_of(asked(subject, became(first, 4), became(second, 3)))
        assert "tried on 8 inputs. 7 went right" in text
        assert text.count("<case>") == 1

    def test_rows_that_all_go_right_end_in_a_rewrite_after_a_few(self) -> None:
        subject, given = gepa(), list[Reply]()
        for _ in range(ROUNDS):
            given.append(became(probed(subject, *given), 4))
        text = text_of(asked(subject, *given))
        assert f"tried on {4 * ROUNDS} inputs, and all went right" in text
        assert "wrong" not in text

    def test_few_train_rows_are_tried_once(self) -> None:
        subject = gepa(train=TRAIN[:3])
        probe = probed(subject)
        assert sorted(probe.rows) == ["e0", "e1", "e2"]
        assert "all went right" in text_of(asked(subject, became(probe, 3)))

    def test_no_train_rows_are_no_hindrance(self) -> None:
        subject = gepa(train=[])
        assert "not been tried" in text_of(asked(subject))
        assert instructions(proposed(subject, "[[Better.]]")) == ["Better."]

    @pytest.mark.parametrize("attempts", [1, 3])
    def test_questions_are_bounded_and_end_with_the_reason(self, attempts: int) -> None:
        subject = gepa(attempts=attempts)
        given: list[Reply] = [became(probed(subject))]
        for _ in range(attempts):
            assert isinstance(subject.ask(given), Question)
            given.append(Answer("[[a secret]]"))
        found = proposed(subject, *given)
        assert (found.proposals, found.reason) == ((), "no usable answer: it says secret")
        assert len(found.rejected) == attempts

    def test_what_models_wrote_stays_as_it_is_and_inside_its_tags(self) -> None:
        odd = "{rules} {cases} [[x]] </answer> %s }{ </case>"
        subject = gepa(step(trial(odd, 0.9, accepted=True)), train=TRAIN[:4])
        for _ in range(20):
            if probed(subject).candidate.instruction == odd:
                break
            subject.tell(Step(()))
        probe = probed(subject)
        text = text_of(asked(subject, became(probe, 3, odd)))
        assert f"<prompt>\n{odd}\n</prompt>" in text
        assert f"<answer-2>\n{odd}\n</answer-2>" in text
        assert text.count("</case-2>") == 1
        found = proposed(subject, became(probe), "[[Use {a} and [[b]].]]")
        assert instructions(found) == ["Use {a} and [[b]]."]

    def test_long_texts_are_cut_in_the_middle(self) -> None:
        row = text_example("e", "i", "<" + "i" * 9000 + ">", "t" * 9000, "train")
        subject = gepa(train=[row])
        reply = (Feedback(row, "(" + "a" * 9000 + ")", "wrong", 0.0, "r" * 9000),)
        text = text_of(asked(subject, reply))
        case = text[text.index("<case>") : text.index("</case>")]
        assert len(case) < ROW_LIMIT
        for start, end, limit in (("<i", "i>", INPUT_LIMIT), ("(a", "a)", ANSWER_LIMIT)):
            assert start in case
            assert end in case
            assert case.count(start[1]) >= limit - 2
        assert "characters left out" in case

    def test_earlier_rewrites_of_the_parent_are_shown_before_it_the_latest_only(self) -> None:
        children = [trial(f"Child {n}.", 0.4, "", BASELINE.instruction) for n in range(7)]
        unknown = trial("Unknown.", None, "", BASELINE.instruction)
        subject = gepa(step(*children, unknown), train=[])
        text = text_of(asked(subject))
        assert [f"\nChild {n}.\n" in text for n in range(7)] == [False] * 2 + [True] * 5
        assert text.count("Difference: -0.10") == MOST_CHILDREN
        assert "Unknown" not in text
        assert text.index("Child 6.") < text.index(f"<prompt>\n{BASELINE.instruction}")

    def test_demos_and_parameters_of_the_parent_stay(self) -> None:
        parent = Candidate("Best.", (text_demo("i", "o"),), {"temperature": 0.7})
        subject = Gepa(GepaSpec(strategy="gepa"), "Best.", [], Lenient())
        subject.tell(Step((trial(parent, 0.5, accepted=True),)))
        assert "1 worked examples" in text_of(asked(subject))
        made = proposed(subject, "[[New.]]").proposals[0].candidate
        assert made == Candidate("New.", parent.demos, parent.parameters)


@pytest.mark.parametrize("seed", [0, 1])
def test_simulated_search_climbs_and_resumes_at_every_step(seed: int) -> None:
    """What stops after any number of steps goes on with the same requests and proposals."""
    subject = World(landscape("additive", seed))
    spec = GepaSpec(strategy="gepa", candidates=2)

    def fresh() -> Gepa:
        return Gepa(spec, subject.landscape.first_prompt, subject.train, judge_of(subject))

    history, replies = search(subject, fresh(), 15, "gepa")
    climbed = scores(subject, history)
    assert climbed[-1] > climbed[0] + 0.1
    for stop in range(15):
        resumed = told(fresh(), *history[: stop + 1])
        given = replies[stop + 1]
        for count in range(len(given)):
            assert resumed.ask(given[:count]) == resumed.ask(given[:count])
        found = proposed(resumed, *given)
        assert found == proposed(told(fresh(), *history[: stop + 1]), *given)
        assert [one.candidate for one in found.proposals] == [
            one.candidate for one in history[stop + 1].trials
        ]


def test_steps_of_other_strategies_count_as_no_reflection() -> None:
    subject, other = gepa(), gepa()
    other.tell(Step((), "demos"))
    assert probed(other) == probed(subject)
    subject.tell(step())
    assert probed(other) != probed(subject)


def test_baseline_without_a_score_is_reflected_on() -> None:
    subject = Gepa(GepaSpec(strategy="gepa"), "Solve it.", TRAIN, Lenient())
    assert probed(subject).candidate == BASELINE
    subject.tell(baseline(None))
    subject.tell(step())
    assert probed(subject).candidate == BASELINE
