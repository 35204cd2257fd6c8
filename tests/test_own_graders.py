"""A grader function of the user's: what it may return and is told, and every bad use of one."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from autoprompt_assets.engine.errors import InputError
from tests.grading_support import Told
from tests.own_grader_support import ROW, grades, own_grader
from tests.support import ROOT

FIRST = "def grade(row, answer):\n    "


@pytest.mark.parametrize(
    ("returned", "outcome", "value"),
    [
        ("answer == row['target']", "correct", 1.0),
        ("False", "wrong", 0.0),
        ("1", "correct", 1.0),
        ("0.25", "partial", 0.25),
        ("0.1 + 0.2", "partial", 0.3),
        ("{'value': 0.5}", "partial", 0.5),
        ("{'value': True, 'feedback': None, 'metrics': {}}", "correct", 1.0),
    ],
)
def test_a_grade_is_a_truth_a_number_or_a_dict(
    tmp_path: Path, returned: str, outcome: str, value: float
) -> None:
    (grade,) = grades(own_grader(tmp_path, f"{FIRST}return {returned}"), "right")
    assert (grade.outcome, grade.value, grade.reason) == (outcome, value, "")


def test_feedback_and_metrics_come_with_a_grade(tmp_path: Path) -> None:
    code = f"""
import numpy
{FIRST}return {{
        "value": numpy.float64(0.5), "feedback": "too long", "metrics": {{"words": 7, "ok": True}},
    }}
"""
    (grade,) = grades(own_grader(tmp_path, code), "x")
    assert (grade.value, grade.feedback) == (0.5, "too long")
    assert grade.metrics == {"words": 7.0, "ok": True}


def test_an_object_with_these_attributes_is_a_grade_too(tmp_path: Path) -> None:
    code = (
        f"from autoprompt_assets.engine.grading import graded\n{FIRST}return graded(.5, 'x', 'y')"
    )
    (grade,) = grades(own_grader(tmp_path, code), "x")
    assert (grade.value, grade.feedback) == (0.5, "y")


def test_the_row_is_a_plain_dict_of_columns_target_and_id(tmp_path: Path) -> None:
    code = f"{FIRST}return {{'value': 1, 'feedback': repr((type(row).__name__, row, answer))}}"
    (grade,) = grades(own_grader(tmp_path, code), "ä")
    row = {"input": "Which?", "target": "right", "targets": ["right"], "id": "id1"}
    assert grade.feedback == repr(("dict", row, "ä"))


def test_its_neighbours_its_folder_and_installed_packages_are_at_hand(tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("right wrong", encoding="utf-8")
    (tmp_path / "helper.py").write_text("WORDS = open('words.txt').read().split()", "utf-8")
    code = f"import helper, pydantic\n{FIRST}return answer in helper.WORDS"
    (grade,) = grades(own_grader(tmp_path, code, files=["words.txt"]), "wrong")
    assert grade.outcome == "correct"


def test_no_key_is_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setenv("MY_TOKEN", "secret")
    code = f"import os\n{FIRST}return {{'value': 1, 'feedback': ' '.join(os.environ)}}"
    (grade,) = grades(own_grader(tmp_path, code), "x")
    names = set(grade.feedback.split())
    assert "PATH" in names
    assert not names & {"OPENAI_API_KEY", "MY_TOKEN"}


BAD: dict[str, tuple[str, str]] = {
    "NaN": ("return float('nan')", "gave nan, which is not from 0 to 1"),
    "2": ("return 2", "gave 2, which is not from 0 to 1"),
    "below": ("return -0.1", "gave -0.1, which is not from 0 to 1"),
    "text": (
        "return 'yes'",
        "gave 'yes', which is no grade; return True, False, a number from 0 to 1, or a dict of "
        "value, feedback and metrics",
    ),
    "nothing": (
        "pass",
        "gave None, which is no grade; return True, False, a number from 0 to 1, or a dict of "
        "value, feedback and metrics",
    ),
    "other keys": (
        "return {'score': 1}",
        "gave {'score': 1}, whose keys are not value, feedback and metrics",
    ),
    "no text": (
        "return {'value': 1, 'feedback': 7}",
        "gave feedback that is no text: 7",
    ),
    "a metric": (
        "return {'value': 1, 'metrics': {'f1': float('inf')}}",
        "gave the metric f1 = inf, which is no number",
    ),
    "raises": ("return 1 / 0", "failed: ZeroDivisionError: division by zero (grade.py, line 3)"),
    "raises many lines": (
        "raise ValueError('a\\n b')",
        "failed: ValueError: a b (grade.py, line 3)",
    ),
    "sleeps": (
        "__import__('time').sleep(60)",
        "gave no grade in 1 s, ten times grader.cpu_s",
    ),
    "spins": (
        "while True: pass",
        "took more than 0.1 s of CPU time, grader.cpu_s",
    ),
    "exits": ("raise SystemExit(3)", "failed: SystemExit: 3 (grade.py, line 3)"),
    "ends its process": ("os._exit(3)", "ended its process (exit status 3)"),
    "crashes": ("os.kill(os.getpid(), 11)", "was ended by SIGSEGV"),
}


@pytest.mark.parametrize("use", BAD)
def test_a_fault_of_its_own_leaves_the_row_unreviewed_with_one_line(
    tmp_path: Path, use: str
) -> None:
    does, said = BAD[use]
    settings = own_grader(tmp_path, f"import os\n{FIRST}{does}", cpu_s=0.1)
    (grade,) = grades(settings, "x")
    assert (grade.value, grade.outcome, grade.fault) == (None, "unreviewed", True)
    assert grade.reason == f"grade.py:grade {said}"


UNUSABLE: dict[str, tuple[str, str]] = {
    "imports what is missing": (
        "import nowhere\n",
        "cannot be loaded: ModuleNotFoundError: No module named 'nowhere' (grade.py, line 1)",
    ),
    "is no Python": (
        "def grade(row, answer:\n",
        "cannot be loaded: SyntaxError: '(' was never closed (grade.py, line 1)",
    ),
    "has another name": (
        "def grades(row, answer): ...",
        "is not there: grade.py has no 'grade'",
    ),
    "is no function": ("grade = 7", "is no function, but int"),
    "takes one": (
        "def grade(row): ...",
        "takes (row); write def grade(row, answer) or async def grade(row, answer, ask)",
    ),
    "takes three": (
        "def grade(row, answer, ask): ...",
        "takes (row, answer, ask); write def grade(row, answer) or async def grade(row, answer, "
        "ask)",
    ),
    "async takes two": (
        "async def grade(row, answer): ...",
        "takes (row, answer); write def grade(row, answer) or async def grade(row, answer, ask)",
    ),
    "exits when loaded": (
        "import os\nos._exit(4)",
        "grade.py ended its process (exit status 4) while it was loaded",
    ),
    "raises when loaded": (
        "open('lost.txt')",
        "cannot be loaded: FileNotFoundError: [Errno 2] No such file or directory: 'lost.txt' "
        "(grade.py, line 1)",
    ),
}


@pytest.mark.parametrize("use", UNUSABLE)
def test_what_cannot_be_called_is_one_line_before_anything_is_paid(
    tmp_path: Path, use: str
) -> None:
    code, said = UNUSABLE[use]
    settings = own_grader(tmp_path, code)
    line = f"grader.function = 'grade.py:grade': {said}"
    assert settings.problems("grader") == (line,)
    with pytest.raises(InputError) as caught:
        grades(settings, "x")
    assert str(caught.value) == line


def test_what_it_prints_is_no_message_and_a_fork_answers_nothing(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = f"""
import os, sys
{FIRST}print('{{"id": 1, "value": 0}}')
    sys.stdout.write(sys.stdin.read())
    os.fork()
    return answer == "a"
