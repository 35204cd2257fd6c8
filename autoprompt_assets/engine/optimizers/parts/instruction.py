"""Reads the prompt out of an optimizer model's answer: the whole of it, or none.

A prompt is written inside `[[` and `]]` and may itself hold brackets: `[[label]]`, `[0, 1)`, code.
So brackets are paired, and

* where all of them pair, the last `[[...]]` that is in no other is the prompt, one that has its
  lines to itself before one that is spoken of in a sentence;
* where they do not, it reaches from the first `[[` that begins a line to a `]]` that ends the
  answer, if every `[[` and `]]` between has its partner;
* where there is no `[[`, it is what stands between the one pair of tags, `<prompt>` or its like.

Brackets in code do not count, unless they wrap all of it; nor do `\\[`, those of half-open
intervals, and those that are spoken of ("[[", `[[...]]`, [[ and ]]). Fences, tags and brackets
around all of a prompt are taken off. Each step is linear in the answer's length.
"""

from __future__ import annotations

import re

from autoprompt_assets.engine.optimizers.parts.wrappers import tagged, unfenced, untagged

WRAPS = 8
"""Fences, tags and brackets around one another that are taken off, at most."""

_BRACKET = re.compile(r"[\[\]]")
_RUN = re.compile(r"\[+|\]+")
_FIRST = re.compile(r"^[ \t]*\[\[", re.MULTILINE)
_TICKS = re.compile(r"`+")
_OPENING = re.compile(r"(?:\[\[)?[ \t]*+(`{3,}+|~{3,}+)[^`]*+")
_CLOSING = re.compile(r"(`{3,}+|~{3,}+)(?:[ \t]*+\]\])?")
_EDGE = re.compile(r"\s*+(?:[`~]{3,}+[\w+-]*+)?\s*+")
_EDGE_WORDS = re.compile(r"\w")
_TERM = r"[ \t]{0,4}[^\s,;\[\]()]{1,20}[ \t]{0,4}"
_FIGURE = r"[-+−]?(?:\d[\d.]{0,9}|∞|\\infty)"
_NO_BRACKETS = re.compile(
    r"\\[\[\]]"
    rf"|(?<!\[)\[{_TERM}[,;]{_TERM}\)|\({_TERM}[,;]{_TERM}\]"
    rf"|\]{_FIGURE}[,;] ?{_FIGURE}[\[\]]|(?<!\[)\[{_FIGURE}[,;] ?{_FIGURE}\["
    r"|[\"'“‘](?:\[\[|\]\])[\"'”’]"
    r"|\[\[ ?(?:and|\.\.\.|…) ?\]\]"
)
_BLANK = str.maketrans("[]", "__")

Span = tuple[int, int]


def read_instruction(answer: str) -> str | None:
    """The prompt that `answer` holds; `None` where there is none, or none that is surely whole."""
    answer = _within_fence(answer)
    quiet = _quiet(answer)
    inside = tagged(answer)
    if "[[" in quiet:
        found = _in_brackets(quiet)
        if found and any(_is_part(answer, found, span) for span in inside):
            return None
    else:
        held = [span for span in inside if answer[slice(*span)].strip()]
        found = held[0] if len(held) == 1 else None
    return _bare(answer[slice(*found)]) if found else None


def _within_fence(answer: str) -> str:
    """What a fence around all of the answer holds, where that is a prompt in brackets."""
    inner = unfenced(answer.strip())
    return inner if inner is not None and _is_wrapped(inner) else answer


def _bare(text: str) -> str:
    """`text` without what is wrapped around all of it."""
    for _ in range(WRAPS):
        text = text.strip()
        inner = unfenced(text)
        inner = untagged(text) if inner is None else inner
        inner = _unbracketed(text) if inner is None else inner
        if inner is None:
            break
        text = inner
    return text.strip()


def _unbracketed(text: str) -> str | None:
    closings = _closings(_quiet(text)) if text.startswith("[[") else None
    ends = (closings.get(0), closings.get(1)) if closings else None
    return text[2:-2] if ends == (len(text) - 1, len(text) - 2) else None


