"""The simulated optimizer model: one rule, which knows nothing but the text it is asked with."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from tests.benchmarks.simulated.landscape import Landscape, landscape
from tests.benchmarks.simulated.proposer import find_blocks, find_rows, propose
from tests.benchmarks.simulated.server import OPTIMIZER, Model

GEPA = """I provided an assistant with the following instructions to perform a task for me:
```
{prompt}
```

The following are examples of different task inputs provided to the assistant:
```
{examples}
```

Provide the new instructions within ``` blocks."""


def user(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def reflecting(subject: Landscape, prompt: str, rows: Sequence[tuple[str, str]]) -> str:
    """A reflection request on rows that all went wrong."""
    examples = "\n\n".join(
        f"# Example {number}\n## Inputs\n{text}\n\n## Generated Outputs\n{subject.mistake(text)}"
        f"\n\n## Feedback\nThe answer is wrong. Expected: {target}"
        for number, (text, target) in enumerate(rows)
    )
    return GEPA.format(prompt=prompt, examples=examples)


def features(subject: Landscape, prompt: str) -> set[int]:
    return set(subject.traits(prompt).features)


def answered(subject: Landscape, text: str) -> str:
    body = {"model": OPTIMIZER, "messages": user(text), "temperature": 0}
    return str(Model(subject).complete(body)["choices"][0]["message"]["content"])


def test_one_feature_changes_and_only_the_text_decides() -> None:
    subject = landscape("tangled", 1)
    for number in range(100):
        base = subject.write([number % 6, 6 + number % 7])
        text = f"Request {number}. Improve this prompt:\n{base}\n"
        made = propose(subject, user(text))
        assert made == propose(subject, user(text))
        assert len(features(subject, made) ^ features(subject, base)) == 1
        assert subject.traits(made).core


@pytest.mark.parametrize("name", ["additive", "tangled", "lopsided"])
def test_feedback_makes_right_moves_frequent(name: str) -> None:
    """Counted over 300 requests each: what raises the true score."""
    subject = landscape(name, 1)
    base = subject.write([subject.shape.fixes.index(min(subject.shape.fixes))])
    now, right = subject.true_score(base), {"blind": 0, "told": 0}
    for number in range(300):
        rows = subject.rows(3, number)
        blind = f"Request {number}. Improve this:\n{base}"
        for kind, text in (("blind", blind), ("told", reflecting(subject, base, rows))):
            made = propose(subject, user(text))
            changed = subject.write(sorted(features(subject, made)))
            right[kind] += subject.true_score(changed) > now
    # A quarter and three quarters; four standard errors are 30.
    assert right["blind"] == pytest.approx(75, abs=30)
    assert right["told"] == pytest.approx(225, abs=30)


def test_failing_categories_are_what_is_fixed() -> None:
    subject = landscape("additive", 1)
    topic, fixed = subject.topics[2], 0
    rows = [pair for pair in subject.rows(2000, 0) if pair[0].startswith(topic)][:200]
    for number in range(100):
        text = reflecting(subject, subject.core, rows[2 * number : 2 * number + 2])
        fixed += features(subject, propose(subject, user(text))) == {2}
    assert fixed >= 65


def test_right_answers_and_mere_examples_are_no_failures() -> None:
    subject = landscape("additive", 1)
    (one, target), (two, truth), (three, label) = subject.rows(3, 0)
    text = (
        f"Input: {one}\nAnswer: {target}\nThe answer is correct; expected {target}.\n\n"
        f"Input: {two}\nAnswer: {subject.mistake(two)}. Target: {truth}\n\n"
        f"Text: {three}\nLabel: {label}\n\n{subject.core}"
    )
    seen = find_rows(subject, text, find_blocks(subject, text))
    assert [(row.row, row.failed, row.target) for row in seen] == [
        (one, False, target),
        (two, True, truth),
        (three, False, label),
    ]


def test_rows_in_the_request_are_copied_at_times() -> None:
    subject = landscape("additive", 1)
    copied = 0
    for number in range(200):
        rows = subject.rows(3, number)
        made = propose(subject, user(reflecting(subject, subject.core, rows)))
        copies = subject.traits(made).copies
        assert set(copies) <= set(rows)
        copied += bool(copies)
        blind = propose(subject, user(f"Request {number}: {subject.core}"))
        assert not subject.traits(blind).copies
    assert 20 < copied < 60


def test_copies_stay_until_dropping_them_is_the_change() -> None:
    subject = landscape("additive", 1)
    (text, target), *_ = subject.rows(1, 0)
    base = f"{subject.first_prompt} Known case: {text} => {target}."
    dropped = 0
    for number in range(100):
        made = propose(subject, user(f"Request {number}:\n```\n{base}\n```"))
        kept, changed = subject.traits(made).copies, features(subject, made)
        assert (kept, len(changed)) in [(((text, target),), 1), ((), 0)]
        dropped += not kept
    assert 0 < dropped < 25


def test_opro_history_is_continued_from_its_last_and_best() -> None:
    subject = landscape("additive", 1)
    history = [[], [0], [0, 3], [0, 3, 7]]
    lines = "\n".join(f"{subject.write(has)}: 0.{n}0" for n, has in enumerate(history, 3))
    text = f"<PROMPTS>\n{lines}\n</PROMPTS>\nWrite a new prompt in [[ and ]]."
    found = re.findall(r"\[\[(.*?)\]\](?!\])", answered(subject, text), re.DOTALL)
    has = features(subject, found[-1])
    assert len(has ^ {0, 3, 7}) == 1
    assert has not in [set(tried) for tried in history]


def test_asked_again_after_a_repetition_another_prompt_comes() -> None:
    subject = landscape("additive", 1)
    first = user(f"{subject.core}: 0.40\nWrite a new prompt in [[ and ]].")
    made = propose(subject, first)
    retry = [
        *first,
        {"role": "assistant", "content": f"[[{made}]]"},
        {"role": "user", "content": "That prompt was tried before."},
    ]
    again = features(subject, propose(subject, retry))
    assert again != features(subject, made)
    assert len(again) == 1


def test_gepa_gets_one_fence() -> None:
    subject = landscape("additive", 1)
    said = answered(subject, reflecting(subject, subject.core, subject.rows(3, 0)))
    assert said.startswith("```\n")
    assert said.endswith("\n```")
    assert said.count("```") == 2
    assert len(features(subject, said)) == 1


