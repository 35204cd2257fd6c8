"""Sealed tests of two equal prompts, of which a server fails one side only.

Everything from the request to the verdict is real: HTTP on loopback, retries, the journal, the
stored evaluations. Each verdict has rows of its own, and answers that are right with a chance of
.6 whichever prompt asks.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from upath import UPath

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import UnmeasuredRows
from autoprompt_assets.engine.evaluation import Asker, Evaluator
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.journal import Calls, Journal
from autoprompt_assets.engine.llm import CallError
from autoprompt_assets.engine.optimizers import AcceptAll
from autoprompt_assets.engine.search import Search
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.engine.spend import Spend
from autoprompt_assets.resources.llm import LLMResource
from autoprompt_assets.resources.storage import SearchStore
from tests.engine_support import NoProgress, split_rows
from tests.loopback import uniform
from tests.row_support import text_example

ROWS, FAILING = 30, 11
LABELS = ("spam", "ham")
SIDES = (Candidate("Is it spam or ham?"), Candidate("Tell spam from ham."))
RIGHT = 0.6
AT_ONCE = 16

Json = dict[str, Any]
Fault = Callable[[str, int], web.Response | None]
"""What a failing side says to a row whose answer would be `label`, at its n-th attempt."""


def answered(content: str | None, finish: str = "stop", **beside: Any) -> web.Response:
    choice = {"message": {"content": content}, "finish_reason": finish}
    usage = {"prompt_tokens": 9, "completion_tokens": 2}
    return web.json_response({"choices": [choice], "usage": usage, **beside})


def error_in_200(label: str, attempt: int) -> web.Response:
    return answered(None, error={"message": "Provider returned error", "code": 502})


def finish_error(label: str, attempt: int) -> web.Response:
    return answered(label[:2], "error")


def empty(label: str, attempt: int) -> web.Response:
    return answered("")


def burst_of_5xx(label: str, attempt: int) -> web.Response | None:
    return web.Response(status=503) if attempt < 2 else None


def lasting_5xx(label: str, attempt: int) -> web.Response:
    return web.Response(status=503)


def cut_off_body(label: str, attempt: int) -> web.Response | None:
    return web.Response(text='{"choices": [{"mess') if attempt < 2 else None


def storm_of_429(label: str, attempt: int) -> web.Response | None:
    return web.Response(status=429) if attempt < 1 else None


def content_filter(label: str, attempt: int) -> web.Response:
    return answered(label, "content_filter")


def moderation(label: str, attempt: int) -> web.Response:
    error = {"message": "your input was flagged", "code": "content_filter"}
    return web.json_response({"error": error}, status=400)


def schema_not_heeded(label: str, attempt: int) -> web.Response:
    other = LABELS[label == LABELS[0]]
    return answered(f"It may look like {other}, and yet I would say that it reads as {label} here")


def schema_half_heeded(label: str, attempt: int) -> web.Response:
    return answered(f"```json\n{json.dumps({'answer': label})}\n```")


FAULTS: dict[str, Fault] = {
    fault.__name__: fault
    for fault in (
        *(error_in_200, finish_error, empty, burst_of_5xx, lasting_5xx, cut_off_body),
        *(storm_of_429, content_filter, moderation, schema_not_heeded, schema_half_heeded),
    )
}


@dataclass
class Server:
    """Answers `/<seed>/v1/chat/completions`; `fault` meets `FAILING` rows of one side."""

    fault: Fault
    attempts: Counter[tuple[int, int, str]] = field(default_factory=Counter)

    async def answer(self, request: web.Request) -> web.Response:
        seed, body = int(request.match_info["seed"]), await request.json()
        system, user = (message["content"] for message in body["messages"])
        row = int(user.split()[-1])
        side = [one.instruction for one in SIDES].index(system)
        right = uniform(seed, row, side) < RIGHT
        label = LABELS[(row + right) % 2]
        if side == failing_side(seed) and row < FAILING:
            attempt = self.attempts[seed, row, system]
            self.attempts[seed, row, system] += 1
            failed = self.fault(label, attempt)
            if failed is not None:
                return failed
        return answered(json.dumps({"answer": label}))


def failing_side(seed: int) -> int:
    return seed % 2


def rows_of(seed: int) -> list[Example]:
    return [
        text_example(f"{seed}-{n}", f"in {seed}-{n}", f"Mail {n}", LABELS[(n + 1) % 2], "test")
        for n in range(ROWS)
    ]


def spec_of(base_url: str) -> ExperimentSpec:
    target = {
        "prompt": SIDES[0].instruction,
        "choices": LABELS,
        "endpoint": "sided",
        "deadline": 4,
    }
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "mails.csv"},
            "roles": {"target": target},
            "grader": {"kind": "exact"},
            "optimizer": {"strategy": "demos"},
            "endpoints": {"sided": {"base_url": base_url, "model": "m", "structured_output": True}},
        }
    )


async def verdict(seed: int, port: int, folder: Path) -> str:
    """The sealed test's verdict, or the name of the error that ended the run."""
    spec, llm = spec_of(f"http://127.0.0.1:{port}/{seed}/v1"), LLMResource()
    records, rows = SearchStore(UPath(folder / str(seed))), split_rows(rows_of(seed))
    try:
        async with (
            Journal(f"sqlite:///{folder / f'{seed}.db'}") as journal,
            llm.connect(spec) as client,
            Calls(client, journal) as calls,
        ):
            asker = Asker(calls, llm.models(spec), spec.make_grader())
            evaluator = Evaluator(asker, spec.concurrency, spec.unmeasured, NoProgress())
            search = Search(spec, evaluator, records, Spend(), {}, AcceptAll(), journal)
            outcome = await search.test(*SIDES, rows)
    except (CallError, UnmeasuredRows) as error:
        return type(error).__name__
    assert (outcome.comparison.verdict != "better") or not outcome.comparison.reason
    return outcome.comparison.verdict


async def _verdicts(fault: Fault, seeds: Iterable[int], folder: Path) -> Counter[str]:
    app = web.Application()
    app.router.add_post("/{seed}/v1/chat/completions", Server(fault).answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    at_once = asyncio.Semaphore(AT_ONCE)

    async def one(seed: int) -> str:
        async with at_once:
            return await verdict(seed, port, folder)

    try:
        return Counter(await asyncio.gather(*map(one, seeds)))
    finally:
        await runner.cleanup()


def verdicts(kind: str, seeds: Iterable[int], folder: Path) -> Counter[str]:
    """How the sealed tests of `seeds` ended, one of the two sides failed as `kind` says."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autoprompt_assets.resources.endpoints.call.FIRST_WAIT_S", 0.005)
        return asyncio.run(_verdicts(FAULTS[kind], seeds, folder))
