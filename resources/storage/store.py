"""Files of every experiment. This and `searches` alone know paths.

results/<experiment>/membership/<split settings>.parquet
results/<experiment>/datasets/<dataset settings>.json, <version>/rows.parquet
results/<experiment>/searches/<search id>/ spec.json, prices.json, baseline.json, evaluations/,
    iterations/, best_prompt.txt, best_request.json, best_candidate.json, comparison.json,
    report.html
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, TypeVar, cast

from upath import UPath

from autoprompt_assets.engine.budget import Extent
from autoprompt_assets.engine.dataset import Dataset, DatasetSpec, Membership
from autoprompt_assets.engine.errors import InputError, MissingInput, shown
from autoprompt_assets.engine.example import SPLITS, Split, SplitRows
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.keys import holds_credentials
from autoprompt_assets.resources.storage.dataset_rows import read_rows, write_rows
from autoprompt_assets.resources.storage.files import (
    parquet_writer,
    read_columns,
    read_metadata,
    read_record,
    sweep,
    write_json,
)
from autoprompt_assets.resources.storage.searches import SearchStore

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")
_RULE = ("thresholds", "split_by", "group")
"""What a membership's file says beside its rows."""


@dataclass(frozen=True)
class DatasetRecord:
    """What the `dataset` asset left: the version, sizes, and what was noticed."""

    version: str
    columns: tuple[str, ...]
    """The inputs' names."""
    extents: dict[Split, Extent]
    notes: tuple[str, ...]
    dropped: dict[str, int]


@dataclass(frozen=True)
class StoreResource:
    """Where results and the journal are kept."""

    root: str
    """A folder, or any universal_pathlib URL."""
    journal: str = field(repr=False)
    """An SQLAlchemy URL, which may hold a password."""
    named_by: str = "AUTOPROMPT_STORE"
    """Who gave `root`, for errors."""

    def experiment(self, name: str) -> ExperimentStore:
        """The files of one experiment.

        Raises:
            InputError: `root` is no folder's name and no URL that can be reached from here, or
                holds credentials.
        """
        return ExperimentStore(self._reached(), name)

    def experiments(self) -> list[str]:
        """The experiments that have results, sorted by name.

        Raises:
            InputError: as `experiment` does, or they cannot be read.
        """
        try:
            folder = self._reached() / "results"
            found = folder.iterdir() if folder.exists() else ()
            return sorted(path.name for path in found if path.is_dir())
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise InputError(
                f"{self.named_by}: {shown(self.root)} cannot be read ({reason}); mend it, or "
                "give another"
            ) from None

    def _reached(self) -> UPath:
        if holds_credentials(self.root):
            # The value is not repeated; paths with it would stand in results and in Dagster.
            raise InputError(
                f"{self.named_by}: holds credentials; take out what stands before the @, and give "
                "it as the library of that store, or fsspec's configuration, takes it"
            )
        try:
            root = UPath(self.root)
            root.fs  # noqa: B018 - finds the library that reaches it
        except (ImportError, ValueError) as error:
            raise InputError(
                f"{self.named_by}: {' '.join(str(error).split())}; set it to a folder, or to a URL "
                "whose fsspec library is installed"
            ) from None
        return root


class ExperimentStore:
    """The files of one experiment under `root`, a folder or any universal_pathlib URL."""

    def __init__(self, root: UPath, experiment: str) -> None:
        self._folder = root / "results" / experiment

    @property
    def lock_folder(self) -> str | None:
        """Where whoever decides splits, or works on a search, takes turns; `None` where the store
        cannot lock, a URL: then two homes must not run one experiment at once.
        """
        folder = self._folder / "membership"
        return folder.path if folder.protocol in ("", "file") else None

    def sweep(self) -> None:
        """Delete what killed runs left half written; whoever calls holds the dataset's lock."""
        datasets = self._folder / "datasets"
        if self.lock_folder is None or not datasets.exists():
            return
        versions = [path for path in datasets.iterdir() if path.is_dir()]
        for folder in (self._folder / "membership", datasets, *versions):
            sweep(folder)

    def read_membership(self, spec: DatasetSpec) -> Membership | None:
        """The stored splits of every input ever seen, for these split settings."""
        path = self._membership_path(spec)
        if not path.exists():
            return None
        try:
            thresholds, *rule = (read_metadata(path, name) for name in _RULE)
            splits = {
                key: cast(Split, split) if split else None
                for batch in read_columns(path, ("input_id", "split"))
                for key, split in zip(batch["input_id"], batch["split"], strict=True)
            }
        except (InputError, KeyError, TypeError):
            raise InputError(
                f"{path}: is damaged; it remembers which rows are sealed: put a copy back, or set "
                "another dataset.seed, which draws all splits anew"
            ) from None
        split_by, group = rule
        return Membership(tuple(thresholds), splits, tuple(split_by), group)

    def write_dataset(self, spec: DatasetSpec, dataset: Dataset) -> DatasetRecord:
        """Membership first, so that no row can be placed twice; then rows, then the pointer."""
        self._write_membership(spec, dataset.membership)
        write_rows(self._rows_path(dataset.version), spec.layout.columns, dataset.examples)
        record = DatasetRecord(
            dataset.version,
            spec.layout.columns,
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
        return read_record(
            self._record_path(spec),
            lambda data: DatasetRecord(
                data["version"],
                tuple(data["columns"]),
                {split: Extent(**data["extents"][split]) for split in SPLITS},
                tuple(data["notes"]),
                data["dropped"],
            ),
        )

    def split_rows(self, dataset: DatasetRecord, split: Split) -> SplitRows:
        """The rows of one split."""
        path, columns = self._rows_path(dataset.version), dataset.columns
        return SplitRows(
            split, dataset.extents[split].rows, lambda: read_rows(path, columns, split)
        )

    def search(self, search_id: str) -> SearchStore:
        """The files of one search."""
        return SearchStore(self._folder / "searches" / search_id)

    def search_ids(self) -> list[str]:
        """Every search of the experiment, the one with the latest start last."""
        folder = self._folder / "searches"
        found = list(folder.iterdir()) if folder.exists() else []
        found = [path for path in found if (path / "spec.json").exists()]
        return sorted((path.name for path in found), key=lambda name: self.search(name).started)

    def _write_membership(self, spec: DatasetSpec, members: Membership) -> None:
        marks = {name: json.dumps(getattr(members, name)) for name in _RULE}
        schema = _texts("input_id", "split").with_metadata(marks)
        with parquet_writer(self._membership_path(spec), schema) as writer:
            splits = [split or "" for split in members.splits.values()]
            writer.add({"input_id": list(members.splits), "split": splits})

    def _membership_path(self, spec: DatasetSpec) -> UPath:
        key = content_hash([spec.seed, spec.split.model_dump()], 12)
        return self._folder / "membership" / f"{key}.parquet"

    def _record_path(self, spec: DatasetSpec) -> UPath:
        return self._folder / "datasets" / f"{content_hash(spec.identity(), 12)}.json"

    def _rows_path(self, version: str) -> UPath:
        return self._folder / "datasets" / version / "rows.parquet"


def required(found: T | None, asset: str, partition: str, why: str = "") -> T:
    """`found`, or the one line that names the asset to materialize first, and `why`."""
    if found is None:
        first = f"materialize {asset} for partition {partition!r} first"
        if why:
            raise MissingInput(
                f"this search has no {asset}, for {why}: {first}, or put back what was changed"
            )
        raise MissingInput(f"this search has no {asset}: {first}")
    return found


def _texts(*names: str) -> pa.Schema:
    import pyarrow as pa

    return pa.schema([(name, pa.string()) for name in names])
