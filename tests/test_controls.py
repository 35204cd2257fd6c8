"""Characters that a terminal would obey reach no prompt, and nothing that is printed or written."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from autoprompt_assets.engine.candidate import Candidate
from autoprompt_assets.engine.controls import json_text, obeyed
from tests.input_support import prompted, refused, spec_text
from tests.lint_support import FIRST, problem
from tests.loopback import Behaviour, LoopbackServer
from tests.support import KEY, Project, csv_of

WALES = "\U0001f3f4\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f"
REFUSED = {
    "\x1b": "U+001B, a control character",
    "\x9b": "U+009B, a control character",
    "\x00": "U+0000, a control character",
    "\x7f": "U+007F, a control character",
    "\x85": "U+0085, a control character",
    "\r": "U+000D, a control character",
    "\u202e": "U+202E, which reorders the text around it",
    "\u2066": "U+2066, which reorders the text around it",
    "\ud800": "U+D800, which is half a character",
    "\U000e0041": "U+E0041, which no reader sees",
}
KEPT = [
    "a\tb\nc",
    "a\r\nb",
    "\u200eא\u200f",
    "می\u200cخواهم",
    "👩\u200d🚀",
    WALES,
    "a\u2028b\u00ad",
]
RAW = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
DIRTY = "\x1b]0;owned\x07\x9b31m\u202e"


@pytest.mark.parametrize("character", REFUSED)
def test_an_instruction_with_what_a_terminal_obeys_is_refused_with_its_reason(
    character: str,
) -> None:
    said = problem(FIRST, f"Say which kind of{character} answer it wants.")
    assert said == f"it holds {REFUSED[character]}; leave it out"


@pytest.mark.parametrize("text", KEPT)
def test_what_languages_need_is_kept(text: str) -> None:
    assert obeyed(text) == ""
    assert problem(FIRST, f"Say which kind. {text}") == ""


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (prompted('"Do\\e[2J it"'), "roles.target.prompt holds U+001B, a control character"),
        (prompted('"Do\\u202e it"'), "roles.target.prompt holds U+202E, which reorders"),
        (
            spec_text(
                roles="{target: {prompt: x}}", optimizer='{strategy: demos, wordings: ["a\\x9bb"]}'
            ),
            "optimizer.wordings.0 holds U+009B",
        ),
        (
            spec_text(optimizer='{strategy: opro, keep: ["\\e"]}'),
            "optimizer.keep holds U+001B",
        ),
    ],
)
def test_a_first_prompt_is_refused_in_one_line(tmp_path: Path, content: str, field: str) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(content, encoding="utf-8")
    (line,) = refused(path)
    assert field in line
    assert line.endswith("; take it out")
    assert line.isprintable()


def test_json_loses_nothing_and_holds_no_terminal_code() -> None:
    text = f"{DIRTY} \ud800 ü \u200f"
    assert json.loads(json_text({"a": text})) == {"a": text}
    assert not RAW.search(json_text({"a": text}))


@pytest.mark.slow
def test_rows_full_of_terminal_codes_reach_neither_terminal_nor_file_to_be_read(
    tmp_path: Path,
) -> None:
    """They are asked about, and shown as demos, as they are."""
    rows = {f"Which shape is path {n} {DIRTY}?": f"({'ABCD'[n % 4]})" for n in range(30)}
    spec = (
        f"description: {json.dumps(DIRTY)}\n"
        "dataset: {path: rows.csv, split: {train: 8, validation: 12, test: 10}}\n"
        "roles: {target: {model: gpt-4.1-mini, prompt: Name the shape., "
        f"extra: {{stop: {json.dumps(DIRTY)}}}}}}}\n"
        "grader: {kind: exact}\n"
        "optimizer: {strategy: demos, iterations: 2, candidates: 2, demos: 3}\n"
    )
    with LoopbackServer(Behaviour(answers=rows)) as server:
        own = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": KEY}
        project = Project(tmp_path, own)
        project.add("toy", spec, rows_csv=csv_of(rows))
        listed, ran = project.run("list"), project.run("run", "toy", "--json")
        shown = project.run("run", "toy")
    assert (listed.returncode, ran.returncode, shown.returncode) == (0, 0, 0), ran.stderr
    assert "owned" in listed.stdout
    for result in (listed, ran, shown):
        assert not RAW.search(result.stdout + result.stderr)
    (search,) = (project.home / "results" / "toy" / "searches").iterdir()
    texts = [path for path in search.rglob("*") if path.suffix in (".txt", ".json", ".html")]
    assert len(texts) > 6
    for path in texts:
        assert not RAW.search(path.read_text(encoding="utf-8")), path
    best = Candidate.from_json(json.loads(ran.stdout)["best_candidate"])
    sent = json.loads((search / "best_request.json").read_bytes())["request"]["messages"]
    assert sum(DIRTY in message["content"] for message in sent) == len(best.demos)