"""
    found = grades(own_grader(tmp_path, code), *"ab" * 5)
    assert [grade.outcome for grade in found] == ["correct", "wrong"] * 5
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count('{"id": 1, "value": 0}') >= 10


def test_a_row_that_ended_its_worker_is_tried_once_more_and_others_are_graded(
    tmp_path: Path,
) -> None:
    code = f"""
import os, pathlib
{FIRST}seen = pathlib.Path(answer)
    if answer == "ends":
        os._exit(1)
    if answer == "once" and not seen.exists():
        seen.touch()
        os._exit(1)
    return True
"""
    answers = ["a", "ends", "once", *"bcdefgh"]
    found = dict(zip(answers, grades(own_grader(tmp_path, code), *answers), strict=True))
    assert [name for name, grade in found.items() if grade.value is None] == ["ends"]


def test_what_it_started_ends_with_it(tmp_path: Path) -> None:
    code = f"""
import subprocess, os, pathlib
{FIRST}child = subprocess.Popen(["sleep", "300"])
    pathlib.Path("child").write_text(str(child.pid))
    os._exit(1)
"""
    grades(own_grader(tmp_path, code), "x")
    child = int((tmp_path / "child").read_text())
    state = subprocess.run(
        ["ps", "-o", "stat=", "-p", str(child)], capture_output=True, text=True, check=False
    )
    assert state.stdout.strip()[:1] in ("", "Z")


ASKS = """
async def grade(row, answer, ask):
    said = await ask(f"Is {answer} {row['target']}?")
    again = await ask({"role": "user", "content": "Sure?"}, replicate=1)
    return {"value": (said == "yes") * (again == "yes"), "feedback": said}
"""


def test_an_async_one_asks_the_review_model_for_many_rows_at_once(tmp_path: Path) -> None:
    told = Told("yes")
    found = grades(own_grader(tmp_path, ASKS, reviews=2), *map(str, range(100)), ask=told)
    assert {(grade.value, grade.feedback) for grade in found} == {(1.0, "yes")}
    assert len(told.questions) == 200
    assert ({"role": "user", "content": "Is 7 right?"},) in told.questions
    assert told.replicates.count(1) == 100


def test_a_row_whose_worker_another_one_ended_asks_each_question_once(tmp_path: Path) -> None:
    """Else it would be out of questions when it is tried again."""
    code = """
