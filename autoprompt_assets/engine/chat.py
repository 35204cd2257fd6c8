"""How a prompt's texts become the messages that ask about a row.

| the prompt | what is sent |
| --- | --- |
| one text that names a column | the text, filled, as the user's turn |
| one text that names none | the text as the system's turn, then the row's inputs as the user's |
| a conversation | its turns in their order, filled |

Demos are worked examples. Each is sent as what a row is sent as: all turns from the first that
depends on the row to the last, then the answer. They stand before the row's own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

from autoprompt_assets.engine.earlier_turns import earlier_turns, read_turns
from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.images import image_url, read_image
from autoprompt_assets.engine.inputs import SINGLE, Inputs, Layout
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.message import Message, image_part, text_part
from autoprompt_assets.engine.texts import PROMPT, Texts
from autoprompt_assets.engine.tools import described, read_calls

TurnRole = Literal["system", "user", "assistant", "history"]
HISTORY: TurnRole = "history"


@dataclass(frozen=True)
class ChatTurn:
    """A turn of a conversation: `name` is that of its text, or of the column of earlier turns."""

    role: TurnRole
    name: str


@dataclass(frozen=True)
class _Part:
    """A turn with its text, or the row's inputs where it is `None`.

    `varies`: what it says depends on the row.
    """

    role: TurnRole
    text: str | None
    varies: bool


Parts = tuple[_Part, ...]


@dataclass(frozen=True)
class Chat:
    """The form of an experiment's requests: all but the texts, which a search may change.

    `layout` says which columns a prompt may name; `turns` are those of a conversation, none where
    the prompt is one text. `images` are columns whose images the last user's turn shows; `folder`
    is where files that they name stand, `None` where there is no such place. `tools` may be called.
    """

    layout: Layout = SINGLE
    turns: tuple[ChatTurn, ...] = ()
    images: tuple[str, ...] = ()
    folder: Path | None = None
    tools: tuple[Mapping[str, Any], ...] = ()
    tool_choice: str = "auto"

    def identity(self) -> list[Any]:
        """What decides a request beside a candidate and the row, as JSON."""
        turns = [[turn.role, turn.name] for turn in self.turns]
        return [turns, self.images, self.tools, self.tool_choice]

    def fields(self, texts: Texts) -> dict[str, Any]:
        """What a request carries of tools, with the descriptions that `texts` has."""
        if not self.tools:
            return {}
        tools = [
            {**tool, "function": _with_description(tool["function"], texts)} for tool in self.tools
        ]
        chosen = {} if self.tool_choice == "auto" else {"tool_choice": self.tool_choice}
        return {"tools": tools, **chosen}

    def answer(self, text: str, number: int) -> list[Message]:
        """The messages that give the answer of demo `number`: calls as calls, each with an empty
        result, which endpoints want.
        """
        calls = read_calls(text) if self.tools else None
        if calls is None:
            return [{"role": "assistant", "content": text}]
        made = [
            {
                "id": f"demo_{number}_{at}",
                "type": "function",
                "function": {"name": one["name"], "arguments": canonical_json(one["arguments"])},
            }
            for at, one in enumerate(calls)
        ]
        results = [{"role": "tool", "tool_call_id": one["id"], "content": ""} for one in made]
        return [{"role": "assistant", "content": None, "tool_calls": made}, *results]

    def parts(self, texts: Texts) -> tuple[Parts, Parts]:
        """The turns that are the same for all rows, at the begin, and those from the first on that
        depends on the row.
        """
        parts = self._parts(texts)
        first = next((at for at, one in enumerate(parts) if one.varies), len(parts))
        return parts[:first], parts[first:]

    def _parts(self, texts: Texts) -> Parts:
        if not self.turns:
            text = texts[PROMPT]
            if self.layout.fields(text):
                return (_Part("user", text, True),)
            return _Part("system", text, False), _Part("user", None, True)
        last = max((at for at, one in enumerate(self.turns) if one.role == "user"), default=-1)
        shown = last if self.images else -1
        return tuple(self._part(one, texts, at == shown) for at, one in enumerate(self.turns))

    def _part(self, turn: ChatTurn, texts: Texts, shows: bool) -> _Part:
        if turn.role == HISTORY:
            return _Part(HISTORY, self.layout.column(turn.name), True)
        text = texts[turn.name]
        return _Part(turn.role, text, shows or bool(self.layout.fields(text)))

    def render(self, parts: Parts, inputs: Inputs) -> list[Message]:
        """The messages of `parts` about a row.

        Raises:
            ValueError: a column of earlier turns holds none; see `earlier_turns`.
        """
        messages: list[Message] = []
        for part in parts:
            if part.text is None:
                text = self._own(inputs).text if self.columns else inputs.text
                messages.append({"role": part.role, "content": text})
            elif part.role == HISTORY:
                messages += earlier_turns(inputs[part.text])
            else:
                text = self.layout.fill(part.text, inputs) if part.varies else part.text
                messages.append({"role": part.role, "content": text})
        if self.images and any(part.varies for part in parts):
            self._show(inputs, messages)
        return messages

    def _show(self, inputs: Inputs, messages: list[Message]) -> None:
        """Put the row's images behind the text of the last user's turn."""
        urls = [image_url(inputs[name], self.folder) for name in self.images if inputs[name]]
        last = next(at for at in range(-1, -len(messages) - 1, -1) if _is_users(messages[at]))
        text = messages[last]["content"]
        shown = [*([text_part(text)] if text else []), *map(image_part, urls)]
        messages[last] = {**messages[last], "content": shown}

    def _own(self, inputs: Inputs) -> Inputs:
        """Without the columns that enter a request by themselves."""
        names = tuple(name for name in inputs if name not in self.columns)
        return Inputs(names, map(inputs.__getitem__, names))

    def readers(self) -> Mapping[str, Callable[[str], str]]:
        """What makes of a table's cell the value that a row keeps, by column; each raises a
        `ValueError`, "trouble; mend", at a cell that it cannot use.
        """
        last = len(self.turns) - 1
        found: dict[str, Callable[[str], str]] = {}
        for at, turn in enumerate(self.turns):
            if turn.role == HISTORY:
                name = self.layout.column(turn.name)
                found[name] = partial(read_turns, to_be_answered=at == last)
        for name in self.images:
            found[name] = partial(read_image, folder=self.folder)
        return found

    def named(self, texts: Texts) -> list[str]:
        """The columns whose values the turns of a row hold as text, each as often as they do; none
        where they hold the inputs' text.
        """
        own = [turn.name for turn in self.turns if turn.role != HISTORY] or [PROMPT]
        names = [name for one in own for name in self.layout.named(texts[one])]
        columns = [name for name in self.columns if name not in self.images]
        if not self.turns and not names and not columns and self.columns:
            return [name for name in self.layout.columns if name not in self.columns]
        return [*names, *columns]

    def placeholders(self) -> Inputs:
        """Inputs that hold the placeholder of each column; one message that says it, for a column
        of earlier turns.
        """
        named = self.layout.placeholders()
        columns = [name for name in self.columns if name not in self.images]
        turns = {name: json.dumps([{"role": "user", "content": named[name]}]) for name in columns}
        return named.mapped(turns)

    @lazy
    def columns(self) -> Sequence[str]:
        """The columns that enter a request by themselves, whatever the texts say."""
        turns = [self.layout.column(one.name) for one in self.turns if one.role == HISTORY]
        return [*turns, *self.images]


def _with_description(function: Mapping[str, Any], texts: Texts) -> dict[str, Any]:
    own = texts.get(described(function["name"]))
    return dict(function) if own is None else {**function, "description": own}


def _is_users(message: Message) -> bool:
    return bool(message["role"] == "user")


ONE_TEXT = Chat()
"""One text, and one column."""
