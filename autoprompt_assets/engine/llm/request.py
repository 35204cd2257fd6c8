"""One request to a model, and how a call can fail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from autoprompt_assets.engine.llm.completion import Completion
from autoprompt_assets.engine.message import Message

# Made once: `json.dumps` makes an encoder per call.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode

Role = Literal["target", "review", "optimizer"]


@dataclass(frozen=True)
class Request:
    """Everything that decides what a model answers. Its key is a hash of all of it.

    `endpoint` is the endpoint's identity (kind and base URL, or the model file's hash; never
    credentials), `parameters` the sampling and extra request fields, `replicate` tells repeated
    questions apart. `fitted`: it has the form in which its endpoint takes it, see `request_form`.
    """

    role: Role
    endpoint: str
    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    response_format: Mapping[str, Any] | None = None
    replicate: int = 0
    fitted: bool = False

    @cached_property
    def payload(self) -> str:
        """The JSON body of a chat completion in ASCII: what is sent, hashed and journaled.

        Fields stand in one order; what is inside them keeps its own, for a schema's order is the
        order in which a model fills it in.
        """
        body: dict[str, Any] = {"model": self.model, "messages": self.messages}
        body.update(sorted(self.parameters.items()))
        if self.response_format is not None:
            body["response_format"] = self.response_format
        return _encode(body)

    @cached_property
    def key(self) -> str:
        """The journal's key. The role is not in it: equal questions have equal answers."""
        return request_key(self.endpoint, self.replicate, self.payload)


def request_key(endpoint: str, replicate: int, payload: str) -> str:
    """A hash of all that decides an answer."""
    return hashlib.sha256(f"{endpoint}\0{replicate}\0{payload}".encode()).hexdigest()


@dataclass(frozen=True)
class Keep:
    """Makes an answer durable, and returns what is from then on the answer.

    `refuse` is asked before each attempt, and raises where no answer could be kept any more.
    """

    store: Callable[[Completion], Awaitable[Completion]]
    refuse: Callable[[], None] = lambda: None

    def __call__(self, completion: Completion) -> Awaitable[Completion]:
        """See the class."""
        return self.store(completion)


class LLM(Protocol):
    """Whatever answers requests."""

    async def complete(self, request: Request, keep: Keep) -> Completion:
        """The model's answer, as `keep` returned it.

        The call counts as one of its endpoint's until then, so that a kill loses no more answers
        than the endpoint may have calls.

        Raises:
            CallError: no answer was to be had.
        """
        ...