import asyncio, os
async def grade(row, answer, ask):
    said = await ask(answer)
    if answer == "ends":
        await asyncio.sleep(0.3)
        os._exit(1)
    await asyncio.sleep(0.6)
    return said == "yes"
"""
    told = Told("yes")
    answers = ["ends", *"abcdef"]
    found = grades(own_grader(tmp_path, code, reviews=1), *answers, ask=told)
    assert [grade.outcome for grade in found] == ["unreviewed", *["correct"] * 6]
    assert sorted(messages[0]["content"] for messages in told.questions) == sorted(answers)


@pytest.mark.parametrize(
    ("asks", "said"),
    [
        ("ask('x' * 101)", "it asks the review model with 105 bytes, more than"),
        ("ask(7)", "grade.py:grade failed: TypeError"),
        ("ask({'role': 'user'})", "it asks the review model with what are no messages of role"),
    ],
)
def test_a_question_that_cannot_be_asked_leaves_the_row_unreviewed(
    tmp_path: Path, asks: str, said: str
) -> None:
    code = f"async def grade(row, answer, ask):\n    return await {asks} == 'yes'"
    (grade,) = grades(own_grader(tmp_path, code, reviews=1, longest_review=100), "x")
    assert grade.reason.startswith(said)


def test_an_async_one_that_blocks_is_found_out_and_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = "import time\nasync def grade(row, answer, ask):\n    time.sleep(60)"
    (grade,) = grades(own_grader(tmp_path, code, cpu_s=0.2), "x")
    assert grade.reason == (
        "grade.py:grade gave no grade in 2 s, ten times grader.cpu_s; it is async and blocks at "
        "grade.py, line 3: time.sleep(60)"
    )
    assert capfd.readouterr().err.splitlines()[0] == (
        "grader.function = 'grade.py:grade' is async and blocks at grade.py, line 3: "
        "time.sleep(60); await there, or write a plain def"
    )


def test_its_files_are_part_of_its_identity_and_may_not_change_under_it(tmp_path: Path) -> None:
    (tmp_path / "rules.txt").write_text("one", "utf-8")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "helper.py").write_text("", "utf-8")
    settings = own_grader(tmp_path, f"{FIRST}return True", files=["rules.txt"])
    known = settings.identity()
    assert sorted(known["files"]) == ["grade.py", "part/helper.py", "rules.txt"]
    for name in known["files"]:
        before = (tmp_path / name).read_text("utf-8")
        (tmp_path / name).write_text(f"{before}\n# more", "utf-8")
        assert settings.located(tmp_path, "grader").identity() != known
        with pytest.raises(InputError, match=f"{name} was changed while the search ran"):
            grades(settings, "x")
        (tmp_path / name).write_text(before, "utf-8")
    assert settings.located(tmp_path, "grader").identity() == known


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"function": "lost.py:grade"}, "there is no lost.py in"),
        ({"files": ["lost.txt"]}, "grader.files = 'lost.txt': cannot be read in"),
    ],
)
def test_a_file_that_is_not_there_is_named(
    tmp_path: Path, settings: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        own_grader(tmp_path, f"{FIRST}return True", **settings)


def test_equal_rows_have_equal_grades_in_any_worker(tmp_path: Path) -> None:
    """Hashes of texts are the same in each, so that a set's order is, too."""
    code = f"import os\n{FIRST}return {{'value': 1, 'metrics': {{'hash': hash('text') % 997}}}}"
    settings = own_grader(tmp_path, code)
    found = [grades(settings, "x")[0].metrics["hash"] for _ in range(2)]
    assert found[0] == found[1]
    assert os.environ.get("PYTHONHASHSEED") != "0"


def test_the_functions_of_the_pages_are_ones(tmp_path: Path) -> None:
    pages = ("README.md", "autoprompt_assets/docs/graders.md")
    for page in pages:
        text = (ROOT / page).read_text(encoding="utf-8")
        (code,) = re.findall(r"```python\n((?:#[^\n]*\n)?def grade.*?)```", text, re.DOTALL)
        right, wrong = grades(own_grader(tmp_path / "own", code), "It is right", "no")
        assert (right.outcome, wrong.outcome) == ("correct", "wrong")


def test_another_row_s_target_is_seen(tmp_path: Path) -> None:
    settings = own_grader(tmp_path, f"{FIRST}return row['target'] == answer")
    (grade,) = grades(settings, "x", row=replace(ROW, target="x"))
    assert grade.outcome == "correct"


def test_one_of_several_graders_is_told_by_its_name(tmp_path: Path) -> None:
    code = f"{FIRST}while True: pass"
    settings = own_grader(tmp_path, code, cpu_s=0.2).located(tmp_path, "graders.tone")
    (grade,) = grades(settings, "x")
    assert "took more than 0.2 s of CPU time, graders.tone.cpu_s" in grade.reason
