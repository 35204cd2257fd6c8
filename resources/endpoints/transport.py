"""The transport under openai's client: aiohttp, with a bound on what a reply may hold.

The package's own (`DefaultAioHttpClient`) keeps cookies, which would tie all calls to one of a
cluster's servers, opens 100 connections where no limit is said, and calls a connection that broke
one that timed out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import aiohttp
import httpx2

CHUNK = 2**16
NOT_PASSED_ON = frozenset([b"content-encoding", b"set-cookie"])
"""Of a reply's headers: its body is unpacked by then, and no cookie is kept to be sent back."""


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
        with _as_httpx2():
            async with self._session.request(
                request.method,
                str(request.url),
                headers=request.headers,
                data=request.content,
                allow_redirects=False,
            ) as response:
                body = await _read(response, self._most)
        headers = [pair for pair in response.raw_headers if pair[0].lower() not in NOT_PASSED_ON]
        return httpx2.Response(response.status, headers=headers, content=body, request=request)


def new_session(proxy: str | None) -> aiohttp.ClientSession:
    """A session that opens as many connections as it is asked for, and adds nothing of its own:
    no cookies, no time limits (each attempt has its own), nothing from `.netrc`.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),
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


@contextmanager
def _as_httpx2() -> Iterator[None]:
    """Aiohttp's errors as those that openai's client knows, each with its cause."""
    try:
        yield
    except TimeoutError as error:
        raise httpx2.TimeoutException(str(error)) from error
    except aiohttp.ClientPayloadError as error:
        raise httpx2.DecodingError(str(error)) from error
    except aiohttp.ClientHttpProxyError as error:
        raise httpx2.ProxyError(str(error)) from error
    except aiohttp.ClientResponseError as error:
        raise httpx2.RemoteProtocolError(str(error)) from error
    except (aiohttp.ClientError, OSError) as error:
        raise httpx2.NetworkError(str(error)) from error
