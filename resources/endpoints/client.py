"""The client: one request in, one completion or one error of the designed tree out."""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import aiohttp

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import Asked, Completion, Keep, Request, Role, failures
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.first_replies import FirstReplies
from autoprompt_assets.resources.endpoints.keys import key_problems, read_key
from autoprompt_assets.resources.endpoints.learned import LimitStore
from autoprompt_assets.resources.endpoints.limiter import Limiter
from autoprompt_assets.resources.endpoints.limiters import Limiters
from autoprompt_assets.resources.endpoints.registry import base_url
from autoprompt_assets.resources.endpoints.replies import Reader, Reply
from autoprompt_assets.resources.endpoints.transport import (
    BodyTooLong,
    allow_connections,
    find_proxy,
    no_connection,
    proxy_place,
    read_body,
)

ATTEMPTS = 8
"""Faults after which a call is given up; refusals for speed (429) are not among them."""
FIRST_WAIT_S, LONGEST_WAIT_S = 0.25, 20.0
NOTICE_EVERY_S = 10.0
SILENT_CALLS = 3
"""Calls given up in a row, with no reply but refusals for speed in between, after which an endpoint
counts as down. Fewer than a cold limiter starts with, so that one deadline is enough to tell."""
FAILED_CALLS = 10
"""Calls given up in a row, with no answer in between, after which it does, too. More, for single
requests may fail a server each time, and stand beside each other."""

_UNCOUNTED: set[str] = set()
"""Addresses of which was said that they do not count tokens."""
_MASKED: set[str] = set()
"""Addresses of which was said that answers from there quote the key."""


class ChatClient:
    """Asks the endpoints of one search's roles; open it inside a running event loop.

    At most `concurrency` calls are in flight at an endpoint, whichever roles it serves. What is
    learned of its limits is kept in `limits`, and gone on from there.

    Raises:
        InputError: on opening, when an environment variable lacks its key, or holds none that can
            be sent, or the system does not let this process have so many connections.
    """

    def __init__(
        self,
        endpoints: Mapping[Role, Endpoint],
        roles: Mapping[Role, Asked],
        concurrency: int,
        notice: Callable[[str], None],
        limits: LimitStore | None = None,
    ) -> None:
        self._endpoints, self._roles = endpoints, roles
        self._concurrency, self._notice = concurrency, notice
        self._limiters = Limiters(concurrency, limits)
        self._noticed = -NOTICE_EVERY_S
        self._lines: dict[Endpoint, EndpointConnection] = {}

    async def __aenter__(self) -> Self:
        problems = key_problems(self._endpoints, os.environ)
        if problems:
            raise InputError(problems)
        allow_connections(self._concurrency)
        await self._limiters.__aenter__()
        for endpoint in self._endpoints.values():
            if endpoint not in self._lines:
                self._lines[endpoint] = _connection(endpoint, await self._limiters.of(endpoint))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._limiters.__aexit__()
        for line in self._lines.values():
            await line.session.close()

    async def complete(self, request: Request, keep: Keep) -> Completion:
        """Ask, again where that may help, until the call's faults or its deadline are used up.

        An answer that is not kept yet has its place among the endpoint's calls.

        Raises:
            CallError: see `engine.llm.failures`.
        """
        role, line = self._roles[request.role], self._lines[self._endpoints[request.role]]
        call = _Call(role)
        while True:
            try:
                completion = await line.attempt(request, call, keep)
                self._tell_uncounted(line)
                self._tell_masked(line)
                return completion
            except failures.CallError as failure:
                error = call.cause(failure)
            except TimeoutError:
                assert call.error is not None
                error = call.error
            wait = call.failed(error)
            if wait is None:
                line.refuse_when_down(error)
                raise error
            self._tell(error, wait, call)
            await asyncio.sleep(wait)

    def _tell_uncounted(self, line: EndpointConnection) -> None:
        if line.reader.uncounted and line.url not in _UNCOUNTED:
            _UNCOUNTED.add(line.url)
            self._notice(
                f"{line.endpoint.name}: its replies do not say how many tokens they took; they are "
                "counted, priced and held to the budget as if each byte were one"
            )

    def _tell_masked(self, line: EndpointConnection) -> None:
        if line.reader.masked and line.url not in _MASKED:
            _MASKED.add(line.url)
            self._notice(
                f"{line.endpoint.name}: an answer quotes the key of {line.endpoint.key_env}; such "
                "answers are kept and graded with *** in its place: mend the server, which must "
                "not repeat it"
            )

    def _tell(self, error: failures.CallError, wait: float, call: _Call) -> None:
        now = time.monotonic()
        if now - self._noticed >= NOTICE_EVERY_S:
            self._noticed = now
            soon = f"trying again in {wait:.0f} s" if wait else "slowing down"
            self._notice(f"{error}; {soon} (attempt {call.attempts})")


