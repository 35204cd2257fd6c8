"""One search of the product's own, over HTTP and with a real journal, as a curve."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from upath import UPath

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import Asker, Evaluator
from autoprompt_assets.engine.example import Example, Split, SplitRows
from autoprompt_assets.engine.identity import content_hash
from autoprompt_assets.engine.journal import Calls, Journal
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.optimizers import Optimizer
from autoprompt_assets.engine.search import History, Search, make_optimizer
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.engine.statistics import Reading
from autoprompt_assets.resources.llm import LLMResource
from autoprompt_assets.resources.storage import ExperimentStore
from tests.benchmarks.proof.curves import Curve
from tests.benchmarks.subject import Quiet
from tests.row_support import text_example

SEARCH = "0123456789ab"
MOST_ITERATIONS = 99
"""As many as an experiment file may ask for."""

Rows = Mapping[Split, list[Example]]
Measure = Callable[[Search, Candidate], Awaitable[float]]
"""What a candidate is worth in truth; it costs the search nothing."""


def example(text: str, target: str, split: Split) -> Example:
    return text_example(
        content_hash([text, target], 16), content_hash(text, 16), text, target, split
    )


@dataclass(frozen=True)
class Subject:
    """What is searched, on which rows, and where its journal is kept."""

    spec: ExperimentSpec
    rows: Rows
    journal: Path

    def split(self, name: Split) -> SplitRows:
        return SplitRows(name, len(self.rows[name]), lambda: self.rows[name])

    @property
    def lint(self) -> Lint:
        return Lint(self.spec.roles.target.prompt, self.rows["train"], self.spec.grading)


async def searched(subject: Subject, folder: Path, budget: int, measure: Measure) -> Curve:
    """Iterations until `budget` calls are spent, then the sealed test. `folder` takes the files.

    Calls are what the search is charged: replayed ones count, too, as they do in its own budget.
    """
    async with _connected(subject, folder) as search:
        validation = subject.split("validation")
        baseline = await search.baseline(validation)
        room, repeats = await search.headroom(baseline, validation, len(subject.rows["test"]))
        history = History(baseline, room, repeats)
        best, steps = baseline, [(0, await measure(search, baseline.candidate))]
        values = Values(search)
        for number in range(1, MOST_ITERATIONS + 1):
            if history.spend.calls >= budget:
                break
            optimizer = _told(subject, history, values)
            ended = await search.iterate(number, history, optimizer, validation)
            history = history.then(ended)
            chosen = history.best.scored
            if chosen.candidate.id != best.candidate.id:
                best = chosen
                steps.append((history.spend.calls, await measure(search, best.candidate)))
            if ended.status == "stopped":
                break
        outcome = await search.test(baseline.candidate, best.candidate, subject.split("test"))
    calls, scores = zip(*steps, strict=True)
    return Curve(calls, scores, outcome.comparison.verdict, history.spend.calls)


class Unworn:
    """Each search is measured as if it were the first on its rows, which all of them share."""

    async def register(self, reading: Reading) -> int:
        return 1


class Values:
    """Grades by example id, read once: a stored evaluation does not change."""

    def __init__(self, search: Search) -> None:
        self._search = search
        self._known: dict[str, dict[str, float]] = {}

    def __call__(self, candidate: Candidate) -> Mapping[str, float]:
        if candidate.id not in self._known:
            read = self._search.records.read_values(candidate, "validation")
            self._known[candidate.id] = dict(_measured(read))
        return self._known[candidate.id]


@asynccontextmanager
async def _connected(subject: Subject, folder: Path) -> AsyncIterator[Search]:
    spec, llm = subject.spec, LLMResource()
    records = ExperimentStore(UPath(folder), "proof").search(SEARCH)
    async with AsyncExitStack() as stack:
        journal = Journal(f"sqlite:///{subject.journal}", "proof", SEARCH)
        await stack.enter_async_context(journal)
        client = await stack.enter_async_context(llm.connect(spec))
        calls = await stack.enter_async_context(Calls(client, journal))
        asker = Asker(calls, llm.models(spec), spec.make_grader())
        evaluator = Evaluator(asker, spec.concurrency, spec.unmeasured, Quiet())
        train = {one.id: one for one in subject.rows["train"]}
        yield Search(spec, evaluator, records, Spend(), train, subject.lint, Unworn())


def _told(subject: Subject, history: History, values: Values) -> Optimizer:
    """A fresh strategy, told all that happened: the product's runs resume in this way."""
    made = make_optimizer(subject.spec, subject.rows["train"], subject.lint)
    for step in history.steps(values):
        made.tell(step)
    return made


def _measured(read: Iterable[tuple[str, float | None]]) -> Iterable[tuple[str, float]]:
    return ((key, value) for key, value in read if value is not None)
