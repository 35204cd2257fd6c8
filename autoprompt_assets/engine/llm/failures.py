"""How a call to a model can fail."""

from __future__ import annotations

from dataclasses import dataclass


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
