"""The roles of a search as they are asked: where, which model, with what."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from autoprompt_assets.engine.candidate import Message
from autoprompt_assets.engine.choices import choice_schema
from autoprompt_assets.engine.llm import Request, Role
from autoprompt_assets.engine.spec import RoleSpec


@dataclass(frozen=True)
class Asked:
    """A role as it is asked."""

    role: Role
    spec: RoleSpec
    endpoint: str
    """The endpoint's identity, as requests carry it."""
    model: str
    price: Callable[[int, int], float | None] = lambda prompt, completion: None
    """US dollars for prompt and completion tokens; `None` where the price is not known."""

    def request(
        self, messages: tuple[Message, ...], replicate: int = 0, **parameters: Any
    ) -> Request:
        """The request that puts `messages` to this role; a parameter of `None` is left out."""
        settings = {**self._settings, **parameters}
        settings = {name: value for name, value in settings.items() if value is not None}
        return Request(
            self.role, self.endpoint, self.model, messages, settings, self.form, replicate
        )

    @cached_property
    def form(self) -> dict[str, Any] | None:
        """The response format that holds the model to the role's choices."""
        return choice_schema(self.spec.choices) if self.spec.choices else None

    @cached_property
    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        if self.spec.temperature is not None:
            settings["temperature"] = self.spec.temperature
        if self.spec.max_tokens is not None:
            settings["max_tokens"] = self.spec.max_tokens
        return {**settings, **self.spec.extra}


@dataclass(frozen=True)
class Models:
    """The roles of one search."""

    target: Asked
    review: Asked | None
    optimizer: Asked | None
