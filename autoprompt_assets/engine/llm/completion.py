"""One answer of a model, kept as it came and parsed when it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autoprompt_assets.engine.lazy import lazy
from autoprompt_assets.engine.llm.reasoning import split_reasoning
from autoprompt_assets.engine.llm.usage import cache_tokens
from autoprompt_assets.engine.tools import Call, calls_text

CUT_OFF = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "token_limit"})
TOOL_CALLS = frozenset({"tool_calls", "tool_call", "tool_use", "function_call"})
FILTERED = frozenset(
    (
        *("content_filter", "content_filtered", "safety", "image_safety", "recitation"),
        *("blocklist", "prohibited_content", "spii", "guardrail_intervened", "sensitive"),
        *("refusal", "refused", "moderation"),
    )
)
_REASONING_PARTS = ("thinking", "reasoning", "thought", "redacted_thinking")
"""How the types of parts begin that are no answer."""
_CALL_PARTS = frozenset({"tool_use", "tool_call", "function_call"})
_UNREADABLE = re.compile("[\0\ud800-\udfff]")
"""NULs and half characters: valid in JSON, and refused by databases and files."""


@dataclass(frozen=True)
class Completion:
    """One answer of one model to one request.

    `message` and `usage` are JSON as the server sent them (`usage` is `None` where it sent none),
    and so is `finish_reason`; what they mean is read from them anew each time. `usd` is what was
    paid for it, cached tokens at their own price, `None` where the price is not known. That and
    `latency_s` (seconds, of the attempt that answered) and `attempts` tell how it was had, and are
    no part of a result: whatever decides reckons with `Asked.price`.
    """

    message: str
    finish_reason: str
    usage: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    usd: float | None = None
    latency_s: float = 0.0
    attempts: int = 1

    @property
    def text(self) -> str | None:
        """What the model said, without its reasoning; `None` where it said nothing."""
        return self._read.text

    @property
    def calls(self) -> Sequence[Call]:
        """The tools that it asks for, in their order."""
        return self._read.calls

    @property
    def answer(self) -> str | None:
        """What is graded: its calls as JSON where it makes some, else its text."""
        return calls_text(self.calls) if self.calls else self.text

    @property
    def reasoning(self) -> str | None:
        """What it thought before, from a field of its own or from the text."""
        return self._read.reasoning

    @property
    def refusal(self) -> str | None:
        """Why it refused, in its words."""
        return self._read.refusal

    @property
    def calls_tools(self) -> bool:
        """It asks for tools to be called."""
        return self._read.calls_tools or self._ended_by in TOOL_CALLS

    @property
    def cut_off(self) -> bool:
        """It ended because it reached a limit of tokens."""
        return self._ended_by in CUT_OFF

    @property
    def filtered(self) -> bool:
        """The provider's filter ended it."""
        return self._ended_by in FILTERED

    @property
    def cache_tokens(self) -> tuple[int, int]:
        """Prompt tokens that the provider read from its cache, and that it wrote to it."""
        if self.usage is None:
            return 0, 0
        return cache_tokens(json.loads(self.usage), self.prompt_tokens)

    @property
    def _ended_by(self) -> str:
        return self.finish_reason.lower().replace("-", "_")

    @lazy
    def _read(self) -> _Message:
        return _read_message(json.loads(self.message))


@dataclass(frozen=True)
class _Message:
    """A message's parts."""

    text: str | None
    reasoning: str | None
    refusal: str | None
    calls_tools: bool
    calls: tuple[Call, ...] = ()


def is_message(message: object) -> bool:
    """True for an object whose content can be read: a text, a list of parts, or nothing."""
    if not isinstance(message, dict):
        return False
    content = message.get("content")
    if isinstance(content, list):
        return all(isinstance(part, str | dict) for part in content)
    return content is None or isinstance(content, str)


def _read_message(message: Mapping[str, Any]) -> _Message:
    calls = bool(message.get("tool_calls") or message.get("function_call"))
    made = [*_calls(message)] if calls else []
    text, refusal = message.get("content"), message.get("refusal")
    # vLLM says `reasoning`, its older versions and others `reasoning_content`.
    apart = message.get("reasoning") or message.get("reasoning_content")
    thoughts = [apart] if isinstance(apart, str) else []
    if isinstance(text, list):
        kinds = [_kind(part) for part in text]
        calls = calls or not _CALL_PARTS.isdisjoint(kinds)
        made += [*filter(None, (_call(part) for part in text if _kind(part) in _CALL_PARTS))]
        refusal = refusal or next(filter(None, (_field(part, "refusal") for part in text)), None)
        reasoning_kinds = {kind for kind in kinds if kind.startswith(_REASONING_PARTS)}
        thoughts += _of_kinds(text, kinds, reasoning_kinds)
        spoken = set(kinds) - reasoning_kinds - _CALL_PARTS
        text = "".join(_of_kinds(text, kinds, spoken))
    if isinstance(text, str):
        text, within = split_reasoning(text)
        if within:
            thoughts.append(within)
    reasoning = "\n".join(thoughts) or None
    refusal = refusal if isinstance(refusal, str) and refusal else None
    return _Message(_readable(text), _readable(reasoning), _readable(refusal), calls, tuple(made))


def _calls(message: Mapping[str, Any]) -> Iterator[Call]:
    listed = message.get("tool_calls")
    for one in listed if isinstance(listed, list) else ():
        found = _call(_field(one, "function") or _field(one, "custom") or one)
        if found is not None:
            yield found
    older = _call(message.get("function_call"))
    if older is not None:
        yield older


def _call(part: object) -> Call | None:
    name = _field(part, "name")
    if not isinstance(name, str) or not isinstance(part, dict):
        return None
    given = part.get("arguments", part.get("input"))
    if isinstance(given, str):
        try:
            given = json.loads(given or "{}")
        except (ValueError, RecursionError):
            given = _readable(given)
    return str(_readable(name)), {} if given is None else given


def _of_kinds(parts: Sequence[object], kinds: Sequence[str], wanted: Collection[str]) -> list[str]:
    return [_text_of(part) for part, kind in zip(parts, kinds, strict=True) if kind in wanted]


def _kind(part: object) -> str:
    return str(part.get("type") or "") if isinstance(part, dict) else ""


def _field(part: object, name: str) -> object:
    return part.get(name) if isinstance(part, dict) else None


def _text_of(part: object) -> str:
    """The text of one part of a content list: in it, under its type's name, or in parts again."""
    return "".join(_texts(part, depth=3))


def _texts(part: object, depth: int) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, list) and depth:
        for one in part:
            yield from _texts(one, depth - 1)
    elif isinstance(part, dict) and depth:
        for name in dict.fromkeys(("text", "value", _kind(part))):
            yield from _texts(part.get(name), depth - 1)


def _readable(text: str | None) -> str | None:
    if text is None or (text.isascii() and "\0" not in text):
        return text
    return _UNREADABLE.sub("\ufffd", text)
