"""One request to a model, its bytes and its key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, Protocol

from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.llm.completion import Completion
from autoprompt_assets.engine.message import Message

# Made once: `json.dumps` makes an encoder per call.
_encode = json.JSONEncoder(separators=(",", ":"), allow_nan=False).encode
_encode_again = lru_cache(maxsize=128)(_encode)
"""For texts that come again with each row of a candidate: its instruction and its demos."""

Role = Literal["target", "review", "optimizer"]


class SharedFields(dict[str, Any]):
    """A part of many requests that nobody changes, so that its JSON is made once."""

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> SharedFields:
        """`fields` as they are, where they are shared."""
        return fields if isinstance(fields, cls) else cls(fields)

    @lazy
    def json(self) -> str:
        """The object; what is inside keeps its order, in which a model fills a schema in."""
        return _encode(self)

    @lazy
    def members(self) -> str:
        """What stands between the object's braces, sorted by name."""
        return _encode(dict(sorted(self.items())))[1:-1]


@dataclass(frozen=True)
class Request:
    """Everything that decides what a model answers. Its key is a hash of all of it.

    `endpoint` is the endpoint's identity (kind and base URL, or the model file's hash; never
    credentials), `parameters` the sampling and extra request fields, `replicate` tells repeated
    questions apart.
    """

    role: Role
    endpoint: str
    model: str
    messages: tuple[Message, ...]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    response_format: Mapping[str, Any] | None = None
    replicate: int = 0

    @lazy
    def payload(self) -> str:
        """The JSON body of a chat completion in ASCII: what is sent, hashed and journaled.

        Fields stand in one order: the model, the messages, the parameters by name, the format.
        """
        turns = [_turn(one, _encode_again) for one in self.messages[:-1]]
        turns += [_turn(one, _encode) for one in self.messages[-1:]]
        body = f'{{"model":{_encode_again(self.model)},"messages":[{",".join(turns)}]'
        if self.parameters:
            body += f",{SharedFields.of(self.parameters).members}"
        if self.response_format is not None:
            body += f',"response_format":{SharedFields.of(self.response_format).json}'
        return body + "}"

    @lazy
    def key(self) -> str:
        """The journal's key. The role is not in it: equal questions have equal answers."""
        return request_key(self.endpoint, self.replicate, self.payload)


def _turn(message: Message, encode: Callable[[str], str]) -> str:
    members = [
        f"{_encode_again(name)}:{encode(value) if isinstance(value, str) else _encode(value)}"
        for name, value in message.items()
    ]
    return f"{{{','.join(members)}}}"


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
