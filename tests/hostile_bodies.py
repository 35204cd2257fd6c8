"""Hostile bodies of HTTP 200, by name: what is sent, and what must come of its row.

`answer`, `wrong`, `empty`, `truncated`, `refused`, `error` are the row's outcome after one request
(`answer` stands for `correct`); `again` is a reply that is asked for again, and then good. The name
of an error is one that ends the run.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tests.hostile_server import ANSWER, Raw, reply

DEEP = 100_000
BIG = "9" * 400
"""Digits of a number that is finite and no float can hold."""
NO_COUNT = (None, None)
"""The tokens are counted as bytes: the server's count cannot be one."""


class Case(NamedTuple):
    """`tokens` are the prompt's and the completion's; `None` for what bytes say."""

    sent: Raw
    want: str
    tokens: tuple[int | None, int | None] | None = None


def body(message: str = "", *, choice: str = "", usage: str = "", top: str = "") -> str:
    """A completion as text, with some of its parts, each JSON text, put in another's place."""
    message = message or f'{{"role": "assistant", "content": "{ANSWER}"}}'
    choice = choice or f'{{"index": 0, "message": {message}, "finish_reason": "stop"}}'
    usage = usage or '{"prompt_tokens": 3, "completion_tokens": 1}'
    return f'{{"choices": [{choice}], "usage": {usage}{top}}}'


def content(text: str) -> str:
    """One with this JSON as its content."""
    return body(f'{{"role": "assistant", "content": {text}}}')


def finish(reason: str) -> str:
    """One with this JSON as its reason to end."""
    return body(choice=f'{{"message": {{"content": "{ANSWER}"}}, "finish_reason": {reason}}}')


def beside(name: str, value: str) -> str:
    """One whose message has this JSON beside its content."""
    return body(f'{{"content": "{ANSWER}", "{name}": {value}}}')


def nested(depth: int) -> str:
    """Lists within one another."""
    return "[" * depth + "]" * depth


