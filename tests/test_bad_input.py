"""What a user gets wrong in an experiment file: one line per error, all at once."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from autoprompt_assets.engine.optimizers import STRATEGIES
from autoprompt_assets.resources.endpoints import ENDPOINT_WORDS
from tests.input_support import GOOD, TARGET, check, prompted, refused, spec_text, target

WORDS = ", ".join(sorted(ENDPOINT_WORDS.keys))
FILES: dict[str, tuple[str | bytes, list[str]]] = {
    "empty file": ("", ["experiment.yaml: is empty; write"]),
    "only comments": ("# to do\n", ["experiment.yaml: is empty; write"]),
    "a list": ("- a\n- b\n", ['holds ["a", "b"]; write `key: value` lines']),
    "a sentence": ("improve my prompt", ['holds "improve my prompt"; write']),
    "not UTF-8": (b"description: caf\xe9\n", ["experiment.yaml: line 1 is not UTF-8; save"]),
    "a tab": (spec_text() + "budget:\n\tcalls: 3\n", ["line 6, column 1: a tab; indent with"]),
    "a control character": (spec_text(description="\x07"), ["line 5 holds an unprintable", "dele"]),
    "an open bracket": (spec_text(budget="{calls: 3"), ["line 6, column 1", "mend the YAML there"]),
    "an open quote": (spec_text(description="'x"), ["line 6, column 1", "mend the YAML there"]),
    "a colon in plain text": (spec_text(description="a: b"), ["line 5, column 15", "mend the YAM"]),
    "two documents": (spec_text() + "---\na: 1\n", ["line 5, column 1", "another document", "men"]),
    "a key twice": (spec_text() + "concurrency: 1\nconcurrency: 2\n", ["line 6", "given twice; k"]),
    "a nested key twice": (spec_text(budget="{calls: 1, calls: 2}"), ["'calls' is given twice"]),
    "a date that is none": (spec_text(description="2024-13-45"), ["cannot be; put it in quotes"]),
    "a number of 5000 digits": (spec_text(concurrency="9" * 5000), ["cannot be; put it in quotes"]),
    "a bomb of aliases": (
        "a: &a [x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
            for before, name in itertools.pairwise("abcdefghi")
        ),
        ["its aliases stand for more than 100,000 values; write out what is meant"],
    ),
    "an alias of itself": (spec_text(description="&a [*a]"), ["a value that holds itself"]),
    "too long": (spec_text(description="x" * 1_000_000), ["characters and may have 1,000,000;"]),
    "too deep": (spec_text(description="[" * 5000), ["nested too deeply; write it flatter"]),
    "a list as key": ("? [a]\n: 1\n", ["line 1", "mend the YAML there"]),
    "a Python object": ("a: !!python/object:os.system {}\n", ["line 1", "mend the YAML there"]),
    "no prompt": (prompted("null"), ["target.prompt = null: is empty; fill it in, or take it out"]),
    "a number as key": (spec_text() + "1: x\n", ["1 = 1: is no text; put the key in quotes"]),
    "nothing but a description": (
        "description: x\n",
        ["dataset: is missing; add it", "roles: is missing; add it", "grader: is missing; add it"],
    ),
    "a mistyped section": (spec_text(rolse="{}"), ["rolse: no such field; did you mean 'roles'?"]),
    "a mistyped field": (target("temprature: 1"), ["roles.target.temprature", "'temperature'?"]),
    "a field of another section": (spec_text(seed="1"), ["seed: no such field; use budget"]),
    "a field of another strategy": (
        spec_text(optimizer="{strategy: opro, wordings: [a]}"),
        ["optimizer.wordings: optimizer 'opro' does not take it; take it out"],
    ),
    "a temperature that is none": (
        spec_text(optimizer="{parameters: {temperature: [0, hot]}}"),
        ["optimizer.parameters: 'temperature' has a value that is not from 0 to 2; mend it"],
    ),
    "a text to keep that the first prompt lacks": (
        spec_text(optimizer="{keep: [zzz]}"),
        ["roles.target.prompt lacks 'zzz', which optimizer.keep asks for; add it"],
    ),
    "an empty text to keep": (
        spec_text(optimizer="{keep: ['']}"),
        ["optimizer.keep holds an empty text; take it out"],
    ),
    "a limit below the first prompt": (
        spec_text(optimizer="{longest: 1}"),
        ["optimizer.longest = 1 is less than the first prompt has, "],
    ),
    "a text for a section": (spec_text(dataset="rows.csv"), ['dataset = "rows.csv": is not a map']),
    "a text for the grader": (spec_text(grader="choice"), ['grader = "choice": is not a mapping']),
    "nothing in a section": (spec_text(grader=""), ["grader: is missing; add it"]),
    "no kind of grader": (spec_text(grader="{}"), ["grader.kind: is missing; add it"]),
    "an unknown grader": (spec_text(grader="{kind: chioce}"), ['grader.kind = "chioce"', "use on"]),
    "a list for the grader's kind": (spec_text(grader="{kind: [exact]}"), ['grader.kind = ["exac']),
    "an unknown strategy": (
        spec_text(optimizer="{strategy: oprox}"),
        [
            'optimizer.strategy = "oprox": is not known; use one of '
            + ", ".join(STRATEGIES.words)
        ],
    ),
    "a field of no strategy": (
        spec_text(optimizer="{iterationz: 3}"),
        ["optimizer.iterationz: no such field; did you mean 'iterations'?"],
    ),
    "a parameter that cannot be tuned": (
        spec_text(optimizer="{parameters: {model: [a, b]}}"),
        ["optimizer.parameters: 'model' cannot be tuned; take it out"],
    ),
    "a parameter without values": (
        spec_text(optimizer="{parameters: {top_p: []}}"),
        ["optimizer.parameters: 'top_p' has no values; give some, or take it out"],
    ),
    "a headroom that is no mapping": (
        spec_text(headroom="20"),
        ["headroom = 20: is not a mapping; write `key: value` lines below it"],
    ),
    "an unknown endpoint": (
        target("endpoint: bedrock"),
        [f"roles.target.endpoint = 'bedrock' is not known; use one of {WORDS}"],
    ),
    "no review role": (
        spec_text(grader="{kind: model}", roles=TARGET % "timeout: 9"),
        ["grader.kind is 'model' and roles.review is missing; add it"],
    ),
    "no {response}": (
        spec_text(grader="{kind: model}", roles=GOOD["roles"].replace("{response}", "it")),
        ["roles.review.prompt lacks {response}; say where"],
    ),
    "no optimizer role": (spec_text(roles="{target: {prompt: x}}"), ["needs roles.optimizer; add"]),
    "no {prompt_scores_str}": (
        spec_text(roles="{target: {prompt: x}, optimizer: {prompt: Improve it}}"),
        ["roles.optimizer.prompt lacks {prompt_scores_str}; add it"],
    ),
    "a placeholder that nothing fills": (
        spec_text(roles=GOOD["roles"].replace("Solve", '"Solve {{question}} or {letter}"')),
        [
            "roles.target.prompt holds {{question}}, {letter}, which nothing fills: there is "
            "{input}; where the input is meant write {input}; to send the braces put spaces "
            "inside them: { question }"
        ],
    ),
    "a placeholder beside the input's": (
        spec_text(
            dataset="{path: rows.csv, inputs: question}",
            roles=GOOD["roles"].replace("Solve", '"Solve {{question}}: {text}"'),
        ),
        [
            "roles.target.prompt holds {text}, which nothing fills: there is {input}, {question}; "
            "to send the braces put spaces inside them: { text }"
        ],
    ),
    "a placeholder of no review": (
        spec_text(roles=GOOD["roles"].replace("{response}", "{response} {target}")),
        ["roles.review.prompt holds {target}, which nothing fills: there is {answer}, {input}, {r"],
    ),
    "a placeholder of no question": (
        spec_text(roles=GOOD["roles"].replace("{prompt_scores_str}", "{prompt_scores_str} {rows}")),
        ["roles.optimizer.prompt holds {rows}, which nothing fills: there is {examples}, {input}"],
    ),
    "a placeholder in a wording": (
        spec_text(optimizer="{wordings: [Do it., 'Do {{query}}.']}"),
        ["optimizer.wordings.1 holds {{query}}, which nothing fills: there is {input}; where the "],
    ),
    "an empty prompt": (
        spec_text(roles=GOOD["roles"].replace("Solve", "' '")),
        ["roles.target.prompt is empty; write the prompt"],
    ),
    "a list for the prompt": (target("model: [a]"), ['roles.target.model = ["a"]: is not text; p']),
    "yes and no as choices": (
        target("choices: [yes, no]"),
        ["choices.0 = true: is not text; put it in quotes", "choices.1 = false", "YAML reads"],
    ),
    "a text for choices": (target("choices: yes!"), ['choices = "yes!": is not a list; write `-']),
    "one choice": (target("choices: [a]"), ["roles.target.choices: one choice is no choice; give"]),
    "a choice twice": (target("choices: [a, b, a]"), ["a choice is empty or stands twice"]),
    "negative temperature": (target("temperature: -1"), ["temperature = -1: is too small; make i"]),
    "a hot temperature": (target("temperature: 20"), ["temperature = 20: is too large; make it 2"]),
    "NaN": (target("temperature: .nan"), ["roles.target.temperature = NaN: is not finite; write"]),
    "infinity": (spec_text(budget="{usd: .inf}"), ["budget.usd = Infinity: is not finite; write"]),
    "a yes for a number": (spec_text(concurrency="yes"), ["concurrency = true: is no number; wri"]),
    "half a call": (spec_text(concurrency="1.5"), ["concurrency = 1.5: is no whole number; write"]),
    "a word for a number": (spec_text(concurrency="many"), ['= "many": is no whole number; write']),
    "a huge number": (spec_text(concurrency="10000000"), ["is too large; make it 10000 or less"]),
    "no iterations": (
        spec_text(optimizer="{strategy: opro, iterations: 0}"),
        ["optimizer.iterations = 0: is too small; make it 1 or more"],
    ),
    "a budget of nothing": (spec_text(budget="{calls: 0, usd: 0}"), ["budget.calls = 0", "budget"]),
    "dollars without max_tokens": (
        spec_text(budget="{usd: 1}", roles=TARGET % "max_tokens: null"),
        ["roles.target.max_tokens is null; a budget of tokens or usd needs a number"],
    ),
    "fractions above 1": (
        spec_text(dataset="{path: a.csv, split: {train: 0.6, validation: 0.6, test: 0.6}}"),
        ["dataset.split: the fractions add up to 1.8; make them 1 or less"],
    ),
    "counts and fractions": (
        spec_text(dataset="{path: a.csv, split: {train: 50, validation: 0.5, test: 100}}"),
        ["dataset.split: mixes counts and fractions; give three whole"],
    ),
    "a test split of nothing": (
        spec_text(dataset="{path: a.csv, split: {test: 0}}"),
        ["dataset.split.test = 0: is too small; make it more than 0"],
    ),
    "demos without train rows": (
        spec_text(dataset="{path: a.csv, split: {train: 0}}", optimizer="{strategy: demos}"),
        ["dataset.split.train is 0; raise it"],
    ),
    "one column for both": (
        spec_text(dataset="{path: a.csv, inputs: q, target: q}"),
        ["dataset: inputs and target are the same column 'q'; name two"],
    ),
    "an unknown format": (spec_text(dataset="{path: a, format: xls}"), ["format = \"xls\"", "use"]),
    "no path": (spec_text(dataset="{path: ''}"), ['dataset.path = "": is empty; fill it in']),
    "reserved extra": (target("extra: {stream: true}"), ["'stream' may not stand in extra"]),
    "an image": (
        prompted("'See data:image/png;base64,iVBORw0KGgo= here'"),
        ["roles.target.prompt holds an image as a data URL; name a column of images"],
    ),
    "messages": (
        prompted("""'[{"role": "system", "content": "Sort it."}]'"""),
        ["roles.target.prompt holds a list of messages; write them as roles.target.messages"],
    ),
    "tools": (target("extra: {tools: []}"), ["'tools' in extra is not supported", "take it out"]),
    "a date in extra": (target("extra: {a: 2024-01-01}"), ["extra.a", "put it in quotes"]),
    "NaN in extra": (target("extra: {seed: .nan}"), ["roles.target.extra.seed = NaN: is not fini"]),
    "no web address": (target("hosted_model_uri: localhost:8000"), ["start it with http:// or ht"]),
    "half a web address": (spec_text(endpoints="{mine: {base_url: 'http://'}}"), ["endpoints.min"]),
    "a bad pattern": (spec_text(grader="{kind: regex, pattern: '('}"), ["grader.pattern: is no r"]),
    "no pattern": (spec_text(grader="{kind: regex}"), ["grader.pattern: is missing; add it"]),
    "a bad search id": (
        spec_text(optimizer="{strategy: rescore, search: last}"),
        ['optimizer.search = "last": does not have the right form'],
    ),
}  # fmt: skip

SECRETS = {
    "in an endpoint": spec_text(endpoints="{mine: {base_url: 'https://me:hunter2@host/v1'}}"),
    "in a model's address": target("hosted_model_uri: 'https://hunter2@host/v1'"),
    "in the dataset's address": spec_text(dataset="{path: 's3://me:hunter2@bucket/rows.csv'}"),
    "in place of its variable's name": spec_text(
        endpoints="{mine: {base_url: 'http://host', api_key_env: sk-hunter2}}"
    ),
    "in its place, as a name could be": spec_text(
        endpoints="{mine: {base_url: 'http://host', api_key_env: gsk_hunter2}}"
    ),
    "in its place, in capitals": spec_text(
        endpoints="{mine: {base_url: 'http://host', api_key_env: AKIAhunter2}}".replace(
            "hunter2", "IOSFODNN7EXAMPLE"
        )
    ),
    "in its place, in a list": spec_text(
        endpoints="{mine: {base_url: 'http://host', api_key_env: [sk-hunter2]}}"
    ),
    "in place of a server": spec_text(endpoints="{mine: sk-hunter2}"),
    "in place of all servers": spec_text(endpoints="sk-hunter2"),
    "as an address": target("hosted_model_uri: [sk-hunter2]"),
    "as a field": target("api_key: sk-hunter2"),
    "among a request's fields": target("extra: {Extra_Headers: {Authorization: hunter2}}"),
    "as a request's field": target("extra: {openai_api_key: hunter2}"),
}


@pytest.mark.parametrize("case", FILES)
def test_error_in_file_is_one_line_with_place_and_mend(case: str, tmp_path: Path) -> None:
    content, expected = FILES[case]
    path = tmp_path / "experiment.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    check(refused(path), (f"{path}: ",), expected)


@pytest.mark.parametrize("case", SECRETS)
def test_credentials_in_file_are_refused_and_not_repeated(case: str, tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(SECRETS[case], encoding="utf-8")
    lines = refused(path)
    check(lines, (f"{path}: ",), [])
    assert not [line for line in lines if "hunter2" in line or "IOSFODNN7EXAMPLE" in line]


def test_missing_file_and_folder_are_told_apart(tmp_path: Path) -> None:
    check(refused(tmp_path / "no.yaml"), (str(tmp_path),), ["no.yaml: there is no such file; see"])
    check(refused(tmp_path), (str(tmp_path),), ["is a folder; name the YAML file in it"])


def test_every_error_of_a_file_is_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(
        spec_text(
            dataset="{path: 3, colour: red}",
            roles="{target: {prompt: x, temperature: 9, choices: [yes, no]}}",
            optimizer="{strategy: opro, iterations: 0}",
            budget="{calls: none}",
        ),
        encoding="utf-8",
    )
    lines = refused(path, ["concurrency=0", "unmeasured=2"])
    check(lines, (f"{path}: ", "--set "), [])
    assert len(lines) == 9


def test_errors_between_sections_are_reported_at_once(tmp_path: Path) -> None:
    path = tmp_path / "experiment.yaml"
    path.write_text(
        spec_text(
            roles="{target: {prompt: '', endpoint: a, max_tokens: null}}",
            grader="{kind: model}",
            budget="{tokens: 9}",
        ),
        encoding="utf-8",
    )
    lines = refused(path)
    check(lines, (f"{path}: ",), ["target.prompt", "roles.review", "roles.optimizer", "max_tokens"])
    assert len(lines) == 5
