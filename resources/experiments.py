"""The folder of experiments, as a Dagster resource: names, and specs with a run's overrides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.keys import shared_keys
from autoprompt_assets.engine.spec import ExperimentSpec, load_spec, with_source, written_endpoints
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS

SPEC_FILE = "experiment.yaml"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True)
class ExperimentsResource:
    """Every folder below `folder` that holds an `experiment.yaml` is an experiment."""

    folder: str
    overrides: Mapping[str, str] = field(default_factory=dict)
    """key.path -> YAML value, for this run only."""
    grid: int = 99
    """Iterations that the partition grid holds."""

    def names(self) -> list[str]:
        """Experiments, sorted by name, broken ones included."""
        return experiment_names(Path(self.folder))

    def path(self, name: str) -> Path:
        """Where the experiment's file stands."""
        return Path(self.folder) / name / SPEC_FILE

    def load(self, name: str) -> ExperimentSpec:
        """The experiment's effective spec.

        Raises:
            InputError: one line per problem.
        """
        spec = load_spec(self.path(name), ENDPOINT_WORDS, self.overrides)
        if spec.optimizer.iterations > self.grid:
            raise InputError(
                f"optimizer.iterations = {spec.optimizer.iterations}: the partition grid has "
                f"{self.grid}; lower it, or raise it in {self.path(name)} and reload"
            )
        problems = list(self._shared_keys(name, spec))
        if problems:
            raise InputError(problems)
        return spec

    def placed(self, name: str, lines: Sequence[str]) -> list[str]:
        """`lines` of an error, with the file or `--set` before those that begin with a field."""
        return [
            with_source(line, self.path(name), self.overrides)
            if line.split(".", maxsplit=1)[0] in ExperimentSpec.model_fields
            else line
            for line in lines
        ]

    def _shared_keys(self, name: str, spec: ExperimentSpec) -> Iterator[str]:
        """Secrets that the file of another experiment sends to another host: whoever wrote one of
        the two is not to have the other's.
        """
        variables = {name for one in spec.endpoints.values() for name in one.variables.values()}
        for path in sorted(Path(self.folder).glob(f"*/{SPEC_FILE}")) if variables else ():
            try:
                text = path.read_text(encoding="utf-8")
                if path == self.path(name) or not any(one in text for one in variables):
                    continue
                others = written_endpoints(path, ENDPOINT_WORDS)
            except (OSError, ValueError, InputError):
                continue
            for line in shared_keys(spec.endpoints, others, f" in {path}"):
                yield f"{self.path(name)}: {line}"


def experiment_names(folder: Path) -> list[str]:
    """See `ExperimentsResource.names`; a folder whose name is no partition key is left out."""
    found = folder.glob(f"*/{SPEC_FILE}")
    return sorted(path.parent.name for path in found if NAME.fullmatch(path.parent.name))


def longest_iterations(folder: Path) -> int:
    """Iterations of the longest experiment that can be read; 1 where there is none."""
    longest = 1
    for name in experiment_names(folder):
        try:
            spec = load_spec(folder / name / SPEC_FILE, ENDPOINT_WORDS)
        except InputError:
            continue
        longest = max(longest, spec.optimizer.iterations)
    return longest
