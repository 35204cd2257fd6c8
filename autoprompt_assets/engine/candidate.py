"""What is searched: instruction, demos and sampling parameters, and how they become messages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from autoprompt_assets.engine.choices import choice_json
from autoprompt_assets.engine.controls import json_text
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.template import INPUT, fields, fill


@dataclass(frozen=True)
class Demo:
    """One worked example shown to the model."""

    input: str
    answer: str


Chat = tuple[str | None, tuple[Message, ...]]
"""What a candidate's rows share: the template of the last turn, if it is one; the turns before."""


@dataclass(frozen=True)
class Candidate:
    """One prompt to try. Frozen; its id is a hash of its content.

    `parameters` override the target role's request fields (temperature, max_tokens, …).
    """

    instruction: str
    demos: tuple[Demo, ...] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @lazy
    def id(self) -> str:
        """Twelve hexadecimal digits."""
        return content_hash(self.as_json(), 12)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return {
            "instruction": self.instruction,
            "demos": [{"input": demo.input, "answer": demo.answer} for demo in self.demos],
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Candidate:
        """The candidate that `as_json` gave."""
        demos = tuple(Demo(demo["input"], demo["answer"]) for demo in data["demos"])
        return cls(data["instruction"], demos, dict(data["parameters"]))

    def messages(
        self, text: str, *, as_choice: bool, columns: Collection[str] = INPUT
    ) -> tuple[Message, ...]:
        """The chat that asks about `text`.

        An instruction with a placeholder of `columns` (names for the row's input) is a template
        for the user's turn; any other is the system's turn. `as_choice` shows the demos' answers
        in the JSON form that a constrained model answers in.
        """
        place = (as_choice, frozenset(columns))
        if place not in self._chats:
            self._chats[place] = self._chat(*place)
        template, opening = self._chats[place]
        turn = text if template is None else _filled(template, columns, text)
        return (*opening, {"role": "user", "content": turn})

    @lazy
    def _chats(self) -> dict[tuple[bool, frozenset[str]], Chat]:
        return {}

    def _chat(self, as_choice: bool, columns: frozenset[str]) -> Chat:
        template = self.instruction if fields(self.instruction, columns) else None
        opening: list[Message] = []
        if template is None:
            opening.append({"role": "system", "content": self.instruction})
        for demo in self.demos:
            turn = demo.input if template is None else _filled(template, columns, demo.input)
            answer = choice_json(demo.answer) if as_choice else demo.answer
            opening.append({"role": "user", "content": turn})
            opening.append({"role": "assistant", "content": answer})
        return template, tuple(opening)

    def text(self) -> str:
        """The prompt as a person reads it: the instruction, the demos, the request fields."""
        parts = [self.instruction]
        parts += [f"Input: {demo.input}\nAnswer: {demo.answer}" for demo in self.demos]
        if self.parameters:
            fields = json_text(dict(self.parameters), sort_keys=True)
            parts.append(f"(Request parameters: {fields})")
        return "\n\n".join(parts)


def _filled(template: str, columns: Collection[str], text: str) -> str:
    return fill(template, **dict.fromkeys(columns, text))
