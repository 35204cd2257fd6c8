"""One resource for every model, at whatever kind of endpoint or server that the user names."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.llm import Asked, Models, Role, RoleSpec
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.endpoints import Endpoint, price_of, resolve_roles

if TYPE_CHECKING:
    from autoprompt_assets.resources.endpoints import ChatClient, LimitStore


@dataclass(frozen=True)
class LLMResource:
    """Reaches the roles of an experiment. Keys come from the environment when a call is made."""

    endpoint: str = ""
    """One for all roles, a kind's word or a named one; empty: as each role says."""

    def endpoints(self, spec: ExperimentSpec) -> dict[Role, Endpoint]:
        """Where each role of `spec` is served.

        Raises:
            InputError: an unknown endpoint or a bad address.
        """
        return resolve_roles(spec, os.environ, self.endpoint)

    def models(self, spec: ExperimentSpec) -> Models:
        """The roles of `spec` as the engine asks them, at what they cost today.

        Raises:
            InputError: an endpoint is wrong.
        """
        endpoints = self.endpoints(spec)
        target = asked(spec, endpoints, "target")
        if target is None:
            raise InputError("roles.target is missing; add it")
        return Models(
            target,
            asked(spec, endpoints, "review"),
            asked(spec, endpoints, "optimizer"),
            spec.chat,
            spec.grading.most_reviews,
            spec.grading.review_bytes,
        )

    def connect(
        self,
        spec: ExperimentSpec,
        notice: Callable[[str], None] = lambda text: None,
        limits: LimitStore | None = None,
    ) -> ChatClient:
        """A client for the roles of `spec`, to be opened inside a running event loop.

        `notice` is told, now and then, that calls fail and are tried again. `limits` keeps what is
        learned of the endpoints' limits between runs.
        """
        from autoprompt_assets.resources.endpoints import ChatClient

        models = self.models(spec)
        roles: dict[Role, Asked] = {role.role: role for role in models.roles}
        return ChatClient(self.endpoints(spec), roles, spec.concurrency, notice, limits)


def asked(spec: ExperimentSpec, endpoints: Mapping[Role, Endpoint], role: Role) -> Asked | None:
    """`role` as the engine asks it, or `None` when the experiment does not use it."""
    endpoint = endpoints.get(role)
    settings: RoleSpec | None = getattr(spec.roles, role)
    if endpoint is None or settings is None:
        return None
    price, heeds = price_of(endpoint, settings.price), endpoint.structured_output
    return Asked(role, settings, endpoint.identity, endpoint.model, price, heeds)
