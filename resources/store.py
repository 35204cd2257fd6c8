"""Files of every experiment. The only module that knows paths.

results/<experiment>/membership/<split settings>.parquet
results/<experiment>/datasets/<dataset settings>.json, <version>/rows.parquet
results/<experiment>/searches/<search id>/ spec.json, baseline.json, evaluations/, iterations/,
    best_prompt.txt, best_candidate.json, comparison.json, report.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar, cast

import dagster as dg
import pandas as pd
from upath import UPath

from autoprompt_assets.engine.bounds import Extent
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.compare import Comparison
from autoprompt_assets.engine.dataset import SPLITS, Dataset, Example, Membership, Split
from autoprompt_assets.engine.errors import InputError, MissingInput
from autoprompt_assets.engine.evaluate import Evaluation, RowResult, Summary
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.records import (
    Best,
    Iteration,
    Scored,
    TestOutcome,
    iteration_json,
    read_iteration,
    read_scored,
    read_summary,
    scored_json,
    summary_json,
)
from autoprompt_assets.engine.spec import DatasetSpec
from resources.files import read_json, read_parquet, write_json, write_parquet, write_text

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
            frame = read_parquet(path)
        except InputError:
            raise InputError(
                f"{path}: is damaged; it remembers which rows are sealed: put a copy back, or set "
                "another dataset.seed, which draws all splits anew"
            ) from None
        thresholds = frame.attrs["thresholds"]
        splits = {
            str(key): cast(Split, split) if split else None
            for key, split in zip(frame["input_id"], frame["split"], strict=True)
        }
        return Membership((thresholds[0], thresholds[1], thresholds[2]), splits)

    def write_dataset(self, spec: DatasetSpec, dataset: Dataset) -> DatasetRecord:
        """Membership first, so that no row can be placed twice; then rows, then the pointer."""
        members = dataset.membership
        frame = pd.DataFrame(
            {
                "input_id": list(members.splits),
                "split": [split or "" for split in members.splits.values()],
            }
        )
        frame.attrs["thresholds"] = list(members.thresholds)
        write_parquet(self._membership_path(spec), frame)
        rows = pd.DataFrame([asdict(example) for example in dataset.examples])
        write_parquet(self._rows_path(dataset.version), rows)
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

    def read_examples(self, version: str, split: Split) -> tuple[Example, ...]:
        """The rows of one split, in their fixed order."""
        path = self._rows_path(version)
        frame = read_parquet(path, filters=[("split", "==", split)])
        names = [field.name for field in fields(Example)]
        return tuple(Example(*row) for row in frame[names].itertuples(index=False, name=None))

    def search(self, search_id: str) -> SearchStore:
        """The files of one search."""
        return SearchStore(self._folder / "searches" / search_id)

    def search_ids(self) -> list[str]:
        """Every search of the experiment, the one with the latest start last."""
        folder = self._folder / "searches"
        found = list(folder.iterdir()) if folder.exists() else []
        found = [path for path in found if (path / "spec.json").exists()]
        return [path.name for path in sorted(found, key=_started)]

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
        data = read_json(self._evaluation(candidate, split, "json"))
        return read_summary(data) if data is not None else None

    def write_evaluation(self, evaluation: Evaluation) -> None:
        """Rows as Parquet; how they were had (latency, attempts) apart; the numbers last."""
        candidate, split = evaluation.candidate, evaluation.split
        rows = pd.DataFrame([_row(row) for row in evaluation.rows])
        write_parquet(self._evaluation(candidate, split, "parquet"), rows)
        timings = pd.DataFrame([_timing(row) for row in evaluation.rows])
        write_parquet(self._evaluation(candidate, split, "timings.parquet"), timings)
        summary = summary_json(evaluation.summary())
        write_json(self._evaluation(candidate, split, "json"), summary)

    def read_rows(self, candidate: Candidate, split: Split) -> pd.DataFrame:
        """A stored evaluation: id, input, target, answer, outcome, value, reason, …"""
        return self.read_rows_of(split, candidate.id)

    def evaluations(self) -> list[tuple[Split, str]]:
        """Split and candidate id of every stored evaluation."""
        folder = self.folder / "evaluations"
        # A kill may leave a file half written beside its place; its name begins with a dot.
        found = sorted(path.stem for path in folder.glob("[!.]*.json")) if folder.exists() else []
        return [(cast(Split, stem.split("-")[0]), stem.split("-")[1]) for stem in found]

    def read_rows_of(self, split: Split, candidate_id: str) -> pd.DataFrame:
        """A stored evaluation, by the candidate's id."""
        path = self.folder / "evaluations" / f"{split}-{candidate_id}.parquet"
        return read_parquet(path)

    def read_values(self, candidate: Candidate, split: Split) -> dict[str, float | None]:
        """See `Records`."""
        frame = self.read_rows(candidate, split)
        return {
            str(key): None if pd.isna(value) else float(value)
            for key, value in zip(frame["id"], frame["value"], strict=True)
        }

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

    def write_best(self, best: Best) -> None:
        """`best_prompt.txt` for people, `best_candidate.json` for programs."""
        write_text(self.folder / "best_prompt.txt", best.scored.candidate.text() + "\n")
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
        fields = {**data["comparison"], "ci95": tuple(data["comparison"]["ci95"])}
        return TestOutcome(
            read_summary(data["baseline"]), read_summary(data["best"]), Comparison(**fields)
        )

    def write_report(self, html: str) -> str:
        """`report.html`; returns where it is."""
        write_text(self.folder / "report.html", html)
        return self.report_path

    @property
    def report_path(self) -> str:
        """Where the report stands."""
        return str(self.folder / "report.html")

    def _evaluation(self, candidate: Candidate, split: Split, ending: str) -> UPath:
        return self.folder / "evaluations" / f"{split}-{candidate.id}.{ending}"


def required(found: T | None, asset: str, partition: str) -> T:
    """`found`, or the one line that names the asset to materialize first."""
    if found is None:
        raise MissingInput(
            f"this search has no {asset}: materialize {asset} for partition {partition!r} first"
        )
    return found


def _row(row: RowResult) -> dict[str, Any]:
    completion, review = row.completion, row.review
    return {
        "id": row.example.id,
        "input": row.example.input,
        "target": row.example.target,
        "answer": completion.text if completion else None,
        "reasoning": completion.reasoning if completion else None,
        "finish_reason": completion.finish_reason if completion else None,
        "outcome": row.grade.outcome,
        "value": row.grade.value,
        "reason": row.grade.reason,
        "review": review.text if review else None,
        "prompt_tokens": sum(c.prompt_tokens for c in (completion, review) if c),
        "completion_tokens": sum(c.completion_tokens for c in (completion, review) if c),
    }


def _timing(row: RowResult) -> dict[str, Any]:
    completion = row.completion
    return {
        "id": row.example.id,
        "latency_s": completion.latency_s if completion else None,
        "attempts": completion.attempts if completion else None,
    }


def _started(path: UPath) -> float:
    return float((path / "spec.json").stat().st_mtime)
