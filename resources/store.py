"""Files of every experiment. The only module that knows paths.

results/<experiment>/membership/<split settings>.parquet
results/<experiment>/datasets/<dataset settings>.json, <version>/rows.parquet
results/<experiment>/searches/<search id>/ spec.json, baseline.json, evaluations/, iterations/,
    best_prompt.txt, best_request.json, best_candidate.json, comparison.json, report.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, TypeVar, cast

import dagster as dg
from upath import UPath

from autoprompt_assets.engine.bounds import Extent
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.compare import Comparison
from autoprompt_assets.engine.dataset import SPLITS, Dataset, Example, Membership, Split, SplitRows
from autoprompt_assets.engine.errors import InputError, MissingInput
from autoprompt_assets.engine.evaluation import Summary
from autoprompt_assets.engine.grading.grade import Outcome
from autoprompt_assets.engine.headroom import Headroom
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.journal import Spend
from autoprompt_assets.engine.records import (
    Best,
    Iteration,
    Scored,
    Sink,
    TestOutcome,
    iteration_json,
    read_iteration,
    read_scored,
    read_summary,
    scored_json,
    summary_json,
)
from autoprompt_assets.engine.spec import DatasetSpec
from resources.evaluations import EvaluationFiles
from resources.files import (
    parquet_writer,
    read_columns,
    read_json,
    read_metadata,
    write_json,
    write_text,
)

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


@dataclass(frozen=True)
class DatasetRecord:
    """What the `dataset` asset left: the version, sizes, and what was noticed."""

    version: str
    extents: dict[Split, Extent]
    notes: tuple[str, ...]
    dropped: dict[str, int]


class StoreResource(dg.ConfigurableResource["StoreResource"]):
    """Where results and the journal are kept."""

    root: str
    """A folder, or any universal_pathlib URL."""
    journal: str
    """An SQLAlchemy URL."""

    def experiment(self, name: str) -> ExperimentStore:
        """The files of one experiment."""
        return ExperimentStore(UPath(self.root), name)


class ExperimentStore:
    """The files of one experiment under `root`, a folder or any universal_pathlib URL."""

    def __init__(self, root: UPath, experiment: str) -> None:
        self._folder = root / "results" / experiment

    def read_membership(self, spec: DatasetSpec) -> Membership | None:
        """The stored splits of every input ever seen, for these split settings."""
        path = self._membership_path(spec)
        if not path.exists():
            return None
        try:
            thresholds = read_metadata(path, "thresholds")
            splits = {
                key: cast(Split, split) if split else None
                for batch in read_columns(path, ("input_id", "split"))
                for key, split in zip(batch["input_id"], batch["split"], strict=True)
            }
        except InputError:
            raise InputError(
                f"{path}: is damaged; it remembers which rows are sealed: put a copy back, or set "
                "another dataset.seed, which draws all splits anew"
            ) from None
        return Membership((thresholds[0], thresholds[1], thresholds[2]), splits)

    def write_dataset(self, spec: DatasetSpec, dataset: Dataset) -> DatasetRecord:
        """Membership first, so that no row can be placed twice; then rows, then the pointer."""
        self._write_membership(spec, dataset.membership)
        names = [field.name for field in fields(Example)]
        with parquet_writer(self._rows_path(dataset.version), _texts(*names)) as writer:
            writer.add({name: [getattr(row, name) for row in dataset.examples] for name in names})
        record = DatasetRecord(
            dataset.version,
            {
                split: Extent.of([row for row in dataset.examples if row.split == split])
                for split in SPLITS
            },
            dataset.notes,
            dict(dataset.dropped),
        )
        write_json(self._record_path(spec), asdict(record))
        return record

    def read_dataset(self, spec: DatasetSpec) -> DatasetRecord | None:
        """What was materialized last for these dataset settings."""
        data = read_json(self._record_path(spec))
        if data is None:
            return None
        extents = {split: Extent(**data["extents"][split]) for split in SPLITS}
        return DatasetRecord(data["version"], extents, tuple(data["notes"]), data["dropped"])

    def split_rows(self, dataset: DatasetRecord, split: Split) -> SplitRows:
        """The rows of one split."""
        names = [field.name for field in fields(Example)]
        path = self._rows_path(dataset.version)

        def read() -> Iterator[Example]:
            for batch in read_columns(path, names, where=("split", split)):
                yield from map(Example, *(batch[name] for name in names))

        return SplitRows(split, dataset.extents[split].rows, read)

    def search(self, search_id: str) -> SearchStore:
        """The files of one search."""
        return SearchStore(self._folder / "searches" / search_id)

    def search_ids(self) -> list[str]:
        """Every search of the experiment, the one with the latest start last."""
        folder = self._folder / "searches"
        found = list(folder.iterdir()) if folder.exists() else []
        found = [path for path in found if (path / "spec.json").exists()]
        return [path.name for path in sorted(found, key=_started)]

    def _write_membership(self, spec: DatasetSpec, members: Membership) -> None:
        marks = {"thresholds": json.dumps(members.thresholds)}
        schema = _texts("input_id", "split").with_metadata(marks)
        with parquet_writer(self._membership_path(spec), schema) as writer:
            splits = [split or "" for split in members.splits.values()]
            writer.add({"input_id": list(members.splits), "split": splits})

    def _membership_path(self, spec: DatasetSpec) -> UPath:
        key = content_hash([spec.seed, spec.split.model_dump()], 12)
        return self._folder / "membership" / f"{key}.parquet"

    def _record_path(self, spec: DatasetSpec) -> UPath:
        return self._folder / "datasets" / f"{content_hash(spec.model_dump(), 12)}.json"

    def _rows_path(self, version: str) -> UPath:
        return self._folder / "datasets" / version / "rows.parquet"


class SearchStore:
    """The files of one search; implements `engine.records.Records`."""

    def __init__(self, folder: UPath) -> None:
        self.folder = folder

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        """The effective spec, endpoints included; written once."""
        if not (self.folder / "spec.json").exists():
            write_json(self.folder / "spec.json", spec)

    def read_spec(self) -> dict[str, Any]:
        """The effective spec."""
        spec: dict[str, Any] = read_json(self.folder / "spec.json") or {}
        return spec

    def read_summary(self, candidate: Candidate, split: Split) -> Summary | None:
        """See `Records`."""
        data = read_json(self.evaluation(split, candidate.id).summary)
        return read_summary(data) if data is not None else None

    def open_evaluation(self, candidate: Candidate, split: Split) -> AbstractContextManager[Sink]:
        """See `Records`."""
        return self.evaluation(split, candidate.id).opened()

    def evaluation(self, split: Split, candidate_id: str) -> EvaluationFiles:
        """The files of one evaluation."""
        return EvaluationFiles(self.folder / "evaluations", f"{split}-{candidate_id}")

    def evaluations(self) -> list[tuple[Split, str]]:
        """Split and candidate id of every stored evaluation."""
        folder = self.folder / "evaluations"
        # A kill may leave a file half written beside its place; its name begins with a dot.
        found = sorted(path.stem for path in folder.glob("[!.]*.json")) if folder.exists() else []
        return [(cast(Split, stem.split("-")[0]), stem.split("-")[1]) for stem in found]

    def read_values(self, candidate: Candidate, split: Split) -> Iterator[tuple[str, float | None]]:
        """See `Records`."""
        for row in self.evaluation(split, candidate.id).read("id", "value"):
            yield row["id"], row["value"]

    def read_pairs(
        self, first: Candidate, second: Candidate, split: Split
    ) -> Iterator[tuple[float | None, float | None]]:
        """See `Records`. Both hold the rows of one dataset version, in its order."""
        both = (self.read_values(one, split) for one in (first, second))
        for (row, before), (same, after) in zip(*both, strict=True):
            assert row == same
            yield before, after

    def read_outcomes(self, candidate: Candidate, split: Split) -> Iterator[Outcome]:
        """See `Records`."""
        for row in self.evaluation(split, candidate.id).read("outcome"):
            yield row["outcome"]

    def read_iteration(self, iteration: int) -> Iteration | None:
        """See `Records`."""
        data = read_json(self.folder / "iterations" / f"{iteration:03d}.json")
        return read_iteration(data) if data is not None else None

    def write_iteration(self, iteration: Iteration) -> None:
        """See `Records`."""
        path = self.folder / "iterations" / f"{iteration.iteration:03d}.json"
        write_json(path, iteration_json(iteration))

    def read_iterations(self) -> list[Iteration]:
        """All iterations without a gap, in order."""
        found: list[Iteration] = []
        while (step := self.read_iteration(len(found) + 1)) is not None:
            found.append(step)
        return found

    def write_baseline(self, baseline: Scored) -> None:
        """The first prompt's score on validation."""
        write_json(self.folder / "baseline.json", scored_json(baseline))

    def read_baseline(self) -> Scored | None:
        """What `baseline_score` measured."""
        data = read_json(self.folder / "baseline.json")
        return read_scored(data) if data is not None else None

    def write_headroom(self, found: Headroom, spend: Spend) -> None:
        """What could be won and shown, and what measuring that was charged."""
        data = {**found.as_json(), "spend": asdict(spend)}
        write_json(self.folder / "headroom.json", data)

    def read_headroom(self) -> tuple[Headroom, Spend] | None:
        """What `write_headroom` wrote."""
        data = read_json(self.folder / "headroom.json")
        if data is None:
            return None
        spend = Spend(**data.pop("spend"))
        return Headroom.from_json(data), spend

    def write_best(self, best: Best, text: str, request: Mapping[str, Any]) -> None:
        """`best_prompt.txt` for people, `best_request.json` for whoever sends it, and for programs
        `best_candidate.json`, which comes last: it stands for all three.
        """
        write_text(self.folder / "best_prompt.txt", text)
        write_json(self.folder / "best_request.json", request)
        data = {"iteration": best.iteration, **scored_json(best.scored)}
        write_json(self.folder / "best_candidate.json", data)

    def read_best(self) -> Best | None:
        """What `best_prompt` selected."""
        data = read_json(self.folder / "best_candidate.json")
        return Best(data["iteration"], read_scored(data)) if data is not None else None

    def write_outcome(self, outcome: TestOutcome) -> None:
        """`comparison.json`."""
        data = {
            "baseline": summary_json(outcome.baseline),
            "best": summary_json(outcome.best),
            "comparison": outcome.comparison.as_json(),
        }
        write_json(self.folder / "comparison.json", data)

    def read_outcome(self) -> TestOutcome | None:
        """What the test said."""
        data = read_json(self.folder / "comparison.json")
        if data is None:
            return None
        return TestOutcome(
            read_summary(data["baseline"]),
            read_summary(data["best"]),
            Comparison(**data["comparison"]),
        )

    def write_report(self, html: str) -> str:
        """`report.html`; returns where it is."""
        write_text(self.folder / "report.html", html)
        return self.report_path

    @property
    def request_path(self) -> str:
        """Where the best prompt stands as it was sent."""
        return str(self.folder / "best_request.json")

    @property
    def report_path(self) -> str:
        """Where the report stands."""
        return str(self.folder / "report.html")


def required(found: T | None, asset: str, partition: str) -> T:
    """`found`, or the one line that names the asset to materialize first."""
    if found is None:
        raise MissingInput(
            f"this search has no {asset}: materialize {asset} for partition {partition!r} first"
        )
    return found


def _texts(*names: str) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in names])


def _started(path: UPath) -> float:
    return float((path / "spec.json").stat().st_mtime)
