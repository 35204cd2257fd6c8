"""What is searched: instruction, demos and sampling parameters, and how they become messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autoprompt_assets.engine.choices import choice_json
from autoprompt_assets.engine.controls import json_text
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.inputs import SINGLE, Inputs, Layout
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.message import Message


@dataclass(frozen=True)
class Demo:
    """One worked example shown to the model."""

    inputs: Inputs
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
            "demos": [{"inputs": dict(demo.inputs), "answer": demo.answer} for demo in self.demos],
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Candidate:
        """The candidate that `as_json` gave."""
        demos = tuple(Demo(Inputs.of(demo["inputs"]), demo["answer"]) for demo in data["demos"])
        return cls(data["instruction"], demos, dict(data["parameters"]))

    def messages(
        self, inputs: Inputs, *, as_choice: bool, layout: Layout = SINGLE
    ) -> tuple[Message, ...]:
        """The chat that asks about a row.

        An instruction with a placeholder of `layout` is a template for the user's turn; any other
        is the system's turn, and the inputs' text follows it. `as_choice` shows the demos' answers
        in the JSON form that a constrained model answers in.
        """
        place = (as_choice, layout)
        if place not in self._chats:
            self._chats[place] = self._chat(*place)
        template, opening = self._chats[place]
        return (*opening, {"role": "user", "content": _turn(template, layout, inputs)})

    @lazy
    def _chats(self) -> dict[tuple[bool, Layout], Chat]:
        return {}

    def _chat(self, as_choice: bool, layout: Layout) -> Chat:
        template = self.instruction if layout.fields(self.instruction) else None
        opening: list[Message] = []
        if template is None:
            opening.append({"role": "system", "content": self.instruction})
        for demo in self.demos:
            turn = _turn(template, layout, demo.inputs)
            answer = choice_json(demo.answer) if as_choice else demo.answer
            opening.append({"role": "user", "content": turn})
            opening.append({"role": "assistant", "content": answer})
        return template, tuple(opening)

    def text(self) -> str:
        """The prompt as a person reads it: the instruction, the demos, the request fields."""
        parts = [self.instruction]
        parts += [f"Input: {demo.inputs.text}\nAnswer: {demo.answer}" for demo in self.demos]
        if self.parameters:
            fields = json_text(dict(self.parameters), sort_keys=True)
            parts.append(f"(Request parameters: {fields})")
        return "\n\n".join(parts)


def _turn(template: str | None, layout: Layout, inputs: Inputs) -> str:
    return inputs.text if template is None else layout.fill(template, inputs)
