"""A search whose server counts tokens at their honest worst, and what it charged.

A token for each UTF-8 byte of what a request says, and answers of `max_tokens`, each as long as the
longest words of vocabularies make it. Everything from the request to the stored result is real.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web
from upath import UPath

from autoprompt_assets.engine.budget import Extent
from autoprompt_assets.engine.evaluation import Asker, Evaluator
from autoprompt_assets.engine.example import Example, Split
from autoprompt_assets.engine.journal import Calls, Journal
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.llm import Models
from autoprompt_assets.engine.optimizers import (
    AcceptAll,
    CandidateCheck,
    Proposal,
)
from autoprompt_assets.engine.search import (
    History,
    Iteration,
    Search,
    comparison_bound,
    make_optimizer,
    run_bound,
)
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.resources.llm import LLMResource
from autoprompt_assets.resources.storage import SearchStore
from tests.engine_support import NoProgress, split_rows
from tests.loopback import uniform
from tests.row_support import text_example

SCRIPTS = {
    "ascii": "abc def ghi ",
    "cjk": "请判断这个句子属于哪一类。",
    "emoji": "\U0001f600\U0001f469\u200d\U0001f680",
    "combining": "e\u0301a\u0308o\u0302",
    "escaped": 'a "b"\n\t\\c ',
}
"""What texts are made of: each is repeated."""


def text(script: str, seed: object, characters: int) -> str:
    """A text of so many characters that is another for each seed."""
    mark = hashlib.sha256(repr(seed).encode()).hexdigest()[:10]
    return (mark + " " + SCRIPTS[script] * (characters // len(SCRIPTS[script]) + 1))[:characters]


def counted(prompt: int, completion: int) -> object:
    return {"prompt_tokens": prompt, "completion_tokens": completion}


@dataclass
class Worst:
    """Answers of `script`; an instruction has `prefix` and is usable every third time."""

    script: str
    prefix: str
    longest: int
    usage: Callable[[int, int], object] = counted
    """What the server says of prompt and completion tokens."""
    usable: float = 0.5
    """Share of the writer's first answers that hold a prompt."""
    charged: list[tuple[int, int]] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = await request.json()
        most, contents = body["max_tokens"], [one["content"] for one in body["messages"]]
        seed = json.dumps(body["messages"])
        said = self._said(body, seed, most)
        prompt = sum(len(content.encode()) for content in contents)
        self.charged.append((prompt, most))
        message = {"role": "assistant", "content": said}
        return web.json_response(
            {
                "choices": [{"message": message, "finish_reason": "stop"}],
                "usage": self.usage(prompt, most),
            }
        )

    def _said(self, body: Mapping[str, Any], seed: str, most: int) -> str:
        if body["model"] == "writer":
            used = "cannot be used" in seed
            if uniform(seed) < self.usable or used:
                room = self.longest - len(self.prefix)
                return f"[[{self.prefix}{text(self.script, seed, min(room, 4 * most - 90))}]]"
            return text(self.script, seed, 4 * most)
        if body["model"] == "judge":
            right = bool(uniform(seed) < 0.5)
            reason = text("ascii", seed, most)
            return json.dumps({"reason": reason, "correct": right}, ensure_ascii=False)
        form = body.get("response_format")
        if form is not None:
            schema = form["json_schema"]["schema"]["properties"]["answer"]
            values = schema["enum"]
            return json.dumps({"answer": values[int(uniform(seed) * len(values))]})
        return text(self.script, seed, 4 * most)


def rows_of(script: str, split: Split, count: int, targets: Sequence[str]) -> list[Example]:
    return [
        text_example(
            f"{split}{n}",
            f"i{split}{n}",
            text(script, (split, n), 20 + 211 * (n % 5)),
            targets[n % len(targets)],
            split,
        )
        for n in range(count)
    ]


