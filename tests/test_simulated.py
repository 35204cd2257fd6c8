"""The simulated target model: its accuracy is what its landscape says, whoever asks, however."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.choices import choice_schema
from autoprompt_assets.engine.inputs import Inputs
from tests.benchmarks.measure import ROOT
from tests.benchmarks.simulated.landscape import Landscape, landscape
from tests.benchmarks.simulated.reading import Reader, answer
from tests.benchmarks.simulated.server import OPTIMIZER, TARGET, Model, SimulatedServer, simulating
from tests.benchmarks.simulated.shapes import (
    FINAL,
    NULL_FINAL,
    NULL_TUNING,
    SHAPES,
    TUNING,
)
from tests.row_support import text_demo

ROWS = 1500


@pytest.fixture(scope="module")
def server() -> Iterator[SimulatedServer]:
    with simulating() as running:
        yield running


def post(url: str, body: Mapping[str, Any]) -> Any:
    request = urllib.request.Request(url + "/chat/completions", json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def asked(
    subject: Landscape, candidate: Candidate, rows: list[tuple[str, str]], **fields: Any
) -> float:
    """The accuracy over rows, as the server would answer them."""
    reader, right = Reader(subject), 0
    for text, target in rows:
        prompt, row = reader.read(candidate.messages(Inputs.single(text), as_choice=False))
        right += answer(subject, prompt, row, {**candidate.parameters, **fields}) == target
    return right / len(rows)


def some_candidate(subject: Landscape, seed: int) -> Candidate:
    draw = random.Random(seed)
    numbers = [n for n in range(len(subject.features)) if draw.random() < 0.5]
    demos = tuple(text_demo(*row) for row in subject.rows(draw.randrange(9), 1000 + seed))
    settings = {name: draw.choice(values) for name, values in subject.parameters.items()}
    return Candidate(subject.write(numbers), demos, settings)


def true_score(subject: Landscape, candidate: Candidate) -> float:
    demos = [(demo.inputs.text, demo.answer) for demo in candidate.demos]
    return subject.true_score(candidate.instruction, demos, candidate.parameters)


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", SHAPES)
def test_accuracy_over_many_rows_is_the_true_score(name: str, seed: int) -> None:
    subject = landscape(name, 5)
    candidate = some_candidate(subject, seed)
    # Four standard errors of 1,500 rows are 0.052 at most.
    expected = pytest.approx(true_score(subject, candidate), abs=0.052)
    assert asked(subject, candidate, subject.rows(ROWS, 0)) == expected


def test_noise_is_one_share_of_the_luck_and_the_row_the_rest() -> None:
    """Two wordings of equal worth err on the same rows mostly, which paired tests profit from."""
    subject = landscape("additive", 5)
    rows = [text for text, _ in subject.rows(ROWS, 0)]
    same = [subject.luck(row, "one") == subject.luck(row, "other") for row in rows]
    # Both are the row's own in (1 - 0.25) squared of the pairs.
    assert sum(same) / ROWS == pytest.approx(0.5625, abs=0.05)


def test_sets_are_disjoint_and_hold_enough() -> None:
    names = [shape.name for group in (TUNING, FINAL, NULL_TUNING, NULL_FINAL) for shape in group]
    assert len(set(names)) == len(names) == len(SHAPES)
    assert min(len(TUNING), len(FINAL)) >= 4
    assert len(NULL_TUNING) + len(NULL_FINAL) >= 2


@pytest.mark.parametrize("shape", [*TUNING, *FINAL], ids=lambda shape: shape.name)
def test_best_beats_every_candidate_and_is_worth_finding(shape: Any) -> None:
    subject = landscape(shape.name, 7)
    best = subject.best()
    assert subject.true_score(best.instruction, best.demos, best.parameters) == pytest.approx(
        best.score, abs=1e-12
    )
    assert 0.2 < subject.true_score(subject.first_prompt) < 0.65
    assert 0.75 < best.score < 0.95
    rivals = [true_score(subject, some_candidate(subject, seed)) for seed in range(60)]
    rivals += [subject.true_score(wording) for wording in subject.wordings]
    assert max(rivals) < best.score
    assert subject.best(0).score < best.score


def test_no_single_change_improves_the_best() -> None:
    """The enumeration leaves out features; none of those may help."""
    for name in SHAPES:
        subject = landscape(name, 11)
        best = subject.best()
        has = {n for n, text in enumerate(subject.features) if text in best.instruction}
        for number in range(len(subject.features)):
            other = subject.write(sorted(has ^ {number}))
            assert subject.true_score(other, best.demos, best.parameters) <= best.score + 1e-12


@pytest.mark.parametrize("shape", [*NULL_TUNING, *NULL_FINAL], ids=lambda shape: shape.name)
def test_with_nothing_to_gain_no_candidate_is_better(shape: Any) -> None:
    subject = landscape(shape.name, 3)
    first = subject.true_score(subject.first_prompt)
    scores = [true_score(subject, some_candidate(subject, seed)) for seed in range(40)]
    if shape.name == "hostile":
        assert min(scores) < first - 0.05
    else:
        assert scores == pytest.approx([first] * 40)
    assert max(scores) <= first + 1e-12
    assert subject.best().score == pytest.approx(first)


def test_copied_rows_are_answered_and_cost_elsewhere() -> None:
    subject = landscape("additive", 2)
    rows = subject.rows(1200, 0)
    copied = rows[:8]
    trap = f"{subject.first_prompt} " + " ".join(f"{text} -> {target}." for text, target in copied)
    assert asked(subject, Candidate(trap), copied) == 1.0
    assert asked(subject, Candidate(trap), rows[8:]) < asked(
        subject, Candidate(subject.first_prompt), rows[8:]
    )
    assert subject.true_score(trap) < subject.true_score(subject.first_prompt) - 0.1


def test_clear_demos_of_the_rows_category_help() -> None:
    subject = landscape("shown", 2)
    rows = subject.rows(200, 0)
    one = subject.topics[0]
    own = [pair for pair in rows if pair[0].startswith(one)][:6]
    mixed = list(subject.best(6).demos)
    assert subject.true_score(subject.core, own) < subject.true_score(subject.core, mixed)
    wrong = [(text, subject.mistake(text)) for text, _ in mixed]
    assert subject.true_score(subject.core, wrong) == subject.true_score(subject.core)


def test_a_wrong_answer_is_the_label_that_the_category_falls_for() -> None:
    subject = landscape("additive", 2)
    rows = [(text, target) for text, target in subject.rows(300, 0) if text.startswith("Dates")]
    subject_topics = [pair for pair in rows if subject.category(pair[0]) is not None]
    mistakes = {subject.mistake(text) for text, _ in subject_topics}
    assert len(mistakes) <= 2
    assert all(subject.mistake(text) != target for text, target in subject_topics)


FIELDS = """Your input fields are:
1. `text` (str):
Your output fields are:
1. `reasoning` (str):
2. `answer` (str):
All interactions will be structured in the following way, with the appropriate values filled in.

