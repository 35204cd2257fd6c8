"""What tests of the engine share: a scripted model, and an evaluator on a journal of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from autoprompt_assets.engine.calls import CallCounts, Calls
from autoprompt_assets.engine.dataset import Example
from autoprompt_assets.engine.evaluate import Asked, Evaluator, RowResult
from autoprompt_assets.engine.graders import Grader, Rule
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.engine.llm import CallError, Completion, Request, Role
from autoprompt_assets.engine.spec import ExactGrader, RoleSpec

SEARCH = "0123456789ab"


class Scripted:
    """An LLM that answers by the last message, after `seconds`, and keeps what it was asked."""

    def __init__(
        self,
        answers: Mapping[str, Completion | CallError | str] | None = None,
        default: str = "yes",
        seconds: float = 0.0,
    ) -> None:
        self._answers, self._default, self._seconds = answers or {}, default, seconds
        self.requests: list[Request] = []
        self.running = self.most_running = 0

    async def complete(self, request: Request) -> Completion:
        self.requests.append(request)
        self.running += 1
        self.most_running = max(self.running, self.most_running)
        try:
            await asyncio.sleep(self._seconds)
        finally:
            self.running -= 1
        answer = self._answers.get(request.messages[-1]["content"], self._default)
        if isinstance(answer, CallError):
            raise answer
        return Completion(answer, "stop") if isinstance(answer, str) else answer


class NoProgress:
    def notice(self, text: str) -> None:
        pass

    def evaluation(self, label: str, rows: int, counts: CallCounts) -> Callable[[RowResult], None]:
        return lambda row: None


def asked(role: Role, choices: tuple[str, ...] = ()) -> Asked:
    return Asked(role, RoleSpec(prompt="p", choices=choices), "test http://host", "a-model")


def examples(count: int) -> list[Example]:
    """Inputs "0", "1", …, whose target is "yes"."""
    return [Example(f"id{n}", f"in{n}", str(n), "yes", "validation") for n in range(count)]


def journal_at(folder: Path) -> Journal:
    return Journal(f"sqlite:///{folder / 'journal.db'}")


@asynccontextmanager
async def evaluator(
    folder: Path,
    llm: Scripted,
    grader: Grader | None = None,
    unmeasured: float = 1.0,
    concurrency: int = 4,
    target: Asked | None = None,
) -> AsyncIterator[Evaluator]:
    async with journal_at(folder) as journal, Calls(llm, journal, SEARCH) as calls:
        yield Evaluator(
            calls=calls,
            target=target or asked("target"),
            review=asked("review"),
            grader=grader or Rule(ExactGrader(kind="exact")),
            concurrency=concurrency,
            unmeasured=unmeasured,
            progress=NoProgress(),
        )
