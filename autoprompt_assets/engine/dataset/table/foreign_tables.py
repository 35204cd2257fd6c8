"""Tables that other programs keep their cases in, recognised by their columns and named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

_WRITE = "write the question's text and the answer as two columns"
_NO_MESSAGES = (
    "write the answer as a column of its own, and name that of the messages before it as a history "
    "of roles.target.messages"
)
_SIGNATURES: tuple[tuple[frozenset[str], str], ...] = tuple(
    (frozenset(names.split()), said)
    for names, said in (
        ("vars assert", f"is a promptfoo test file ('vars', 'assert'); {_WRITE}"),
        ("custom_id body", f"is a file of batch requests ('custom_id', 'body'); {_WRITE}"),
        (
            "row_idx row",
            "is a reply of the Hugging Face dataset server ('row_idx', 'row'); give the Parquet "
            "file of the data set",
        ),
        ("messages", f"is a chat file as fine-tuning takes it ('messages'); {_NO_MESSAGES}"),
        ("item sample", f"is an OpenAI Evals file ('item' wraps each row); {_WRITE}"),
        ("conversations", f"is a chat file ('conversations'); {_NO_MESSAGES}"),
        (
            "instruction output",
            "is an instruction table ('instruction', 'input', 'output'); set "
            "dataset.inputs to [instruction, input] and dataset.target to output",
        ),
        ("data annotations", f"is a Label Studio export ('data', 'annotations'); {_WRITE}"),
        ("data predictions", f"is a Label Studio export ('data', 'predictions'); {_WRITE}"),
        ("fields suggestions", f"is an Argilla export ('fields', 'suggestions'); {_WRITE}"),
        ("fields responses", f"is an Argilla export ('fields', 'responses'); {_WRITE}"),
    )
)
_PARTS = {"text", "image", "image_url", "input_text", "input_image", "input_audio", "file"}
_NESTED = (
    ("item",),
    ("inputs", "expectations"),
    ("inputs", "outputs"),
    ("inputs", "reference_outputs"),
    ("inputs", "targets"),
)


def recognise(names: Sequence[str], sample: Mapping[str, object]) -> str | None:
    """What a table without the two columns is, and the mend; None when nothing is recognised.

    `sample` is its first row. The formats: promptfoo's CSV and JSON tests, OpenAI's evals,
    fine-tuning and batch files, ShareGPT, Alpaca, MLflow and LangSmith, Argilla, Label Studio.
    """
    held = {name.strip() for name in names}
    expected = sorted(name for name in held if name.startswith("__expected"))
    if expected:
        return (
            f"is a promptfoo table ({expected[0]!r}); set dataset.target to a column of bare "
            "answers, without 'equals:' or 'contains:' before them"
        )
    if "ideal" in held:
        return _ideal(sample)
    for signature, said in _SIGNATURES:
        if signature <= held:
            return said
    nested = [pair for pair in _NESTED if held.issuperset(pair)]
    for pair in nested:
        if isinstance(sample.get(pair[0]), dict):
            return f"holds objects in {' and '.join(map(repr, pair))}; {_WRITE}"
    return None


def _ideal(sample: Mapping[str, object]) -> str:
    if isinstance(sample.get("input"), list):
        return f"is an OpenAI Evals file ('input' is a list of messages, 'ideal'); {_NO_MESSAGES}"
    return "is an OpenAI Evals file ('ideal' holds the answers); set dataset.target to 'ideal'"


def is_message(value: object) -> bool:
    """Whether `value` is a chat message, or a part of one's content, as chat APIs take them."""
    if not isinstance(value, dict):
        return False
    if "role" in value:
        return bool({"content", "parts", "tool_calls"} & value.keys())
    if {"from", "value"} <= value.keys():
        return True
    kind = value.get("type")
    return isinstance(kind, str) and kind in _PARTS and kind in value
