"""One request out through openai's client, one reply or one error of the designed tree back.

Loading this module loads openai: see `sdk`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import aiohttp
import httpx2
import openai

from autoprompt_assets.engine.llm import Asked, Role, failures
from autoprompt_assets.resources.endpoints.endpoint import Endpoint
from autoprompt_assets.resources.endpoints.proxy import proxy_place
from autoprompt_assets.resources.endpoints.registry import KINDS
from autoprompt_assets.resources.endpoints.replies import Reply
from autoprompt_assets.resources.endpoints.sdk import make_client, request_options
from autoprompt_assets.resources.endpoints.transport import (
    BoundedTransport,
    DirectClient,
    ReplyTooLong,
    new_session,
)

PATH = "/chat/completions"


@dataclass(frozen=True)
class Server:
    """Where an endpoint is reached, with which key, and through which proxy."""

    endpoint: Endpoint
    base_url: str
    key: str
    proxy: str | None


class Sender:
    """Sends the requests of all roles to one server; made inside a running event loop.

    A role has a client of its own, for it has its own bound on what a reply may hold; all of them
    share one session's connections.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._session = new_session(server.proxy)
        self._options = request_options(server.endpoint, server.key)
        self._clients: dict[Role, tuple[openai.AsyncOpenAI, str]] = {}

    async def close(self) -> None:
        """Close its clients and their connections."""
        for client, _ in self._clients.values():
            await client.close()
        await self._session.close()

    def prepare(self, role: Asked) -> None:
        """Make the client of `role` unless it is there.

        Raises:
            InputError: no client can ask at the endpoint's address.
        """
        if role.role in self._clients:
            return
        http_client = DirectClient(BoundedTransport(self._session, role.spec.longest_reply))
        server, kind = self._server, KINDS.get(self._server.endpoint.word)
        make = make_client if kind is None else kind.client
        client = make(server.endpoint, server.base_url, server.key, http_client)
        # Whole, for a path alone would be joined and read again per call.
        self._clients[role.role] = client, str(client.base_url).rstrip("/") + PATH

    async def post(self, payload: str, role: Asked, seconds: float) -> Reply:
        """The reply to one request of a role that was prepared, whatever its status.

        Raises:
            CallError: there was no whole reply within `seconds`, or one that is too long.
        """
        client, url = self._clients[role.role]
        started, body = time.perf_counter(), payload.encode("ascii")
        try:
            async with asyncio.timeout(seconds):
                response = await client.post(
                    url, content=body, cast_to=httpx2.Response, options=self._options
                )
        except openai.APIStatusError as error:
            response = error.response
        except (TimeoutError, openai.APITimeoutError):
            raise failures.CallTimedOut(
                f"{self._server.endpoint.name}: no answer within {seconds:g} s"
            ) from None
        except openai.APIConnectionError as error:
            raise self._failure(error.__cause__, role) from None
        took = time.perf_counter() - started
        return Reply(response.status_code, response.headers, response.content, took)

    def _failure(self, cause: BaseException | None, role: Asked) -> failures.CallError:
        """The error of the designed tree for what the transport raised."""
        server, proxy = self._server.endpoint, self._server.proxy
        below = cause.__cause__ if cause is not None else None
        if isinstance(cause, ReplyTooLong):
            return failures.MalformedResponse(
                f"{server.name}: the reply has more than {role.spec.longest_reply:,} bytes; raise "
                "the role's max_reply_bytes if it may"
            )
        if isinstance(cause, httpx2.DecodingError):
            return failures.MalformedResponse(
                f"{server.name}: the reply was cut off, or cannot be unpacked"
            )
        if isinstance(cause, httpx2.RemoteProtocolError):
            return failures.MalformedResponse(
                f"{server.name}: what {server.identity} sent is no HTTP; mend the base URL, or "
                "what stands between"
            )
        if isinstance(cause, httpx2.ProxyError):
            status = getattr(below, "status", "no status")
            return failures.ConnectionFailed(
                f"{server.name}: the proxy {proxy_place(proxy or '')} makes no connection to "
                f"{server.identity} (HTTP {status})"
            )
        said = no_connection(server.identity, proxy, below or cause)
        return failures.ConnectionFailed(f"{server.name}: {said}")


def no_connection(server: str, proxy: str | None, error: BaseException | None) -> str:
    """That `server` was not reached, and why; whose fault it is where a proxy stands between."""
    cause = type(getattr(error, "os_error", None) or error).__name__
    if proxy is None:
        return f"no connection to {server} ({cause})"
    place = proxy_place(proxy)
    # Through a proxy, only the proxy's own name is looked up.
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientConnectorDNSError):
        return f"no connection to the proxy {place}, through which {server} is asked ({cause})"
    return f"no connection to {server} through the proxy {place} ({cause})"
