"""The endpoint of a role: a kind's, or a server's that the user names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.keys import origin
from autoprompt_assets.engine.llm import EndpointSpec, Role, RoleSpec
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.endpoints.endpoint import Endpoint, named_endpoint
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
        InputError: an unknown endpoint, a bad address, or no model to ask. A line about a field of
            the role begins with it.
    """
    moved = bool(override) and override != role.endpoint
    name = override or role.endpoint
    model = None if moved else role.model
    hosted = None if moved else role.hosted_model_uri
    kind = KINDS.get(name)
    if name in named:
        server = named[name]
        own = KINDS.get(server.kind or "")
        found = (own.named if own else named_endpoint)(name, server, model, hosted)
        if found.base_url is None or origin(found.base_url) != origin(server.base_url):
            return found
        return replace(
            found,
            concurrency=server.concurrency,
            requests_per_minute=server.requests_per_minute,
        )
    if kind is None:
        known = ", ".join(sorted({*KINDS, *named}))
        raise InputError(f"AUTOPROMPT_ENDPOINT = {name!r} is not known; use one of {known}")
    return kind.endpoint(model, hosted, environ)


def resolve_roles(
    spec: ExperimentSpec, environ: Mapping[str, str], override: str = ""
) -> dict[Role, Endpoint]:
    """The endpoint of every role that the experiment uses.

    Raises:
        InputError: see `resolve`; a role's field is named with the role.
    """
    roles: dict[Role, RoleSpec | None] = {
        "target": spec.roles.target,
        "review": spec.roles.review if spec.grading.most_reviews else None,
        "optimizer": spec.roles.optimizer if spec.optimizer.asks else None,
    }
    found: dict[Role, Endpoint] = {}
    for name, role in roles.items():
        if role is None:
            continue
        try:
            found[name] = resolve(role, spec.endpoints, environ, override)
        except InputError as error:
            raise InputError([_placed(line, name) for line in error.lines]) from None
    _refuse_beyond_text(spec, found["target"])
    return found


def _refuse_beyond_text(spec: ExperimentSpec, endpoint: Endpoint) -> None:
    kind = KINDS.get(endpoint.word)
    target = spec.roles.target
    asked = [name for name in ("images", "tools") if getattr(target, name)]
    if kind is not None and kind.text_only and asked:
        raise InputError(
            f"roles.target.endpoint = {endpoint.word!r} takes no {' and no '.join(asked)}; name "
            f"another endpoint, or take {' and '.join(asked)} out"
        )


def _placed(line: str, role: Role) -> str:
    """A line that begins with a role's field, with the role before it."""
    field = line.split(" ", maxsplit=1)[0].rstrip(":")
    return f"roles.{role}.{line}" if field in RoleSpec.model_fields else line
