"""Stands before vLLM as its only way in, puts it to sleep when nobody asks, and wakes it.

Asleep at level 1, vLLM's weights are in the host's memory and its GPU is free; but whoever asks it
then waits without end, while /health still says 200. So a request is held here until the engine
says that it does not sleep. vLLM's routes for this come with others that change the server, behind
no key: of all its routes only those below are passed on.

    ENGINES       addresses of the vLLM servers, with spaces between; unix:/PATH for a socket
    UPSTREAM      who gets the requests, where it is not the one engine: a router before several
    IDLE_SECONDS  seconds without a request after which the engines sleep (300)
    WAKE_SECONDS  seconds that falling asleep or waking may take (120)
    GATE_HOST, GATE_PORT
                  where it listens (0.0.0.0, 8000)
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import ClientError, web
from multidict import CIMultiDict
from vllm_sleep import Doorkeeper, Engine, Unready, session
from yarl import URL

ASKING = ("/v1/chat/completions", "/v1/completions", "/v1/responses")
"""Routes that want the engine awake."""
LOOKING = ("/health", "/version", "/metrics", "/v1/models")
"""Routes that vLLM answers asleep as well."""
# Those of one connection (RFC 9110, 7.6.1), and those that the next server's client writes.
OF_A_CONNECTION = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
    *("te", "trailer", "transfer-encoding", "upgrade", "expect", "host"),
}
RETRY_AFTER_S = 5


@dataclass(frozen=True)
class Settings:
    """As the module's page says; durations are in seconds."""

    engines: tuple[str, ...]
    upstream: str
    idle_s: float
    patience_s: float
    host: str
    port: int

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Read them.

        Raises:
            ValueError: one is missing or of no use; the message names it.
        """
        engines = tuple(environ.get("ENGINES", "").split())
        upstream = environ.get("UPSTREAM") or (engines[0] if len(engines) == 1 else "")
        if not engines:
            raise ValueError("ENGINES is not set: name the vLLM servers, as http://vllm:8000")
        if not upstream:
            raise ValueError("UPSTREAM is not set: name the router before the ENGINES")
        for address in (*engines, upstream):
            if not address.startswith(("http://", "unix:/")):
                raise ValueError(f"{address!r} is no address: write http://HOST:PORT or unix:/PATH")
        return cls(
            engines,
            upstream,
            idle_s=_number(environ, "IDLE_SECONDS", 300),
            patience_s=_number(environ, "WAKE_SECONDS", 120),
            # Every interface of the container: compose.yaml says who reaches it.
            host=environ.get("GATE_HOST") or "0.0.0.0",  # noqa: S104
            port=int(_number(environ, "GATE_PORT", 8000)),
        )


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    said = environ.get(name) or str(default)
    try:
        number = float(said)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise ValueError(f"{name}={said}: write a number above 0")
    return number


class Gate:
    """An HTTP application before the engines."""

    def __init__(self, settings: Settings) -> None:
        engines = [Engine(one, settings.patience_s) for one in settings.engines]
        self._door = Doorkeeper(engines, settings.idle_s)
        self._address = settings.upstream

    def application(self) -> web.Application:
        """Its routes; whatever else is asked is answered 404 or 405, and never passed on."""
        app = web.Application(middlewares=[_refusing])
        app.cleanup_ctx.append(self._running)
        for path in ASKING:
            app.router.add_post(path, self._ask)
        for path in LOOKING:
            app.router.add_get(path, self._pass_on, allow_head=False)
        return app

    async def _running(self, _: web.Application) -> AsyncIterator[None]:
        watching = asyncio.create_task(self._door.watch())
        # How long an answer may take is the client's to say: when it goes, its request ends.
        async with session(self._address, None) as self._upstream:
            yield
        watching.cancel()

    async def _ask(self, request: web.Request) -> web.StreamResponse:
        async with self._door:
            return await self._pass_on(request)

    async def _pass_on(self, request: web.Request) -> web.StreamResponse:
        # The path is that of the route, so that no other way of writing one gets through.
        target = URL.build(
            path=request.path, query_string=request.rel_url.raw_query_string, encoded=True
        )
        body = request.content if request.body_exists else None
        sent = of_the_message(request.headers)
        async with self._upstream.request(
            request.method, target, data=body, headers=sent, allow_redirects=False
        ) as reply:
            headers = of_the_message(reply.headers)
            passed = web.StreamResponse(status=reply.status, reason=reply.reason, headers=headers)
            await passed.prepare(request)
            async for piece in reply.content.iter_any():
                await passed.write(piece)
            await passed.write_eof()
            return passed


def of_the_message(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Headers that are passed on: all but those of one connection."""
    named = {one.strip().lower() for one in headers.get("Connection", "").split(",")}
    dropped = OF_A_CONNECTION | named
    return CIMultiDict((key, value) for key, value in headers.items() if key.lower() not in dropped)


@web.middleware
async def _refusing(request: web.Request, handler: Any) -> web.StreamResponse:
    try:
        answer: web.StreamResponse = await handler(request)
    except web.HTTPException as error:
        return _error(error.status, f"{error.reason}: nothing of the kind is passed on here")
    except Unready as error:
        return _error(503, str(error))
    except (ClientError, OSError) as error:
        if request.writer.output_size:
            # What breaks off must not look as if it had ended: raising cuts the connection.
            print(f"an answer broke off: {type(error).__name__}", file=sys.stderr)
            raise
        return _error(503, "the engine cannot be reached")
    return answer


def _error(status: int, message: str) -> web.Response:
    """An error in OpenAI's form."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": None}}
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    return web.json_response(body, status=status, headers=headers)


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT."""
    # aiohttp's own log has whole tracebacks for clients that went away.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    runner = web.AppRunner(
        Gate(settings).application(),
        access_log=None,
        auto_decompress=False,
        # A client that goes away ends its request, here and at the engine.
        handler_cancellation=True,
        shutdown_timeout=1.0,
    )
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await runner.setup()
    await web.TCPSite(runner, settings.host, settings.port, backlog=1024).start()
    await ended.wait()
    await runner.cleanup()


def main() -> int:
    """Serve, or say in one line what is in the way."""
    try:
        asyncio.run(serve(Settings.from_environment(os.environ)))
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
