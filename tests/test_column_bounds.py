"""Several columns where an instruction is judged, and where what it may cost is reckoned."""

from __future__ import annotations

import pytest

from autoprompt_assets.engine.budget import TOKENS_PER_MESSAGE, Extent, evaluation_bound
from autoprompt_assets.engine.budget.bounds import TOKENS_PER_CALL
from autoprompt_assets.engine.candidate import Candidate, Demo
from autoprompt_assets.engine.chat import Chat
from autoprompt_assets.engine.example import Example
from autoprompt_assets.engine.grading import ExactGrader
from autoprompt_assets.engine.grading.judge import Judge
from autoprompt_assets.engine.inputs import Inputs, Layout
from autoprompt_assets.engine.lint import Lint
from autoprompt_assets.engine.llm import Asked, Models, RoleSpec
from autoprompt_assets.engine.message import Message
from autoprompt_assets.engine.optimizers.rescore import Apart
from autoprompt_assets.engine.search import comparison_bound
from autoprompt_assets.engine.spec import ExperimentSpec

LAYOUT = Layout(("subject", "body", "meta.tier"))
CHAT = Chat(LAYOUT)
LONG = "The parcel that I ordered in March came open, wet and without its two blue handles, number"
ROWS = [
    Example(
        f"e{n}",
        f"i{n}",
        Inputs(
            LAYOUT.columns,
            [
                f"Sübject {n}",
                f"{LONG} {n}" * (n % 5),
                ("a gold customer of many years", "free")[n % 2],
            ],
        ),
        ("billing", "shipping")[n % 2],
        "train",
    )
    for n in range(1, 40)
]
FIRST = "Route {subject} of {meta.tier}"
REVIEW = "{subject} {subject} {body} {response} {answer} {meta.tier}"


def role(prompt: str = "") -> Asked:
    return Asked("target", RoleSpec(prompt=prompt, max_tokens=50), "e", "m")


def size(messages: tuple[Message, ...]) -> int:
    return sum(len(str(one["content"]).encode()) + TOKENS_PER_MESSAGE for one in messages)


@pytest.mark.parametrize(
    "candidate",
    [
        Candidate("Route it."),
        Candidate(FIRST),
        Candidate("{body} {body} {{ subject }} {meta.tier}", (Demo(ROWS[4].inputs, "billing"),)),
        Candidate("Route it.", (Demo(ROWS[4].inputs, "billing"),)),
    ],
)
def test_prompts_and_reviews_of_several_columns_fit_the_bound(candidate: Candidate) -> None:
    extent = Extent.of(ROWS)
    alone = evaluation_bound(Models(role(), None, None, CHAT), candidate, extent)
    chats = (candidate.messages(one.inputs, as_choice=True, chat=CHAT) for one in ROWS)
    asked = sum(map(size, chats))
    assert asked <= alone.prompt_tokens < 3 * asked + TOKENS_PER_CALL * len(ROWS)
    both = evaluation_bound(Models(role(), role(REVIEW), None, CHAT), candidate, extent)
    reviews = sum(size(Judge(REVIEW, LAYOUT).messages(row, "x" * 100)) for row in ROWS)
    assert reviews <= both.prompt_tokens - alone.prompt_tokens


def test_no_instruction_that_passes_costs_more_than_the_largest() -> None:
    spec = ExperimentSpec.model_validate(
        {
            "dataset": {"path": "a.csv", "inputs": list(LAYOUT.columns)},
            "roles": {"target": {"prompt": FIRST, "max_tokens": 50}},
            "grader": {"kind": "exact"},
            "optimizer": {"strategy": "demos", "demos": 3},
        }
    )
    extent, models = Extent.of(ROWS), Models(role(), None, None, CHAT)
    bound = comparison_bound(spec, models, ROWS, extent)
    most = FIRST + " {body}{body}{subject}{meta.tier}"
    assert (
        Lint(FIRST, ROWS, ExactGrader(kind="exact"), layout=LAYOUT).problem(Candidate(most), ())
        == ""
    )
    longest = sorted(ROWS, key=lambda row: len(row.inputs["body"]))[-3:]
    largest = Candidate(most, tuple(Demo(row.inputs, row.target) for row in longest))
    each = [evaluation_bound(models, one, extent) for one in (Candidate(FIRST), largest)]
    assert each[0].plus(each[1]).prompt_tokens <= bound.prompt_tokens


@pytest.mark.parametrize(
    ("instruction", "said"),
    [
        ("Of {meta.tier}: {subject}", ""),
        ("Of {meta.tier}: {subject}. {body}", ""),
        ("Of {meta.tier}", "it lacks the placeholder {subject} of the first prompt"),
        ("{subject}, but {{ body }}", "it lacks the placeholder {meta.tier} of the first prompt"),
        ("{subject} {meta.tier}" + "{body}" * 3,
         "it holds the placeholder of body 3 times and may hold it 2 times"),
        ("{subject} {meta.tier} {input}", "it holds {input}, which nothing fills"),
        ("{subject} {meta.tier} {meta.teir}", "it holds {meta.teir}, which nothing fills"),
        # A value that many rows share is no row: it may be said what it means.
        ("{subject} {meta.tier}. a gold customer of many years -> billing; free: shipping", ""),
        (f"{{subject}} {{meta.tier}}. As in: {LONG} 6.", "from the rows it is tuned on"),
    ],
)  # fmt: skip
def test_an_instruction_of_several_columns_is_judged_by_each(instruction: str, said: str) -> None:
    lint = Lint(FIRST, ROWS, ExactGrader(kind="exact"), layout=LAYOUT)
    found = lint.problem(Candidate(instruction), ())
    assert said in found
    assert bool(said) == bool(found)


@pytest.mark.parametrize(
    ("candidate", "said"),
    [
        (Candidate("{subject}"), ""),
        (Candidate("{question}"), "it holds {question}, which nothing fills in this search"),
        (Candidate("A", (Demo(Inputs.single("x"), "y"),)),
         "its demos have the inputs input, and the rows of this search have subject, body"),
        (Candidate("A", (Demo(ROWS[1].inputs, "y"),)), "it shows 1 test row of this search"),
    ],
)  # fmt: skip
def test_a_candidate_of_other_columns_is_not_scored_again(candidate: Candidate, said: str) -> None:
    rows = [Example(one.id, one.input_id, one.inputs, one.target, "test") for one in ROWS]
    found = Apart(FIRST, rows).problem(candidate, ())
    assert found.startswith(said)
    assert bool(said) == bool(found)
