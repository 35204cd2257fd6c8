"""What aiohttp leaves to its user: a proxy that is found once, and a body within a limit."""

from __future__ import annotations

import ipaddress
import sys
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp

from autoprompt_assets.engine.errors import InputError

if sys.platform != "win32":
    import resource

CHUNK = 2**16
OWN_FILES = 100
"""What is open beside connections: databases, logs, results, libraries."""


class BodyTooLong(Exception):
    """A body has more bytes than it may have."""


async def read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, unpacked.

    Raises:
        BodyTooLong: it has more than `most` bytes; what came was let go of.
        aiohttp.ClientPayloadError: it was cut off, or cannot be unpacked.
    """
    chunks, size = [], 0
    async for chunk in response.content.iter_chunked(CHUNK):
        size += len(chunk)
        if size > most:
            response.close()
            raise BodyTooLong
        chunks.append(chunk)
    return b"".join(chunks)


def find_proxy(base_url: str) -> str | None:
    """The proxy that the environment names for `base_url`; never one for this machine itself.

    Found once, for aiohttp would look for it per call.

    Raises:
        InputError: it is none that can be used.
    """
    address = urlsplit(base_url)
    host = address.hostname or ""
    proxies = getproxies()
    name = address.scheme if proxies.get(address.scheme) else "all"
    proxy = proxies.get(name)
    if not proxy or is_loopback(host) or proxy_bypass(host):
        return None
    if not _is_http(proxy):
        # Its value is not repeated: it may hold a password.
        raise InputError(
            f"{name.upper()}_PROXY: is no address of an HTTP proxy; write http://host:port, or "
            f"name {host} in NO_PROXY"
        )
    return proxy


def proxy_place(proxy: str) -> str:
    """Its host and port; never its credentials."""
    parts = urlsplit(proxy)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def no_connection(server: str, proxy: str | None, error: Exception) -> str:
    """That `server` was not reached, and why; whose fault it is where a proxy stands between."""
    cause = type(getattr(error, "os_error", None) or error).__name__
    if proxy is None:
        return f"no connection to {server} ({cause})"
    place = proxy_place(proxy)
    # Through a proxy, only the proxy's own name is looked up.
    if isinstance(error, aiohttp.ClientProxyConnectionError | aiohttp.ClientConnectorDNSError):
        return f"no connection to the proxy {place}, through which {server} is asked ({cause})"
    return f"no connection to {server} through the proxy {place} ({cause})"


def _is_http(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no such port or host can be
        return False


def allow_connections(concurrency: int) -> None:
    """See that this process may open a connection for each call in flight, and its own files.

    Raises:
        InputError: the system does not let it.
    """
    if sys.platform == "win32":
        return
    wanted = concurrency + OWN_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise InputError(
            f"concurrency = {concurrency}: this process may have {hard} files open, and needs "
            f"{wanted}; lower it, or raise the limit (ulimit -n)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def is_loopback(host: str) -> bool:
    """True for a name or an address of this machine itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f".{host.rstrip('.').lower()}".endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified
