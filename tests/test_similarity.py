"""The grader `similarity`: chrF, BLEU and ROUGE as their libraries have them."""

from __future__ import annotations

import importlib.util
import random
import time
from typing import Any

import pytest
from pydantic import ValidationError
from sacrebleu.tokenizers.tokenizer_13a import Tokenizer13a

from autoprompt_assets.engine.grading import Grade
from autoprompt_assets.engine.grading.similarity import SimilarityGrader
from tests.grading_support import grade_of
from tests.row_support import text_example

CAT = "The cat sat on the mat."
needs_rouge = pytest.mark.skipif(
    importlib.util.find_spec("rouge_score") is None,
    reason="tests/requirements-rouge.txt is not installed",
)


def similarity(**settings: Any) -> SimilarityGrader:
    return SimilarityGrader.model_validate({"kind": "similarity", **settings})


def grade(rule: SimilarityGrader, target: str, answer: str) -> Grade:
    return grade_of(rule, text_example("id", "input", "q", target, "test"), answer)


def problem(rule: SimilarityGrader, target: str) -> str:
    return rule.target_problem(text_example("id", "input", "q", target, "test"), "Say it.")


@pytest.mark.parametrize("measure", ["chrf", "chrf++", "bleu"])
@pytest.mark.parametrize("text", [CAT, "東京は日本の首都です。", "Привет, мир", "a", "no\x00w"])
def test_the_same_wording_is_right(measure: str, text: str) -> None:
    assert grade(similarity(measure=measure), text, text).outcome == "correct"


@pytest.mark.parametrize(
    ("settings", "answer", "value"),
    [
        ({}, "The cat is on the mat.", 0.6458),
        ({"measure": "chrf++"}, "The cat is on the mat.", 0.6750),
        ({"measure": "bleu"}, "The cat is on the mat.", 0.4889),
        ({"measure": "bleu", "ignore_case": True}, "THE CAT SAT ON THE MAT .", 1.0),
        ({"ignore_case": True}, "THE CAT SAT ON THE MAT.", 1.0),
        ({}, "12345", 0.0),
        ({"measure": "bleu"}, "", 0.0),
        ({}, "", 0.0),
        ({}, "\x00" * 1000, 0.0),
    ],
)
def test_wording_is_compared(settings: dict[str, Any], answer: str, value: float) -> None:
    found = grade(similarity(**settings), CAT, answer)
    assert found.value == pytest.approx(value, abs=1e-4)


def test_feedback_says_how_like_it_is_and_what_it_should_be() -> None:
    found = grade(similarity(), CAT, "The cat is on the mat.")
    assert found.feedback == f"chrf 0.65, want {CAT!r}"
    assert found.metrics["chrf"] == pytest.approx(found.value)
    assert found.outcome == "partial"


def test_bleu_takes_characters_for_words_where_it_is_told_to() -> None:
    target, answer = "東京は日本の首都です", "東京は日本の都市です"
    words, letters = (similarity(measure="bleu", tokenize=one) for one in (None, "char"))
    wordwise, letterwise = (grade(rule, target, answer).value for rule in (words, letters))
    assert wordwise is not None
    assert letterwise is not None
    assert wordwise < 0.1
    assert letterwise > 0.4


def test_texts_are_not_kept() -> None:
    grade(similarity(measure="bleu"), CAT, "some other text")
    assert Tokenizer13a.__call__.cache_info().currsize == 0


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nan", "stands for a value that is missing"),
        ("  ", "is empty; mend the rows"),
        (CAT, ""),
    ],
)
def test_targets_of_no_wording_are_named(target: str, said: str) -> None:
    found = problem(similarity(), target)
    assert found.startswith(said) if said else not found


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"measure": "meteor"}, "Input should be 'chrf'"),
        ({"tokenize": "char"}, "tokenize: is for bleu, and not for chrf; take it out"),
        ({"stem": True}, "stem: is for ROUGE, and not for chrf; take it out"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as error:
        similarity(**settings)
    assert said in str(error.value)


def test_rouge_is_refused_where_its_package_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("autoprompt_assets.engine.grading.similarity.find_spec", lambda name: None)
    with pytest.raises(ValidationError) as error:
        similarity(measure="rougeL")
    assert "run pip install 'autoprompt-assets[rouge]', or use chrf" in str(error.value)


@pytest.mark.slow
@needs_rouge
def test_rouge_is_that_of_rouge_score() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    dice = random.Random(1)
    words = "the cats running on mats quickly and stopped 12 times".split()
    for _ in range(200):
        target, answer = (" ".join(dice.choices(words, k=dice.randint(2, 30))) for _ in range(2))
        for measure in ("rouge1", "rouge2", "rougeL"):
            for stem in (False, True):
                wanted = RougeScorer([measure], use_stemmer=stem).score(target, answer)
                found = grade(similarity(measure=measure, stem=stem), target, answer)
                assert found.value == pytest.approx(wanted[measure].fmeasure)


@pytest.mark.slow
@needs_rouge
@pytest.mark.parametrize("measure", ["rouge1", "rouge2", "rougeL"])
def test_rouge_knows_its_limits(measure: str) -> None:
    rule = similarity(measure=measure, stem=True)
    assert "of a to z and 0 to 9, which alone count for" in problem(rule, "東京")
    assert grade(rule, "東京", "東京").outcome == "unreviewed"
    assert bool(problem(rule, "cat")) == (measure == "rouge2")
    assert grade(rule, "the cat", "THE CATS!").outcome == "correct"
    assert grade(rule, "the cat", "\x00 東").value == 0
    long = " ".join(f"w{index}" for index in range(20_000))
    begin = time.process_time()
    for answer in (long, "y" * 100_000, "a " * 50_000):
        grade(rule, long, answer)
    assert time.process_time() - begin < 10
