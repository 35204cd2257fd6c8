"""The transport under openai's client: aiohttp, with a bound on what a reply may hold.

That of `DefaultAioHttpClient` keeps cookies, which would tie all calls to one of a cluster's
servers (one that cannot be sent again ends every call after it), unpacks a reply without a bound,
and calls a connection that broke one that timed out.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import aiohttp
import httpx2
import openai

CHUNK = 2**16
UNPACKED = "gzip, deflate"
"""How a reply may be packed."""
NOT_PASSED_ON = frozenset([b"content-encoding", b"content-type", b"set-cookie"])
"""Of a reply's headers: its body is unpacked by then and read as UTF-8, for openai's client fails
on charsets that are none of text, and no cookie is kept to be sent back."""


class ReplyTooLong(httpx2.ReadError):
    """A reply has more bytes than it may have; what came was let go of."""


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Sends over `session`, which it leaves open, and reads replies of at most `most` bytes.

    A reply is whole and unpacked when it is handed on; no redirect is followed.
    """

    def __init__(self, session: aiohttp.ClientSession, most: int) -> None:
        self._session, self._most = session, most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The reply to one request.

        Raises:
            ReplyTooLong: it has more bytes than it may have, counted unpacked.
            httpx2.DecodingError: it was cut off, or cannot be unpacked.
            httpx2.RemoteProtocolError: it is no HTTP.
            httpx2.ProxyError: the proxy does not let it through.
            httpx2.NetworkError: there was no connection, or it broke.
            httpx2.TimeoutException: the system gave up waiting.
        """
        try:
            async with self._session.request(
                request.method,
                str(request.url),
                headers=request.headers.multi_items(),
                data=request.content,
                allow_redirects=False,
            ) as response:
                body = await _read(response, self._most)
        except (aiohttp.ClientError, OSError) as error:
            raise _as_httpx2(error) from error
        headers = [pair for pair in response.raw_headers if pair[0].lower() not in NOT_PASSED_ON]
        return httpx2.Response(response.status, headers=headers, content=body, request=request)


class DirectClient(openai.DefaultAioHttpClient):
    """Hands what openai's client builds straight to the transport.

    What each call else goes through has nothing to do here: cookies, redirects, authentication,
    hooks, default headers, a line in the log.
    """

    def __init__(self, transport: BoundedTransport) -> None:
        super().__init__(transport=transport, timeout=None, follow_redirects=False, trust_env=False)
        self._direct = transport

    def build_request(self, method: str, url: httpx2.URL | str, **parts: Any) -> httpx2.Request:
        """The request of these parts, and of no others."""
        headers, content, params = (parts.get(name) for name in ("headers", "content", "params"))
        return httpx2.Request(
            method, _address(str(url)), headers=headers, content=content, params=params
        )

    async def send(self, request: httpx2.Request, **_: Any) -> httpx2.Response:
        """Its reply; see `BoundedTransport`."""
        return await self._direct.handle_async_request(request)


@lru_cache(maxsize=64)
def _address(url: str) -> httpx2.URL:
    """Read once: every call goes to one of few."""
    return httpx2.URL(url)


def new_session(proxy: str | None) -> aiohttp.ClientSession:
    """A session that opens as many connections as it is asked for, and adds little of its own:
    no cookies, no time limits (each attempt has its own), nothing from `.netrc`.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"Accept-Encoding": UNPACKED},
        timeout=aiohttp.ClientTimeout(total=None),
        proxy=proxy,
    )


async def _read(response: aiohttp.ClientResponse, most: int) -> bytes:
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(CHUNK):
        size += len(chunk)
        if size > most:
            response.close()
            raise ReplyTooLong(f"more than {most} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _as_httpx2(error: aiohttp.ClientError | OSError) -> httpx2.RequestError:
    """An error of aiohttp as one that openai's client knows."""
    said = str(error)
    match error:
        case TimeoutError():
            return httpx2.TimeoutException(said)
        case aiohttp.ClientPayloadError():
            return httpx2.DecodingError(said)
        case aiohttp.ClientHttpProxyError():
            return httpx2.ProxyError(said)
        case aiohttp.ClientResponseError():
            return httpx2.RemoteProtocolError(said)
        case _:
            return httpx2.NetworkError(said)
