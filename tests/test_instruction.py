"""The prompt in an optimizer model's answer: all of it, or none."""

from __future__ import annotations

import time

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.optimizers import Answer, Proposal, Question
from autoprompt_assets.engine.optimizers.parts.instruction import WRAPS, read_instruction
from autoprompt_assets.engine.optimizers.parts.writing import UNPAIRED, Task, Written, write
from tests.optimizer_support import Lenient


@pytest.mark.parametrize(
    ("answer", "prompt"),
    [
        ("[[Do it.]]", "Do it."),
        ("I think:\n\n[[\nDo it.\nWell.\n]]\nBye", "Do it.\nWell."),
        ("Not [[this]] but [[that]]", "that"),
        ("**[[Do it.]]**", "Do it."),
        ("[Prompt: [[Do it.]]]", "Do it."),
        ("[[Answer {as} {json: [1]}]]", "Answer {as} {json: [1]}"),
        ("[[ünï 日本語 🙂]]", "ünï 日本語 🙂"),
        ("[[ \n ]]", ""),
    ],
)
def test_last_brackets_hold_the_prompt(answer: str, prompt: str) -> None:
    assert read_instruction(answer) == prompt


@pytest.mark.parametrize(
    "prompt",
    [
        "Score in [0,1), then answer as in [[label]] does.",
        "Score in [0, 1) or (0, 1], then as in [[label]].",
        "Score in ]0,1[ or [0,1[ or ]0, 1], then as in [[label]].",
        "x in (0, 1] counts, x in (1, 2] does not",
        "Answer with [[x]], or [].",
        "Answer in [brackets]",
        "[x]",
        "[0] is first",
        "[a] or [b]",
        "Rows like [[1, 2], [3]].",
        "Rows:\n[[1, 2],\n [3]\n]\nAdd them.",
        "Write [[label]] and [[reason]].",
        "[[label]] comes first, [[reason]] last",
        "Close with `]]` always.",
        "Never write `]]`. Write `[[` instead.",
        'Never write "]]".',
        "In bash:\n```sh\nif [[ -f x\n```\nit lacks its end.",
        "In bash:\n~~~\n]] || [[ x ]]\n~~~\nit is odd.",
        r"Match [^\]]+ and \[x\].",
        "Use a[b[0]] to index.",
        "Do <prompt>x</prompt> well.",
        "Return:\n```json\n{}\n```",
        "```a\nx\n```\ntext\n```b\ny\n```",
        "One ``` alone.",
    ],
)
@pytest.mark.parametrize(
    ("before", "after"),
    [("", ""), ("My prompt:\n\n", "\n"), ("First [[a draft]].\n\n", ""), ("See [1].\n", "\nBye.")],
)
def test_brackets_inside_are_part_of_the_prompt(prompt: str, before: str, after: str) -> None:
    assert read_instruction(f"{before}[[{prompt}]]{after}") == prompt


@pytest.mark.parametrize(
    ("answer", "prompt"),
    [
        ("[[Pick a) or b], never c]]", "Pick a) or b], never c"),
        ("[[Open with [, then write.]]", "Open with [, then write."),
        ("My prompt:\n  [[Pick b], then [[label]].]]\n", "Pick b], then [[label]]."),
        ("I put it inside [[ as asked.\n\n[[Do it.]]", "Do it."),
        ("A list: [a, b\n\n[[Do it.]]", "Do it."),
    ],
)
def test_brackets_that_do_not_pair_are_taken_by_their_place(answer: str, prompt: str) -> None:
    assert read_instruction(answer) == prompt


@pytest.mark.parametrize(
    "answer",
    [
        *("[[", "]]", "[]]", "[[[", "[[[]", "[[]", "[ [x] ]", "[[[x]", "", "Do it."),
        *("[[Do it.", "Do it.]]", "[[Do it.]", "[[Answer as in [[label]] and then"),
        "[[Answer as in [[label]]",
        "[[Use the form\n[[label]]",
        "[[Score in (0,1] or (1,2], as in [[label]] does",
        "[[Choose: a] yes b] no. Write [[label]]",
        "[[Close with `]]`, then",
        "[[Use a[b[0]] to index and",
        "[[Open [ only]] then [[Last]]",
        "[[A draft\n\nNo, better:\n\n[[Do it.]]",
        "[[Do it.]] And another: [[Do",
        "[[A]] and ]]",
        "[[Pick b], never c]] Bye",
        "Rows like [[1, 2], [3]].",
        "```\nAnswer with [[label]].\n```",
        "<prompt>Answer with [[label]].</prompt>",
    ],
)
def test_what_may_be_cut_is_no_prompt(answer: str) -> None:
    assert read_instruction(answer) is None


@pytest.mark.parametrize(
    "answer",
    [
        "[[Do it.]]\n\n(It stands inside [[ and ]].)",
        '[[Do it.]]\nNothing comes after the "]]".',
        "I write in [[...]].\n\n[[Do it.]]",
        "[[Do it.]] As asked, in `[[` and `]]`.",
    ],
)
def test_brackets_that_are_spoken_of_hold_nothing(answer: str) -> None:
    assert read_instruction(answer) == "Do it."


