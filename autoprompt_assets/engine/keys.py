"""Which host a key goes to: the one that stands beside its variable's name, and no other."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}
_CREDENTIALS = re.compile(
    # Azure's abfs://container@account.host/ names no user.
    r"(?<![a-z0-9+.-])(?!abfss?://[^/:@?#]+@[^/:@?#]+/)"
    r"[a-z0-9+.-]+://(?:[^/?#]*@|[^/?#@]*:(?!\d+(?:[/?#]|$))[^@]*@)",
    re.IGNORECASE,
)
_OWNERS = {
    r"(AUTOPROMPT|DAGSTER)_.*": "a setting of this program",
    r"OPENAI_(ORG_ID|PROJECT_ID)": "which goes with the key of the endpoint 'openai'",
    r"AWS_(ACCESS_KEY_ID|SECRET_ACCESS_KEY|SESSION_TOKEN)": "a key to stored files",
    r"AZURE_STORAGE_.*|GOOGLE_APPLICATION_CREDENTIALS": "a key to stored files",
    r"PG(PASSWORD|PASSFILE)|(.*_)?DATABASE_URL": "a key to a database",
    r"(GITHUB|GH|GITLAB|CI|NPM|NODE_AUTH|PYPI|TWINE|UV_PUBLISH|DOCKER)_.*": "a key to code",
    r"(SLACK|STRIPE|VAULT|CLOUDFLARE|DIGITALOCEAN|HEROKU|SENTRY|DD)_.*": "no key to a model",
}
"""Variables that hold something else than a named endpoint's key, and what."""
_AZURE = (
    *("openai.azure.com", "cognitiveservices.azure.com", "services.ai.azure.com"),
    *("api.cognitive.microsoft.com", "openai.azure.us", "openai.azure.cn"),
)
"""Not all of azure.com: anybody may have a machine of his own there."""
_PROVIDERS = {
    "ANTHROPIC": ("anthropic.com",),
    "AZURE": _AZURE,
    "AZURE_OPENAI": _AZURE,
    "AZURE_OPENAI_AD": _AZURE,
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
"""Whose keys variables by the name of `<provider>_API_KEY`, `_KEY` or `_TOKEN` are, and their
domains: many have such a key in their environment, and an experiment of somebody else's may name
it.
"""
_KEY_SIGNS = re.compile(
    r"(?:bearer|basic) +\S|"
    r"\b(?:sk|pk|rk|gsk|xai|hf|gh[opsu]|glpat|pplx|nvapi|tgp|fw|r8|xox[abps])[-_]"
    r"(?=[\w-]*\d)[\w-]{12,}|"
    r"\bAIza[\w-]{20,}|\bAKIA[A-Z0-9]{12,}|\beyJ[\w-]{12,}\.",
    re.IGNORECASE,
)
_DENSE = re.compile(
    r"(?=.*[0-9])(?=.*[A-Za-z])(?:[A-Za-z0-9]{32,}|(?=.*[a-z])(?=.*[A-Z])[\w+/=~-]{24,})"
)
"""What is written as no word, no name and no UUID is."""
_NO_ADDRESS = {
    r"^(?!https?://[^\s/])": "is no web address; start it with http:// or https://",
    r"\?": "holds a query, behind the ?; take it out: what an endpoint's address needs is written "
    "below its `query` in the experiment's file, e.g. query: {route: a}",
    "#": "holds a fragment, behind the #; take it out",
    r"^[^/]*//[^/]*[$<>{}]|\$\{": "holds a variable or a placeholder, which nothing fills in; "
    "write what it stands for",
    r"[\x00-\x20\x7f-\xa0\s@\\]": "holds a blank, an @ or a backslash; write it as a web address "
    "does, e.g. %40",
}
"""Signs that an address is no base URL, and what is said of it."""
_ROUTE = re.compile(
    r"/chat/completions(?=/*$)|/(?:completions|embeddings|responses)(?=/*$)|"
    r"(?<=/v1)/models(?=/*$)"
)
"""What clients add to a base URL. Azure has an address of its own that ends in /models."""
EndpointKeys = Mapping[str, Sequence[str]]
"""The words for endpoints that need no address of the user's, each with the variables of its keys
that no other endpoint may be sent.
"""


class KeyedServer(Protocol):
    """A server that the user names, and the variables that hold its secrets, by field."""

    @property
    def base_url(self) -> str: ...  # noqa: D102
    @property
    def variables(self) -> Mapping[str, str]: ...  # noqa: D102


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


def address_problem(url: str) -> str:
    """Why `url` is no base URL, and the mend; empty where it is one. It is not repeated."""
    if holds_credentials(url):
        return "holds credentials; take out what stands before the @"
    for sign, problem in _NO_ADDRESS.items():
        if re.search(sign, url):
            return problem
    try:
        origin(url)
        host = urlsplit(url).hostname or ""
        if re.fullmatch(r"[\d.]+", host):
            ipaddress.IPv4Address(host)
    except ValueError:
        return "has no host or port that can be; write e.g. http://host:8000"
    route = _ROUTE.search(urlsplit(url).path)
    if route:
        return f"is the address of one route; write it without {route[0]} at its end"
    return ""


def sendable(text: str) -> bool:
    """Whether a request's header can carry it: visible ASCII and blanks."""
    return text.isascii() and text.replace("\t", " ").isprintable()


def looks_like_a_key(text: str) -> bool:
    """Whether `text` has the form of a key: as providers begin theirs, or as no word is written."""
    return bool(_KEY_SIGNS.search(text) or _DENSE.fullmatch(text))


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
    found = re.fullmatch(r"(\w+?)_(API_KEY|API_TOKEN|TOKEN|KEY)", variable)
    domains = _PROVIDERS.get(found[1], ()) if found else ()
    host = f".{urlsplit(url).hostname or ''}"
    return None if any(host.endswith(f".{one}") for one in domains) else next(iter(domains), None)


def shared_keys(
    servers: Mapping[str, KeyedServer], others: Mapping[str, KeyedServer], where: str = ""
) -> Iterator[str]:
    """A line per secret of a server that another host or port is sent, too, among `others` in
    `where`.

    Of two in one mapping the second is named.
    """
    for name, server in servers.items():
        for place, variable in server.variables.items():
            other = _other_host(variable, server, others)
            if other is not None:
                what = "key" if place == "api_key_env" else "secret"
                there, here = origin(others[other].base_url), origin(server.base_url)
                yield (
                    f"endpoints.{name}.{place} = {variable!r} is the {what} of endpoints.{other} "
                    f"too{where}, on another host or port ({there} there, {here} here); give each "
                    "a variable of its own"
                )


def _other_host(
    variable: str, server: KeyedServer, others: Mapping[str, KeyedServer]
) -> str | None:
    for other, known in others.items():
        if known is server:
            break
        if variable in known.variables.values() and origin(server.base_url) != origin(
            known.base_url
        ):
            return other
    return None
