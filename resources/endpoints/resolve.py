"""The endpoint of a role: a kind's, or a server's that the user names."""

from __future__ import annotations

from collections.abc import Mapping

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import EndpointSpec, Role, RoleSpec
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.endpoints.endpoint import Endpoint, bound_key, checked_url
from autoprompt_assets.resources.endpoints.registry import KINDS


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
    kind = KINDS.get(name)
    if name in named and not (kind is not None and kind.in_process):
        return _named(name, named[name], model, hosted)
    if kind is None:
        known = ", ".join(sorted({*KINDS, *named}))
        raise InputError(f"AUTOPROMPT_ENDPOINT = {name!r} is not known; use one of {known}")
    return kind.endpoint(model, hosted, environ)


def resolve_roles(
    spec: ExperimentSpec, environ: Mapping[str, str], override: str = ""
) -> dict[Role, Endpoint]:
    """The endpoint of every role that the experiment uses."""
    roles: dict[Role, RoleSpec | None] = {
        "target": spec.roles.target,
        "review": spec.roles.review if spec.grader.asks_review else None,
        "optimizer": spec.roles.optimizer if spec.optimizer.asks else None,
    }
    return {
        name: resolve(role, spec.endpoints, environ, override)
        for name, role in roles.items()
        if role is not None
    }


def _named(name: str, server: EndpointSpec, model: str | None, hosted: str | None) -> Endpoint:
    model = model or server.model
    if model is None:
        raise InputError(f"endpoint {name!r} has no default model; set the role's model")
    own = checked_url(server.base_url, f"endpoints.{name}.base_url")
    url = checked_url(hosted, "hosted_model_uri") if hosted else own
    key = bound_key(server.api_key_env, own, url)
    identity = url if hosted else server.identity or url
    heeds = server.structured_output
    return Endpoint(name, url, key, key is not None, model, identity, heeds)
