"""Which host a key goes to: the one that stands beside its variable's name, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
_CREDENTIALS = re.compile(
    r"[a-z0-9+.-]+://(?:[^/?#]*@|[^/?#@]*:(?!\d+(?:[/?#]|$))[^@]*@)", re.IGNORECASE
)
_OWNERS = {
    r"(AUTOPROMPT|DAGSTER)_.*": "a setting of this program",
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)": "a key to stored files",
    r"AZURE_STORAGE_.*|GOOGLE_APPLICATION_CREDENTIALS": "a key to stored files",
    r"PG(PASSWORD|PASSFILE)|(.*_)?DATABASE_URL": "a key to a database",
    r"(GITHUB|GH|GITLAB|CI|NPM|NODE_AUTH|PYPI|TWINE|UV_PUBLISH|DOCKER)_.*": "a key to code",
    r"(SLACK|STRIPE|VAULT|CLOUDFLARE|DIGITALOCEAN|HEROKU|SENTRY|DD)_.*": "no key to a model",
}
"""Variables that hold something else than a named endpoint's key, and what."""
_PROVIDERS = {
    "ANTHROPIC": ("anthropic.com",),
    "AZURE_OPENAI": ("azure.com",),
    "CEREBRAS": ("cerebras.ai",),
    "CO": ("cohere.com", "cohere.ai"),
    "COHERE": ("cohere.com", "cohere.ai"),
    "DASHSCOPE": ("aliyuncs.com",),
    "DEEPSEEK": ("deepseek.com",),
    "FIREWORKS": ("fireworks.ai",),
    "GEMINI": ("googleapis.com",),
    "GOOGLE": ("googleapis.com",),
    "GROQ": ("groq.com",),
    "HF": ("huggingface.co",),
    "MISTRAL": ("mistral.ai",),
    "MOONSHOT": ("moonshot.ai", "moonshot.cn"),
    "NVIDIA": ("nvidia.com",),
    "OPENROUTER": ("openrouter.ai",),
    "PERPLEXITY": ("perplexity.ai",),
    "TOGETHER": ("together.ai", "together.xyz"),
    "XAI": ("x.ai",),
}
"""Whose keys variables by the name of `<provider>_API_KEY` or `_TOKEN` are, and their domains: many
have such a key in their environment, and an experiment of somebody else's may name it.
"""
EndpointKeys = Mapping[str, Sequence[str]]
"""The words for endpoints that need no address of the user's, each with the variables of its keys.
"""


class KeyedServer(Protocol):
    """A server that the user names, and the variable that holds its key."""

    @property
    def base_url(self) -> str: ...  # noqa: D102
    @property
    def api_key_env(self) -> str | None: ...  # noqa: D102


def origin(url: str) -> str:
    """Scheme, host and port of a web address, the port written out: `https://host:443`.

    Raises:
        ValueError: it has no host, or a port that cannot be.
    """
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("there is no host in it")
    port = PORTS[parts.scheme] if parts.port is None else parts.port
    return f"{parts.scheme}://{parts.hostname}:{port}"


def holds_credentials(url: str) -> bool:
    """Whether an address names a user, or a password, of which a part may look like a path."""
    return _CREDENTIALS.search(url) is not None


def is_ambiguous(url: str) -> bool:
    """Whether what stands before the last @ of an address ends it: then a part of the password
    would be read, and shown, as the host.
    """
    before = url.partition("://")[2].rpartition("@")[0]
    return not set(before).isdisjoint("/?#@")


def owner(variable: str, endpoints: EndpointKeys) -> str | None:
    """What a variable holds that no endpoint of the user's may be sent; `None` where it may."""
    for word, keys in endpoints.items():
        if variable.upper() in keys:
            return f"{'a' if len(keys) > 1 else 'the'} key of the endpoint {word!r}"
    found = (what for name, what in _OWNERS.items() if re.fullmatch(name, variable, re.IGNORECASE))
    return next(found, None)


def provider(variable: str, url: str) -> str | None:
    """The domain that a variable's key is for, by its name, where `url` is not within it."""
    found = re.fullmatch(r"(\w+?)_(API_KEY|API_TOKEN|TOKEN)", variable)
    domains = _PROVIDERS.get(found[1], ()) if found else ()
    host = f".{urlsplit(url).hostname or ''}"
    return None if any(host.endswith(f".{one}") for one in domains) else next(iter(domains), None)


def shared_keys(
    servers: Mapping[str, KeyedServer], others: Mapping[str, KeyedServer], where: str = ""
) -> Iterator[str]:
    """A line per server whose key is also that of another host, among `others` in `where`.

    Of two in one mapping the second is named.
    """
    for name, server in servers.items():
        variable = server.api_key_env
        for other, known in others.items():
            if known is server:
                break
            same = variable is not None and variable == known.api_key_env
            if same and origin(server.base_url) != origin(known.base_url):
                yield (
                    f"endpoints.{name}.api_key_env = {variable!r} is the key of endpoints.{other} "
                    f"too{where}, on another host; give each host a variable of its own"
                )
                break
