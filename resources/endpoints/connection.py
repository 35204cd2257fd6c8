"""The way to one endpoint: a call's turn, its attempt, and whether the endpoint is down."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoprompt_assets.engine.llm import Asked, Completion, Keep, Request, failures
from autoprompt_assets.resources.endpoints.call import Call
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.first_replies import FirstReplies
from autoprompt_assets.resources.endpoints.keys import read_key, read_secrets
from autoprompt_assets.resources.endpoints.limiter import Limiter
from autoprompt_assets.resources.endpoints.proxy import find_proxy, proxy_secrets
from autoprompt_assets.resources.endpoints.registry import base_url
from autoprompt_assets.resources.endpoints.replies import Reader, Reply

if TYPE_CHECKING:
    from autoprompt_assets.resources.endpoints.sender import Sender

SILENT_CALLS = 3
"""Calls given up in a row, with no reply but refusals for speed in between, after which an endpoint
counts as down. Fewer than a cold limiter starts with, so that one deadline is enough to tell."""
FAILED_CALLS = 10
"""Calls given up in a row, with no answer in between, after which it does, too. More, for single
requests may fail a server each time, and stand beside each other."""


@dataclass
class EndpointConnection:
    """The way to one endpoint."""

    endpoint: Endpoint
    base_url: str
    key: str
    proxy: str | None
    limiter: Limiter
    reader: Reader
    first_replies: FirstReplies
    silent_calls: int = 0
    failed_calls: int = 0
    _sender: Sender | None = None

    @property
    def secrets(self) -> str:
        """The variables that hold its key and what else is secret of it, in words."""
        proxy = ("the proxy",) if proxy_secrets(self.proxy) else ()
        return " or ".join((*self.endpoint.secrets, *proxy))

    async def close(self) -> None:
        """Close what was opened for the calls that were made."""
        if self._sender is not None:
            await self._sender.close()

    async def attempt(self, request: Request, call: Call, keep: Keep) -> Completion:
        """One attempt, when its turn has come, and what `keep` makes of its answer.

        Raises:
            CallError: it brought no completion.
            InputError: nothing can be asked at the endpoint's address.
            TimeoutError: its turn did not come before the call's deadline.
            JournalError: no answer could be kept any more.
        """
        async with self.limiter.slot(first=call.attempts > 0, within=call.left) as slot:
            keep.refuse()
            sender = self._sender_for(call.role)
            try:
                reply = await sender.post(request.payload, call.role, call.begin())
                self._heard(reply)
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

    def _heard(self, reply: Reply) -> None:
        if reply.status != 429:
            self.silent_calls = 0

    def _sender_for(self, role: Asked) -> Sender:
        """The sender, ready for `role`; a run that is replayed needs none, nor what it loads."""
        if self._sender is None:
            from autoprompt_assets.resources.endpoints.sender import Sender, Server

            self._sender = Sender(Server(self.endpoint, self.base_url, self.key, self.proxy))
        self._sender.prepare(role)
        return self._sender


def connection_to(endpoint: Endpoint, limiter: Limiter) -> EndpointConnection:
    """The way to `endpoint`, on which `limiter` lets calls start.

    Raises:
        InputError: the environment names a proxy that cannot be used.
    """
    url = base_url(endpoint)
    key = read_key(endpoint.key_env, os.environ)
    proxy = find_proxy(url)
    reader = Reader(endpoint, (*read_secrets(endpoint, os.environ), *proxy_secrets(proxy)))
    first_replies = FirstReplies(f"{url}/chat/completions")
    return EndpointConnection(endpoint, url, key, proxy, limiter, reader, first_replies)
