"""What an endpoint's reply means: a completion, or an error of the designed tree."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any

from autoprompt_assets.engine.controls import for_terminal
from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.fields import LIMITS
from autoprompt_assets.engine.json_text import is_shallow
from autoprompt_assets.engine.llm import Asked, Completion, Request, failures, is_message
from autoprompt_assets.engine.message import content_size
from autoprompt_assets.engine.text import size_of
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.error_body import ErrorBody
from autoprompt_assets.resources.endpoints.masking import SecretsMask
from autoprompt_assets.resources.endpoints.refusals import misfit
from autoprompt_assets.resources.endpoints.reply_errors import (
    broken_end,
    error_class,
    error_within,
    page_title,
    read_error,
)

_STARRED = re.compile(r"\S*\*{3,}\S*")
"""A key as servers quote it, with its middle starred out."""

MOST_CHARACTERS = 100_000
"""Of a web page, in which its title is looked for."""
MOST_TOKENS = 2**31
"""A count of tokens from here on is none."""
LONGEST_WAIT_S = 1e9
"""A server that asks to wait for longer asks to wait for ever."""
_NUMBER = re.compile(r"\s*[-+]?\d+(?:\.\d*)?\s*", re.ASCII)


@dataclass(frozen=True)
class Reply:
    """One HTTP reply. `took_s` is the attempt's latency in seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_s: float


@dataclass
class Reader:
    """Reads the replies of one endpoint. `secrets` are masked wherever a text quotes one.

    `uncounted` is how many replies did not say their tokens, `masked` how many parts of
    replies that are kept had one in them.
    """

    endpoint: Endpoint
    secrets: tuple[str, ...]
    uncounted: int = 0
    masked: int = 0

    def __post_init__(self) -> None:
        self._mask = SecretsMask(self.secrets)

    def completion(self, reply: Reply, request: Request, role: Asked, attempts: int) -> Completion:
        """The completion that a reply to `request` holds.

        Raises:
            CallError: it holds none; see `engine.llm.failures` for which.
        """
        data = _parsed(reply.body)
        if not 200 <= reply.status < 300:
            raise self._error(reply, reply.status, read_error(_inner(data)), request)
        error = error_within(data)
        if error is not None:
            raise self._error(reply, error.status or 200, error, request)
        choice = _first_choice(data)
        if choice is None:
            start = shown(" ".join(self._words(reply.body).split()))
            line = f"{self.endpoint.name}: the reply is no chat completion: {start}"
            raise failures.MalformedResponse(line)
        broken = broken_end(choice)
        if broken:
            raise failures.MalformedResponse(f"{self.endpoint.name}: {self._line(broken)}")
        usage = data.get("usage")
        answer = Completion(
            message=self._stored(choice["message"]),
            finish_reason=self._mask.answer(_finish(choice)),
            usage=self._stored(usage) if usage is not None else None,
            latency_s=reply.took_s,
            attempts=attempts,
        )
        if answer.calls_tools and "tools" not in request.parameters:
            raise failures.ToolsCalled(
                f"{self.endpoint.name}: the model answered with tool calls and was given no tools: "
                f"tell it in roles.{role.role}.prompt to answer in text"
            )
        prompt, completion = self._tokens(usage, request, answer)
        counted = replace(answer, prompt_tokens=prompt, completion_tokens=completion)
        if role.price is None:
            return counted
        usd = role.price.paid_usd(prompt, completion, *counted.cache_tokens)
        return replace(counted, usd=usd)

    def _error(
        self, reply: Reply, status: int, error: ErrorBody, request: Request
    ) -> failures.CallError:
        """`status` is the reply's own, or the one that a body of HTTP 200 names."""
        name, kind = self.endpoint.name, error_class(status, error)
        message = error.message or self._words(reply.body)
        words = self._line(message) or "it says no more"
        shown_status = f"HTTP {reply.status}"
        if status != reply.status:
            shown_status += f" with error {status}"
        line = f"{name}: {shown_status}: {words}"
        if kind is failures.AuthenticationFailed:
            # What the server says may quote a part of the key.
            secrets = " and ".join(self.endpoint.secrets)
            where = f"; check {secrets}" if secrets else ""
            return kind(f"{name}: {shown_status}: not authorized{where}")
        if kind is failures.ModelNotFound:
            asked = f"model {self.endpoint.model!r} at {self.endpoint.identity}"
            return kind(f"{line} ({asked}); mend the role's model or the base URL")
        if issubclass(kind, failures.RequestRefused):
            if 300 <= status < 400:
                line = f"{name}: {shown_status}: a redirect; mend its base URL"
            about = misfit(error, request.parameters)
            return kind(line, status, error.code, error.parameter, about)
        if issubclass(kind, failures.RateLimited | failures.ServerFailed):
            return kind(line, _retry_after(reply.headers))
        if kind is failures.Forbidden:
            return kind(f"{_STARRED.sub('***', line)}; what was answered is kept")
        return kind(line)

    def _tokens(self, usage: object, request: Request, answer: Completion) -> tuple[int, int]:
        """Prompt and completion tokens: as the server counts them or, where it does not, at most.

        A budget must hold on such a server, too; no text has more tokens than bytes. Zero beside
        a text is no count, and what a total holds beyond both is reasoning that is billed (xAI and
        Gemini leave it out of the completion's tokens).
        """
        counts = usage if isinstance(usage, dict) else {}
        prompt = _count(counts, "prompt_tokens", "input_tokens")
        completion = _count(counts, "completion_tokens", "output_tokens")
        total = _count(counts, "total_tokens")
        if prompt and completion is not None and total is not None:
            completion = max(completion, total - prompt)
        said = size_of(answer.answer or "") + size_of(answer.reasoning or "")
        if prompt and (completion or (completion == 0 and not said)):
            return prompt, completion
        self.uncounted += 1
        asked = sum(map(content_size, request.messages))
        limits = (request.parameters.get(name) for name in LIMITS)
        most = next((limit for limit in limits if limit), said)
        return prompt or asked, completion or min(said, most)

    def _stored(self, part: object) -> str:
        """A part of a reply as JSON, without the key, which a proxy may quote in an answer."""
        text = json.dumps(part, ensure_ascii=False, separators=(",", ":"))
        without = self._mask.answer(text)
        self.masked += without != text
        return without

    def _words(self, body: bytes) -> str:
        """The beginning of a body, or the title that it has as a web page."""
        text = self._mask.error(body.decode("utf-8", "replace"))
        title = page_title(text[:MOST_CHARACTERS])
        if title is None:
            return text[:400]
        return f"a web page, not an API's reply: {self._mask.error(title)[:200]}"

    def _line(self, text: str) -> str:
        """The beginning of a server's text, as it may be shown."""
        return for_terminal(" ".join(self._mask.error(text).split())[:300])


