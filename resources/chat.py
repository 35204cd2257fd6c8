"""The client: one request in, one completion or one error of the designed tree out."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

import openai
from openai import AsyncOpenAI, DefaultAioHttpClient
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    wait_random_exponential,
)

from autoprompt_assets.engine import llm
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.evaluate import Asked
from autoprompt_assets.engine.llm import Completion, Request, Role
from resources.endpoints import Endpoint, missing_keys

ATTEMPTS = 8
LONGEST_WAIT_S = 20.0
LONGEST_RETRY_AFTER_S = 60.0
NOTICE_EVERY_S = 10.0
_BACKOFF = wait_random_exponential(multiplier=0.25, max=LONGEST_WAIT_S)


class ChatClient:
    """Asks the endpoints of one search's roles; open it inside a running event loop.

    Raises:
        InputError: on opening, when an environment variable with a key is missing.
    """

    def __init__(
        self,
        endpoints: Mapping[Role, Endpoint],
        roles: Mapping[Role, Asked],
        notice: Callable[[str], None],
    ) -> None:
        self._endpoints, self._roles, self._notice = endpoints, roles, notice
        self._noticed = -NOTICE_EVERY_S
        self._clients: dict[Role, AsyncOpenAI] = {}

    async def __aenter__(self) -> Self:
        missing = missing_keys(self._endpoints, os.environ)
        if missing:
            raise InputError(missing)
        for role, endpoint in self._endpoints.items():
            self._clients[role] = _client(endpoint)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for client in self._clients.values():
            await client.close()

    async def complete(self, request: Request) -> Completion:
        """Ask, again where that may help, at most `ATTEMPTS` times.

        Raises:
            CallError: see `engine.llm`.
        """
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=_wait,
            retry=retry_if_exception(_is_transient),
            before_sleep=self._tell,
            reraise=True,
        ):
            with attempt:
                return await self._attempt(request, attempt.retry_state.attempt_number)
        raise AssertionError("unreachable")

    def _tell(self, state: RetryCallState) -> None:
        now = time.monotonic()
        if state.outcome is None or now - self._noticed < NOTICE_EVERY_S:
            return
        self._noticed = now
        wait = state.upcoming_sleep
        self._notice(
            f"{state.outcome.exception()}; trying again in {wait:.0f} s "
            f"(attempt {state.attempt_number} of {ATTEMPTS} for this call)"
        )

    async def _attempt(self, request: Request, number: int) -> Completion:
        role, endpoint = self._roles[request.role], self._endpoints[request.role]
        started = time.perf_counter()
        try:
            async with asyncio.timeout(role.spec.timeout):
                reply = await self._clients[request.role].post(
                    "/chat/completions", cast_to=object, body=request.body()
                )
        except TimeoutError:
            raise _timed_out(role, endpoint) from None
        except openai.APIStatusError as error:
            raise _status_error(error, endpoint) from None
        except openai.APIConnectionError as error:
            raise _connection_error(error, role, endpoint) from None
        except (openai.APIResponseValidationError, json.JSONDecodeError, UnicodeDecodeError):
            raise llm.MalformedResponse(f"{endpoint.name}: the reply is not JSON") from None
        return _completion(reply, role, endpoint, time.perf_counter() - started, number)


def _client(endpoint: Endpoint) -> AsyncOpenAI:
    base_url = endpoint.base_url
    if base_url is None:
        from resources.embedded import embedded_base_url

        base_url = embedded_base_url()
    key = os.environ.get(endpoint.key_env or "") or "none"
    return AsyncOpenAI(
        base_url=base_url,
        api_key=key,
        max_retries=0,
        timeout=None,  # each attempt has its role's
        http_client=DefaultAioHttpClient(timeout=None),
    )


def _is_transient(error: BaseException) -> bool:
    return isinstance(error, llm.CallError) and error.transient


def _wait(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    after = error.retry_after if isinstance(error, llm.RateLimited) else None
    return min(after, LONGEST_RETRY_AFTER_S) if after is not None else float(_BACKOFF(state))


def _timed_out(role: Asked, endpoint: Endpoint) -> llm.CallError:
    return llm.CallTimedOut(f"{endpoint.name}: no answer within {role.spec.timeout:g} s")


def _connection_error(
    error: openai.APIConnectionError, role: Asked, endpoint: Endpoint
) -> llm.CallError:
    cause = error.__cause__ or error
    # The transport calls a refused connection a timeout, too: of connecting, not of the answer.
    if isinstance(error, openai.APITimeoutError) and type(cause).__name__ != "ConnectTimeout":
        return _timed_out(role, endpoint)
    root = type(cause.__cause__ or cause).__name__
    return llm.ConnectionFailed(f"{endpoint.name}: no connection to {endpoint.identity} ({root})")


def _status_error(  # noqa: PLR0911
    error: openai.APIStatusError, endpoint: Endpoint
) -> llm.CallError:
    status, code, kind = error.status_code, error.code or "", error.type or ""
    said = f"{endpoint.name}: HTTP {status}: {_redacted(error, endpoint)}"
    if status in (401, 403):
        # What the server says may quote a part of the key.
        where = f"; check {endpoint.key_env}" if endpoint.key_env else ""
        return llm.AuthenticationFailed(f"{endpoint.name}: HTTP {status}: not authorized{where}")
    if status == 402 or "insufficient_quota" in (code, kind):
        return llm.QuotaExhausted(said)
    if status == 404:
        return llm.ModelNotFound(f"{said} (model {endpoint.model!r})")
    if status == 429:
        return llm.RateLimited(said, _retry_after(error))
    if status in (408, 409, 425) or status >= 500:
        return llm.ServerFailed(said)
    text = f"{code} {kind} {error.message}".lower()
    if "content_filter" in text or "content management policy" in text:
        return llm.ContentFiltered(said)
    if is_about_length(text):
        return llm.ContextTooLong(said)
    return llm.RequestRefused(said)


def is_about_length(text: str) -> bool:
    """True when a refusal's text is about the length of the prompt."""
    signs = ("context_length_exceeded", "exceed_context_size", "maximum context length")
    return any(sign in text for sign in signs) or ("context" in text and "exceed" in text)