class _Call:
    """One call's attempts: how long the next may take, and whether there is a next."""

    def __init__(self, role: Asked) -> None:
        self.role = role
        self._timeout, self._patience = role.spec.timeout, role.spec.patience
        self._deadline: float | None = None
        self._cut_short = False
        self._faults = 0
        self.error: failures.CallError | None = None
        self.attempts = 0

    @property
    def left(self) -> float | None:
        """Seconds to the deadline, which runs from the first attempt: waiting for one's turn
        before it is no fault.
        """
        return None if self._deadline is None else self._deadline - time.monotonic()

    def begin(self) -> float:
        """Seconds that the attempt which now begins may take."""
        if self._deadline is None:
            self._deadline = time.monotonic() + self._patience
        self.attempts += 1
        assert self.left is not None
        self._cut_short = self.left < self._timeout
        return min(self._timeout, self.left)

    def cause(self, error: failures.CallError) -> failures.CallError:
        """`error`, or what came before it where the deadline alone cut the last attempt short."""
        cut = self._cut_short and isinstance(error, failures.CallTimedOut)
        return self.error if cut and self.error is not None else error

    def failed(self, error: failures.CallError) -> float | None:
        """Seconds to wait before the next attempt, or `None` when there is none.

        Exponential backoff with full jitter. A refusal for speed waits for the limiter only.
        """
        assert self._deadline is not None
        self.error = error
        if not error.transient:
            return None
        if error.retry_after is not None and error.retry_after > self._patience:
            raise failures.EndpointDown(
                f"{error}; it asks to wait {error.retry_after:.0f} s, longer than the deadline of "
                f"roles.{self.role.role}, {self._patience:g} s. What was answered is kept: run "
                "again then"
            )
        if isinstance(error, failures.RateLimited):
            return 0.0 if time.monotonic() < self._deadline else None
        self._faults += 1
        most = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2 ** (self._faults - 1))
        wait = random.uniform(0, most)  # noqa: S311
        ends = self._faults >= ATTEMPTS or time.monotonic() + wait >= self._deadline
        return None if ends else wait


@dataclass
class EndpointConnection:
    """The way to one endpoint."""

    endpoint: Endpoint
    url: str
    session: aiohttp.ClientSession
    limiter: Limiter
    reader: Reader
    first_replies: FirstReplies
    proxy: str | None = None
    silent_calls: int = 0
    failed_calls: int = 0

    async def attempt(self, request: Request, call: _Call, keep: Keep) -> Completion:
        """One attempt, when its turn has come, and what `keep` makes of its answer.

        Raises:
            CallError: it brought no completion.
            TimeoutError: its turn did not come before the call's deadline.
            JournalError: no answer could be kept any more.
        """
        async with self.limiter.slot(first=call.attempts > 0, within=call.left) as slot:
            keep.refuse()
            try:
                reply = await self._post(request, call.begin(), call.role.spec.longest_reply)
                completion = self.reader.completion(reply, request, call.role, call.attempts)
            except failures.CallError as error:
                if isinstance(error, failures.RateLimited) or error.retry_after is not None:
                    slot.refused(error.retry_after)
                elif error.transient:
                    slot.failed()
                    if isinstance(error, failures.MalformedResponse):
                        self.first_replies.unusable(call.role, error)
                raise
            slot.answered()
            self.failed_calls = 0
            self.first_replies.usable(call.role)
            return await keep(completion)

    async def _post(self, request: Request, seconds: float, most: int) -> Reply:
        """The reply to one request.

        Raises:
            CallError: there was no whole reply within `seconds`, or one of more than `most` bytes.
        """
        started = time.perf_counter()
        body = request.payload.encode("ascii")
        try:
            async with (
                asyncio.timeout(seconds),
                self.session.post(self.url, data=body, allow_redirects=False) as response,
            ):
                content = await read_body(response, most)
        except TimeoutError:
            raise failures.CallTimedOut(
                f"{self.endpoint.name}: no answer within {seconds:g} s"
            ) from None
        except BodyTooLong:
            raise failures.MalformedResponse(
                f"{self.endpoint.name}: the reply has more than {most:,} bytes; raise the role's "
                "max_reply_bytes if it may"
            ) from None
        except aiohttp.ClientPayloadError:
            raise failures.MalformedResponse(
                f"{self.endpoint.name}: the reply was cut off, or cannot be unpacked"
            ) from None
        except aiohttp.ClientHttpProxyError as error:
            raise failures.ConnectionFailed(
                f"{self.endpoint.name}: the proxy {proxy_place(self.proxy or '')} makes no "
                f"connection to {self.endpoint.identity} (HTTP {error.status})"
            ) from None
        except aiohttp.ClientResponseError:
            raise failures.MalformedResponse(
                f"{self.endpoint.name}: what {self.endpoint.identity} sent is no HTTP; mend the "
                "base URL, or what stands between"
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            said = no_connection(self.endpoint.identity, self.proxy, error)
            raise failures.ConnectionFailed(f"{self.endpoint.name}: {said}") from None
        if response.status != 429:
            self.silent_calls = 0
        return Reply(response.status, response.headers, content, time.perf_counter() - started)

    def refuse_when_down(self, error: failures.CallError) -> None:
        """Count a call that is given up.

        Raises:
            EndpointDown: it is one too many without a reply in between.
        """
        if not error.transient:
            return
        self.failed_calls += 1
        if isinstance(
            error, failures.CallTimedOut | failures.ConnectionFailed | failures.RateLimited
        ):
            self.silent_calls += 1
        if self.silent_calls >= SILENT_CALLS or self.failed_calls >= FAILED_CALLS:
            raise failures.EndpointDown(
                f"{error}; {self.failed_calls} calls in a row were given up, and none was answered "
                "in between. What was answered is kept: mend the cause and run again"
            )


def _connection(endpoint: Endpoint, limiter: Limiter) -> EndpointConnection:
    url = base_url(endpoint)
    key = read_key(endpoint.key_env, os.environ)
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if key:
        headers["Authorization"] = f"Bearer {key}"
    proxy = find_proxy(url)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # each attempt has its own
        headers=headers,
        proxy=proxy,
    )
    url = f"{url}/chat/completions"
    reader, first_replies = Reader(endpoint, key), FirstReplies(url)
    return EndpointConnection(endpoint, url, session, limiter, reader, first_replies, proxy)
