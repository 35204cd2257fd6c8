"""Braces: which placeholders are filled, which are refused, and which are text."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.chat import Chat
from autoprompt_assets.engine.inputs import Inputs, Layout
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.template import fields, fill, foreign, literal, stray
from autoprompt_assets.resources.llm import LLMResource
from tests.engine_support import Scripted, evaluator, examples
from tests.grading_support import Told, grade_of

COLUMNS = frozenset(["input", "question", "Ticket text"])


def turns(prompt: str, *demos: Demo) -> list[tuple[str, str]]:
    layout = Layout(("Ticket text" if "Ticket text" in prompt else "question",))
    inputs = Inputs(layout.columns, ["TEXT"])
    messages = Candidate(prompt, demos).messages(inputs, as_choice=False, chat=Chat(layout))
    return [(message["role"], message["content"]) for message in messages]


@pytest.mark.parametrize(
    ("prompt", "turn"),
    [
        ("Text: {{input}}", "Text: TEXT"),
        ("Text: {input}", "Text: TEXT"),
        ("Text: {{ input }}", "Text: TEXT"),
        ("Text: {question}", "Text: TEXT"),
        ("Text: {{question}}", "Text: TEXT"),
        ("Text: {Ticket text}, {{ Ticket text }}", "Text: TEXT, TEXT"),
        ("{input}{{input}} {question}", "TEXTTEXT TEXT"),
        ('{"text": {input}}', '{"text": TEXT}'),
        ('{"text":{{input}}}', '{"text":TEXT}'),
        ('```json\n{"a": {"b": "{question}"}}\n```', '```json\n{"a": {"b": "TEXT"}}\n```'),
        (r"$f({input})$ \text{input} { question }", r"$f(TEXT)$ \textTEXT { question }"),
        ("{input} {letter} {{letter}} {} {a, b} {#if}", "TEXT {letter} {{letter}} {} {a, b} {#if}"),
        ("{{{input}}}", "{TEXT}"),
        ("{{input} {input}}", "{TEXT TEXT}"),
    ],
)
def test_a_column_s_name_in_braces_is_filled_and_makes_the_user_s_turn(
    prompt: str, turn: str
) -> None:
    assert turns(prompt) == [("user", turn)]


@pytest.mark.parametrize(
    "prompt",
    [
        "Sort it.",
        "{ input }",
        "{Input}",
        "{inputs}",
        "{in put}",
        '{"input": 1}',
        "input}",
        "{{other}}",
    ],
)
def test_a_prompt_without_a_column_s_placeholder_is_the_system_s_turn(prompt: str) -> None:
    assert turns(prompt) == [("system", prompt), ("user", "TEXT")]


def test_demos_fill_the_same_template_and_no_value_is_filled_again() -> None:
    demo = Demo(Inputs.single("{input} {{question}}", "question"), "{input}")
    expected = [("user", "T: {input} {{question}}"), ("assistant", "{input}"), ("user", "T: TEXT")]
    assert turns("T: {{question}}", demo) == expected


def test_values_are_filled_in_one_pass_whatever_their_names() -> None:
    assert fill("{a}{b}{c}{{a}}{{ b }}", a="{b}", b="2") == "{b}2{c}{b}2"
    assert fill("{template} {self} {a.b} {$^}", **{"template": "1", "self": "2", "a.b": "3"}) == (
        "1 2 3 {$^}"
    )
    assert fill("{a}") == "{a}"


def test_fields_are_told_as_they_stand() -> None:
    assert fields("{{input}} {input}, {{ question }} {x}", COLUMNS) == [
        "{{input}}",
        "{input}",
        "{{ question }}",
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Answer: {letter}", ["{letter}"]),
        ("Text: {{query}}", ["{{query}}"]),
        ("Text: {{ query }}", ["{{ query }}"]),
        ("Text: ${text}", ["{text}"]),
        ("`${a}`, `${b}` or ${a}", ["{a}", "{b}"]),
        ("{Input} {input} {user_input} {ticket}", ["{Input}", "{user_input}", "{ticket}"]),
        ("```\n{text}\n```", ["{text}"]),
        ("“{text}” '{a}' <x>{b}</x> /{c}/", ["{text}", "{a}", "{b}", "{c}"]),
        ("_{text}_ and __{other}__", ["{text}", "{other}"]),
        (r"Sort it.\n\n{text}\t{more}", ["{text}", "{more}"]),
        ("{{{text}}}", ["{{text}}"]),
        ("{प्रश्न} {cafe\u0301} {問題}", ["{प्रश्न}", "{cafe\u0301}", "{問題}"]),
        ("Open with { and answer {letter}", ["{letter}"]),
        ('A "key": {letter}', ["{letter}"]),
        ('{"a": 1} {letter}', ["{letter}"]),
        ('{"a": 1}{letter}', ["{letter}"]),
        (r"\frac{a}{b} {letter}", ["{letter}"]),
        (r"$\frac{a}{b}$ {letter} $x$", ["{letter}"]),
        ("It has $5 and {amount} or $6 left", ["{amount}"]),
        ("It has $5 for {amount} in US$.", ["{amount}"]),
        ("Costs ${price}, not $5", ["{price}"]),
    ],
)
def test_a_name_that_nothing_fills_is_stray(text: str, found: list[str]) -> None:
    assert stray(text, COLUMNS) == found
    for placeholder in found:
        assert stray(text.replace(placeholder, literal(placeholder)), COLUMNS) != found


@pytest.mark.parametrize(
    "text",
    [
        "{ letter } and {  letter }",
        '{"label": {letter}, "list": [{x}, {"y": {z}}]}',
        '{\n  "label": "{label}",\n  // its reason\n  "why": {why}\n}',
        "{'a': {b}} {“a”: {b}}",
        '{{"label": {letter}}}',
        'Return:\n```json\n{"a": {b}}\n```',
        r"\frac{a}{b} \frac{\sqrt{x}}{{y}} \boxed{answer} \text{label} \sqrt[3]{x}{y} \max*{x}",
        "x^{n} a_{i} a_{i}^{j} 10^{n} (x)^{n} f'_{x}",
        r"$f{x}$ ${x}$ $\sum_{i}{x}$ $$ {a} {b} $$ \( {x} \) \[ {y} \]",
        r"\begin{align}x\end{align} \d{n}",
        "{ x: 1 } {x: 1} {} { } {1} {1,2} {a, b} {a b} {a-b} {a.b} {a!r} {a[0]}",
        "{#if} {/if} {% if x %} {%x%} {> part} {{#each rows}} {{/each}} {{7*7}}",
        "} { {{ }} {{{ a",
        "{input} {{question}} {Ticket text}",
    ],
)
def test_other_braces_are_text(text: str) -> None:
    assert stray(text, COLUMNS) == []
    assert stray(f"{text} {{letter}}", COLUMNS) == ["{letter}"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("{{row.text}} {{ item['text'] }}", ["{{row.text}}", "{{ item['text'] }}"]),
        ("{{#if text}} {{text | upper}}", ["{{#if text}}", "{{text | upper}}"]),
        ("{text!r} {row.text} {row[0]}", ["{text!r}", "{row.text}", "{row[0]}"]),
        ('{"a": "{text}", "b": {c}, "d": "{{text}}"}', ["{text}", "{{text}}"]),
        ('{} {1} {a, b} { x: 1 } {"a": "b"} {{"a": 1}} {x: 1} {1.5} {{x}} {x}', []),
    ],
)
def test_what_may_be_meant_for_a_placeholder_is_found_to_be_told(
    text: str, found: list[str]
) -> None:
    assert foreign(text) == found


def test_the_file_s_column_is_a_name_in_every_request(tmp_path: Path) -> None:
    spec = ExperimentSpec.model_validate(
        {
            "dataset": {"path": "a.csv", "inputs": "question"},
            "roles": {
                "target": {"endpoint": "local", "prompt": "Q: {{question}}"},
                "review": {"endpoint": "local", "prompt": "{question}|{{response}}|{ answer }"},
            },
            "grader": {"kind": "model"},
        }
    )
    models, inputs = LLMResource().models(spec), Inputs.single("0", "question")
    example = replace(examples(1)[0], inputs=inputs)

    async def turn() -> str:
        async with evaluator(tmp_path, Scripted()) as subject:
            asker = replace(subject.asker, models=models)
            request = asker.request(Candidate(spec.roles.target.prompt), example)
            return str(request.messages[-1]["content"])

    assert asyncio.run(turn()) == "Q: 0"
    ask = Told("True")
    grade_of(spec.make_grader(), example, "{question}", ask)
    assert ask.questions[0][0]["content"] == "0|{question}|{ answer }"


UNITS = [
    *("{", "}", "{{", "{a}", "{{a}} ", "{ ", "{{ ", '{"a":', "{a.b", "{a["),
    *("\\a{", "\\a[", "\\", "$", "$ ", "$x ", "${a", "\\(", "\\[", "\\(\\a", "^{", '"  ', " ", "a"),
]


@pytest.mark.parametrize("unit", UNITS)
@pytest.mark.parametrize("start", ["", "{{"])
def test_reading_takes_linear_time(unit: str, start: str) -> None:
    """16,000 characters; were it quadratic, they would take many seconds."""
    text = start + (unit * 16_000)[:16_000]
    begun = time.process_time()
    fields(text, COLUMNS)
    stray(text, COLUMNS)
    foreign(text)
    assert time.process_time() - begun < 1
