"""What the simulated target model reads in a request: the candidate and the row asked about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoprompt_assets.engine.identity import content_hash
from tests.benchmarks.simulated.landscape import Landscape, Traits
from tests.benchmarks.simulated.words import COPIES, LABELS, ROWS

Json = dict[str, Any]
_LABEL = re.compile(rf"\b(?:{'|'.join(LABELS)})\b")
# DSPy's adapters put the instruction behind a description of the fields, which is no part of it.
_WRAPPED = "In adhering to this structure, your objective is:"


@dataclass(frozen=True)
class Prompt:
    """A request without its row: equal for all rows that one candidate is asked about."""

    traits: Traits
    key: str
    """A hash of instruction and demos: what tells one candidate's luck from another's."""


def content_of(message: Mapping[str, Any]) -> str:
    """A message's text; clients may send it in parts."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content)


def row_asked(text: str) -> str | None:
    """The row that a turn asks about: the last one without a label beside it."""
    plain = COPIES.sub(" ", text)
    found = ROWS.findall(plain) or ROWS.findall(text)
    return str(found[-1]) if found else None


def without_row(text: str, row: str | None) -> str:
    """A filled template without the row that filled it."""
    if row is None:
        return text
    before, _, after = text.rpartition(row)
    return f"{before} {after}"


def label_in(text: str) -> str:
    """The last label that an answer names, or the answer as it stands."""
    found = _LABEL.findall(text.casefold())
    return str(found[-1]) if found else text.strip()


class Reader:
    """Reads requests for one landscape; remembers candidates, as they come with many rows each."""

    def __init__(self, landscape: Landscape, remembered: int = 512) -> None:
        self._landscape, self._limit = landscape, remembered
        self._known: dict[tuple[str, ...], Prompt] = {}

    def read(self, messages: Sequence[Mapping[str, Any]]) -> tuple[Prompt, str | None]:
        """The candidate and the row asked about, if there is one."""
        texts = [content_of(message) for message in messages]
        row = row_asked(texts[-1]) if texts else None
        system = [
            text
            for text, message in zip(texts, messages, strict=True)
            if message.get("role") in ("system", "developer")
        ]
        # Without a system turn the instruction is a template that the row has been put into.
        frame = () if system else (without_row(texts[-1], row),) if texts else ()
        key = (*texts[:-1], "\0", *frame)
        prompt = self._known.get(key)
        if prompt is None:
            instruction = "\n".join(system or frame).rpartition(_WRAPPED)[2]
            demos = _demos(messages, texts)
            traits = self._landscape.traits(instruction, demos)
            prompt = Prompt(traits, content_hash([instruction.strip(), demos], 16))
            if len(self._known) >= self._limit:
                self._known.clear()
            self._known[key] = prompt
        return prompt, row


def _demos(messages: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> list[tuple[str, str]]:
    """A demo is a user's turn and the assistant's answer to it."""
    made = []
    for number in range(1, len(messages)):
        answered = messages[number].get("role") == "assistant"
        if answered and messages[number - 1].get("role") == "user":
            row = row_asked(texts[number - 1])
            if row is not None:
                made.append((row, label_in(texts[number])))
    return made


def answer(
    landscape: Landscape, prompt: Prompt, row: str | None, fields: Mapping[str, object]
) -> str:
    """The label that the model says; `fields` are the request's fields besides its messages."""
    traits = prompt.traits
    category = None if row is None else landscape.category(row)
    if row is None or category is None:
        return landscape.labels[0]
    # A row that the prompt itself answers is answered so.
    shown = dict((*traits.answers, *traits.copies))
    if row in shown:
        return shown[row]
    effect = landscape.effect(traits, fields)
    candidate = f"{prompt.key} {sorted(fields.items(), key=str)}"
    right = landscape.luck(row, candidate) < landscape.chance(category, traits, effect)
    return landscape.target(row) if right else landscape.mistake(row)