NOT_JSON: dict[str, str | bytes] = {
    "nothing": "",
    "blanks": " \r\n\t ",
    "a word": "OK",
    "half": body()[:-40],
    "two values": body() + body(),
    "a comma too many": body().replace("}]", "},]"),
    "single quotes": body().replace('"', "'"),
    "a comment": "// fine\n" + body(),
    "a page": "<!DOCTYPE html><html><title>502 Bad Gateway</title></html>",
    "a page in capitals": "<HTML><BODY>" + "x" * 50_000,
    "xml": '<?xml version="1.0"?><error>no</error>',
    "events": f"data: {body()}\n\ndata: [DONE]\n\n",
    "an event": "event: error\ndata: {}\n\n",
    "invalid utf-8": content('"\xff\xfe\xfa"').encode("latin-1"),
    "half a character in bytes": b'{"choices": "\xed\xa0"}',
    "utf-16 cut": body().encode("utf-16")[:-1],
    "nul bytes": b"\0" * 400,
    "a nul after": body().encode() + b"\0",
    "noise": bytes(range(256)) * 20,
    "terminal codes": b"\x1b[2J\x1b]0;owned\x07\xc2\x9b31m" + "\u202e".encode(),
    "lines": "no\n" * 3000,
    "an integer of 5000 digits": "9" * 5000,
    "deep": nested(DEEP),
    "deep objects": '{"a":' * DEEP,
    "unclosed": "[" * DEEP,
    "infinity": "Infinity",
}
NO_COMPLETION: dict[str, str] = {
    "null": "null",
    "true": "true",
    "zero": "0",
    "a number beyond": "1e999",
    "a text": '"yes"',
    "an empty list": "[]",
    "a list of lists": "[[[]]]",
    "a list of completions": f"[{body()}]",
    "an empty object": "{}",
    "choices missing": '{"usage": {}}',
    "choices null": '{"choices": null}',
    "choices empty": '{"choices": []}',
    "choices a text": '{"choices": "yes"}',
    "choices a number": '{"choices": 1e999}',
    "choices an object": f'{{"choices": {{"0": {body()}}}}}',
    "choices true": '{"choices": true}',
    "a choice null": body(choice="null"),
    "a choice a text": body(choice='"yes"'),
    "a choice a list": body(choice="[1]"),
    "the first choice odd": body(choice='null, {"message": {"content": "yes"}}'),
    "a message missing": body(choice='{"finish_reason": "stop"}'),
    "a message null": body(choice='{"message": null}'),
    "a message a text": body(choice='{"message": "yes"}'),
    "a message a list": body(choice='{"message": ["yes"]}'),
    "an older completion": body(choice='{"text": "yes", "finish_reason": "stop"}'),
    "a delta": body(choice='{"delta": {"content": "yes"}}'),
    "content a number": content("7"),
    "content true": content("true"),
    "content beyond": content("1e999"),
    "content an object": content('{"text": "yes"}'),
    "content odd parts": content('["yes", 7]'),
    "content null parts": content("[null]"),
    "content lists": content('[["yes"]]'),
    "content too deep": content(nested(200)),
    "deep beside": body(top=f', "x": {nested(200)}'),
    "key twice, the last odd": body(top=', "choices": null'),
    "finish an object": finish('{"type": "stop"}'),
    "finish a list": finish('["stop"]'),
    "finish a number": finish("7"),
    "finish beyond": finish("1e999"),
    "finish true": finish("true"),
    "finish unknown": finish('"because"'),
    "finish huge": finish(f'"{"x" * 50_000}"'),
    "finish half a character": finish('"\\ud800"'),
    "finish an error": finish('"error"'),
    "native finish an error": body(
        choice='{"message": {"content": "yes"}, "native_finish_reason": "ERROR"}'
    ),
    "a part an error": content('[{"type": "error", "text": "down"}]'),
    "a role of error": body('{"role": "error", "content": "down"}'),
    "status failed": body(top=', "status": "failed"'),
    "not a success": body(top=', "success": false'),
    "object error": '{"object": "error", "message": "down", "code": null}',
    "errors": '{"errors": [{"message": "down"}]}',
    "base_resp": body(top=', "base_resp": {"status_code": 1e999}'),
}
ERRORS: dict[str, str] = {
    "a text": '"down"',
    "a number": "7",
    "a number beyond": "-1e999",
    "big": BIG,
    "true inside": '{"code": true}',
    "a list": '[{"message": "down"}]',
    "lists": '[[["down"]]]',
    "code beyond": '{"message": "down", "code": 1e999}',
    "code big": f'{{"message": "down", "code": {BIG}}}',
    "code negative": '{"message": "down", "code": -1}',
    "code an object": '{"message": "down", "code": {"a": 1}}',
    "code a fraction": '{"message": "down", "code": 502.5}',
    "code of other digits": '{"message": "down", "code": "५०२"}',
    "message a number": '{"message": 1e999}',
    "message an object": '{"message": {"a": [1e999]}}',
    "message a list": '{"message": ["down", null]}',
    "message huge": f'{{"message": "{"x" * 90_000}"}}',
    "message of lines": '{"message": "a\\nb\\r\\n\\u2028c\\u0085d"}',
    "message of controls": '{"message": "\\u001b[2J\\u0000\\u009b\\u202e\\ud800"}',
    "param odd": '{"message": "down", "param": [1e999]}',
    "details deep": f'{{"message": "down", "details": {nested(80)}}}',
    "details huge": f'{{"message": "down", "metadata": {{"a": "{"x" * 90_000}"}}}}',
    "kind odd": '{"message": "down", "type": {"a": NaN}}',
    "no words": '{"a": 1e999}',
}
ANSWERS: dict[str, str | bytes] = {
    "a byte-order mark": body().encode("utf-8-sig"),
    "blanks before": "\n\n  " + body(),
    "utf-16": body().encode("utf-16"),
    "utf-32": body().encode("utf-32"),
    "two choices": body(choice='{"message": {"content": "yes"}}, {"message": {"content": "no"}}'),
    "key twice": body(top=f', "choices": [{{"message": {{"content": "{ANSWER}"}}}}]'),
    "finish null": finish("null"),
    "finish empty": finish('""'),
    "finish missing": body(choice='{"message": {"content": "yes"}}'),
    "finish in capitals": finish('"STOP"'),
    "parts": content('[{"type": "text", "text": "yes"}]'),
    "parts of parts": content('[{"type": "text", "text": {"value": "yes"}}]'),
    "texts": content('["y", "es"]'),
    "part kinds odd": content('[{"type": ["a"], "text": "yes"}, {"type": 1e999}]'),
    "empty parts beside": content('[{}, "yes"]'),
    "refusal null": beside("refusal", "null"),
    "refusal false": beside("refusal", "false"),
    "refusal a number": beside("refusal", "1e999"),
    "refusal an object": beside("refusal", '{"a": 1}'),
    "reasoning a list": beside("reasoning", '["hm"]'),
    "reasoning a number": beside("reasoning_content", BIG),
    "reasoning deep": beside("reasoning", nested(60)),
    "tool calls null": beside("tool_calls", "null"),
    "tool calls none": beside("tool_calls", "[]"),
    "no function call": beside("function_call", "{}"),
    "logprobs odd": body(
        choice='{"message": {"content": "yes"}, "logprobs": {"content": [{"logprob": -1e999}]}}'
    ),
    "id odd": body(top=', "id": {"a": [NaN]}, "object": 7'),
    "model odd": body(top=f', "model": [null], "created": {BIG}'),
    "created beyond": body(top=', "created": 1e999, "system_fingerprint": -1'),
    "index odd": body(choice='{"index": -1e999, "message": {"content": "yes", "role": 7}}'),
    "error null": body(top=', "error": null'),
    "error false": body(top=', "error": false'),
    "error empty": body(top=', "error": {"message": null, "code": null}'),
    "error zero": body(top=', "error": 0'),
    "keys odd": body(top=', "": 1, "\\ud800": 2, "\\u0000": 3'),
    "deep and ignored": body(top=f', "x": {nested(90)}'),
}
NO_ANSWERS: dict[str, tuple[str, str]] = {
    "content null": (content("null"), "empty"),
    "content empty": (content('""'), "empty"),
    "content blank": (content('" \\n\\u00a0"'), "empty"),
    "content no parts": (content("[]"), "empty"),
    "content an empty part": (content("[{}]"), "empty"),
    "message empty": (body("{}"), "empty"),
    "only thoughts": (content('[{"type": "thinking", "thinking": "yes"}]'), "empty"),
    "thoughts without end": (content('"<think>yes"'), "empty"),
    "cut off": (finish('"length"'), "truncated"),
    "cut off in other words": (finish('"MAX_TOKENS"'), "truncated"),
    "filtered": (finish('"content_filter"'), "refused"),
    "refusal": (beside("refusal", '"I will not"'), "refused"),
    "refusal of lines": (beside("refusal", '"no\\n\\u001b[2J\\u0000\\ud800"'), "refused"),
    "a nul": (content('"yes\\u0000"'), "wrong"),
    "half a character": (content('"yes \\ud83d"'), "wrong"),
    "other halves": (content('"\\udfff\\udfffyes"'), "wrong"),
    "half a character as bytes": (content('"yes \ud83d"'), "wrong"),
    "controls": (content('"yes\\u0007\\u009b\\u202e"'), "wrong"),
    "long": (content(json.dumps("yes " * 10_000)), "wrong"),
    "brackets": (content(json.dumps("[{" * 10_000)), "wrong"),
    "flagged": ('{"error": {"message": "flagged by moderation", "code": 403}}', "refused"),
    "too long": ('{"error": {"code": "context_length_exceeded", "message": ""}}', "refused"),
    "refused within": ('{"error": {"message": "no", "code": 400}}', "error"),
}
USAGES: dict[str, tuple[str, tuple[int | None, int | None]]] = {
    "null": ("null", NO_COUNT),
    "a list": ("[1, 2]", NO_COUNT),
    "a text": ('"10"', NO_COUNT),
    "a number": ("1e999", NO_COUNT),
    "empty": ("{}", NO_COUNT),
    "zeros": ('{"prompt_tokens": 0, "completion_tokens": 0}', NO_COUNT),
    "nulls": ('{"prompt_tokens": null, "completion_tokens": null}', NO_COUNT),
    "negative": ('{"prompt_tokens": -3, "completion_tokens": -1}', NO_COUNT),
    "texts": ('{"prompt_tokens": "3", "completion_tokens": "1"}', NO_COUNT),
    "booleans": ('{"prompt_tokens": true, "completion_tokens": true}', NO_COUNT),
    "fractions": ('{"prompt_tokens": 3.5, "completion_tokens": 0.5}', NO_COUNT),
    "nan": ('{"prompt_tokens": NaN, "completion_tokens": NaN}', NO_COUNT),
    "beyond": ('{"prompt_tokens": 1e999, "completion_tokens": -1e999}', NO_COUNT),
    "infinite": ('{"prompt_tokens": Infinity, "completion_tokens": -Infinity}', NO_COUNT),
    "big": (f'{{"prompt_tokens": {BIG}, "completion_tokens": {BIG}}}', NO_COUNT),
    "2^31": (f'{{"prompt_tokens": {2**31}, "completion_tokens": {2**31}}}', NO_COUNT),
    "2^63": (f'{{"prompt_tokens": {2**63}, "completion_tokens": {2**63 - 1}}}', NO_COUNT),
    "2^64-1": (f'{{"prompt_tokens": {2**64 - 1}, "completion_tokens": {2**64 - 1}}}', NO_COUNT),
    "just below": (
        f'{{"prompt_tokens": {2**31 - 1}, "completion_tokens": {2**31 - 1}}}',
        (2**31 - 1, 2**31 - 1),
    ),
    "lists": ('{"prompt_tokens": [3], "completion_tokens": {}}', NO_COUNT),
    "the prompt alone": ('{"prompt_tokens": 3}', (3, None)),
    "the completion alone": ('{"completion_tokens": 1}', (None, 1)),
    "a total alone": ('{"total_tokens": 4}', NO_COUNT),
    "a total beyond": (
        '{"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 1e999}',
        (3, 1),
    ),
    "a negative total": (
        '{"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": -9}',
        (3, 1),
    ),
    "hidden tokens": (
        '{"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 2004}',
        (3, 2001),
    ),
    "floats": ('{"prompt_tokens": 3.0, "completion_tokens": 1e0}', (3, 1)),
    "details beyond": (
        '{"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details":'
        f' {{"cached_tokens": {BIG}}}, "completion_tokens_details": 1e999}}',
        (3, 1),
    ),
    "details odd": (
        '{"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": [1],'
        ' "cached_tokens": -5, "cache_creation_input_tokens": NaN}',
        (3, 1),
    ),
}
ENDING: dict[str, tuple[str, str]] = {
    "no key": (
        '{"error": {"message": "No auth credentials found", "code": 401}}',
        "AuthenticationFailed",
    ),
    "no credit": ('{"error": {"message": "Insufficient credits", "code": 402}}', "QuotaExhausted"),
    "no model": ('{"error": {"code": "model_not_found", "message": ["no"]}}', "ModelNotFound"),
    "tool calls": (beside("tool_calls", '[{"id": "a"}]'), "ToolsCalled"),
    "tool calls odd": (beside("tool_calls", "[1e999, null]"), "ToolsCalled"),
    "a part calls tools": (content('[{"type": "tool_use", "name": 7}]'), "ToolsCalled"),
    "finish tool calls": (finish('"tool_calls"'), "ToolsCalled"),
}


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")


def cases() -> dict[str, Case]:
    """All of them."""
    found: dict[str, Case] = {}

    def add(kind: str, name: str, sent: str | bytes, want: str, *tokens: Any) -> None:
        found[f"{kind}: {name}"] = Case(reply(_bytes(sent)), want, *tokens)

    for name, sent in {**NOT_JSON}.items():
        add("not JSON", name, sent, "again")
    for name, text in NO_COMPLETION.items():
        add("no completion", name, text, "again")
    for name, text in ERRORS.items():
        add("error", name, body(top=f', "error": {text}'), "again")
    for name, sent in ANSWERS.items():
        add("answer", name, sent, "answer")
    for name, (text, want) in NO_ANSWERS.items():
        add("no answer", name, text, want)
    for name, (usage, tokens) in USAGES.items():
        add("usage", name, body(usage=usage), "answer", tokens)
    for name, (text, want) in ENDING.items():
        add("ending", name, text, want)
    return found
