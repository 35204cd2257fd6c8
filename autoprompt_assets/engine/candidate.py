"""What is searched: a prompt's texts, demos and request fields, and how they become messages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from autoprompt_assets.engine.chat import ONE_TEXT, Chat, Parts
from autoprompt_assets.engine.choices import choice_json
from autoprompt_assets.engine.controls import json_text
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.texts import Texts


@dataclass(frozen=True)
class Demo:
    """One worked example shown to the model."""

    inputs: Inputs
    answer: str


Opened = tuple[Chat, tuple[Message, ...], Parts]
"""A chat, the messages that all rows share, demos included, and the turns of a row after them."""


@dataclass(frozen=True, init=False)
class Candidate:
    """One prompt to try. Frozen; its id is a hash of its content.

    `parameters` override the target role's request fields (temperature, max_tokens, …).
    """

    texts: Texts
    demos: tuple[Demo, ...]
    parameters: Mapping[str, Any] = field(hash=False)

    def __init__(
        self,
        texts: Mapping[str, str] | str,
        demos: tuple[Demo, ...] = (),
        parameters: Mapping[str, Any] | None = None,
    ) -> None:
        """A text alone is a prompt of one text."""
        given = {"texts": Texts.of(texts), "demos": demos, "parameters": parameters or {}}
        for name, value in given.items():
            object.__setattr__(self, name, value)

    @lazy
    def id(self) -> str:
        """Twelve hexadecimal digits."""
        return content_hash(self.as_json(), 12)

    @lazy
    def instruction(self) -> str:
        """All that its texts say: the text alone, or each under its name."""
        return self.texts.joined()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return {
            "texts": [[name, text] for name, text in self.texts.items()],
            "demos": [{"inputs": dict(demo.inputs), "answer": demo.answer} for demo in self.demos],
            "parameters": dict(self.parameters),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Candidate:
        """The candidate that `as_json` gave."""
        demos = tuple(Demo(Inputs.of(demo["inputs"]), demo["answer"]) for demo in data["demos"])
        return cls(Texts(map(tuple, data["texts"])), demos, dict(data["parameters"]))

    def having(self, name: str, text: str) -> Candidate:
        """The same with another text of that name."""
        return Candidate(self.texts.having(name, text), self.demos, self.parameters)

    def messages(
        self, inputs: Inputs, *, as_choice: bool, chat: Chat = ONE_TEXT
    ) -> tuple[Message, ...]:
        """The messages that ask about a row, demos before it.

        `as_choice` shows the demos' answers in the JSON form that a constrained model answers in.
        """
        opened = self._opened.get(as_choice)
        if opened is None or opened[0] is not chat:
            opened = self._opened[as_choice] = self._open(as_choice, chat)
        return (*opened[1], *chat.render(opened[2], inputs))

    def fields(self, chat: Chat) -> Mapping[str, Any]:
        """The request fields that are its own, tools among them."""
        return {**self.parameters, **chat.fields(self.texts)} if chat.tools else self.parameters

    @lazy
    def _opened(self) -> dict[bool, Opened]:
        return {}

    def _open(self, as_choice: bool, chat: Chat) -> Opened:
        shared, own = chat.parts(self.texts)
        messages = chat.render(shared, NO_INPUTS)
        for number, demo in enumerate(self.demos, 1):
            messages += chat.render(own, demo.inputs)
            answer = choice_json(demo.answer) if as_choice else demo.answer
            messages += chat.answer(answer, number)
        return chat, tuple(messages), own

    def text(self) -> str:
        """The prompt as a person reads it: the texts, the demos, the request fields."""
        parts = [self.instruction]
        parts += [f"Input: {demo.inputs.text}\nAnswer: {demo.answer}" for demo in self.demos]
        if self.parameters:
            fields = json_text(dict(self.parameters), sort_keys=True)
            parts.append(f"(Request parameters: {fields})")
        return "\n\n".join(parts)


NO_INPUTS = Inputs((), ())
