"""Prompts of several texts: a conversation with earlier turns, of which some texts are tuned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.budget import Extent, evaluation_bound
from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.chat import Chat, ChatTurn
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import ExactGrader
from autoprompt_assets.engine.inputs import Inputs, Layout
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.llm import Asked, Models, Request, RequestForm, RoleSpec
from autoprompt_assets.engine.optimizers.parts.merge_pairs import merged_texts
from autoprompt_assets.engine.texts import FirstPrompt, Texts
from tests.loopback import Behaviour, LoopbackServer
from tests.support import KEY, OPTIONS, Project

LAYOUT = Layout(("question", "tier", "turns"))
EARLIER = '[{"role":"user","content":"Hi {tier}"},{"role":"assistant","content":"Hello"}]'
CHAT = Chat(
    LAYOUT,
    (
        ChatTurn("system", "system"),
        ChatTurn("user", "user"),
        ChatTurn("assistant", "assistant"),
        ChatTurn("history", "turns"),
        ChatTurn("user", "user_2"),
    ),
)
TEXTS = Texts(
    {"system": "Be kind.", "user": "Ready?", "assistant": "Ready.", "user_2": "{tier}: {question}"}
)


def inputs(question: str, turns: str = EARLIER) -> Inputs:
    return Inputs(LAYOUT.columns, [question, "gold", turns])


def said(candidate: Candidate, row: Inputs, chat: Chat = CHAT) -> list[tuple[str, str]]:
    messages = candidate.messages(row, as_choice=False, chat=chat)
    return [(one["role"], one["content"]) for one in messages]


def test_turns_stand_in_their_order_and_what_a_row_says_is_filled_once() -> None:
    assert said(Candidate(TEXTS), inputs("Why {tier}?")) == [
        ("system", "Be kind."),
        ("user", "Ready?"),
        ("assistant", "Ready."),
        ("user", "Hi {tier}"),
        ("assistant", "Hello"),
        ("user", "gold: Why {tier}?"),
    ]


def test_a_demo_is_a_whole_exchange_and_what_is_the_same_for_all_rows_stands_once() -> None:
    demo = Demo(inputs("Old?"), "No.")
    found = said(Candidate(TEXTS, (demo,)), inputs("New?", ""))
    assert found == [
        ("system", "Be kind."),
        ("user", "Ready?"),
        ("assistant", "Ready."),
        ("user", "Hi {tier}"),
        ("assistant", "Hello"),
        ("user", "gold: Old?"),
        ("assistant", "No."),
        ("user", "gold: New?"),
    ]


def test_where_no_system_turn_is_taken_its_text_stands_before_the_next_user_s() -> None:
    turns = (ChatTurn("system", "system"), ChatTurn("history", "turns"), ChatTurn("user", "user"))
    texts = Texts({"system": "{tier} only.", "user": "{question}"})
    candidate = Candidate(texts, (Demo(inputs("Old?", ""), "No."),))
    sent = candidate.messages(inputs("New?"), as_choice=False, chat=Chat(LAYOUT, turns))
    request = RequestForm(system="user").apply(Request("target", "e", "m", sent))
    assert [one["content"] for one in request.messages] == [
        "gold only.\n\nOld?",
        "No.",
        "gold only.\n\nHi {tier}",
        "Hello",
        "New?",
    ]


def test_a_turn_between_two_that_vary_belongs_to_the_exchange() -> None:
    turns = (
        ChatTurn("user", "user"),
        ChatTurn("assistant", "assistant"),
        ChatTurn("user", "user_2"),
    )
    texts = Texts({"user": "{tier}", "assistant": "And?", "user_2": "{question}"})
    demo = Demo(inputs("Old?"), "No.")
    found = said(Candidate(texts, (demo,)), inputs("New?"), Chat(LAYOUT, turns))
    assert [text for _, text in found] == ["gold", "And?", "Old?", "No.", "gold", "And?", "New?"]


def test_a_candidate_is_known_by_its_texts_and_comes_back_from_json() -> None:
    one = Candidate(TEXTS, (Demo(inputs("Old?"), "No."),), {"temperature": 0})
    back = Candidate.from_json(json.loads(json.dumps(one.as_json(), sort_keys=True)))
    assert (back, back.id, [*back.texts]) == (one, one.id, [*TEXTS])
    assert hash(back.texts) == hash(one.texts)
    assert one.having("user", "Set?").id != one.id
    assert one.having("user", "Set?").texts["system"] == "Be kind."


ROWS = [
    {
        "question": f"Which shape is path {i}?",
        "tier": "gold" if i % 2 else "free",
        "turns": [{"role": "user", "content": f"Hi {i}"}, {"role": "assistant", "content": "Yes?"}],
        "label": OPTIONS[i % 4],
    }
    for i in range(34)
]
ANSWERS = {str(row["question"]): str(row["label"]) for row in ROWS}
SPEC = """\
dataset:
  path: rows.jsonl
  inputs: [question, tier, turns]
  target: label
  split: {train: 6, validation: 12, test: 16}