def test_merging_two_prompts_gives_both_features() -> None:
    subject = landscape("additive", 1)
    one, other = subject.write([0, 6]), subject.write([3, 6])
    text = f"Merge these two prompts:\n\nFirst:\n{one}\n\nSecond:\n{other}\n\nAnswer in [[ ]]."
    assert features(subject, answered(subject, text)) == {0, 3, 6}


DSPY = """Your input fields are:
1. `basic_instruction` (str): Basic instruction.
Your output fields are:
{fields}
All interactions will be structured in the following way, with the appropriate values filled in.

[[ ## basic_instruction ## ]]
{prompt}

Respond with the corresponding output fields, then `[[ ## completed ## ]]`."""


def test_dspy_gets_its_fields() -> None:
    subject = landscape("additive", 1)
    fields = "1. `proposed_instruction` (str): Propose."
    said = answered(subject, DSPY.format(fields=fields, prompt=subject.first_prompt))
    start, end = "[[ ## proposed_instruction ## ]]\n", "\n\n[[ ## completed ## ]]"
    assert said.startswith(start)
    assert said.endswith(end)
    assert len(features(subject, said)) == 1
    fields = "1. `observations` (str): Trends.\n2. `summary` (str): In short."
    said = answered(subject, DSPY.format(fields=fields, prompt=""))
    names = re.findall(r"\[\[ ## (\w+) ## \]\]", said)
    assert names == ["observations", "summary", "completed"]
    assert not subject.traits(said).features
