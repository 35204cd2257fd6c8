"""The roles of a search as they are asked: where, which model, with what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from autoprompt_assets.engine.chat import ONE_TEXT, Chat
from autoprompt_assets.engine.fields import LIMITS, NEWER_LIMIT
from autoprompt_assets.engine.inputs import Layout
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.llm.request import Request, Role, SharedFields
from autoprompt_assets.engine.llm.settings import RoleSpec
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.price import Price


@dataclass(frozen=True)
class Asked:
    """A role as it is asked."""

    role: Role
    spec: RoleSpec
    endpoint: str
    """The endpoint's identity, as requests carry it."""
    model: str
    price: Price | None = None
    """What its tokens cost at list price; `None` where that is not known."""
    structured: bool = True
    """Its endpoint heeds JSON schemas."""

    def request(
        self, messages: tuple[Message, ...], replicate: int = 0, **parameters: Any
    ) -> Request:
        """The request that puts `messages` to this role; a parameter of `None` is left out."""
        return Request(
            self.role,
            self.endpoint,
            self.model,
            messages,
            self._settings_with(parameters),
            self.response_format,
            replicate,
        )

    @lazy
    def response_format(self) -> SharedFields | None:
        """The response format that holds the model to the role's choices, or to the user's schema.

        `None` where the role answers freely, or its endpoint does not heed one.
        """
        if not self.structured:
            return None
        return SharedFields(self.spec.form) if self.spec.form is not None else None

    @lazy
    def is_choice(self) -> bool:
        """The model is held to the role's choices, and answers as `choice_json` writes it."""
        return bool(self.spec.choices) and self.structured

    def _settings_with(self, parameters: Mapping[str, Any]) -> SharedFields:
        """The request fields; one mapping for all rows of a candidate."""
        key = str(parameters)
        if key not in self._merged:
            settings = self._settings
            if not parameters.keys().isdisjoint(LIMITS):
                settings = {name: one for name, one in settings.items() if name not in LIMITS}
            merged = {**settings, **parameters}
            given = {name: one for name, one in merged.items() if one is not None}
            self._merged[key] = SharedFields(given)
        return self._merged[key]

    @lazy
    def _merged(self) -> dict[str, SharedFields]:
        return {}

    @lazy
    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {}
        settings["temperature"] = self.spec.temperature
        if self.spec.extra.get(NEWER_LIMIT) is None:
            settings["max_tokens"] = self.spec.max_tokens
        return {**settings, **self.spec.extra}


@dataclass(frozen=True)
class Models:
    """The roles of one search."""

    target: Asked
    review: Asked | None
    optimizer: Asked | None
    chat: Chat = ONE_TEXT
    """The form of what the target is asked."""
    most_reviews: int = 1
    """How often the review role is asked about one answer at most, if there is one."""
    review_bytes: int = 0
    """UTF-8 bytes that a review may have beside the role's filled prompt."""

    @property
    def layout(self) -> Layout:
        """The columns that a prompt may name."""
        return self.chat.layout

    @property
    def roles(self) -> tuple[Asked, ...]:
        """Those that the search asks, the target first."""
        return tuple(role for role in (self.target, self.review, self.optimizer) if role)

    def priced(self, prices: Mapping[str, Price | None]) -> Models:
        """The same at other prices, by role."""

        def at(role: Asked) -> Asked:
            return replace(role, price=prices.get(role.role))

        review, optimizer = self.review and at(self.review), self.optimizer and at(self.optimizer)
        return replace(self, target=at(self.target), review=review, optimizer=optimizer)
