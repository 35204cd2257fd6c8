"""What a search would ask and cost before it does: its rows, roles and prices, both figures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from autoprompt_assets.configuration import Bench
from autoprompt_assets.engine.budget import (
    Extent,
    evaluation_bound,
    refuse_too_small,
    refuse_unpriced,
)
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.dataset import Dataset
from autoprompt_assets.engine.example import SPLITS, Example, Split
from autoprompt_assets.engine.journal import read_answers
from autoprompt_assets.engine.llm import Models, Role
from autoprompt_assets.engine.search import Estimate, comparison_bound, likely, run_bound
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.resources.storage import ExperimentStore
from autoprompt_assets.search_session import Session, rescored


def priced_models(name: str, bench: Bench, spec: ExperimentSpec, data: Dataset) -> Models:
    """The roles, at the prices that the search began with where it has begun.

    Raises:
        InputError: a budget in dollars lacks a price.
    """
    models, files = bench.llm.models(spec), bench.store.experiment(name)
    record = files.read_dataset(spec.dataset)
    if record is not None and record.version == data.version:
        session = Session(name, spec, files, record, models, bench.llm, bench.store.journal)
        models = session.pinned().models
    refuse_unpriced(spec.budget, models)
    return models


@dataclass(frozen=True)
class Plan:
    """What a search would ask, before it does."""

    name: str
    spec: ExperimentSpec
    models: Models
    data: Dataset
    files: ExperimentStore

    @cached_property
    def _rows(self) -> dict[Split, list[Example]]:
        rows = self.data.examples
        return {split: [row for row in rows if row.split == split] for split in SPLITS}

    @cached_property
    def _earlier(self) -> list[Candidate]:
        return [one.candidate for step in rescored(self.spec, self.files) for one in step]

    def bounds(self) -> tuple[Spend, Spend]:
        """The worst case of baseline and test comparison, and of the whole search.

        Raises:
            InputError: the budget is below what is certain to be needed or set aside.
        """
        spec, models, train = self.spec, self.models, self._rows["train"]
        validation, test = (Extent.of(self._rows[split]) for split in ("validation", "test"))
        baseline = evaluation_bound(models, spec.first, validation)
        reserve = comparison_bound(spec, models, train, test, self._earlier)
        refuse_too_small(spec.budget, baseline.calls, reserve)
        whole = run_bound(spec, models, train, validation, test, self._earlier)
        return baseline.plus(reserve), whole

    def estimate(self, journal: str) -> Estimate:
        """What the search will likely take; `journal` is its URL.

        Raises:
            JournalError: the journal cannot be read.
        """
        said = self._measured(journal)
        return likely(self.spec, self.models, self._rows, said, self._earlier)

    def _measured(self, journal: str) -> dict[Role, float]:
        """Completion tokens of an answer, by role: of searches that asked the same models."""
        files = self.files
        known = {search: files.search(search).read_spec() for search in files.search_ids()}
        if not known:
            return {}
        answers = read_answers(journal, self.name)
        found: dict[Role, float] = {}
        for role in self.models.roles:
            asked = [role.endpoint, role.model]
            own = [
                (made, tokens)
                for search, name, made, tokens in answers
                if name == role.role and known.get(search, {}).get("asked", {}).get(name) == asked
            ]
            if own:
                made, tokens = (sum(figures) for figures in zip(*own, strict=True))
                found[role.role] = tokens / made
        return found


def within(spend: Spend, bound: Spend) -> Spend:
    """`spend`, no figure of which is above `bound`'s."""
    return Spend(
        min(spend.calls, bound.calls),
        min(spend.prompt_tokens, bound.prompt_tokens),
        min(spend.completion_tokens, bound.completion_tokens),
        min(spend.usd, bound.usd),
        min(spend.unpriced, bound.unpriced),
    )
