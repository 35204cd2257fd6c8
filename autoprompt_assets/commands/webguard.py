"""Stands before Dagster's webserver, so that a page of another site can have it do nothing.

Dagster's GraphQL launches a run on a GET from any page. Here a request counts only if it is
addressed to this server by its own name (else a name that is made to point here would do), if it
comes from the server's own pages or from no page at all, and if what changes something is sent as a
page of another site cannot send it: by POST, as JSON. (OWASP's Cross-Site Request Forgery
Prevention, "Fetch Metadata" and "Custom Request Headers"; the Fetch standard's "CORS-safelisted
request-header".)
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from graphql import GraphQLError, OperationDefinitionNode, OperationType, parse
from starlette.datastructures import QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = frozenset(["127.0.0.1", "::1", "localhost"])
EVERYWHERE = frozenset(["0.0.0.0", "::"])  # noqa: S104 - names, not a choice
_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/@?#\[\]\\]+))(?::(\d{1,5}))?", re.IGNORECASE)


@dataclass(frozen=True)
class Address:
    """Where the server listens, as `--host` and `--port` say.

    Without a port it answers under any: a container is not told where its own is published.
    """

    host: str
    port: int | None

    @property
    def url(self) -> str:
        """What a person opens."""
        host = "127.0.0.1" if self.host in EVERYWHERE else self.host
        named = f"[{host}]" if ":" in host else host
        return f"http://{named}" if self.port is None else f"http://{named}:{self.port}"

    def named_by(self, host: str) -> bool:
        """Whether a `Host` header names this server.

        A server on every interface answers to every number: nobody's page has the name of a
        number, so that none can be made to point here.
        """
        found = _HOST.fullmatch(host)
        if found is None or self.port not in (None, int(found[3] or 80)):
            return False
        name = (found[1] or found[2]).lower()
        if self.host in EVERYWHERE:
            return name in LOOPBACK or _is_number(name)
        own = self.host.lower()
        return name in LOOPBACK if own in LOOPBACK else name == own


@dataclass(frozen=True)
class Refusal:
    """Why a request is not passed on, and what to do."""

    status: int
    reason: str


class Guard:
    """An ASGI application that passes on to `app` what is allowed, and answers the rest itself."""

    def __init__(self, app: ASGIApp, address: Address) -> None:
        self._app, self._address = app, address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See `refusal`."""
        refused = refusal(scope, self._address) if scope["type"] != "lifespan" else None
        if refused is not None:
            await _answer(scope, refused, send)
        elif scope["type"] == "http":
            await self._app(scope, receive, _unframed(send))
        else:
            await self._app(scope, receive, send)


def refusal(scope: Scope, address: Address) -> Refusal | None:
    """Why a request or a WebSocket handshake is refused; `None` where it is not."""
    hosts = [*_headers(scope, b"host")]
    host = hosts[0] if len(hosts) == 1 else ""
    if not address.named_by(host):
        return Refusal(
            403,
            f"this server answers to {address.url} only: open that (through a tunnel, forward the "
            "same port), or start it with --host NAME",
        )
    own = f"http://{host}".lower()
    foreign = any(origin.lower() != own for origin in _headers(scope, b"origin"))
    sites = {site.lower() for site in _headers(scope, b"sec-fetch-site")}
    if foreign or sites - {"same-origin", "none"}:
        return Refusal(403, f"a page of another site asked for this: type {address.url} instead")
    return _refused_method(scope) if scope["type"] == "http" else None


def _refused_method(scope: Scope) -> Refusal | None:
    if scope["method"] == "POST":
        kinds = [kind.split(";")[0].strip().lower() for kind in _headers(scope, b"content-type")]
        if kinds == ["application/json"]:
            return None
        return Refusal(415, "send it as JSON, with Content-Type: application/json")
    if scope["method"] not in ("GET", "HEAD"):
        return Refusal(405, f"{scope['method']} is not taken here: use GET, or POST with JSON")
    queries = QueryParams(scope["query_string"]).getlist("query")
    if scope["path"].rstrip("/").endswith("/graphql") and any(map(_may_change, queries)):
        return Refusal(405, "only a GraphQL query is read by GET: send this by POST, as JSON")
    return None


def _may_change(query: str) -> bool:
    """Whether a GraphQL document holds anything but queries, whichever operation is chosen.

    One that cannot be read counts as such: how deep is too deep depends on the reader's stack.
    """
    try:
        document = parse(query)
    except GraphQLError:
        return True
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    return any(one.operation != OperationType.QUERY for one in operations)


def _headers(scope: Scope, name: bytes) -> Iterator[str]:
    return (value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name)


def _is_number(name: str) -> bool:
    try:
        return bool(ip_address(name))
    except ValueError:
        return False


def _unframed(send: Send) -> Send:
    """Where `Sec-Fetch-Site` is not sent (plain HTTP to another machine), a page of another site
    could still show this one in a frame and have its buttons clicked.
    """

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = (b"x-frame-options", b"SAMEORIGIN")
            message = {**message, "headers": [*message.get("headers", ()), own]}
        await send(message)

    return sent


async def _answer(scope: Scope, refused: Refusal, send: Send) -> None:
    kind = "http.response"
    if scope["type"] == "websocket":
        kind = "websocket.http.response"
        if kind not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1008, "reason": "refused"})
            return
    body = f"refused: {refused.reason}\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": f"{kind}.start", "status": refused.status, "headers": headers})
    body = b"" if scope.get("method") == "HEAD" else body
    await send({"type": f"{kind}.body", "body": body})
