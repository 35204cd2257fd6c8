"""How a candidate becomes messages and requests, and how they are asked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.choices import choice_json, read_choice
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.engine.llm import CallError, Completion, RequestRefused
from autoprompt_assets.engine.llm.failures import AuthenticationFailed, ServerFailed
from tests import engine_support
from tests.engine_support import Scripted, asked, evaluator, examples
from tests.row_support import text_demo

CANDIDATE = Candidate("Say yes.")
DEMO = text_demo("1+1 {x}", "2")
SHOWN = [("user", "1+1 {x}"), ("assistant", "2")]


def texts(candidate: Candidate, question: str, as_choice: bool = False) -> list[tuple[str, str]]:
    messages = candidate.messages(Inputs.single(question), as_choice=as_choice)
    return [(message["role"], message["content"]) for message in messages]


@pytest.mark.parametrize(
    ("candidate", "expected"),
    [
        (Candidate("Solve."), [("system", "Solve."), ("user", "q {input} {")]),
        (
            Candidate('Use {"json": {x}} {.'),
            [("system", 'Use {"json": {x}} {.'), ("user", "q {input} {")],
        ),
        (Candidate("Q: {input}\nA: {x}"), [("user", "Q: q {input} {\nA: {x}")]),
        (Candidate("{input}, {input}"), [("user", "q {input} {, q {input} {")]),
        (
            Candidate("Solve.", (DEMO,)),
            [
                ("system", "Solve."),
                ("user", "1+1 {x}"),
                ("assistant", "2"),
                ("user", "q {input} {"),
            ],
        ),
        (
            Candidate("Q: {input}", (DEMO,)),
            [("user", "Q: 1+1 {x}"), ("assistant", "2"), ("user", "Q: q {input} {")],
        ),
    ],
)
def test_instruction_is_the_system_s_turn_or_a_template_of_the_user_s(
    candidate: Candidate, expected: list[tuple[str, str]]
) -> None:
    assert texts(candidate, "q {input} {") == expected


def test_demos_show_choices_in_the_form_they_are_answered_in() -> None:
    answer = texts(Candidate("S", (text_demo("q", 'ja "é"'),)), "x", as_choice=True)[2][1]
    assert answer == '{"answer": "ja \\"é\\""}' == choice_json('ja "é"')
    assert read_choice(answer, ('ja "é"', "nein")) == 'ja "é"'


def test_candidate_s_id_depends_on_content_alone() -> None:
    one = Candidate("S", (DEMO,), {"temperature": 0.5, "seed": 1})
    assert Candidate.from_json(one.as_json()).id == one.id
    assert Candidate("S", (DEMO,), {"seed": 1, "temperature": 0.5}).id == one.id
    others = [Candidate("s", one.demos, one.parameters), Candidate("S"), Candidate("S", (DEMO,))]
    assert len({one.id, *(other.id for other in others)}) == 4


def test_candidate_s_parameters_override_the_role_s() -> None:
    messages = ({"role": "user", "content": "q"},)
    body = json.loads(asked("target").request(messages, temperature=0.7, top_p=0.5).payload)
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.7, 0.5, 1000)


def evaluate(path: Path, llm: Scripted, rows: int, concurrency: int) -> dict[str, float | None]:
    async def run() -> dict[str, float | None]:
        async with evaluator(path, llm, concurrency=concurrency) as subject:
            kept = (await engine_support.evaluate(subject, CANDIDATE, examples(rows)))[1]
            return {row.example.id: row.grade.value for row in kept}

    return asyncio.run(run())


@pytest.mark.parametrize(("rows", "concurrency"), [(1, 1), (20, 3), (500, 1), (500, 50)])
def test_rows_are_handed_on_in_their_order(rows: int, concurrency: int, tmp_path: Path) -> None:
    """Whatever the order in which the answers come in: the first row's takes longest."""
    slow_first = {"0": 0.2, "1": 0.1, "70": 0.05}
    values = evaluate(tmp_path, Scripted(seconds=0.001, slower=slow_first), rows, concurrency)
    assert list(values) == [f"id{number}" for number in range(rows)]


def test_a_slow_row_does_not_hold_up_those_behind_it(tmp_path: Path) -> None:
    llm = Scripted(seconds=0.001, slower={"0": 1.0})
    evaluate(tmp_path, Scripted({"0": ServerFailed("down")}), 2, 1)  # their form is known by then
    evaluate(tmp_path, llm, 1000, 10)
    assert [request.messages[-1]["content"] for request in llm.answered][-1] == "0"


def test_failed_row_does_not_stop_the_others(tmp_path: Path) -> None:
    answers: dict[str, Completion | CallError | str] = {"1": RequestRefused("no"), "2": "no"}
    values = evaluate(tmp_path, Scripted(answers), 4, 1)
    assert list(values.values()) == [1.0, None, 0.0, 1.0]


def test_fatal_error_stops_the_evaluation(tmp_path: Path) -> None:
    llm = Scripted({"3": AuthenticationFailed("wrong key")}, seconds=0.005)
    with pytest.raises(AuthenticationFailed, match="wrong key"):
        evaluate(tmp_path, llm, 2000, 2)
    assert len(llm.requests) < 200


def test_second_evaluation_asks_nothing(tmp_path: Path) -> None:
    first = evaluate(tmp_path, Scripted({"1": "no"}), 5, 4)
    again = Scripted(default="something else")
    assert evaluate(tmp_path, again, 5, 4) == first
    assert again.requests == []


def test_a_prompt_for_people_says_its_request_fields() -> None:
    tuned = Candidate("Say it.", (), {"temperature": 0.7})
    assert tuned.text() == 'Say it.\n\n(Request parameters: {"temperature": 0.7})'
    assert Candidate("Say it.").text() == "Say it."
