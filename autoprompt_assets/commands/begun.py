"""What a run began with, so that it can say what was changed under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from autoprompt_assets.changes import KEPT, deciding, differing, named
from autoprompt_assets.configuration import Bench
from autoprompt_assets.engine.errors import InputError, MissingInput, RunFailed
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.glances import file_mark
from autoprompt_assets.loading import load_dataset
from autoprompt_assets.progress import LogProgress
from autoprompt_assets.search_session import open_session


@dataclass
class Begun:
    """The spec and the table's file as a run found them, and its search once that is known."""

    name: str
    bench: Bench
    fields: dict[str, Any]
    mark: str | None
    search: str = ""

    @classmethod
    def now(cls, name: str, bench: Bench) -> Begun:
        """As they are.

        Raises:
            InputError: the spec is wrong.
        """
        spec = bench.experiments.load(name)
        mark = file_mark(spec, bench.experiments.path(name).parent)
        return cls(name, bench, deciding(spec), mark)

    def refuse_changed(self, progress: LogProgress) -> None:
        """Say once that the table's file holds other rows than were read; they are used as read.

        Raises:
            RunFailed: the spec, or the stored rows, are no longer those that the run began with.
        """
        path = self.bench.experiments.path(self.name)
        changed = f"{path} has changed since this run began"
        try:
            spec = self.bench.experiments.load(self.name)
        except InputError as error:
            said = f"{changed} and cannot be used: {error.lines[0].removeprefix(f'{path}: ')}"
            raise RunFailed(f"{said}; run again once it can be: {KEPT}") from None
        fields = differing(self.fields, deciding(spec))
        if fields:
            raise RunFailed(f"{changed} ({named(fields)}); run again: {KEPT}")
        if self.search and self._current() != self.search:
            raise RunFailed(
                f"the rows of {spec.dataset.file} have changed since this run began: another run "
                f"has read them anew; run again: {KEPT}"
            )
        self._look_at_file(spec, progress)

    def _current(self) -> str:
        experiments, llm, store = self.bench.experiments, self.bench.llm, self.bench.store
        try:
            return open_session(self.name, experiments, llm, store).search_id
        except MissingInput:
            return ""

    def _look_at_file(self, spec: ExperimentSpec, progress: LogProgress) -> None:
        folder = self.bench.experiments.path(self.name).parent
        mark = file_mark(spec, folder)
        if mark == self.mark or not self.search:
            return
        self.mark = mark
        said = f"{folder / spec.dataset.file} has changed since this run began"
        files = self.bench.store.experiment(self.name)
        try:
            record = files.read_dataset(spec.dataset)
            if record and load_dataset(spec, folder, files).version == record.version:
                return
        except InputError as error:
            said += f" and cannot be used ({error.lines[0]})"
        progress.notice(
            f"{said}: the run goes on with the rows as they were read; run again for those that it "
            "holds now"
        )
