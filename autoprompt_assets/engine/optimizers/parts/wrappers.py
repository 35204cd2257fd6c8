"""What models put around a text that they write: code fences, and tags that name it."""

from __future__ import annotations

import re

_TAG = re.compile(
    r"<(/?)((?:(?:new|improved|better|best|final|revised|rewritten|updated|optimized|system)[_-])?"
    r"(?:prompt|instructions?))>",
    re.IGNORECASE,
)
_FENCE = re.compile(r"(`{3,}+|~{3,}+)(.*+)")
_LANGUAGE = re.compile(r"\s*+(?:[a-z][\w+-]*+|Markdown|Text|XML|JSON|YAML|HTML)?\s*+")


def tagged(text: str) -> list[tuple[int, int]]:
    """Where what each outermost pair of tags holds begins and ends; none where one stays open."""
    found: list[tuple[int, int]] = []
    name, depth, start = "", 0, 0
    for tag in _TAG.finditer(text):
        closes, own = bool(tag[1]), tag[2].casefold()
        if not depth and not closes:
            name, depth, start = own, 1, tag.end()
        elif depth and own == name:
            depth += -1 if closes else 1
            if not depth:
                found.append((start, tag.start()))
    return [] if depth else found


def untagged(text: str) -> str | None:
    """What the tags around all of `text` hold; `None` without such tags."""
    opening = _TAG.match(text)
    held = tagged(text) if opening else []
    if opening is None or not held:
        return None
    start, end = held[0]
    is_whole = start == opening.end() and end + len(opening[0]) + 1 == len(text)
    return text[start:end] if is_whole else None


def unfenced(text: str) -> str | None:
    """What the code fence around all of `text` holds; `None` without such a fence.

    Fences inside are part of it. A first line that names no language is, too.
    """
    opening = _FENCE.match(text)
    if opening is None:
        return None
    mark, rest = opening[1], text[len(opening[1]) :]
    if not rest.endswith(mark):
        return None
    head, newline, body = rest[: -len(mark)].partition("\n")
    if not _is_one(mark, head, body):
        return None
    return body if newline and _LANGUAGE.fullmatch(head) else f"{head}{newline}{body}"


def _is_one(mark: str, head: str, body: str) -> bool:
    """Whether the fence is open until its last line: fences inside close before that."""
    if mark in head:
        return False
    depth = 1
    *lines, last = body.split("\n")
    for line in lines:
        fence = _FENCE.fullmatch(line.strip())
        if fence is None or not fence[1].startswith(mark):
            continue
        depth += 1 if fence[2] else -1
        if not depth:
            return False
    return depth == 1 and mark not in last
