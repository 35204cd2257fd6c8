"""What tests of the engine share: a scripted model, and an evaluator on a journal of its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from autoprompt_assets.engine.budget import UNLIMITED, Budget
from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import Asker, Evaluator, RowResult, Summary
from autoprompt_assets.engine.example import Example, SplitRows
from autoprompt_assets.engine.grading import ExactGrader, Grader
from autoprompt_assets.engine.journal import Calls, Journal
from autoprompt_assets.engine.llm import (
    LLM,
    Asked,
    CallError,
    Completion,
    Keep,
    Models,
    Request,
    Role,
    RoleSpec,
)
from autoprompt_assets.engine.spend import CallCounts
from tests.row_support import text_example

SEARCH = "0123456789ab"


class Scripted:
    """An LLM that answers by the last message, after `seconds`, and keeps what it was asked.

    `slower` gives other seconds to some messages.
    """

    def __init__(
        self,
        answers: Mapping[str, Completion | CallError | str] | None = None,
        default: str = "yes",
        seconds: float = 0.0,
        slower: Mapping[str, float] | None = None,
    ) -> None:
        self._answers, self._default = answers or {}, default
        self._seconds, self._slower = seconds, slower or {}
        self.requests: list[Request] = []
        self.answered: list[Request] = []

    async def complete(self, request: Request, keep: Keep) -> Completion:
        self.requests.append(request)
        said = request.messages[-1]["content"]
        await asyncio.sleep(self._slower.get(said, self._seconds))
        self.answered.append(request)
        answer = self._answers.get(said, self._default)
        if isinstance(answer, CallError):
            raise answer
        return await keep(make_completion(answer) if isinstance(answer, str) else answer)


def make_completion(
    text: str | None,
    finish_reason: str = "stop",
    *,
    reasoning: str | None = None,
    refusal: str | None = None,
    **counts: Any,
) -> Completion:
    """A completion as a server sends it; `counts` are its other fields."""
    told = {"content": text, "reasoning": reasoning, "refusal": refusal}
    message = {name: one for name, one in told.items() if name == "content" or one is not None}
    return Completion(json.dumps(message, ensure_ascii=False), finish_reason, **counts)


async def _unstored(completion: Completion) -> Completion:
    return completion


unkept = Keep(_unstored)
"""For calls whose answers are not stored."""


class NoProgress:
    def notice(self, text: str) -> None:
        pass

    def evaluation(self, label: str, rows: int, counts: CallCounts) -> Callable[[RowResult], None]:
        return lambda row: None


def asked(role: Role, choices: tuple[str, ...] = ()) -> Asked:
    return Asked(role, RoleSpec(prompt="p", choices=choices), "test http://host", "a-model")


def examples(count: int) -> list[Example]:
    """Inputs "0", "1", …, whose target is "yes"."""
    return [text_example(f"id{n}", f"in{n}", str(n), "yes", "validation") for n in range(count)]


def journal_at(folder: Path) -> Journal:
    return Journal(f"sqlite:///{folder / 'journal.db'}", "toy", SEARCH)


def split_rows(rows: Sequence[Example]) -> SplitRows:
    return SplitRows(rows[0].split, len(rows), lambda: rows)


async def evaluate(
    subject: Evaluator, candidate: Candidate, rows: Sequence[Example], budget: Budget = UNLIMITED
) -> tuple[Summary, list[RowResult]]:
    """The evaluation's numbers, and its rows as they were handed on."""
    kept: list[RowResult] = []
    totals = await subject.evaluate(candidate, split_rows(rows), "baseline", budget, kept.extend)
    return totals.summary(), kept


@asynccontextmanager
async def evaluator(
    folder: Path,
    llm: LLM,
    grader: Grader | None = None,
    unmeasured: float = 1.0,
    concurrency: int = 4,
    target: Asked | None = None,
) -> AsyncIterator[Evaluator]:
    async with journal_at(folder) as journal, Calls(llm, journal) as calls:
        yield Evaluator(
            asker=Asker(
                calls=calls,
                models=Models(target or asked("target"), asked("review"), None),
                grader=grader or ExactGrader(kind="exact"),
            ),
            concurrency=concurrency,
            unmeasured=unmeasured,
            progress=NoProgress(),
        )
