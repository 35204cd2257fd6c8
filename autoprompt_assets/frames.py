"""What a search found, as pandas data frames: for scripts and notebooks.

Read are the files that a search has left, and nothing else: no model is asked, no experiment's file
or table is opened, and Dagster is not loaded.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from autoprompt_assets.changes import values_at
from autoprompt_assets.engine.errors import InputError, MissingInput, shown
from autoprompt_assets.engine.example import Split
from autoprompt_assets.engine.search import Best, Iteration, Scored, ended, reached
from autoprompt_assets.engine.text import quantity
from autoprompt_assets.frame_arguments import fitting, known_columns, plain_settings, refuse_no_text
from autoprompt_assets.frame_rows import (
    COMPARISON,
    EVALUATIONS,
    ITERATIONS,
    SEARCHES,
    EvaluationRows,
    comparison_batches,
    gather,
    iteration_rows,
    search_row,
    table_of,
)
from autoprompt_assets.resources.home import results_url
from autoprompt_assets.resources.storage import ExperimentStore, StoreResource

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

T = TypeVar("T")
STORED = ("validation", "test")
"""The splits whose evaluations are kept."""


def results(
    experiment: str,
    *,
    search: str | None = None,
    settings: Mapping[str, Any] | None = None,
    home: str | os.PathLike[str] | None = None,
) -> Results:
    """The results of one search of `experiment`: the one that began last, unless said otherwise.

    `search` is a search's id. `settings` picks the last one that was run with these values, as
    `--set` names them: `{"optimizer.iterations": 2}`. `home` is the folder (or the store's URL)
    that holds the results; without it they are where a command that is started in this folder
    keeps them: AUTOPROMPT_STORE, AUTOPROMPT_HOME, `.env`, else the project's own.

    Raises:
        InputError: there is no such experiment, search, field or value, or no such home; the line
            names what there is.
    """
    refuse_no_text("experiment", experiment, 'write e.g. results("tickets")')
    if search is not None:
        refuse_no_text("search", search, 'write e.g. search="1f0e2d3c4b5a", an id of `searches`')
    wanted = plain_settings(settings)
    store = StoreResource(results_url(home), "", **({} if home is None else {"named_by": "home"}))
    known = store.experiments()
    if experiment not in known:
        raise InputError(
            f"experiment {shown(experiment)} has no results in {store.root}; there are "
            f"{', '.join(known) or 'none'}; run it, or give home=, or export AUTOPROMPT_HOME"
        )
    files = store.experiment(experiment)
    ids = files.search_ids()
    if not ids:
        raise InputError(
            f"experiment {experiment!r} has no search in {store.root} yet; "
            f"`autoprompt run {experiment}` makes one"
        )
    if search is not None and search not in ids:
        raise InputError(
            f"search {shown(search)}: no such search of {experiment}; there are {', '.join(ids)}"
        )
    chosen = [search] if search is not None else ids
    if wanted:
        specs = {one: files.search(one).read_spec() for one in chosen}
        chosen = fitting(specs, wanted, experiment)
    return Results(files, experiment, chosen[-1])


class Results:
    """One search's results. Each frame is read when it is first asked for, and kept.

    Every column has an Arrow type (`dtype_backend="pyarrow"`), and what is not known is `<NA>`.
    A search that is under way has what has ended so far. What models and datasets wrote is data,
    unchanged: a text that begins with = + - or @ is a formula to a spreadsheet that opens a CSV.
    """

    def __init__(self, files: ExperimentStore, experiment: str, search: str) -> None:
        self.experiment, self.search = experiment, search
        self._files, self._records = files, files.search(search)

    @cached_property
    def searches(self) -> pd.DataFrame:
        """All searches of the experiment, a row each, the one that began last at the end.

        search (string): its id. started (timestamp, UTC). strategy (string). iterations (int64):
        how many have ended, scored or unusable. calls, prompt_tokens, completion_tokens (int64),
        usd (double): what all of the search is charged at list price, as `autoprompt run` tells it:
        baseline, headroom, iterations and sealed test, so far as each has ended, whether it was
        paid then or replayed. (What a run paid is that run's to tell, not the search's.) `<NA>`
        before the baseline, usd where a price is not known. verdict (string): `<NA>` before the
        sealed test. differs (string): the settings that are not as in the last search, as a JSON
        object of their values.
        """
        ids = self._files.search_ids()
        last = self._files.search(ids[-1]).read_spec()
        rows = (search_row(one, self._files.search(one), last) for one in ids)
        return _frame(table_of(rows, SEARCHES))

    @cached_property
    def iterations(self) -> pd.DataFrame:
        """A row for each candidate of each iteration, in the order in which they were tried.

        iteration (int64): 0 is the baseline. status (string): scored, unusable or stopped; an
        iteration without a candidate has one row, with its reason, and so has the one that stopped
        the search (the budget, every row right …); none follows it, and that the experiment asks
        for no more is no row. The headroom's calls and the sealed test's are in no row: what all of
        it cost is in `searches`. strategy (string): who proposed.
        candidate (string): id. decision (string): baseline; accepted (better than the best before,
        by evidence); survived (seen on all rows without that); dropped (by the race); rejected
        (before any call). reason (string). best (bool): the one selected; `<NA>` before that.

        score (double): mean value, 0 to 1, on the validation rows that it saw; low, high (double):
        its 95% interval. estimate (double): that on all rows, of a dropped one by its difference to
        the best. rows, measured (int64): rows seen, and those with a grade. selectable (bool).
        correct, partial, wrong, unparsable, truncated, empty, refused, unreviewed, error (int64):
        rows by outcome.

        calls, prompt_tokens, completion_tokens (int64), usd (double): what its evaluation is
        charged at list price, reviews included; `<NA>` where a price is not known.
        answer_prompt_tokens, answer_completion_tokens, answer_usd (double): means of one answer,
        without its review; answer_seconds (double): the median of what one took when it was paid
        for. metrics (string): means of what the grader names, as JSON, or empty. iteration_calls,
        iteration_tokens (int64), iteration_usd (double): all of its iteration, questions to the
        optimizer model included, the same in each of its rows.

        parents (string): candidate ids, a space between them. note (string): how it was made.
        instruction (string). demos (int64): how many. parameters (string): request fields as JSON.
        prompt (string): all of it, as a person reads it.
        """
        rows = iteration_rows(self._baseline, self._steps, self._best, self._seconds)
        return _frame(table_of(rows, ITERATIONS))

    @cached_property
    def evaluations(self) -> pd.DataFrame:
        """All rows of all stored evaluations, with every column; see `rows`."""
        return self.rows()

    def rows(
        self,
        *,
        candidate: str | None = None,
        split: Literal["validation", "test"] | None = None,
        columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """Evaluations row by row: of one candidate (an id, "baseline" or "best"), of one split,
        with some columns; of all without. Only what is asked for is read.

        Rows of the test split are there once the search has its comparison: before that they are
        sealed. Reading them here counts as no further verdict, yet a prompt written after a look at
        them is no longer tested by them.

        iteration (int64): where the candidate was scored, 0 for the baseline, `<NA>` while it is
        under way. candidate, split, id (string). name (string): in the column dataset.id. input,
        target (string): of several columns a line each. answer (string): as it is
        graded, the choice where the experiment has choices. outcome (string). value (double): 0 to
        1, `<NA>` where it is unmeasured. failed (bool): the call, or a review's, gave nothing.
        reason (string): the grader's, or the error. feedback (string): the grader's, for who writes
        prompts. metrics (string): the grader's, a JSON object, or empty. reply (string): what the
        model wrote. reviews (list of string). reasoning, finish_reason (string). prompt_tokens,
        completion_tokens (int64), usd (double): answer and reviews together, at list price.
        latency_s (double): seconds that the answer took when it was paid for. attempts (int64):
        how many it took.

        Raises:
            InputError: there is no such candidate or column, or a file is damaged.
            MissingInput: what `candidate` or `split` names has not been made yet.
        """
        names = known_columns(columns)
        found = self._evaluations(candidate, split)
        batches = (batch for one in found for batch in one.batches(names))
        return _frame(gather(batches, {name: EVALUATIONS[name] for name in names}))

    @cached_property
    def comparison(self) -> pd.DataFrame:
        """The sealed test row by row: the first prompt beside the best.

        id, name, input, target, baseline_answer, best_answer (string); baseline_outcome,
        best_outcome (string); baseline_value, best_value (double): 0 to 1, `<NA>` where unmeasured;
        winner (string): baseline, best or neither, `<NA>` where either is unmeasured and the row
        not compared. It shows the comparison that was made: nothing is read or counted anew.

        Raises:
            MissingInput: it has not been made. (No rows at all would say that none was compared.)
        """
        self._require_comparison()
        baseline = self._there(self._baseline, "baseline score")
        best = self._there(self._best, "best prompt")
        before, after = (
            self._records.evaluation("test", one.candidate.id) for one in (baseline, best.scored)
        )
        return _frame(gather(comparison_batches(before, after, self._choices), COMPARISON))

    def __repr__(self) -> str:
        others = [one for one in self._files.search_ids() if one != self.search]
        outcome = self._records.read_outcome()
        said = f"verdict {outcome.comparison.verdict}" if outcome else "no verdict yet"
        more = f"; other searches: {', '.join(others)}" if others else ""
        done = f"{quantity(ended(self._steps), 'iteration')} ended"
        return f"<Results of {self.experiment}, search {self.search}: {done}, {said}{more}>"

    def _evaluations(self, candidate: str | None, split: str | None) -> Iterator[EvaluationRows]:
        """Those that may be seen, the baseline's first, then as the candidates were tried."""
        if candidate is not None:
            refuse_no_text("candidate", candidate, "give an id, 'baseline' or 'best'")
        if split is not None and (not isinstance(split, str) or split not in STORED):
            raise InputError(f"split = {shown(split)}: none is stored; give 'validation' or 'test'")
        if split == "test":
            self._require_comparison()
        sealed = self._records.read_outcome() is None
        seen = [one for one in self._records.evaluations() if not (sealed and one[0] == "test")]
        wanted = self._named(candidate)
        if wanted is not None and wanted not in {one for _, one in seen}:
            known = ", ".join(dict.fromkeys(one for _, one in seen)) or "none"
            raise InputError(
                f"candidate {shown(wanted)}: search {self.search} has no evaluation of it; there "
                f"are those of {known}"
            )
        tried = {one.candidate.id: number for number, one in self._tried()}
        places = {one: place for place, one in enumerate(tried)}

        def place(one: tuple[Split, str]) -> tuple[bool, int, str]:
            return one[0] == "test", places.get(one[1], len(places)), one[1]

        prices = self._records.read_prices() or {}
        for part, one in sorted(seen, key=place):
            if (split is None or part == split) and (wanted is None or one == wanted):
                files = self._records.evaluation(part, one)
                yield EvaluationRows(files, tried.get(one), one, part, self._choices, prices)

    def _seconds(self, candidate: str) -> float | None:
        return self._records.read_seconds("validation", candidate)

    def _named(self, candidate: str | None) -> str | None:
        if candidate == "baseline":
            return self._there(self._baseline, "baseline score").candidate.id
        if candidate == "best":
            return self._there(self._best, "best prompt").scored.candidate.id
        return candidate

    def _tried(self) -> Iterator[tuple[int, Scored]]:
        """Each candidate where it was scored first."""
        known: set[str] = set()
        baseline = [(0, self._baseline)] if self._baseline else []
        steps = ((step.iteration, one) for step in self._steps for one in step.scored)
        for number, one in (*baseline, *steps):
            if one.candidate.id not in known:
                known.add(one.candidate.id)
                yield number, one

    def _require_comparison(self) -> None:
        outcome = self._records.read_outcome()
        self._there(outcome, "comparison", ", and its test rows are sealed")

    def _there(self, found: T | None, name: str, so: str = "") -> T:
        if found is None:
            raise MissingInput(
                f"search {self.search} has no {name} yet{so}; "
                f"`autoprompt run {self.experiment}` goes on with it"
            )
        return found

    @cached_property
    def _baseline(self) -> Scored | None:
        return self._records.read_baseline()

    @cached_property
    def _steps(self) -> list[Iteration]:
        steps = self._records.read_iterations()
        limits = values_at(self._records.read_spec(), "optimizer.iterations")
        return reached(steps, limits[0] if limits else len(steps))

    @cached_property
    def _best(self) -> Best | None:
        return self._records.read_best()

    @cached_property
    def _choices(self) -> Sequence[str]:
        found = values_at(self._records.read_spec(), "roles.target.choices")
        return [str(choice) for choices in found for choice in choices or ()]


def _frame(table: pa.Table) -> pd.DataFrame:
    import pandas as pd

    frame: pd.DataFrame = table.to_pandas(types_mapper=pd.ArrowDtype)
    return frame
