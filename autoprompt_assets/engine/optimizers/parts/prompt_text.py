"""The text of requests to the optimizer model: what is shown, how it is set apart, what is asked.

Models wrote much of what is shown, so it is data: templates are filled by `template.fill`, which
fills no value again, and what is shown stands between tags that it cannot close (`tags`).
"""

from __future__ import annotations

from collections.abc import Sequence

from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.inputs import SINGLE, Layout
from autoprompt_assets.engine.lint import TIMES_FIELDS, longest_instruction
from autoprompt_assets.engine.tags import tagged
from autoprompt_assets.engine.template import fill
from autoprompt_assets.engine.texts import FirstPrompt, Texts

INPUT_LIMIT = 1500
"""Characters of a row's input that a request shows."""
ANSWER_LIMIT = 800
"""Characters that it shows of a model's answer, and of a target."""
REASON_LIMIT = 400
"""Characters that it shows of why an answer counts as it does."""
MARK_LIMIT = 40
"""Characters that the mark of a cut takes, at most."""
ROW_LIMIT = INPUT_LIMIT + 2 * ANSWER_LIMIT + REASON_LIMIT + 4 * MARK_LIMIT + 200
"""Characters that one row takes in a request, tags included."""

_CONTEXT = """\
The prompt below is one text of a conversation: {name}. You write that text alone; the others are \
sent around it as they stand. This is the whole conversation so far:

{texts}

"""
IN_BRACKETS = "Write it inside [[ and ]], and nothing after it."


def cut(text: str, limit: int) -> str:
    """`text`, its middle replaced by a mark where it has more than `limit` characters."""
    if len(text) <= limit:
        return text
    head = (limit + 1) // 2
    tail = len(text) - (limit - head)
    return f"{text[:head]} […{tail - head:,} characters left out…] {text[tail:]}"


def row_text(example: Example) -> str:
    """A train row and the answer that is wanted."""
    shown = tagged("input", cut(example.inputs.text, INPUT_LIMIT))
    wanted = target_text(example)
    return f"{shown}\n{wanted}" if wanted else shown


def target_text(example: Example) -> str:
    """The answer that is wanted of a row, if it has one."""
    return tagged("target", cut(example.target_text, ANSWER_LIMIT)) if example.target else ""


def about(texts: Texts, name: str, note: str) -> str:
    """A proposal's note, with the text that it changes where there are several."""
    return note if texts.is_single else f"{name}: {note}"


def context(texts: Texts, name: str) -> str:
    """Before a question that rewrites the text `name` of several: what stays around it; empty where
    it is the whole prompt.
    """
    if texts.is_single:
        return ""
    shown = [
        f"{'The text to be written' if one == name else 'Stays as it is'}: {one}\n"
        f"{tagged('text', text)}"
        for one, text in texts.items()
    ]
    return fill(_CONTEXT, name=name, texts="\n\n".join(shown))


def rules(
    first: FirstPrompt, name: str, keep: Sequence[str], longest: int | None, layout: Layout = SINGLE
) -> str:
    """What every new prompt must respect, as lines of a list; the judge holds it to the same.

    `first` is the first prompt, `name` that of the text that is written; `keep`, `longest` and
    `layout` are the spec's.
    """
    own, alone = first.texts[name], first.texts.is_single
    lines = [
        "It is used as it stands, for inputs of the same kind that are not shown here. Say what "
        "holds in general, and copy none of the inputs shown, nor their answers.",
        "Keep what the present prompts say of the form of the answer: answers are read by it.",
    ]
    found = layout.fields(own)
    if found:
        names, most = ", ".join(dict.fromkeys(found)), TIMES_FIELDS * len(found)
        lines.append(f"Keep {names} as it stands: the input is put there. {most} times at most.")
    elif alone:
        lines.append("The input follows it by itself: it needs no placeholder.")
    else:
        lines.append("The input stands in another turn: it needs no placeholder.")
    lines.append("Nothing else is filled in. A name in braces takes spaces inside: { name }.")
    lines += [
        f"It must hold this text, letter by letter:\n{tagged('keep', text)}"
        for text in keep
        if alone or text in own
    ]
    lines.append(f"It may have {longest_instruction(own, longest):,} characters at most.")
    lines.append(IN_BRACKETS)
    return "\n".join(f"- {line}" for line in lines)
