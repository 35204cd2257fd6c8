"""What a reflective strategy asks the optimizer model: to rewrite a prompt, or to merge two.

A rewrite shows one prompt, `MOST_CHILDREN` more at most, and at most as many rows as a minibatch
has (`MOST_RIGHT`, if that is more), each of `prompt_text.ROW_LIMIT` characters at most; a merge
shows two prompts and no row. Rules and frame take about 2,000 characters, and the texts of `keep`.
"""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.optimizers.parts.prompt_text import (
    ANSWER_LIMIT,
    INPUT_LIMIT,
    REASON_LIMIT,
    context,
    cut,
    row_text,
    target_text,
)
from autoprompt_assets.engine.optimizers.protocol import Feedback, Question, Sizes, asked_bytes
from autoprompt_assets.engine.tags import tagged
from autoprompt_assets.engine.template import fill

MOST_RIGHT = 3
"""Rows that went right, shown where none went wrong."""

MOST_CHILDREN = 5
"""Earlier rewrites of a prompt that a request shows, the latest ones."""

_REWRITE = """\
{children}A language model is given this prompt:

{prompt}
{demos}
{cases}

{request}

{rules}
"""
_MEND = """\
First think about why these went wrong: find the causes that would make other inputs fail, too, \
and what the prompt would have to say so that they do not. The inputs are only examples of what \
comes. Then rewrite the whole prompt so that it mends these causes and keeps all that works now."""
_IMPROVE = """\
First think about which inputs of this kind the prompt does not prepare the model for. Then \
rewrite the whole prompt so that it does, and keep all that works now."""
_CHILDREN = """\
These are rewrites of one prompt, each followed by how its score differs from that prompt's. They \
were tried before, so yours must be another, and should not do what lowered the score:

{children}

The prompt that they are rewrites of follows. """
_MERGE = """\
Two prompts were written for the same task, and each does better than the other on some inputs: \
the first on {first_wins} that the second gets wrong or less well, the second on {second_wins}.

This is the first:

{first}

This is the second:

{second}

Merge them: think about what each says that makes it strong and the other lacks, and combine the \
strengths of both in one prompt, without saying anything twice. Where they contradict each other, \
choose.

{rules}
"""


def rewrite(
    candidate: Candidate,
    name: str,
    feedback: Sequence[Feedback],
    children: Sequence[tuple[str, float]],
    rules: str,
) -> tuple[Message, ...]:
    """Asks for a new text in place of the candidate's `name`, after what became of train rows.

    `children` are texts that were written in its place before, the latest last, with the
    difference of their scores from its own.
    """
    wrong = [one for one in feedback if one.value is not None and one.value < 1]
    wrong.sort(key=lambda one: one.value or 0.0)
    demos = ""
    if candidate.demos:
        demos = f"\nAfter it come {len(candidate.demos)} worked examples, which stay.\n"
    text = fill(
        _REWRITE,
        children=_tried(children),
        prompt=tagged("prompt", candidate.texts[name]),
        demos=demos,
        cases=_cases(wrong, [one for one in feedback if one.value == 1]),
        request=_MEND if wrong else _IMPROVE,
        rules=rules,
    )
    return ({"role": "user", "content": context(candidate.texts, name) + text},)


def merge(
    first: Candidate, second: Candidate, name: str, wins: tuple[int, int], rules: str
) -> tuple[Message, ...]:
    """Asks for one text in place of two called `name`. `wins` are rows that each has the better."""
    text = fill(
        _MERGE,
        first_wins=_count(wins[0]),
        second_wins=_count(wins[1]),
        first=tagged("first_prompt", first.texts[name]),
        second=tagged("second_prompt", second.texts[name]),
        rules=rules,
    )
    return ({"role": "user", "content": context(first.texts, name) + text},)


def _tried(children: Sequence[tuple[str, float]]) -> str:
    shown = [
        f"{tagged('rewrite', instruction)}\nDifference: {difference:+.2f}"
        for instruction, difference in children[-MOST_CHILDREN:]
    ]
    return fill(_CHILDREN, children="\n\n".join(shown)) if shown else ""


def _cases(wrong: Sequence[Feedback], right: Sequence[Feedback]) -> str:
    if wrong:
        head = f"It was tried on {_count(len(wrong) + len(right))}. {len(right)} went right."
        cases = "\n\n".join(_case(one) for one in wrong)
        return f"{head} What went wrong:\n\n{cases}"
    if right:
        head = f"It was tried on {_count(len(right))}, and all went right. Some of them:"
        shown = [tagged("case", row_text(one.example)) for one in right[:MOST_RIGHT]]
        return "\n\n".join((head, *shown))
    return "It has not been tried on inputs that can be shown here."


def _case(one: Feedback) -> str:
    partly = f", score {one.value:.2f}" if one.value else ""
    parts = [
        tagged("input", cut(one.example.inputs.text, INPUT_LIMIT)),
        tagged("answer", cut(one.answer, ANSWER_LIMIT)),
        target_text(one.example),
        f"Outcome: {one.outcome}{partly}.",
    ]
    if one.reason.strip():
        parts.append(tagged("reason", cut(one.reason.strip(), REASON_LIMIT)))
    return tagged("case", "\n".join(filter(None, parts)))


def _count(inputs: int) -> str:
    return f"{inputs} input" if inputs == 1 else f"{inputs} inputs"


def longest_request(
    rows: Sequence[Example], largest: Candidate, name: str, rules: str, sizes: Sizes
) -> int:
    """Bytes of the longest request about the text `name`: a rewrite that shows `rows`, or a merge.

    All rows went wrong, and every rewrite of the prompt that can be shown is there.
    """
    prompt = Candidate(largest.texts, (Demo(Inputs.single(""), ""),))
    answer, reason = sizes.text(sizes.answer), sizes.text(sizes.reason)
    feedback = [Feedback(row, answer, "unparsable", 0.5, reason) for row in rows]
    children = [(prompt.texts[name], 0.0)] * min(MOST_CHILDREN, max(0, sizes.candidates - 1))
    both = (
        rewrite(prompt, name, feedback, children, rules),
        merge(prompt, prompt, name, (0, 0), rules),
    )
    return max(asked_bytes(Question(messages)) for messages in both)
