"""The proxy between this machine and a server: found once, named without its password."""

from __future__ import annotations

import ipaddress
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from autoprompt_assets.engine.errors import InputError


def find_proxy(base_url: str) -> str | None:
    """The proxy that the environment names for `base_url`; never one for this machine itself.

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


def proxy_secrets(proxy: str | None) -> tuple[str, ...]:
    """What is secret of a proxy's address, as a server may quote it: its password, alone and as
    `Basic` credentials hold it.
    """
    parts = urlsplit(proxy or "")
    password = unquote(parts.password or "")
    return (f"{unquote(parts.username or '')}:{password}", password) if password else ()


def is_loopback(host: str) -> bool:
    """True for a name or an address of this machine itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f".{host.rstrip('.').lower()}".endswith(".localhost")
    address = getattr(address, "ipv4_mapped", None) or address
    return address.is_loopback or address.is_unspecified


def _is_http(proxy: str) -> bool:
    try:
        parts = urlsplit(proxy)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no such port or host can be
        return False