roles:
  target:
    model: gpt-4.1-mini
    max_tokens: 200
    messages:
      - system: Name the shape for a {tier} customer.
      - history: turns
      - user: "{question}"
    tune: [system, user]
  optimizer: {model: gpt-4.1, max_tokens: 400}
grader: {kind: choice}
optimizer: {strategy: STRATEGY, iterations: 4, race: false}
headroom: {rows: 0}
"""


def jsonl(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(Behaviour(answers=ANSWERS)) as server:
        yield server


def project_of(folder: Path, url: str, spec: str, rows: list[dict[str, Any]] = ROWS) -> Project:
    project = Project(folder, {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY})
    project.add("talk", spec, rows_jsonl=jsonl(rows))
    return project


@pytest.mark.parametrize(
    "strategy",
    ["opro", *(pytest.param(one, marks=pytest.mark.slow) for one in ("gepa", "mipro", "demos"))],
)
def test_a_search_writes_one_text_at_a_time_and_says_which(
    strategy: str, server: LoopbackServer, tmp_path: Path
) -> None:
    project = project_of(tmp_path, server.base_url, SPEC.replace("STRATEGY", strategy))
    outcome = project.run_json("talk")
    (search,) = (project.home / "results" / "talk" / "searches").iterdir()
    iterations = [
        json.loads(path.read_bytes()) for path in sorted(search.glob("iterations/*.json"))
    ]
    tried = [one for step in iterations for one in step["candidates"]]
    assert tried
    for one in tried:
        assert [name for name, _ in one["candidate"]["texts"]] == ["system", "user"]
    written = {one["note"].split(":")[0] for one in tried if "written" in one["note"]}
    assert strategy == "demos" or written == {"system", "user"}
    for entry in server.ledger:
        if entry["role"] == "target":
            roles = [one["role"] for one in entry["body"]["messages"]]
            assert roles[:4] == ["system", "user", "assistant", "user"], roles
    assert project.run_json("talk")["usd_paid"] == 0
    page = Path(outcome["report"]).read_text()
    assert '<p class="head">system</p>' in page
    assert strategy == "demos" or ", against <code>" in page


@pytest.mark.slow
def test_what_is_not_tuned_stays_byte_for_byte(server: LoopbackServer, tmp_path: Path) -> None:
    spec = SPEC.replace("STRATEGY", "opro").replace("tune: [system, user]", "tune: [user]")
    project_of(tmp_path, server.base_url, spec).run_json("talk")
    asked = [one["body"]["messages"] for one in server.ledger if one["role"] == "target"]
    assert {one[0]["content"] for one in asked} == {
        f"Name the shape for a {tier} customer." for tier in ("gold", "free")
    }
    assert len({one[-1]["content"] for one in asked}) > len(ROWS)


def test_the_winner_s_request_says_where_a_row_s_earlier_turns_go(
    server: LoopbackServer, tmp_path: Path
) -> None:
    project = project_of(tmp_path, server.base_url, SPEC.replace("STRATEGY", "demos"))
    outcome = project.run_json("talk")
    template = json.loads(Path(outcome["best_request"]).read_bytes())
    assert "The message {turns} stands for those that the column turns lists" in template["how"]
    *_, history, last = template["request"]["messages"]
    assert (history["content"], last["content"]) == ("{turns}", "{question}")


BAD_TURNS: dict[str, tuple[object, str]] = {
    "no JSON": ("hello", "is 'hello' and no JSON; write a JSON list"),
    "no list": ({"role": "user"}, "is a mapping and no list of messages; write a JSON list"),
    "no message": (["Hi"], "has a text as message 1; write a JSON list"),
    "no role": ([{"content": "Hi"}], "has no role in message 1; use one of user, assistant"),
    "another role": (
        [{"role": "tool", "content": "Hi"}],
        "has the role 'tool' in message 1; use one of user, assistant, system",
    ),
    "no content": ([{"role": "user"}], "has no content in message 1; write a text"),
    "parts": (
        [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
        "has a list as content in message 1; write a text",
    ),
    "more": (
        [{"role": "user", "content": "Hi", "name": "Ann"}],
        "has the field 'name' in message 1, which is not sent; take it out",
    ),
}


@pytest.mark.parametrize(("turns", "trouble"), BAD_TURNS.values(), ids=BAD_TURNS)
def test_a_history_that_is_no_messages_is_named_by_row(
    turns: Any, trouble: str, tmp_path: Path
) -> None:
    rows: list[dict[str, Any]] = [*ROWS[:5], {**ROWS[5], "turns": turns}, *ROWS[6:]]
    project = project_of(tmp_path, "http://127.0.0.1:9/v1", SPEC.replace("STRATEGY", "opro"), rows)
    line = project.refused("check", "talk")
    assert f"rows.jsonl: line 6, column 'turns' {trouble}" in line


def test_a_history_that_is_last_must_end_with_the_user(tmp_path: Path) -> None:
    spec = SPEC.replace("STRATEGY", "opro").replace('      - user: "{question}"\n', "")
    spec = spec.replace("tune: [system, user]", "tune: [system]")
    project = project_of(tmp_path, "http://127.0.0.1:9/v1", spec)
    result = project.run("check", "talk")
    assert result.returncode == 2
    assert "line 1, column 'turns' ends with the role 'assistant'" in result.stderr


BAD_CHATS = {
    "both": ("    prompt: Hi\n    messages:", "roles.target: holds prompt and messages; keep one"),
    "no role": (
        "    messages:\n      - {}",
        "roles.target.messages.0: has no role; write one of system, user, assistant and history",
    ),
    "two roles": (
        "    messages:\n      - {system: a, user: b}",
        "roles.target.messages.0: has several roles; write one",
    ),
    "unknown": (
        "    messages:\n      - users: a",
        "roles.target.messages.0.users: no such field; did you mean 'user'?",
    ),
    "empty": ('    messages:\n      - user: " "', "roles.target.messages.0.user is empty; fill"),
    "last": (
        "MESSAGES      - assistant: Sure",
        "messages ends with 'assistant', which no model answers; end with user or history",
    ),
    "stray": (
        'MESSAGES      - user: "{questoin}"',
        "roles.target.messages.3.user holds {questoin}, which nothing fills",
    ),
    "column": (
        "MESSAGES      - history: talks",
        "roles.target.messages.3.history = 'talks' is no column of dataset.inputs; use one of",
    ),
    "nothing": (
        "    messages:\n      - user: Hello",
        "roles.target.messages names no column, so that every row would be asked the same",
    ),
    "tune": (
        "MESSAGES    tune: [sytem]",
        "tune holds 'sytem', which no text is called; use system, user",
    ),
    "tune nothing": ("MESSAGES    tune: []", "tune names no text; name one of system, user"),
    "tune twice": ("MESSAGES    tune: [user, user]", "tune names a text twice; name it once"),
}


@pytest.mark.parametrize(("given", "said_of_it"), BAD_CHATS.values(), ids=BAD_CHATS)
def test_a_bad_conversation_gets_one_line(given: str, said_of_it: str, tmp_path: Path) -> None:
    begin, end = SPEC.index("    messages:"), SPEC.index("  optimizer:")
    own = SPEC[begin:end]
    without_tune = own[: own.index("    tune:")]
    given = given.replace("MESSAGES", without_tune)
    given = given.replace("    prompt: Hi\n    messages:", f"    prompt: Hi\n{without_tune}")
    spec = f"{SPEC[:begin]}{given}\n{SPEC[end:]}".replace("STRATEGY", "opro")
    project = project_of(tmp_path, "http://127.0.0.1:9/v1", spec)
    result = project.run("check", "talk")
    assert result.returncode == 2
    assert said_of_it in result.stderr


@pytest.mark.parametrize(
    ("name", "text", "trouble"),
    [
        ("user", "Say it.", "in the text 'user', it lacks the placeholder {question} of the first"),
        ("system", " ", "in the text 'system', there is nothing"),
        ("system", "{tier} first.", "in the text 'system', it holds {tier}, and the first prompt"),
        ("system", "Say {shape}.", "in the text 'system', it holds {shape}, which nothing fills"),
        ("assistant", "Fine.", "it changes the text 'assistant', which is to stay as it is"),
        ("system", "Kept: be kind. Now.", ""),
        ("system", "Now.", "in the text 'system', it lacks the text 'be kind', which every"),
    ],
)
def test_each_text_is_looked_at_beside_the_first_prompt_s(
    name: str, text: str, trouble: str
) -> None:
    texts = Texts({"system": "Solve; be kind.", "user": "{question}", "assistant": "Ok."})
    first = FirstPrompt(texts, ("system", "user"))
    lint = Lint(first, (), ExactGrader(kind="exact"), keep=("be kind",), layout=LAYOUT)
    found = lint.problem(Candidate(texts.having(name, text)), ())
    assert (found[: len(trouble)], bool(found)) == (trouble, bool(trouble))


def test_a_merge_takes_each_text_from_who_changed_it() -> None:
    first = FirstPrompt.of(Texts({"a": "1", "b": "1", "c": "1"}))
    high, low = Texts({"a": "2", "b": "1", "c": "2"}), Texts({"a": "1", "b": "3", "c": "3"})
    assert merged_texts(high, low, first) == (Texts({"a": "2", "b": "3", "c": "2"}), ["c"])
    assert merged_texts(high, Texts({**low, "c": "1"}), first)[1] == []


def test_the_bound_of_a_conversation_holds_its_rows_and_demos() -> None:
    rows = [
        Example(str(n), str(n), inputs("Why?" * n, EARLIER if n % 2 else ""), "yes", "train")
        for n in range(1, 9)
    ]
    demos = tuple(Demo(row.inputs, row.target) for row in rows[-2:])
    candidate = Candidate(TEXTS, demos)
    models = Models(Asked("target", RoleSpec(max_tokens=9), "e", "m"), None, None, CHAT)
    asked = [candidate.messages(row.inputs, as_choice=True, chat=CHAT) for row in rows]
    least = sum(len(one["content"].encode()) + 16 for messages in asked for one in messages)
    bound = evaluation_bound(models, candidate, Extent.of(rows))
    assert least <= bound.prompt_tokens < 3 * least
    assert bound.completion_tokens == 9 * len(rows)