def _in_brackets(quiet: str) -> Span | None:
    closings = _closings(quiet)
    if closings is None:
        return _by_position(quiet)
    found, alone, after = None, None, 0
    for start in sorted(closings):
        if start < after or start + 1 not in closings:
            continue
        after = closings[start]
        if closings[start + 1] == after - 1:
            found = (start + 2, after - 1)
            alone = found if _stands_alone(quiet, start, after) else alone
    return alone or found


def _stands_alone(quiet: str, start: int, end: int) -> bool:
    """Whether the brackets from `start` to `end` have their lines to themselves."""
    line, after = quiet.rfind("\n", 0, start) + 1, quiet.find("\n", end)
    rest = quiet[end + 1 : after if after >= 0 else len(quiet)]
    return not (_EDGE_WORDS.search(quiet[line:start]) or _EDGE_WORDS.search(rest))


def _closings(text: str) -> dict[int, int] | None:
    """Where each bracket is closed; `None` unless all are, and each `[[` by a `]]`."""
    around: list[int] = []
    found: dict[int, int] = {}
    last, doubled = -1, set[int]()
    for match in _BRACKET.finditer(text):
        at = match.start()
        if match[0] == "[":
            around.append(at)
        elif not around:
            return None
        else:
            found[around.pop()] = at
            if text[last] == "]" and not text[last + 1 : at].strip():
                doubled.add(at)
        last = at
    for start, end in found.items():
        is_second = found.get(start - 1) == end + 1
        if start + 1 in found and end not in doubled and not is_second:
            return None
    return None if around else found


def _by_position(quiet: str) -> Span | None:
    first, end = _FIRST.search(quiet), len(quiet.rstrip()) - 2
    if first is None or end < first.end() or not quiet.startswith("]]", end):
        return None
    depth = 0
    for run in _RUN.finditer(quiet, first.end(), end):
        depth += len(run[0]) // 2 * (1 if run[0][0] == "[" else -1)
        if depth < 0:
            return None
    return None if depth or _ends_within(quiet[first.end() : end]) else (first.end(), end)


def _ends_within(inside: str) -> bool:
    """Whether the closing brackets may be another's: `[[Say one of [spam, ham]]`, `[[Do it]]]`."""
    last = inside[inside.rfind("[") + 1 :]
    opened = "[" in inside and "]" not in last
    return inside.endswith("]") or (opened and last[:1].isalnum() and last[-1:].isalnum())


def _is_part(answer: str, found: Span, around: Span) -> bool:
    """Whether tags hold more than the brackets in them: then those are the prompt's own."""
    if not around[0] <= found[0] <= found[1] <= around[1]:
        return False
    before, after = answer[around[0] : found[0] - 2], answer[found[1] + 2 : around[1]]
    return not (_EDGE.fullmatch(before) and _EDGE.fullmatch(after))


def _quiet(text: str) -> str:
    """`text`, at equal length, without the brackets that are no sign of where a prompt is."""
    lines = text.split("\n")
    start, mark = 0, ""
    for number, line in enumerate(lines):
        if not mark:
            opening = _OPENING.fullmatch(line.strip())
            start, mark = (number + 1, opening[1]) if opening else (start, "")
            lines[number] = line if opening else _without_spans(line)
            continue
        closing = _CLOSING.fullmatch(line.strip())
        if closing and closing[1].startswith(mark):
            inside = lines[start:number]
            if not _is_wrapped("\n".join(inside)):
                lines[start:number] = [one.translate(_BLANK) for one in inside]
            mark = ""
    if mark:
        lines[start:] = map(_without_spans, lines[start:])
    return _NO_BRACKETS.sub(lambda match: match[0].translate(_BLANK), "\n".join(lines))


def _without_spans(line: str) -> str:
    """`line` without the brackets in its code spans; one that fills the line may wrap a prompt."""
    parts: list[str] = []
    at, opening, whole = 0, None, line.strip()
    for run in _TICKS.finditer(line):
        if opening is None:
            opening = run
        elif len(run[0]) == len(opening[0]):
            inside = line[opening.end() : run.start()]
            alone = run.end() - opening.start() == len(whole)
            blank = inside if alone and _is_wrapped(inside) else inside.translate(_BLANK)
            parts += [line[at : opening.end()], blank]
            at, opening = run.start(), None
    return "".join((*parts, line[at:]))


def _is_wrapped(code: str) -> bool:
    code = code.strip()
    return code.startswith("[[") and code.endswith("]]")
