"""An evaluation against a server: its rows through the real client, over HTTP, into a journal."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.evaluation import Asker, Evaluator, RowResult
from autoprompt_assets.engine.grading import ExactGrader
from autoprompt_assets.engine.journal import Calls, Journal
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.llm import LLMResource
from tests.engine_support import NoProgress, evaluate
from tests.hostile_server import ANSWER
from tests.row_support import text_example

PROMPT = "Answer."
MOST = 200_000
"""Bytes that a reply may have."""


@dataclass
class Told:
    """What was said, and what came of the rows."""

    rows: dict[str, RowResult] = field(default_factory=dict)
    notices: list[str] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)
    again: dict[str, int] = field(default_factory=dict)
    error: BaseException | None = None


def spec_at(url: str, concurrency: int) -> ExperimentSpec:
    target = {
        **{"endpoint": "mine", "model": "m", "prompt": PROMPT, "timeout": 1.0, "deadline": 20.0},
        **{"max_tokens": 7, "max_reply_bytes": MOST},
        "price": {"prompt": 1.0, "completion": 2.0},
    }
    return ExperimentSpec.model_validate(
        {
            "dataset": {"path": "x.csv"},
            "roles": {"target": target},
            "concurrency": concurrency,
            "grader": {"kind": "exact"},
            "optimizer": {"strategy": "demos"},
            "endpoints": {"mine": {"base_url": url, "identity": "mine"}},
        }
    )


async def search(
    journal: Journal, url: str, names: Collection[str], told: Told, concurrency: int = 16
) -> None:
    """Ask about rows of these names, and keep what came of them."""
    spec, resource = spec_at(url, concurrency), LLMResource()
    rows = [text_example(f"id {name}", name, name, ANSWER, "validation") for name in names]
    async with (
        journal,
        resource.connect(spec, told.notices.append) as client,
        Calls(client, journal) as calls,
    ):
        asker = Asker(calls, resource.models(spec), ExactGrader(kind="exact").make())
        subject = Evaluator(asker, concurrency, 1.0, NoProgress())
        _, kept = await evaluate(subject, Candidate(PROMPT), rows)
        told.rows |= {row.example.inputs.text: row for row in kept}
