"""Reasoning that a server left in a model's text, told apart from the answer.

Servers with a reasoning parser put it into a field of its own; others send it as it was written:
`<think>…</think>` (DeepSeek, Qwen), `[THINK]` (Magistral), `◁think▷` (Kimi), `<|START_THINKING|>`
(Command), or the channels of gpt-oss's harmony format.
"""

from __future__ import annotations

import re

_NAME = r"(?:think|thinking|thoughts?|reasoning|seed:think)"
_OPENING = re.compile(
    rf"<(?P<tag>{_NAME})(?:\s[^<>]{{0,80}})?>|\[THINK\]|◁think▷"
    r"|<\|(?:begin_of_thought|START_THINKING)\|>",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"</\s?(?P<tag>{_NAME})\s?>|\[/THINK\]|◁/think▷|<\|(?:end_of_thought|END_THINKING)\|>",
    re.IGNORECASE,
)
_SIGNS = re.compile(r"[<◁]|\[/?THINK", re.IGNORECASE)
"""What every form of reasoning holds, but for channels without their marks."""
_BLANK = re.compile("[\\s\ufeff\u200b]*")
_PREAMBLE = re.compile('[^][(){}<>`"◁]{0,80}')
"""A word before reasoning, such as "Okay.": what holds brackets or quotes speaks of the tags."""

_FINAL = "<|channel|>final<|message|>"
_ANALYSIS = "<|channel|>analysis<|message|>"
_END = re.compile(r"<\|(?:return|end)\|>")
_BARE_ANALYSIS, _BARE_FINAL = "analysis", "assistantfinal"
"""What is left of the channels' marks where a server drops special tokens."""


def split_reasoning(text: str) -> tuple[str, str]:
    """The answer and the reasoning of `text`; either may be empty.

    What stands before the end of reasoning is reasoning, also where its beginning was a part of
    the prompt; reasoning that never ends leaves no answer. Tags further down are text: an answer
    may speak of them. Linear in the text's length.
    """
    if not _SIGNS.search(text) and not text.startswith(_BARE_ANALYSIS):
        return text, ""
    channels = _channels(text)
    if channels is not None:
        return channels
    start = _blocks(text)
    if start is None:
        return "", text.strip()
    if start == 0:
        start = _unopened(text) or _after_preamble(text)
    return (text[start:].strip(), text[:start].strip()) if start else (text, "")


def _channels(text: str) -> tuple[str, str] | None:
    head, mark, answer = text.rpartition(_FINAL)
    if mark:
        return _END.split(answer, 1)[0].strip(), head.strip()
    if _ANALYSIS in text:
        return "", text.strip()
    if text.startswith(_BARE_ANALYSIS):
        head, mark, answer = text.partition(_BARE_FINAL)
        if mark:
            return answer.strip(), head.strip()
    return None


def _blocks(text: str) -> int | None:
    """Where the blocks of reasoning at the beginning end; `None` where one does not."""
    at = 0
    while True:
        blank = _BLANK.match(text, at)
        assert blank is not None
        opening = _OPENING.match(text, blank.end())
        if opening is None:
            return at
        closing = _closing(text, opening)
        if closing is None:
            return None
        at = closing


def _closing(text: str, opening: re.Match[str]) -> int | None:
    """The end of what closes `opening`: a tag of the same name, or of another form."""
    name = (opening["tag"] or "").casefold()
    for closing in _CLOSING.finditer(text, opening.end()):
        if (closing["tag"] or "").casefold() == name:
            return closing.end()
    return None


def _unopened(text: str) -> int:
    """The end of reasoning whose opening tag was the prompt's last word, or 0."""
    closing = _CLOSING.search(text)
    if closing is None or _OPENING.search(text, 0, closing.start()):
        return 0
    return closing.end()


def _after_preamble(text: str) -> int:
    """The end of reasoning that a few words stand before, where an answer follows it, or 0."""
    preamble = _PREAMBLE.match(text)
    opening = _OPENING.match(text, preamble.end()) if preamble else None
    end = _closing(text, opening) if opening else None
    return end if end and any(map(str.isalnum, text[end:])) else 0
