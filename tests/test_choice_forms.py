"""The grader `choice`: options however the question lists them, letters however they are said."""

from __future__ import annotations

import pytest

from tests.test_answer_forms import LISTED, NUMBERED, outcome

CHOICE = {"kind": "choice"}
SAYS_B = [
    "B",
    "$B$",
    "\\(B\\)",
    "\\text{B}",
    "\\mathbf{B}",
    "$\\mathbf{B}$",
    "$\\boxed{B}$",
    "\\boxed{\\text{B. red}}",
    "\\boxed{\\text{(B)}}",
    "答案：B",
    "正确答案是B。",
    "答えはBです",
    "正解：B",
    "정답: B",
    "정답은 B입니다.",
    "Respuesta: B",
    "La respuesta correcta es B.",
    "La respuesta es (B)",
    "Antwort: B",
    "Die richtige Antwort ist B.",
    "Réponse : B",
    "La réponse est B",
    "Ответ: B",
    "Правильный ответ — B",
    "الإجابة: B",
    "الإجابة الصحيحة هي B",
    "Resposta: B",
    "Risposta: B",
    "Cevap: B",
    "A is wrong, C is wrong, so B",
    "Not A, not C, therefore B.",
    "A and C are wrong, so it is B",
    "It is B",
    "It's B.",
    "B is correct.",
    "(B) is the right answer",
    "ANSWER: $B$",
    "Answer: red",
    "The answer is red",
    "**Answer: B**\n\nExplanation: a dog is an animal.",
    "B\n\nExplanation: red is a colour, a dog is an animal.",
    "B. Because a dog is an animal and seven a number.",
    "B, because a dog is an animal",
    "B - red is a colour, a dog is not",
    "**B**\n\nA dog is an animal.",
    "B) red\n\nA dog is an animal, seven a number.",
    "(B)\nred is a colour; dog and seven are not",
    "Answer: B\n\nA is a dog.",
    "<answer>B</answer>",
    "Ⓑ",
    "B\u200b",
    "Answer: B (red)",
    "Option B",
    "option (b)",
    "The correct option is B: red",
    "So the answer must be B",
    "I would choose B because A is a dog.",
    "{B}",
    "[[B]]",
    '"B"',
    "- B",
    "> B",
    "Red",
    "red.",
    "I'd say it's B",
]
SAYS_2 = [
    *("2", "2.", "(2)", "2)", "2. red", "[2]", "**2**", "$2$", "\\boxed{2}", "red", "Answer: 2"),
    *("The answer is 2", "Option 2", "I choose 2", "1 is wrong, 3 is wrong, so 2", "答案：2"),
    *("答えは2です", "2\n\nA dog is an animal.", "There are 3 options. The answer is 2."),
]
UNSETTLED = [
    *("I don't know", "I do not know.", "I DON'T KNOW", "I am not sure", "Answer: I don't know"),
    *("A or B", "Neither A nor B nor C", "Ответ: В", "dog and red", "1 or 2"),
    "I cannot tell; a dog is no colour and seven is a number",
]


@pytest.mark.parametrize("answer", SAYS_B)
def test_letter_is_read_however_it_is_said(answer: str) -> None:
    found = {outcome(CHOICE, target, answer, q) for q in LISTED for target in ("B", "red")}
    assert found == {"correct"}
    assert {outcome(CHOICE, "C", answer, question) for question in LISTED} == {"wrong"}


@pytest.mark.parametrize("answer", SAYS_2)
def test_number_of_an_option_is_read_as_a_letter_is(answer: str) -> None:
    targets = ("2", "2)", "(2)", "red")
    assert {outcome(CHOICE, t, answer, q) for q in NUMBERED for t in targets} == {"correct"}
    assert {outcome(CHOICE, "3", answer, question) for question in NUMBERED} == {"wrong"}


@pytest.mark.parametrize("answer", UNSETTLED)
def test_answer_that_settles_on_nothing_is_no_option(answer: str) -> None:
    assert outcome(CHOICE, "D", answer, LISTED[0]) == "unparsable"
    assert outcome(CHOICE, "I", answer, "Which?\nA. x\nB. y\nI. zed") == "unparsable"
    assert outcome(CHOICE, "2", answer, NUMBERED[0]) == "unparsable"


@pytest.mark.parametrize("question", LISTED)
@pytest.mark.parametrize(
    "answer", ["None of the above", "ANSWER: None of the above", "D", "D. None of the above"]
)
def test_none_of_the_above_is_an_option(answer: str, question: str) -> None:
    assert outcome(CHOICE, "D", answer, question) == "correct"


@pytest.mark.parametrize("target", ["0", "2", "E", "B or C", '["B"]'])
def test_target_that_names_no_option_is_unreviewed(target: str) -> None:
    assert outcome(CHOICE, target, "B", LISTED[0]) == "unreviewed"


@pytest.mark.parametrize("question", ["Q: is it?\nA: hm", "A: hi\nB: ho\nA: he"])
def test_a_dialogue_is_no_list_of_options(question: str) -> None:
    assert outcome(CHOICE, "yes", "Yes.", question) == "correct"
    assert outcome(CHOICE, "yes", "No.", question) == "wrong"


@pytest.mark.parametrize(
    "answer",
    [
        *("The answer is (B) because A is wrong.", "B because A is wrong and C is, too"),
        *("The correct answer is B as C is incorrect.", "**B** because A is wrong", "B, not A"),
        "The answer is (B) because A is wrong. (C) is close, too.",
        *("The correct answer is not A but B", "La respuesta correcta es la B", "选B", "B。"),
        *("La réponse est la B", "I'd pick B, A is wrong", "A is wrong, C is wrong, so B"),
    ],
)
def test_a_reason_takes_no_letter_away(answer: str) -> None:
    assert {outcome(CHOICE, "B", answer, question) for question in LISTED} == {"correct"}


@pytest.mark.parametrize(
    "answer",
    [
        *("I don't think the answer is B.", "I would not choose B", "I wouldn't go with B"),
        *("You should never select B", "Answer: B, C", "The answer is A, B or C"),
    ],
)
def test_a_letter_that_is_denied_or_one_of_several_is_none(answer: str) -> None:
    assert "correct" not in {outcome(CHOICE, "B", answer, question) for question in LISTED}


@pytest.mark.parametrize("question", ["Which? A) cat B) dog", "Which?\nA - cat\nB - dog\nC - bird"])
def test_few_options_in_a_row_or_after_dashes_are_options(question: str) -> None:
    assert outcome(CHOICE, "1", "B", question) == "unreviewed"
    assert outcome(CHOICE, "dog", "B", question) == "correct"
    assert outcome(CHOICE, "A", "B", question) == "wrong"
