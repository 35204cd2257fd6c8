"""What an endpoint's reply means: a completion, or an error of the designed tree."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from autoprompt_assets.engine import llm
from autoprompt_assets.engine.asked import Asked
from autoprompt_assets.engine.controls import for_terminal
from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.llm import Completion, Request
from resources.endpoints import Endpoint

NO_KEYS = frozenset({"none", "null", "empty", "dummy", "test", "no-key", "unused"})
SHORTEST_KEY = 4
"""What servers without keys are given is no secret, and a word that a model may write: one of
these in any case, or less than so many characters. In errors it is masked all the same."""


@dataclass(frozen=True)
class Reply:
    """One HTTP reply. `took_s` is the attempt's latency in seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_s: float


@dataclass
class Reader:
    """Reads the replies of one endpoint. `key` is masked wherever a text quotes it.

    `uncounted` is how many replies did not say their tokens.
    """

    endpoint: Endpoint
    key: str
    uncounted: int = 0

    def completion(self, reply: Reply, request: Request, role: Asked, attempts: int) -> Completion:
        """The completion that a reply to `request` holds.

        Raises:
            CallError: it holds none; see `engine.llm` for which.
        """
        if reply.status != 200:
            raise self._error(reply)
        try:
            data = json.loads(reply.body)
            choice = data["choices"][0]
            message, usage = choice["message"], data.get("usage")
            text, finish = message.get("content"), choice.get("finish_reason") or "stop"
            if not isinstance(text, str | None):
                raise TypeError
            prompt, completion = self._tokens(usage, request, role, text or "")
        except (LookupError, TypeError, AttributeError, ValueError, RecursionError):
            # A body that was cut off is no JSON either.
            start = " ".join(self._masked(reply.body[:400].decode("utf-8", "replace")).split())
            message = f"{self.endpoint.name}: the reply is no chat completion: {shown(start)}"
            raise llm.MalformedResponse(message) from None
        # vLLM says `reasoning`, its older versions and others `reasoning_content`.
        reasoning = message.get("reasoning") or message.get("reasoning_content")
        return Completion(
            text=self._storable(text),
            finish_reason=str(finish),
            reasoning=self._storable(reasoning),
            refusal=self._storable(message.get("refusal")) or None,
            prompt_tokens=prompt,
            completion_tokens=completion,
            usd=role.price(prompt, completion),
            latency_s=reply.took_s,
            attempts=attempts,
        )

    def _error(self, reply: Reply) -> llm.CallError:  # noqa: PLR0911
        status, name = reply.status, self.endpoint.name
        said = _said(reply.body)
        message = str(said.get("message") or reply.body[:300].decode("utf-8", "replace"))
        code, kind = str(said.get("code") or ""), str(said.get("type") or "")
        words = for_terminal(" ".join(self._masked(message).split())[:300])
        line = f"{name}: HTTP {status}: {words}"
        after = _retry_after(reply.headers)
        if status in (401, 403):
            # What the server says may quote a part of the key.
            where = f"; check {self.endpoint.key_env}" if self.endpoint.key_env else ""
            return llm.AuthenticationFailed(f"{name}: HTTP {status}: not authorized{where}")
        if status == 402 or "insufficient_quota" in (code, kind):
            return llm.QuotaExhausted(line)
        if status == 404:
            asked = f"model {self.endpoint.model!r} at {self.endpoint.identity}"
            return llm.ModelNotFound(f"{line} ({asked}); mend the role's model or the base URL")
        if status == 429:
            return llm.RateLimited(line, after)
        if status in (408, 409, 425) or status >= 500:
            return llm.ServerFailed(line, after)
        if status < 400:
            return llm.RequestRefused(f"{name}: HTTP {status}: a redirect; mend its base URL")
        text = f"{code} {kind} {message}".lower()
        if "content_filter" in text or "content management policy" in text:
            return llm.ContentFiltered(line)
        return llm.ContextTooLong(line) if is_about_length(text) else llm.RequestRefused(line)

    def _tokens(self, usage: Any, request: Request, role: Asked, text: str) -> tuple[int, int]:
        """Prompt and completion tokens: as the server counts them or, where it does not, at most.

        A budget must hold on such a server, too; no text has more tokens than bytes.
        """
        if isinstance(usage, dict):
            counts = (usage.get(f"{part}_tokens") or 0 for part in ("prompt", "completion"))
            prompt, completion = (max(0, int(count)) for count in counts)
            return prompt, completion
        self.uncounted += 1
        asked = sum(len(one["content"].encode("utf-8", "replace")) for one in request.messages)
        said = len(text.encode("utf-8", "replace"))
        return asked, min(said, role.spec.max_tokens or said)

    def _storable(self, text: object) -> str | None:
        """What a model wrote, as files and databases can hold it, without the key.

        Half a surrogate pair is valid JSON and no text, and a proxy may quote the key in an answer.
        """
        if not isinstance(text, str):
            return None
        text = text if text.isascii() else text.encode("utf-8", "replace").decode()
        secret = len(self.key) >= SHORTEST_KEY and self.key.casefold() not in NO_KEYS
        return self._masked(text) if secret else text

    def _masked(self, text: str) -> str:
        return text.replace(self.key, "***") if self.key else text


def is_about_length(text: str) -> bool:
    """True when a refusal's text is about the length of the prompt."""
    signs = ("context_length_exceeded", "exceed_context_size", "maximum context length")
    return any(sign in text for sign in signs) or ("context" in text and "exceed" in text)


def _said(body: bytes) -> Mapping[str, Any]:
    """The error object of an OpenAI-compatible server; its message may stand alone."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = data.get("error", data) if isinstance(data, dict) else data
    return error if isinstance(error, dict) else {"message": error}


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: OpenAI's milliseconds, or the standard's seconds or date (RFC 9110)."""
    try:
        if "retry-after-ms" in headers:
            seconds = float(headers["retry-after-ms"]) / 1000
        else:
            seconds = _seconds_until(headers["retry-after"])
    except (KeyError, ValueError):
        return None
    return max(0.0, seconds) if math.isfinite(seconds) else None


def _seconds_until(said: str) -> float:
    try:
        return float(said)
    except ValueError:
        return parsedate_to_datetime(said).timestamp() - time.time()