@pytest.mark.parametrize(
    "answer",
    [
        "[[\n```markdown\nClassify.\n```\n]]",
        "[[```markdown\nClassify.\n```]]",
        "[[```\nClassify.\n```\n]]\n\n```\nAn example.\n```",
        "[[````md\nClassify.\n````]]",
        "[[~~~\nClassify.\n~~~]]",
        "[[```Classify.```]]",
        "```\n[[Classify.]]\n```",
        "Here:\n```text\n[[Classify.]]\n```\nGood luck [1].",
        "[[A draft]]\nLast:\n```\n[[Classify.]]\n```",
        "`[[Classify.]]`",
        "[[<prompt>Classify.</prompt>]]",
        "[[ <New_Prompt>\nClassify.\n</New_Prompt> ]]",
        "<prompt>[[Classify.]]</prompt>",
        "<prompt>\n```\n[[Classify.]]\n```\n</prompt>",
        "[[<new_prompt>```text\n<instruction>Classify.</instruction>\n```</new_prompt>]]",
        "[[\n```\n[[Classify.]]\n```\n]]",
        "<prompt>Classify.</prompt>",
        "I thought.\n\n<instructions>\n```\nClassify.\n```\n</instructions>\n\nThat is it.",
        "In <prompt></prompt> tags: <new_prompt>Classify.</new_prompt>",
    ],
)
def test_fences_and_tags_around_the_prompt_are_taken_off(answer: str) -> None:
    assert read_instruction(answer) == "Classify."


@pytest.mark.parametrize(
    ("answer", "prompt"),
    [
        ("[[```\nUse\n```json\n{}\n```\nwell.\n```]]", "Use\n```json\n{}\n```\nwell."),
        ("[[```Sort the text.\nSay A.\n```]]", "Sort the text.\nSay A."),
        (
            "[[<prompt>A</prompt> or <prompt>B</prompt>]]",
            "<prompt>A</prompt> or <prompt>B</prompt>",
        ),
        ("[[<rules>Be short.</rules>]]", "<rules>Be short.</rules>"),
        ("[[`Classify.`]]", "`Classify.`"),
        ("[[```\n```]]", ""),
    ],
)
def test_no_more_than_what_is_around_the_prompt_is_taken_off(answer: str, prompt: str) -> None:
    assert read_instruction(answer) == prompt


@pytest.mark.parametrize(
    "answer",
    [
        "<prompt>A.</prompt> or <prompt>B.</prompt>",
        "<prompt>Do it",
        "<prompt>A.</prompt>\n<prompt>B",
        "<prompt> </prompt>",
        "<answer>Do it.</answer>",
    ],
)
def test_tags_that_do_not_tell_the_prompt_hold_none(answer: str) -> None:
    assert read_instruction(answer) is None


def test_wraps_are_taken_off_a_bounded_number_of_times() -> None:
    wrapped = "<prompt>" * (WRAPS + 1) + "Do it." + "</prompt>" * (WRAPS + 1)
    assert read_instruction(f"[[{wrapped}]]") == "<prompt>Do it.</prompt>"


UNITS = [
    *(
        "[",
        "]",
        "[[",
        "]]",
        "[[[x]] ",
        "[[x]] ",
        "[x ",
        "[a,b) ",
        "(a, b] ",
        "(a ,",
        "]0,1[",
        "\\]",
    ),
    *("`", "` ", "``", "```\n", "```x\n[[\n```\n", "[[```\n", "~", "~~~\n", '"[[" ', "[[ and ]] "),
    *("<prompt>", "</prompt>", "<prompt>[[", "<", " ", "\n"),
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize(("start", "end"), [("", ""), ("[[", "]]")])
def test_reading_takes_linear_time(unit: str, start: str, end: str) -> None:
    """16,000 characters; twice as many brackets took 13 seconds when it was quadratic."""
    text = start + (unit * 16_000)[:16_000] + end
    begun = time.process_time()
    read_instruction(text)
    assert time.process_time() - begun < 1


def proposal(instruction: str) -> Proposal:
    return Proposal(Candidate(instruction))


TASK = Task(({"role": "user", "content": "Write."},), proposal)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (Answer("[[Do it.]] [[And"), UNPAIRED),
        (Answer("Do it."), "it holds no prompt in [[...]]"),
        (Answer("[[ ]]"), "the prompt is empty"),
        (Answer("[[Do it.]]", "it was cut off at max_tokens"), "it was cut off at max_tokens"),
        (Answer("", "the model refused"), "the model refused"),
    ],
)
def test_an_answer_that_is_no_prompt_is_asked_again_with_its_problem(
    answer: Answer, problem: str
) -> None:
    asked = write(TASK, Lenient(), 2, [answer])
    assert isinstance(asked, Question)
    assert [message["role"] for message in asked.messages] == ["user", "assistant", "user"]
    assert asked.messages[1]["content"] == (answer.text or "(no answer)")
    assert f"cannot be used: {problem}." in asked.messages[2]["content"]
    assert write(TASK, Lenient(), 1, [answer]) == Written(None, (), 1, problem)
    better = write(TASK, Lenient(), 2, [answer, Answer("[[Better.]]")])
    assert better == Written(proposal("Better."), (), 2)


@pytest.mark.parametrize(
    ("answer", "prompt"),
    [
        ("[[Do it.]]\nThe old prompt was [[Old prompt]].", "Do it."),
        ("[[Do it]]\n\nI kept [[label]] out.", "Do it"),
        ("I liked [[Old]].\n\n**[[Do it]]**", "Do it"),
        ("[[One]]\n\n[[Two]]", "Two"),
        ("[[Classify: [spam, ham]]", None),
        ("[[Do it]]]", None),
    ],
)
def test_a_prompt_on_lines_of_its_own_comes_before_one_that_is_spoken_of(
    answer: str, prompt: str | None
) -> None:
    assert read_instruction(answer) == prompt
