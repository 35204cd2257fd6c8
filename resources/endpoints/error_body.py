"""What a reply's body says went wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

_STATUSES: Mapping[str, int] = {
    **dict.fromkeys(("rate_limit_exceeded", "rate_limit_error", "too_many_requests"), 429),
    **dict.fromkeys(("resource_exhausted", "throttling", "throttled", "rate_limited"), 429),
    **dict.fromkeys(("insufficient_quota", "insufficient_balance", "payment_required"), 402),
    **dict.fromkeys(("insufficient_credits", "billing_hard_limit_reached"), 402),
    **dict.fromkeys(("invalid_api_key", "authentication_error", "unauthorized"), 401),
    **dict.fromkeys(("unauthenticated", "invalid_authentication_error"), 401),
    **dict.fromkeys(("permission_denied", "permission_error", "forbidden"), 403),
    **dict.fromkeys(("model_not_found", "not_found", "not_found_error", "notfounderror"), 404),
    **dict.fromkeys(("invalid_request_error", "invalid_argument", "bad_request"), 400),
    **dict.fromkeys(("badrequesterror", "unsupported_parameter", "invalid_value"), 400),
    **dict.fromkeys(("overloaded_error", "overloaded", "unavailable"), 503),
    **dict.fromkeys(("server_error", "internal_error", "internal", "api_error"), 500),
    **dict.fromkeys(("internal_server_error", "bad_gateway", "upstream_error"), 502),
    **dict.fromkeys(("timeout", "deadline_exceeded", "gateway_timeout"), 504),
}
"""HTTP statuses that the names of errors stand for, OpenAI's, Anthropic's and Google's."""


@dataclass(frozen=True)
class ErrorBody:
    """What a body says went wrong; `code` and `kind` are lower-case words, or empty. `parameter`
    is the request's part that it names (`temperature`, `messages[0].role`).

    Nothing is cut here: a key must be masked before that.
    """

    message: str = ""
    code: str = ""
    kind: str = ""
    details: str = ""
    parameter: str = ""

    @property
    def words(self) -> str:
        """All of it in lower case, to look for signs in."""
        return f"{self.code} {self.kind} {self.message} {self.details}".lower()

    @property
    def status(self) -> int | None:
        """The HTTP status that the body names, by number or by word."""
        for name in (self.code, self.kind):
            if len(name) == 3 and name.isascii() and name.isdigit() and name[0] in "45":
                return int(name)
            if name in _STATUSES:
                return _STATUSES[name]
        return None
