"""A user's regular expression reads an answer as Python does, and cannot stall a run."""

from __future__ import annotations

import os
import random
import re
import signal
import time
from pathlib import Path

import pytest

from autoprompt_assets.engine.grading import Grade
from autoprompt_assets.engine.grading.linear import linear
from autoprompt_assets.engine.grading.pattern_worker import CPU_S
from autoprompt_assets.engine.grading.regex import RegexGrader
from autoprompt_assets.engine.grading.regex_search import _WORKER, PatternTooSlow, last_match
from tests.row_support import text_example
from tests.support import Project, csv_of

ATOMS = [
    *("a", "b", "A", "1", " ", "_", ".", r"\d", r"\w", r"\s", r"\S", r"\b", r"\B", "^", "$", r"\."),
    *("[ab]", "[^a]", r"[\w.]", r"[^\d\s]", "(a)", "(?:ab)", "(a|b)", "(?:a|(b))", r"(\w+)"),
    *("(?i:a)", "(?P<name>b)", "(?=a)", "(?<!b)", "[[:alpha:]]", r"\Z", r"\A", "é", "(?:)"),
]
REPEATS = ["", "", "", "*", "+", "?", "*?", "+?", "{2}", "{1,2}", "{,2}", "*+"]
PIECES = ["a", "b", "A", "B", "1", " ", "_", ".", "\n", "\t", "é", "\u0130", "٣", "\u2028", "\x0b"]


def grade(pattern: str, answer: str, target: str = "a") -> Grade:
    example = text_example("id", "input", "q", target, "test")
    return RegexGrader(kind="regex", pattern=pattern).grade(example, answer)


def as_python_reads_it(pattern: str, ignore_case: bool, text: str) -> str | None:
    matches = list(re.finditer(pattern, text, re.IGNORECASE if ignore_case else 0))
    if not matches:
        return None
    return (matches[-1][1] if matches[-1].re.groups else matches[-1][0]) or ""


def random_pattern(random_: random.Random) -> str:
    while True:
        parts = [
            random_.choice(ATOMS) + random_.choice(REPEATS) for _ in range(random_.randint(1, 4))
        ]
        pattern = random_.choice(["", "", "|"]).join(parts)
        if random_.random() < 0.3:
            pattern = f"({pattern}){random_.choice(REPEATS)}"
        try:
            re.compile(pattern)
        except re.error:
            continue
        return pattern


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_every_pattern_reads_as_python_reads_it(seed: int) -> None:
    random_ = random.Random(seed)
    fast = 0
    for _ in range(400):
        pattern, ignore_case = random_pattern(random_), random_.random() < 0.3
        fast += linear(pattern, ignore_case) is not None
        for _ in range(4):
            text = "".join(random_.choices(PIECES, k=random_.randint(0, 12)))
            wanted = as_python_reads_it(pattern, ignore_case, text)
            assert last_match(pattern, ignore_case, text) == wanted, (pattern, ignore_case, text)
    assert fast > 100


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(a+)+$", "a" * 64_000 + "b"),
        (r".*.*Answer:\s*(.*)", "a " * 32_000),
        (r"(?:\w+\s*)+:", "word " * 12_000),
    ],
    ids=["nested", "two stars", "words"],
)
def test_what_backtracks_for_ever_is_read_in_linear_time(pattern: str, text: str) -> None:
    begun = time.process_time()
    assert grade(pattern, text).reason == "the pattern is not found in the answer"
    assert time.process_time() - begun < 2.0
    assert grade(r"(?:\w+\s*)+: (a)", "word " * 12_000 + ": a").outcome == "correct"


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (r"(?<=x)?(a+)+$", "a" * 64 + "b"),
        pytest.param(r"(a+)+é", "a" * 64, marks=pytest.mark.slow),
        pytest.param(r"(\w+)+:", "é" * 64, marks=pytest.mark.slow),
        pytest.param(r"x(.*y)?", "x" * 300_000, marks=pytest.mark.slow),
    ],
    ids=["looks around", "not ASCII", "not ASCII text", "match after match"],
)
def test_a_pattern_beyond_the_limit_costs_its_row_alone(pattern: str, text: str) -> None:
    with pytest.raises(PatternTooSlow):
        last_match(pattern, False, text)
    slow = grade(pattern, text)
    assert (slow.value, slow.outcome) == (0.0, "unparsable")
    assert f"grader.pattern took more than {CPU_S:g} s" in slow.reason
    assert grade(r"(?<=x)a", "xa").outcome == "correct"


def test_a_worker_that_is_killed_costs_no_row() -> None:
    """Its end is seen in its pipes before the system says that it has ended."""
    for _ in range(20):
        assert last_match("é+", False, "éé") == "éé"
        os.kill(_WORKER._running().pid, signal.SIGKILL)
        assert last_match("é+", False, "éé") == "éé"


def test_an_answer_that_nobody_waited_for_is_not_the_next_text_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    process = _WORKER._running()
    assert process.stdout is not None

    def interrupted() -> str:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(process.stdout, "readline", interrupted)
        with pytest.raises(KeyboardInterrupt):
            last_match("é+", False, "éé")
    assert last_match("é+", False, "é") == "é"


def test_a_target_that_the_pattern_stalls_on_is_not_refused(tmp_path: Path) -> None:
    rows = {f"q{i}": "a" * 60 + "b" for i in range(30)}
    spec = (
        "dataset: {path: rows.csv}\n"
        "roles: {target: {endpoint: local, prompt: Say.}}\n"
        "grader: {kind: regex, pattern: '((?:(?:a+)+(?=c))?.*)'}\n"
        "optimizer: {strategy: demos, iterations: 1}\n"
    )
    project = Project(tmp_path)
    project.add("stall", spec, rows_csv=csv_of(rows))
    done = project.run("check", "stall")
    assert done.returncode == 0, done.stderr