def _parsed(body: bytes) -> Any:
    """The body's JSON; `None` where it is none, was cut off, or is nested beyond all reason."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return None
    # What is just not too deep to be read here may be, from a deeper stack, when it is replayed.
    return data if is_shallow(data) else None


def _inner(data: object) -> object:
    """The error object of a reply with an error's status; its message may stand alone."""
    if isinstance(data, list):
        data = data[0] if data else None
    return data.get("error", data) if isinstance(data, dict) else data


def _first_choice(data: Any) -> dict[str, Any] | None:
    """The first choice with a message that can be read, or `None`."""
    choices = data.get("choices") if isinstance(data, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else None
    readable = isinstance(choice, dict) and is_message(choice.get("message"))
    return choice if readable else None


def _finish(choice: Mapping[str, Any]) -> str:
    """Why the answer ended; older servers say it elsewhere."""
    details = choice.get("finish_details")
    older = details.get("type") if isinstance(details, dict) else choice.get("stop_reason")
    return str(choice.get("finish_reason") or (older if isinstance(older, str) else "") or "stop")


def _count(usage: Mapping[str, Any], *names: str) -> int | None:
    """Tokens under one of the names, `None` where there is no number that can be one."""
    for name in names:
        count = usage.get(name)
        if isinstance(count, int | float) and not isinstance(count, bool):
            possible = 0 <= count < MOST_TOKENS and count == int(count)
            return int(count) if possible else None
    return None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: OpenAI's milliseconds, or the standard's seconds or date (RFC 9110)."""
    if "retry-after-ms" in headers:
        seconds = _number(headers["retry-after-ms"])
        seconds = None if seconds is None else seconds / 1000
    else:
        said = headers.get("retry-after", "")
        seconds = _number(said)
        seconds = _seconds_until(said) if seconds is None else seconds
    return None if seconds is None else min(max(0.0, seconds), LONGEST_WAIT_S)


def _number(said: str) -> float | None:
    """Stricter than Python, which reads infinities, `1_0` and the digits of all scripts."""
    return float(said) if _NUMBER.fullmatch(said) else None


def _seconds_until(said: str) -> float | None:
    """To a date, whose zone is GMT where it names none."""
    try:
        date = parsedate_to_datetime(said)
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time()
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
