"""The files of one search, below its folder; `store` says where that is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict
from statistics import median
from typing import Any, cast

from upath import UPath

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import Summary
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.grading import Outcome
from autoprompt_assets.engine.price import Price
from autoprompt_assets.engine.search import (
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
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import Comparison, Confusion, Headroom
from autoprompt_assets.resources.storage.batches import compare_rows, graded_answers
from autoprompt_assets.resources.storage.evaluations import EvaluationFiles
from autoprompt_assets.resources.storage.files import (
    read_json,
    read_record,
    sweep,
    write_json,
    write_text,
)


class SearchStore:
    """The files of one search; implements `engine.search.records.Records`."""

    def __init__(self, folder: UPath) -> None:
        self.folder = folder

    def sweep(self) -> None:
        """Delete what killed runs left half written; whoever calls holds the search's lock."""
        for name in ("evaluations", "iterations"):
            sweep(self.folder / name)

    def write_spec(self, spec: Mapping[str, Any]) -> None:
        """The effective spec, endpoints included; written once."""
        if not (self.folder / "spec.json").exists():
            write_json(self.folder / "spec.json", spec)

    def read_spec(self) -> dict[str, Any]:
        """The effective spec."""
        spec: dict[str, Any] = read_json(self.folder / "spec.json") or {}
        return spec

    @property
    def started(self) -> float:
        """When it began, in seconds since 1970."""
        return float((self.folder / "spec.json").stat().st_mtime)

    def write_prices(self, prices: Mapping[str, Price | None]) -> None:
        """What each role's tokens cost when the search began; written once, and the first."""
        path = self.folder / "prices.json"
        if not path.exists():
            write_json(path, {role: price and price.as_json() for role, price in prices.items()})

    def read_prices(self) -> dict[str, Price | None] | None:
        """The prices that the search reckons with, by role; `None` where it has not begun."""
        return read_record(
            self.folder / "prices.json",
            lambda data: {role: price and Price.from_json(price) for role, price in data.items()},
        )

    def read_summary(self, candidate: Candidate, split: Split) -> Summary | None:
        """See `Records`."""
        return read_record(self.evaluation(split, candidate.id).summary, read_summary)

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

    def read_seconds(self, split: Split, candidate_id: str) -> float | None:
        """The median of the seconds that one answer took; `None` where there is none.

        They depend on the server and its load: nothing is decided by them.
        """
        batches = self.evaluation(split, candidate_id).timings("latency_s")
        taken = (one for batch in batches for one in batch.column("latency_s").to_pylist())
        known = [one for one in taken if one is not None]
        return median(known) if known else None

    def read_confusion(
        self, split: Split, candidate_id: str, choices: Sequence[str]
    ) -> Confusion | None:
        """Which answer was given to which target, where the targets are few."""
        names = ("target", "answer", "outcome")
        return Confusion.of(
            (target, answer, outcome == "correct")
            for batch in self.evaluation(split, candidate_id).batches(*names)
            for target, answer, outcome in zip(
                batch.column("target").to_pylist(),
                graded_answers(batch.column("answer"), choices).to_pylist(),
                batch.column("outcome").to_pylist(),
                strict=True,
            )
        )

    def read_values(self, candidate: Candidate, split: Split) -> Iterator[tuple[str, float | None]]:
        """See `Records`."""
        for row in self.evaluation(split, candidate.id).read("id", "value"):
            yield row["id"], row["value"]

    def read_pairs(
        self, first: Candidate, second: Candidate, split: Split
    ) -> Iterator[tuple[float | None, float | None]]:
        """See `Records`. Both hold the rows of one dataset version, in its order."""
        one, other = (self.evaluation(split, candidate.id) for candidate in (first, second))
        for batch in compare_rows(one, other, (), ("value",)):
            both = batch.column("baseline_value"), batch.column("best_value")
            yield from zip(*(values.to_pylist() for values in both), strict=True)

    def read_outcomes(self, candidate: Candidate, split: Split) -> Iterator[Outcome]:
        """See `Records`."""
        for row in self.evaluation(split, candidate.id).read("outcome"):
            yield row["outcome"]

    def read_iteration(self, iteration: int) -> Iteration | None:
        """See `Records`."""
        return read_record(self.folder / "iterations" / f"{iteration:03d}.json", read_iteration)

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
        return read_record(self.folder / "baseline.json", read_scored)

    def write_headroom(self, found: Headroom, spend: Spend) -> None:
        """What could be won and shown, and what measuring that was charged."""
        data = {**found.as_json(), "spend": asdict(spend)}
        write_json(self.folder / "headroom.json", data)

    def read_headroom(self) -> tuple[Headroom, Spend] | None:
        """What `write_headroom` wrote."""
        return read_record(
            self.folder / "headroom.json",
            lambda data: (
                Headroom.from_json({key: data[key] for key in data if key != "spend"}),
                Spend(**data["spend"]),
            ),
        )

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
        return read_record(
            self.folder / "best_candidate.json",
            lambda data: Best(data["iteration"], read_scored(data)),
        )

    def write_outcome(self, outcome: TestOutcome) -> None:
        """`comparison.json`."""
        data = {
            "baseline": summary_json(outcome.baseline),
            "best": summary_json(outcome.best),
            "comparison": outcome.comparison.as_json(),
            "reading": outcome.reading,
        }
        write_json(self.folder / "comparison.json", data)

    def read_outcome(self) -> TestOutcome | None:
        """What the test said."""
        return read_record(
            self.folder / "comparison.json",
            lambda data: TestOutcome(
                read_summary(data["baseline"]),
                read_summary(data["best"]),
                Comparison(**data["comparison"]),
                data["reading"],
            ),
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
