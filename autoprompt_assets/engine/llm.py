"""One request to a model, and how a call can fail."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

from autoprompt_assets.engine.candidate import Message
from autoprompt_assets.engine.completion import Completion

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


class CallError(Exception):
    """A call that brought no completion. Its text never holds credentials."""

    transient = False
    """True when the same call may succeed later."""
    fatal = False
    """True when every call like it would fail: the run stops at the first."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds that the server asks to wait, where it says so."""


class RateLimited(CallError):
    """HTTP 429."""

    transient = True


class ServerFailed(CallError):
    """HTTP 5xx or 529."""

    transient = True


class ConnectionFailed(CallError):
    """No connection, or one that broke."""

    transient = True


class CallTimedOut(CallError):
    """No answer within the role's timeout."""

    transient = True


class MalformedResponse(CallError):
    """A reply without an error and without a whole chat completion."""

    transient = True


class EndpointDown(CallError):
    """Call after call ended without an answer, and none was answered in between."""

    fatal = True


class ToolsCalled(CallError):
    """The answer asks for tools to be called, which cannot be done."""

    fatal = True


class AuthenticationFailed(CallError):
    """HTTP 401, or another status beside words that refuse the key."""

    fatal = True


class Forbidden(CallError):
    """HTTP 403 that is not about the key itself: a region, a firewall, a right or a limit."""

    fatal = True


class ModelNotFound(CallError):
    """HTTP 404: the model or the path is not there."""

    fatal = True


class QuotaExhausted(CallError):
    """HTTP 429 that no waiting cures, or 402: the account has no credit."""

    fatal = True


class ContextTooLong(CallError):
    """The prompt does not fit into the model's context: no answer to this row, ever."""


@dataclass(frozen=True)
class Misfit:
    """What of a request's form a server refuses.

    `field` is a request field as it was sent, or `system` for the turn of that role. `instead` is
    what the server names in its place, a field or a role; empty where it names nothing.
    """

    field: str
    instead: str = ""


class RequestRefused(CallError):
    """HTTP 400 and its like: this request is not accepted as it is.

    `status`, `code` and `parameter` are what the server gave as reasons (empty where it gave none),
    `misfit` what of them is a matter of the request's form.
    """

    def __init__(
        self,
        message: str,
        status: int = 400,
        code: str = "",
        parameter: str = "",
        misfit: Misfit | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.parameter = status, code, parameter
        self.misfit = misfit

    @property
    def reason(self) -> tuple[int, str, str]:
        """What two refusals have in common that are one."""
        return self.status, self.code, self.parameter


class ParameterRefused(CallError):
    """A request field that is being tuned is refused: the search cannot do what it was asked to."""

    fatal = True


class RefusedAlike(CallError):
    """The first rows of an evaluation were all refused for one reason: so would be the others."""

    fatal = True


class ContentFiltered(CallError):
    """The provider's filter or moderation stopped the request: no answer to this row, ever."""
