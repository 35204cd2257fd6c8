"""Replies that are no use for any row end a run soon, whatever the concurrency."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.errors import UnmeasuredRows
from autoprompt_assets.engine.grading.judge import Judge
from autoprompt_assets.engine.journal import Journal
from autoprompt_assets.engine.llm import RequestRefused
from autoprompt_assets.engine.llm.failures import EndpointDown, ServerFailed
from autoprompt_assets.resources.endpoints.first_replies import FIRST_REPLIES
from autoprompt_assets.resources.endpoints.pacing import START_WINDOW
from tests.engine_support import Scripted, evaluate, evaluator, examples
from tests.hostile_search import Told, search
from tests.hostile_server import GOOD, HostileServer, Raw, reply
from tests.support import KEY, TOY, Project, csv_of

ROWS = 41


def completed(content: str, finish: str = "stop") -> Raw:
    choice = {"message": {"content": content}, "finish_reason": finish}
    usage = {"prompt_tokens": 3, "completion_tokens": 1}
    return reply(json.dumps({"choices": [choice], "usage": usage}))


UNUSABLE: dict[str, tuple[Raw, str]] = {
    "a page": (reply("<html><title>Welcome</title>"), "a web page, not an API's reply: Welcome"),
    "events": (reply("data: {}\n\n"), "the reply is no chat completion: 'data: {}'"),
    "another API": (reply('{"output": "yes"}'), "the reply is no chat completion"),
    "an odd end": (completed("yes", "because"), "the answer ended with finish_reason because"),
    "cut off": (reply("{}", content_length="9"), "the reply was cut off"),
}


def role_of(body: Mapping[str, Any]) -> str:
    whole = "\n".join(one["content"] for one in body["messages"])
    if "Ground Truth:" in whole:
        return "review"
    return "optimizer" if "[[" in whole else "target"


def project(folder: Path, url: str) -> Project:
    found = Project(folder, {"OPENAI_BASE_URL": url, "OPENAI_API_KEY": KEY})
    split = f"{{train: 4, validation: {ROWS}, test: {ROWS}}}"
    spec = TOY.replace("{train: 4, validation: 12, test: 14}", split)
    found.add("toy", spec, rows_csv=csv_of({f"Row {n}?": "yes" for n in range(90)}))
    return found


@pytest.fixture(autouse=True)
def _afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A port may be another test's again."""
    monkeypatch.setattr("autoprompt_assets.resources.endpoints.first_replies._ANSWERED", set())


