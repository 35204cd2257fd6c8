"""What a run works with: experiments, models, store, as the environment and command line say."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autoprompt_assets.grid import ITERATION_COUNT
from autoprompt_assets.progress import LogProgress
from autoprompt_assets.resources.experiments import ExperimentsResource
from autoprompt_assets.resources.home import experiments_folder, journal_url, store_url
from autoprompt_assets.resources.llm import LLMResource
from autoprompt_assets.resources.storage import StoreResource

if TYPE_CHECKING:
    import dagster as dg


@dataclass(frozen=True)
class Bench:
    """The resources of one run, its overrides included."""

    experiments: ExperimentsResource
    llm: LLMResource
    store: StoreResource

    @classmethod
    def configured(cls, overrides: Mapping[str, str]) -> Bench:
        """As the environment says, with `overrides` of the command line."""
        return cls(
            ExperimentsResource(str(experiments_folder()), dict(overrides), ITERATION_COUNT),
            LLMResource(os.environ.get("AUTOPROMPT_ENDPOINT", "")),
            StoreResource(store_url(), journal_url()),
        )

    def definitions(self, progress: LogProgress) -> dict[str, dg.ResourceDefinition]:
        """The resources for Dagster, each fixed.

        Whoever launches a run writes its config, a web page that reaches the port included. So no
        resource takes any: a run config that sets a folder, an override, an endpoint, a store or a
        journal is refused by Dagster before the run starts.
        """
        parts = {
            "experiments": self.experiments,
            "llm": self.llm,
            "store": self.store,
            "progress": progress,
        }
        return {name: _fixed(part) for name, part in parts.items()}


def _fixed(part: object) -> dg.ResourceDefinition:
    import dagster as dg

    # An empty schema refuses every field; the schema of a bare object would take any in silence.
    return dg.ResourceDefinition(lambda _: part, config_schema={})
