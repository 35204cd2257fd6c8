"""The form in which an endpoint's model takes requests, where it is not the one they were built in.

Reasoning models want `max_completion_tokens` for `max_tokens` and refuse sampling fields; some
models take no system turn. A form is learned per shape of request: a value that is accepted for
one role (temperature 1) is not left out because another (0) was refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from autoprompt_assets.engine.fields import LIMITS
from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.llm.failures import Misfit
from autoprompt_assets.engine.llm.request import Request, SharedFields
from autoprompt_assets.engine.message import Message, text_part

SYSTEM = "system"
_SYSTEM_ROLES = frozenset({"system", "developer"})
_encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True).encode

Turn = Literal["system", "developer", "user"]
"""The role that takes the system turn's text; `user` puts it before the next user turn's."""


@dataclass(frozen=True)
class RequestForm:
    """What differs: fields under another name, fields left out, and the system turn.

    `dropped` holds what the server said of each field that is left out.
    """

    renamed: Mapping[str, str] = field(default_factory=dict)
    dropped: Mapping[str, str] = field(default_factory=dict)
    system: Turn = "system"

    def apply(self, request: Request) -> Request:
        """`request` in this form."""
        parameters, messages = request.parameters, request.messages
        if self.renamed or self.dropped:
            parameters = self._fields(SharedFields.of(parameters))
        if self.system != SYSTEM:
            messages = _with_system_as(self.system, messages)
        if parameters is request.parameters and messages is request.messages:
            return request
        # Not `replace`, which takes twice as long: every row of an evaluation may come by here.
        role, endpoint, model = request.role, request.endpoint, request.model
        schema, replicate = request.response_format, request.replicate
        return Request(role, endpoint, model, messages, parameters, schema, replicate)

    def _fields(self, parameters: SharedFields) -> SharedFields:
        """The request fields in this form; one mapping for all rows of a candidate."""
        known = self._known.get(parameters.members)
        if known is None:
            known = self._known[parameters.members] = SharedFields(
                (self.renamed.get(name, name), value)
                for name, value in parameters.items()
                if name not in self.dropped
            )
        return known

    @lazy
    def _known(self) -> dict[str, SharedFields]:
        return {}

    def adapted(self, sent: Request, misfit: Misfit, said: str) -> RequestForm | None:
        """The form without what was refused of `sent`, which had this one.

        `None` where nothing can be changed: the limit is refused under both names, or the field is
        none of the request's own.
        """
        name = misfit.field
        if name == SYSTEM:
            if not has_system(sent):
                return None
            developer = misfit.instead == "developer" and self.system == "system"
            return replace(self, system="developer" if developer else "user")
        if name not in sent.parameters:
            return None
        if name in LIMITS:
            other = LIMITS[1 - LIMITS.index(name)]
            if other in sent.parameters or self.renamed:
                return None
            return replace(self, renamed={name: other})
        return replace(self, dropped={**self.dropped, name: said})

    def changes(self) -> dict[str, str]:
        """What it changes in a request, in words, by the field that it concerns."""
        changes = {name: f"{name} is sent as {other}" for name, other in self.renamed.items()}
        changes |= {name: f"{name} is left out" for name in self.dropped}
        if self.system != SYSTEM:
            place = (
                "as a developer turn" if self.system == "developer" else "in the first user turn"
            )
            changes[SYSTEM] = f"the system turn is sent {place}"
        return changes

    def as_json(self) -> dict[str, Any]:
        """Plain JSON that `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> RequestForm:
        """The form that `as_json` gave."""
        return cls(data["renamed"], data["dropped"], data["system"])


PLAIN = RequestForm()


def shape_of(request: Request) -> str:
    """What decides which form a request needs: its fields with their values, and what else it has.

    The endpoint and the model stand beside it.
    """
    parameters, schema = request.parameters, request.response_format is not None
    return _encode([parameters, has_system(request), schema])


def has_system(request: Request) -> bool:
    """Whether the request has a system turn, as it was built or under the newer name."""
    return not _SYSTEM_ROLES.isdisjoint([message["role"] for message in request.messages])


def _with_system_as(turn: Turn, messages: tuple[Message, ...]) -> tuple[Message, ...]:
    if turn == "developer":
        return tuple({**one, "role": turn} if one["role"] == SYSTEM else one for one in messages)
    kept, waiting = list[Message](), list[str]()
    for one in messages:
        if one["role"] == SYSTEM:
            waiting.append(one["content"])
        elif waiting and one["role"] == "user":
            kept.append({"role": "user", "content": _after(waiting, one["content"])})
            waiting = []
        else:
            kept.append(one)
    if waiting:
        kept.insert(0, {"role": "user", "content": "\n\n".join(waiting)})
    return tuple(kept)


def _after(texts: Sequence[str], content: str | Sequence[Any]) -> str | list[Any]:
    """The content of a turn, with texts before it."""
    if isinstance(content, str):
        return "\n\n".join([*texts, content])
    return [text_part("\n\n".join(texts)), *content]