@pytest.mark.parametrize("concurrency", [1, 32])
@pytest.mark.parametrize("name", UNUSABLE)
def test_replies_that_are_no_completion_end_it_after_the_first_few(
    name: str, concurrency: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("autoprompt_assets.resources.endpoints.call.FIRST_WAIT_S", 0.001)
    sent, said = UNUSABLE[name]
    names = [f"row {number}" for number in range(ROWS)]
    database = f"sqlite:///{tmp_path / 'journal.db'}"
    with HostileServer({"target": sent}, choose=role_of) as server:
        for _ in range(2):
            with pytest.raises(EndpointDown) as caught:
                asyncio.run(search(Journal(database), server.url, names, Told(), concurrency))
            # Beside the last of them others were under way.
            assert FIRST_REPLIES <= server.asked["target"] < FIRST_REPLIES + START_WINDOW
            assert said in str(caught.value)
            line = "; the first 16 replies to roles.target were all unusable: is its base URL that"
            assert line in str(caught.value)
            server.asked.clear()
        server.replies = {}
        told = Told()
        asyncio.run(search(Journal(database), server.url, names, told))
    assert {row.grade.outcome for row in told.rows.values()} == {"correct"}


@pytest.mark.slow
def test_one_role_s_replies_say_nothing_of_another_s(tmp_path: Path) -> None:
    """They may be asked in other words, such as a schema that a server stumbles over."""
    sent, _ = UNUSABLE["a page"]
    with HostileServer({"review": sent}, choose=role_of) as server:
        numbers = (completed(f"yes {n}") for n in range(10**6))
        server.replies = Varied({"review": sent}, lambda: next(numbers))
        done = project(tmp_path, server.url).run("run", "toy")
    assert done.returncode == 1
    assert "first 16 replies to roles.review were all unusable" in done.stderr.splitlines()[-1]
    assert server.asked["review"] < FIRST_REPLIES + START_WINDOW


class Varied(dict[str, Raw]):
    """Replies, and else what `other` makes anew each time."""

    def __init__(self, replies: Mapping[str, Raw], other: Callable[[], Raw]) -> None:
        super().__init__(replies)
        self._other = other

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key in self else self._other()


@pytest.mark.slow
def test_reviews_without_a_verdict_end_it_after_the_first_few(tmp_path: Path) -> None:
    with HostileServer({}, choose=role_of) as server:
        numbers = (completed(f"yes {n}") for n in range(10**6))
        server.replies = Varied({"review": completed("Perhaps.")}, lambda: next(numbers))
        subject = project(tmp_path, server.url)
        lines = []
        for _ in range(2):
            done = subject.run("run", "toy", "--set", "concurrency=1")
            assert done.returncode == 1
            lines.append(done.stderr.splitlines()[-1])
        assert server.asked["review"] < 5 + START_WINDOW
        assert server.asked["target"] <= ROWS
        server.replies = {"review": completed("True")}
        mended = subject.run("run", "toy", "--set", "roles.review.max_tokens=60")
        assert mended.returncode == 0, mended.stderr
    assert lines[0] == lines[1]
    assert lines[0].startswith(
        "baseline_score: baseline: the first 5 of 41 rows have no grade, more than the 2.0% that "
        "`unmeasured` allows; 5 times unreviewed: the review model said 'Perhaps.'; "
    )


def judged(
    folder: Path, reviews: Mapping[int, Any], unmeasured: float = 0.02, needed: bool = True
) -> int:
    """How many rows were handed on of 20 whose reviews are "Perhaps" but for those named."""
    answers = {str(n): f"answer {n}" for n in range(20)}
    verdicts = {f"judge: answer {n}": reviews.get(n, "Perhaps") for n in range(20)}
    llm = Scripted({**answers, **verdicts})

    async def work() -> int:
        judge = Judge("judge: {response}")
        async with evaluator(folder, llm, judge, unmeasured, concurrency=20) as subject:
            needs = replace(subject, needed=needed)
            return len((await evaluate(needs, Candidate("Say."), examples(20)))[1])

    return asyncio.run(work())


def test_five_without_a_verdict_end_it(tmp_path: Path) -> None:
    with pytest.raises(UnmeasuredRows, match="the first 5 of 20 rows have no grade, more than"):
        judged(tmp_path, {7: "True"})


@pytest.mark.parametrize(
    ("reviews", "unmeasured", "needed"),
    [
        ({4: "True"}, 0.02, True),
        ({}, 1.0, True),
        ({}, 0.02, False),
    ],
)
def test_it_goes_on_where_it_may_yet_be_of_use(
    reviews: Mapping[int, Any], unmeasured: float, needed: bool, tmp_path: Path
) -> None:
    """One has a grade, as many may have none, or it is a candidate's that can do without."""
    assert judged(tmp_path, reviews, unmeasured, needed) == 20


def test_more_than_five_are_looked_at_where_more_may_be_without_a_grade(tmp_path: Path) -> None:
    with pytest.raises(UnmeasuredRows, match="the first 11 of 20 rows have no grade, more than"):
        judged(tmp_path / "a", {11: "True"}, 0.5)
    assert judged(tmp_path / "b", {10: "True"}, 0.5) == 20


def test_failures_that_may_pass_are_waited_for_to_the_last_row(tmp_path: Path) -> None:
    """Those beside them are answered, and need not be asked again."""
    failed = dict.fromkeys(range(5), ServerFailed("down"))
    with pytest.raises(UnmeasuredRows, match="20 of 20 rows have no grade"):
        judged(tmp_path, failed)


def test_refusals_that_are_not_alike_end_it_too(tmp_path: Path) -> None:
    refused = {n: RequestRefused("no", 400, f"code {n}") for n in range(5)}
    with pytest.raises(UnmeasuredRows, match="the first 5 of 20 rows have no grade"):
        judged(tmp_path, refused)


@pytest.mark.slow
def test_a_model_that_has_answered_may_fail_for_a_while(tmp_path: Path) -> None:
    """Sixteen pages in a row, in mid-run: a gateway that is restarted."""
    page, _ = UNUSABLE["a page"]
    asked = Counter[str]()

    class Failing(dict[str, Raw]):
        def get(self, key: str, default: Any = None) -> Any:
            asked[key] += 1
            return page if 10 < asked["target"] <= 10 + 2 * FIRST_REPLIES else GOOD

    with HostileServer(Failing(), choose=role_of) as server:
        done = project(tmp_path, server.url).run(
            "run", "toy", "--set", "grader={kind: exact}", "--set", "roles.review=null"
        )
    assert done.returncode == 0, done.stderr
