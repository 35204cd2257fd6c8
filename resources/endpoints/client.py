"""The client: one request in, one completion or one error of the designed tree out."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from typing import Self

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import Asked, Completion, Keep, Request, Role, failures
from autoprompt_assets.resources.endpoints.call import Call
from autoprompt_assets.resources.endpoints.connection import EndpointConnection, connection_to
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.keys import key_problems
from autoprompt_assets.resources.endpoints.learned import LimitStore
from autoprompt_assets.resources.endpoints.limiters import Limiters
from autoprompt_assets.resources.endpoints.open_files import allow_connections

NOTICE_EVERY_S = 10.0

# For the process: the next asset goes on where this one ended.
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
        self._limiters = Limiters(concurrency, limits, notice)
        self._noticed = -NOTICE_EVERY_S
        self._lines: dict[Endpoint, EndpointConnection] = {}

    async def __aenter__(self) -> Self:
        problems = key_problems(self._endpoints, os.environ)
        if problems:
            raise InputError(problems)
        allow_connections(self._concurrency)
        for endpoint in self._endpoints.values():
            if endpoint not in self._lines:
                self._lines[endpoint] = connection_to(endpoint, await self._limiters.of(endpoint))
        await self._limiters.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            await self._limiters.__aexit__()
        finally:
            for line in self._lines.values():
                await line.close()

    async def complete(self, request: Request, keep: Keep) -> Completion:
        """Ask, again where that may help, until the call's faults or its deadline are used up.

        An answer that is not kept yet has its place among the endpoint's calls.

        Raises:
            CallError: see `engine.llm.failures`.
        """
        role, line = self._roles[request.role], self._lines[self._endpoints[request.role]]
        call = Call(role)
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
        if line.reader.uncounted and line.base_url not in _UNCOUNTED:
            _UNCOUNTED.add(line.base_url)
            self._notice(
                f"{line.endpoint.name}: its replies do not say how many tokens they took; they are "
                "counted, priced and held to the budget as if each byte were one"
            )

    def _tell_masked(self, line: EndpointConnection) -> None:
        if line.reader.masked and line.base_url not in _MASKED:
            _MASKED.add(line.base_url)
            self._notice(
                f"{line.endpoint.name}: an answer quotes the key of {line.secrets}; such "
                "answers are kept and graded with *** in its place: mend the server, which must "
                "not repeat it"
            )

    def _tell(self, error: failures.CallError, wait: float, call: Call) -> None:
        now = time.monotonic()
        if now - self._noticed >= NOTICE_EVERY_S:
            self._noticed = now
            soon = f"trying again in {wait:.0f} s" if wait else "slowing down"
            self._notice(f"{error}; {soon} (attempt {call.attempts})")
