"""How a review is read: its verdict where it settles on one, and nothing from its prose."""

from __future__ import annotations

import pytest

from autoprompt_assets.engine.grading.verdict import (
    VERDICT_WORDS,
    VERDICT_WORDS_SHOWN,
    read_verdict,
)

REVIEWS: list[tuple[str, bool | None]] = [
    ("True", True),
    ("true.", True),
    ("**True**", True),
    ("`true`", True),
    ("Verdict: True", True),
    ("Final verdict: **True**", True),
    ("The answer is True.", True),
    ("The response is correct, so: True", True),
    ("Both name (B).\n\nTrue", True),
    ("True\n\nBoth name (B); it is not incorrect.", True),
    ("Yes", True),
    ("<answer>True</answer>", True),
    ("False", False),
    ("false.", False),
    ("FALSE", False),
    ("Incorrect.", False),
    ("Is it true? No.\nFalse", False),
    ("False. The response is not correct.", False),
    ("False, it isn't true", False),
    ("No", False),
    ("", None),
    ("I cannot say", None),
    ("not true", None),
    ("That is not entirely correct", None),
    ("It isn't true", None),
    ("True or False", None),
    ("True and false", None),
    ("True. It is not correct.", None),
    ("untrue", None),
    ("(B)", None),
    ("Mostly right", None),
    ("neither correct nor complete", None),
    ("not correct", None),
    ("Not wrong.", None),
    ("almost correct", None),
    ("Correct? No.", False),
    ("Correct. No.", None),
    ("Incorrect. The answer is yes.", False),
    ("Correct, but incomplete.", None),
    ("Yes, it matches the target.", True),
    ("Correct: 4, given: 5", None),
    ("Correct: both name the same city.", True),
    ("Grade: C+", None),
    ("GRADE: C", True),
    ("C", True),
    ("I", False),
    ("i", None),
    ("The answer is C", None),
    ("I. think so", None),
    ("Verdict:\n\nFalse\n\nReason: the correct answer is 4.", False),
    ('```json\n{"correct": true}\n```', True),
    ('Compared.\n{"correct": false}', False),
    ('True\n{"correct": false}', None),
    ('{"correct": true, "verdict": "fail"}', None),
    ('{"incorrect": true}', False),
    ('{"evaluation": {"is_correct": "no"}}', False),
    ('{"score": 1}', None),
    ('{"correct": "partially"}', None),
    ('{"answer": "Paris", "correct": true}', True),
    ('{"answer": "no", "correct": true}', True),
    ('{"answer": "yes", "verdict": "incorrect"}', False),
    ('{"grade": "I"}', False),
    ('"correct": false', False),
    ("{'correct': False, 'reason': 'x'}", False),
    ('Use the form {"correct": true}', None),
    ('Verdict: {"correct": true}', True),
    ("[[True]]", True),
    ("\ufeffTrue", True),
    ("True\u200b", True),
    ("True\xa0", True),
    ("__True__", True),
    ("Is it wrong? No.", None),
    ("Yes and no.", None),
    ("True/False", None),
    ("No errors were found.", None),
    ("PASS", True),
    ("Verdict - fail", False),
    ("The model's answer is wrong.", False),
    ("- **Verdict:** Incorrect. The correct answer is 4.", False),
    ("Compared.\n\n**Verdict:** Incorrect. The correct answer is 4.", False),
    ("It is correct.", True),
    ("The response matches; it is correct and complete", None),
    ("true true", None),
    ("\\boxed{True}", True),
    ("1. True", None),
    ("True!", True),
    ("True?", None),
    ("Right answer.", None),
    ("Wrong", False),
    ("Right!", True),
    ("{'correct': False, 'reason': 'a long story of it'}", False),
    ("correct: no, because it names Lyon and not Paris", False),
    ("{'correct': True, 'reason': 'a long story of it'}", True),
    ("Correct: no; it names Lyon and not Paris", None),
]
FIELD_REVIEWS: list[tuple[str, list[bool | None]]] = [
    ("Wrong. The correct answer is 4.", [False]),
    ("FAIL: expected the correct label 'spam', got 'ham'", [False]),
    ("Partially correct.", [False, None]),
    ('{"correct": false, "reason": "compared"}', [False]),
    ("Incorrect. The correct answer is 4.", [False]),
    ("Final verdict: incorrect - the correct answer is 4", [False]),
    ("The two were compared.\n\nGRADE: I", [False]),
    ("FAIL", [False]),
    ("Verdict:\u200bTrue", [True]),
    ("I cannot judge this.", [None]),
]
RESTATING = [
    "Response: Yes\nGround truth: No\nThese do not match.",
    "The model's answer: Yes\nExpected: No\nNot the same.",
    "The two do not match.\nAnswer: Yes",
    "Right. The expected answer is No but the response says Yes. They do not match.",
    "Right, let me check.\n\nIt says Yes, and the expected answer is No. They do not match.",
    "Correct.\n\nWait, I misread: the response says Yes, not No. So it is incorrect.",
    '{"correct": true}\n\nActually no: the ground truth says otherwise, so it is incorrect.',
    "Student: Yes",
    "Given answer: True",
    "Its answer is True.",
    "The student's answer: yes\nIt should have been no.",
    "Correct - Paris, given London",
    "Correct; the units are wrong.",
    "Correct. The response does not match the ground truth.",
    "True\n\nHowever, the response contains an error.",
    "Yes, because the response is not the same as the ground truth.",
    "Yes: the two answers differ.",
    "Verdict: Correct\n\nReasoning: The model says 4 which does not equal 5. So it is wrong.",
    "No, the response is correct.",
    "No, there are no errors.",
    "Wrong: no",
    "Incorrect: false",
    "The ground truth is False.\nThe final answer is: False",
]


@pytest.mark.parametrize("text", RESTATING)
def test_a_review_that_restates_answers_or_takes_itself_back_is_no_verdict(text: str) -> None:
    assert read_verdict(text) is None


@pytest.mark.parametrize(("text", "verdict"), REVIEWS)
def test_verdict_is_read_only_where_it_is_settled(text: str, verdict: bool | None) -> None:
    assert read_verdict(text) is verdict


@pytest.mark.parametrize(("text", "verdicts"), FIELD_REVIEWS)
def test_reviews_met_in_the_field_are_read_right(text: str, verdicts: list[bool | None]) -> None:
    assert read_verdict(text) in verdicts


@pytest.mark.parametrize("pair", VERDICT_WORDS)
@pytest.mark.parametrize("form", ["{}", "{}.", "**{}**", "Verdict: {}", "x\n\nGRADE: {}", "`{}`"])
def test_every_listed_word_is_a_verdict(pair: tuple[str, str], form: str) -> None:
    assert [read_verdict(form.format(word)) for word in pair] == [True, False]
    assert "/".join(pair) in VERDICT_WORDS_SHOWN


@pytest.mark.parametrize("hedge", ["partially", "mostly", "almost", "not", "nearly", "hardly"])
@pytest.mark.parametrize("word", ["correct", "right", "true"])
@pytest.mark.parametrize(
    "form", ["{} {}.", "The answer is {} {}.", "Verdict: {} {}", "It is {} {}"]
)
def test_hedged_word_is_never_a_yes(hedge: str, word: str, form: str) -> None:
    assert read_verdict(form.format(hedge, word)) is not True
    assert read_verdict(form.format("", word)) is True