[[ ## text ## ]]
{{text}}

In adhering to this structure, your objective is:
        {instruction}"""


def test_every_form_of_a_candidate_is_the_same_candidate() -> None:
    """The instruction counts alike as a system's turn, in a template, and in DSPy's wrapping."""
    subject = landscape("laden", 1)
    traits = subject.traits(subject.first_prompt)
    row = subject.rows(1, 0)[0][0]
    given = Inputs.single(row)
    template = Candidate(f"{subject.first_prompt}\n\n{{input}}").messages(
        Inputs.single(row), as_choice=False
    )
    wrapped = FIELDS.format(instruction=subject.first_prompt.replace(". ", ".\n        ").upper())
    for messages in (
        Candidate(subject.first_prompt).messages(given, as_choice=False),
        template,
        [{"role": "system", "content": wrapped}, {"role": "user", "content": f"Text: {row}\nGo."}],
    ):
        prompt, found = Reader(subject).read(messages)
        assert (prompt.traits, found) == (traits, row)


def test_answers_come_in_the_form_asked_for() -> None:
    subject = landscape("additive", 1)
    row, target = subject.rows(1, 0)[0]
    demo = [{"role": "user", "content": row}, {"role": "assistant", "content": target}]
    asking = {"role": "user", "content": row}
    model = Model(subject)

    def said(system: str, **fields: Any) -> str:
        messages = [{"role": "system", "content": system}, *demo, asking]
        body = {"model": TARGET, "messages": messages, **fields}
        return str(model.complete(body)["choices"][0]["message"]["content"])

    assert said(subject.core) == target
    schema = choice_schema(subject.labels)
    assert json.loads(said(subject.core, response_format=schema)) == {"answer": target}
    wrapped = FIELDS.format(instruction=subject.core)
    assert f"\n\n[[ ## answer ## ]]\n{target}\n\n[[ ## completed ## ]]" in said(wrapped)
    assert json.loads(said(wrapped + "\nRespond with a JSON object"))["answer"] == target


def test_server_answers_equally_and_keeps_accounts_apart(server: SimulatedServer) -> None:
    subject = landscape("tangled", 4)
    one, other = server.base_url("tangled", 4, "a"), server.base_url("tangled", 4, "b")
    messages = Candidate(subject.first_prompt).messages(
        Inputs.single(subject.rows(1, 0)[0][0]), as_choice=False
    )
    body = {"model": TARGET, "messages": messages, "temperature": 0.0}
    assert post(one, body) == post(one, body) == post(other, body)
    words = sum(len(message["content"].split()) for message in messages)
    assert server.ledger(one) == {
        TARGET: {"calls": 2, "prompt_tokens": 2 * words, "completion_tokens": 2}
    }
    assert server.ledger(other, reset=True)[TARGET]["calls"] == 1
    assert server.ledger(other) == {}
    assert server.ledger()[TARGET]["calls"] == 2


def test_optimizer_is_sampled_above_temperature_0_and_replays(server: SimulatedServer) -> None:
    url = server.base_url("tangled", 4, "sampled")
    prompt = f"Improve this: {landscape('tangled', 4).first_prompt}"
    body = {"model": OPTIMIZER, "messages": [{"role": "user", "content": prompt}]}
    greedy = [post(url, body | {"temperature": 0}) for _ in range(3)]
    assert greedy[0] == greedy[1] == greedy[2]
    drawn = [post(url, body)["choices"][0]["message"]["content"] for _ in range(6)]
    assert len(set(drawn)) > 1
    server.ledger(url, reset=True)
    assert [post(url, body)["choices"][0]["message"]["content"] for _ in range(6)] == drawn


def test_what_cannot_be_answered_is_refused(server: SimulatedServer) -> None:
    for name, body in (("nowhere", {"model": TARGET, "messages": []}), ("tangled", {})):
        with pytest.raises(urllib.error.HTTPError) as caught:
            post(server.base_url(name, 1), body)
        caught.value.close()
        assert caught.value.code == 400


def test_server_ends_with_its_context() -> None:
    with simulating() as running:
        assert runs(running.pid)
    assert not runs(running.pid)


def test_server_ends_when_who_started_it_is_killed() -> None:
    script = (
        "from tests.benchmarks.simulated.server import simulating\n"
        "with simulating() as server:\n"
        "    print(server.pid, flush=True)\n"
        "    input()\n"
    )
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, cwd=ROOT, stdin=pipe, stdout=pipe, text=True) as starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert runs(pid)
        starter.kill()
    until = time.monotonic() + 20
    while runs(pid):
        assert time.monotonic() < until
        time.sleep(0.02)


def runs(pid: int) -> bool:
    return subprocess.run(["ps", "-p", str(pid)], capture_output=True, check=False).returncode == 0