@dataclass(frozen=True)
class Charged:
    """What a search was charged by its own books, by the server's, and its bound."""

    books: Spend
    server: Spend
    bound: Spend
    reserve: Spend
    steps: tuple[Iteration, ...]

    @property
    def proposals(self) -> list[list[Proposal]]:
        return [[one.proposal for one in step.scored] for step in self.steps]


async def charge(
    spec: ExperimentSpec,
    rows: Mapping[Split, list[Example]],
    server: Worst,
    folder: Path,
    earlier: Sequence[Sequence[Proposal]] = (),
) -> Charged:
    app = web.Application(client_max_size=2**26)
    app.router.add_post("/v1/chat/completions", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    data = spec.model_dump(mode="json")
    data["endpoints"] = {"worst": {"base_url": url, "structured_output": True}}
    spec = ExperimentSpec.model_validate(data)
    llm = LLMResource()
    try:
        async with (
            Journal(f"sqlite:///{folder / 'journal.db'}") as journal,
            llm.connect(spec) as client,
            Calls(client, journal) as calls,
        ):
            models = llm.models(spec)
            evaluator = Evaluator(
                Asker(calls, models, spec.make_grader()), 16, spec.unmeasured, NoProgress()
            )
            books, steps = await _searched(spec, evaluator, rows, folder, earlier, journal)
    finally:
        await runner.cleanup()
    prompt, completion = (sum(figures) for figures in zip(*server.charged, strict=True))
    return Charged(
        books,
        Spend(len(server.charged), prompt, completion),
        _bound(spec, models, rows, earlier),
        comparison_bound(spec, models, rows["train"], Extent.of(rows["test"])),
        steps,
    )


async def _searched(
    spec: ExperimentSpec,
    evaluator: Evaluator,
    rows: Mapping[Split, list[Example]],
    folder: Path,
    earlier: Sequence[Sequence[Proposal]],
    journal: Journal,
) -> tuple[Spend, tuple[Iteration, ...]]:
    target, optimizer = spec.roles.target, spec.optimizer
    judge: CandidateCheck = Lint(
        target.prompt,
        rows["train"],
        spec.grading,
        target.choices,
        optimizer.longest,
        optimizer.keep,
        spec.dataset.layout,
    )
    if optimizer.repeats:
        judge = AcceptAll()
    records = SearchStore(UPath(folder / f"search-{optimizer.strategy}"))
    train = {row.id: row for row in rows["train"]}
    reserve = comparison_bound(spec, evaluator.models, rows["train"], Extent.of(rows["test"]))
    search = Search(spec, evaluator, records, reserve, train, judge, journal)
    validation, test = split_rows(rows["validation"]), split_rows(rows["test"])
    baseline = await search.baseline(validation)
    room, repeats = await search.headroom(baseline, validation, test.count)
    history = History(baseline, room, repeats)
    for number in range(1, optimizer.iterations + 1):
        strategy = make_optimizer(spec, rows["train"], judge, earlier)
        for step in history.steps(lambda one: dict(_values(records, one))):
            strategy.tell(step)
        history = history.then(await search.iterate(number, history, strategy, validation))
    best = history.best.scored.candidate
    outcome = await search.test(baseline.candidate, best, test)
    spend = history.spend.plus(outcome.baseline.spend)
    if best.id != baseline.candidate.id:
        spend = spend.plus(outcome.best.spend)
    return spend, history.iterations


def _values(records: SearchStore, candidate: Any) -> list[tuple[str, float]]:
    rows = records.read_values(candidate, "validation")
    return [(key, value) for key, value in rows if value is not None]


def _bound(
    spec: ExperimentSpec,
    models: Models,
    rows: Mapping[Split, list[Example]],
    earlier: Sequence[Sequence[Proposal]],
) -> Spend:
    validation, test = Extent.of(rows["validation"]), Extent.of(rows["test"])
    known = [one.candidate for step in earlier for one in step]
    return run_bound(spec, models, rows["train"], validation, test, known)


def charged(*arguments: Any) -> Charged:
    """See `charge`."""
    return asyncio.run(charge(*arguments))
