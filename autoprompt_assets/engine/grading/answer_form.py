"""What the first prompt says about the answer's form, and how one sees that another still does.

| mark | counts where | kept where |
| --- | --- | --- |
| `<answer>` | in ANSWER_TAGS and around no section, or in the pattern | it, or "answer tags" |
| `\\boxed` | it stands there | the word `boxed` |
| `####` | it stands there and heads no section, or the pattern holds it | `####` |
| code fence | ``` in a line, or below one on the answer that ends in a colon | it, or its words |
| JSON | the grader is `json`, and the first prompt says so | the word, or an object that opens |
| field | the grader is `json`, and its `field` is named | the field's name |
| lead | the grader is `regex`; its pattern begins with a literal text | that text |
| answers | the grader is `exact` or `contains`; all the rows' answers are named | each, as a word |

Each is wanted of a candidate only where it is found in the first prompt. The first four are here,
for any grader; what one kind adds or does without, its `marks` say. `pattern` is the grader
`regex`'s. Answers are 2 to 20, of two letters or more. The grader `json` does without a fence.
There is no rule for the grader `choice`: the options stand in the rows, and it reads a letter
however it is wrapped. Under `choices` no mark counts at all: the response format holds the model
to them, whatever is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

ANSWER_TAGS = frozenset(
    [
        "answer",
        "ans",
        "final",
        "final_answer",
        "final-answer",
        "finalanswer",
        "result",
        "output",
        "response",
        "label",
        "solution",
        "prediction",
        "classification",
        "category",
        "verdict",
    ]
)
SECTION = 80
"""Characters from which on a pair of tags wraps a section of the prompt."""
MOST_ANSWERS = 20

_TAG = re.compile(r"<(\w[\w-]*)>", re.IGNORECASE)
_PATTERN_TAG = re.compile(r"(?<![?P])<(\w[\w-]*)>")
_HASHES = re.compile(r"(?<!#)####(?!#)")
_HEADING = re.compile(r"^[ \t]*####[ \t]+[^\W\d_]", re.MULTILINE)
_INLINE_FENCE = re.compile(r"^[ \t]*[^\s`][^\n]*```", re.MULTILINE)
_ANSWER_FENCE = re.compile(
    r"^[^\n]*\b(?:answer|output|respond|response|reply|return|format|final)\b[^\n]*:\s*\n[ \t]*```",
    re.MULTILINE | re.IGNORECASE,
)
_FENCE_WORDS = r"```|\bcode[ -]?(?:block|fence)|\bfenced\b|\bbackticks?\b"


@dataclass(frozen=True)
class AnswerMark:
    """One thing that the answer is read by. `kept` is found in a prompt that still asks for it."""

    name: str
    kept: re.Pattern[str]


def common_marks(first: str, pattern: str = "", *, fence: bool = True) -> Iterator[AnswerMark]:
    """The marks of any grader that `first` holds, of a fence only where `fence` says so.

    `pattern` is the regular expression that answers are read by, where there is one.
    """
    yield from _tags(first, pattern)
    if re.search(r"\\boxed\b", first):
        yield mark(r"\boxed{…}", r"\bboxed\b")
    if _HASHES.search(_HEADING.sub("", first)) or ("####" in first and "####" in pattern):
        yield mark("####", "####")
    if fence and (("```" in pattern and "```" in first) or _asks_for_fence(first)):
        yield mark("a code fence (```)", _FENCE_WORDS)


def answer_marks(first: str, targets: Sequence[str]) -> Iterator[AnswerMark]:
    """The answers of all rows, where they are few and `first` names each."""
    answers = sorted({target.strip() for target in targets})
    few = 2 <= len(answers) <= min(MOST_ANSWERS, len(targets) / 2)
    if not few or any(sum(map(str.isalpha, answer)) < 2 for answer in answers):
        return
    found = [mark(f"the answer {answer!r}", as_word(answer)) for answer in answers]
    if all(mark.kept.search(first) for mark in found):
        yield from found


def mark(name: str, kept: str, flags: re.RegexFlag = re.IGNORECASE) -> AnswerMark:
    """A mark that the regular expression `kept` finds."""
    return AnswerMark(name, re.compile(kept, flags))


def as_word(text: str) -> str:
    """A regular expression of `text` that is not part of a longer word."""
    return rf"(?<!\w){re.escape(text)}(?!\w)"


def _tags(first: str, pattern: str) -> Iterator[AnswerMark]:
    wanted = {name.casefold() for name in _PATTERN_TAG.findall(pattern)}
    folded = first.casefold()
    for tag in _TAG.finditer(first):
        name = tag[1].casefold()
        end = folded.find(f"</{name}>", tag.end())
        section = end - tag.end() > SECTION
        if name in wanted or (name in ANSWER_TAGS and not section):
            name = re.escape(name)
            yield mark(tag[0], rf"</?\s*{name}\s*/?>|\b{name}\W{{0,3}}\s*tags?\b")


def _asks_for_fence(first: str) -> bool:
    if "```" not in first:
        return False
    return bool(_INLINE_FENCE.search(first) or _ANSWER_FENCE.search(first))