def _redacted(error: openai.APIStatusError, endpoint: Endpoint) -> str:
    body = error.body if isinstance(error.body, dict) else {}
    text = str(body.get("message") or error.message)
    return " ".join(_without_key(text, endpoint).split())[:300]


def _retry_after(error: openai.APIStatusError) -> float | None:
    try:
        return max(0.0, float(error.response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _completion(
    reply: Any, role: Asked, endpoint: Endpoint, latency_s: float, attempts: int
) -> Completion:
    try:
        choice = reply["choices"][0]
        message, usage = choice["message"], reply.get("usage") or {}
        text, finish = message.get("content"), choice.get("finish_reason") or "stop"
        prompt, completion = (
            max(0, int(usage.get(f"{part}_tokens") or 0)) for part in ("prompt", "completion")
        )
        if not isinstance(text, str | None):
            raise TypeError
    except (KeyError, IndexError, TypeError, AttributeError, ValueError):
        message = f"{endpoint.name}: the reply is no chat completion"
        raise llm.MalformedResponse(message) from None
    # vLLM says `reasoning`, its older versions and others `reasoning_content`.
    reasoning = message.get("reasoning") or message.get("reasoning_content")
    return Completion(
        text=_storable(text, endpoint),
        finish_reason=str(finish),
        reasoning=_storable(reasoning, endpoint),
        refusal=_storable(message.get("refusal"), endpoint) or None,
        prompt_tokens=prompt,
        completion_tokens=completion,
        usd=role.price(prompt, completion),
        latency_s=latency_s,
        attempts=attempts,
    )


def _storable(text: object, endpoint: Endpoint) -> str | None:
    """What a model wrote, as files and databases can hold it, without the key.

    Half a surrogate pair is valid JSON and no text, and a proxy may quote the key in an answer.
    """
    if not isinstance(text, str):
        return None
    return _without_key(text.encode("utf-8", "replace").decode("utf-8"), endpoint)


def _without_key(text: str, endpoint: Endpoint) -> str:
    key = os.environ.get(endpoint.key_env or "")
    return text.replace(key, "***") if key else text
