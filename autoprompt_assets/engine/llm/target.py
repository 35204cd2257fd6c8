"""What a user says of the model whose prompt is tuned, and of its prompt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from autoprompt_assets.engine.chat import HISTORY, Chat, ChatTurn
from autoprompt_assets.engine.fields import Frozen
from autoprompt_assets.engine.inputs import Layout
from autoprompt_assets.engine.llm.settings import RoleSpec
from autoprompt_assets.engine.llm.strict_schema import is_strict
from autoprompt_assets.engine.texts import PROMPT, FirstPrompt, Texts
from autoprompt_assets.engine.tools import described, read_tools, schema_problem


class TurnSpec(Frozen):
    """One turn of a conversation: a text of one of three roles, or a column of earlier turns."""

    system: str | None = None
    user: str | None = None
    assistant: str | None = None
    history: str | None = Field(None, min_length=1)
    """The column that holds them, as JSON messages."""

    @property
    def role(self) -> str:
        """The field that is filled in."""
        return next(name for name, value in self if value is not None)

    @property
    def text(self) -> str:
        """What it holds."""
        return str(getattr(self, self.role))

    @model_validator(mode="after")
    def _one(self) -> Self:
        count = sum(value is not None for _, value in self)
        if count != 1:
            what = "no role" if count == 0 else "several roles"
            raise ValueError(
                f"has {what}; write one of system, user, assistant and history as a list's item"
            )
        return self


class TargetSpec(RoleSpec):
    """The model whose prompt is tuned: `prompt`, or the `messages` of a conversation."""

    messages: tuple[TurnSpec, ...] = ()
    tune: tuple[str, ...] | None = None
    """The texts that a search may change: the system's if left out, or else all of them."""

    images: tuple[str, ...] = ()
    """Columns of images, which the last user's turn shows: URLs, data URIs, or files beside the
    table.
    """

    response_format: dict[str, JsonValue] | None = None
    """A JSON schema that answers must have, or the name of a file beside the experiment's."""
    tools: tuple[dict[str, JsonValue], ...] = ()
    """What the model may call: schemas, or the name of a JSON or Python file with them."""
    tool_choice: Literal["auto", "required"] = "auto"
    """With `required` every answer must be a call."""

    @cached_property
    def form(self) -> dict[str, Any] | None:
        """See `RoleSpec`."""
        if self.response_format is None:
            return super().form
        if self.response_format.get("type") == "json_schema":
            return dict(self.response_format)
        own = {"name": "answer", "strict": is_strict(self.response_format)}
        return {"type": "json_schema", "json_schema": {**own, "schema": self.response_format}}

    @field_validator("response_format")
    @classmethod
    def _schema(cls, given: dict[str, JsonValue] | None) -> dict[str, JsonValue] | None:
        if given is None:
            return None
        schema: object = given
        if given.get("type") == "json_schema":
            inner = given.get("json_schema")
            schema = inner.get("schema") if isinstance(inner, dict) else None
        problem = schema_problem(schema)
        if not problem and isinstance(schema, dict) and schema.get("type") != "object":
            problem = "is no schema of an object, as endpoints want it; write type: object"
        if problem:
            raise ValueError(problem)
        return given

    @field_validator("tools", mode="before")
    @classmethod
    def _tools(cls, given: object) -> object:
        return given if isinstance(given, tuple) else read_tools(given)

    @cached_property
    def turns(self) -> tuple[ChatTurn, ...]:
        """The conversation's turns, each text under its role, numbered from its second on."""
        counts, turns = Counter[str](), list[ChatTurn]()
        for turn in self.messages:
            counts[turn.role] += 1
            number = counts[turn.role]
            name = turn.role if number == 1 else f"{turn.role}_{number}"
            turns.append(ChatTurn(turn.role, turn.text if turn.role == HISTORY else name))  # type: ignore[arg-type]
        return tuple(turns)

    @cached_property
    def texts(self) -> Texts:
        """The first prompt."""
        pairs = zip(self.turns, self.messages, strict=True)
        turns = {turn.name: one.text for turn, one in pairs if turn.role != HISTORY}
        tuned = {name: text for name, text in self._descriptions.items() if name in self._named}
        return Texts({**(turns or {PROMPT: self.prompt}), **tuned})

    @property
    def _named(self) -> tuple[str, ...]:
        return self.tune or ()

    @cached_property
    def _descriptions(self) -> dict[str, str]:
        """Those of the tools, as texts."""
        functions: list[Any] = [tool["function"] for tool in self.tools]
        return {described(one["name"]): one.get("description", "") for one in functions}

    @cached_property
    def places(self) -> Mapping[str, str]:
        """Where in an experiment file each text stands, by its name."""
        turns = {
            turn.name: f"roles.target.messages.{number}.{turn.role}"
            for number, turn in enumerate(self.turns)
            if turn.role != HISTORY
        }
        tuned = {name: f"roles.target.{name}" for name in self._descriptions if name in self._named}
        return {**(turns or {PROMPT: "roles.target.prompt"}), **tuned}

    @cached_property
    def tuned(self) -> tuple[str, ...]:
        """The names of the texts that a search may change, in their order."""
        names = tuple(self.texts)
        if self.tune is not None:
            return tuple(name for name in names if name in self.tune)
        roles = {turn.name: turn.role for turn in self.turns}
        return tuple(name for name in names if roles.get(name) == "system") or names

    @cached_property
    def first(self) -> FirstPrompt:
        """The first prompt, and which of its texts a search may change."""
        return FirstPrompt(self.texts, self.tuned)

    def chat(self, layout: Layout, folder: Path | None = None) -> Chat:
        """The form of its requests, where a prompt may name the columns of `layout`; `folder` is
        where files that rows name stand.
        """
        return Chat(layout, self.turns, self.images, folder, self.tools, self.tool_choice)

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        problems = [*self._problems()]
        if problems:
            raise ValueError("\n".join(problems))
        return self

    def _problems(self) -> Iterator[str]:
        yield from self._problems_of_answers()
        yield from self._problems_of_tune()
        yield from self._problems_of_turns()

    def _problems_of_answers(self) -> Iterator[str]:
        if self.choices and self.response_format is not None:
            yield "holds choices and response_format; keep one of them"
        if self.choices and self.tools:
            yield "holds choices and tools, and a call is none of the choices; keep one of them"
        if self.tool_choice != "auto" and not self.tools:
            yield f"tool_choice = {self.tool_choice!r} and there are no tools; name some"

    def _problems_of_turns(self) -> Iterator[str]:
        if self.messages and self.prompt:
            yield "holds prompt and messages; keep one of them"
        if self.images and self.messages and all(one.role != "user" for one in self.messages):
            yield "images are shown in the last user turn, and messages has none; add one"
        if self.messages and self.messages[-1].role not in ("user", HISTORY):
            yield (
                f"messages ends with {self.messages[-1].role!r}, which no model answers; end with "
                "user or history"
            )

    def _problems_of_tune(self) -> Iterator[str]:
        for name in self.tune or ():
            if name not in self.texts:
                known = dict.fromkeys((*self.texts, *self._descriptions))
                yield f"tune holds {name!r}, which no text is called; use {', '.join(known)}"
        if self.tune is not None and not self.tune:
            yield f"tune names no text; name one of {', '.join(self.texts)}, or leave it out"
        if len(set(self.tune or ())) < len(self.tune or ()):
            yield "tune names a text twice; name it once"


class RolesSpec(Frozen):
    """The three roles. `review` is needed by the grader `model`, `optimizer` by `opro`."""

    target: TargetSpec
    review: RoleSpec | None = None
    optimizer: RoleSpec | None = None
