"""Placeholders: names in braces that a value is put in place of. Pure, and linear in the text.

| in a text | |
| --- | --- |
| `{name}`, `{{name}}`, `{{ name }}` | filled, wherever they stand, where the name is known |
| the same, the name unknown | stray: whoever wrote it thought that it is filled |
| the same in JSON (`{"a": {b}}`) or LaTeX (`\\frac{a}{b}`, `x^{n}`, `$f{x}$`), unknown | text |
| `{name.part}`, where another path into `name` is known, and it is not | stray |
| `{ name }` | text: how braces around a name are written |
| `{}`, `{1}`, `{a, b}`, `{ x: 1 }`, `{#if}`, `{% … %}`, a lone brace | text |

Braces are JSON where they close and a quoted key with its colon stands between them. LaTeX are a
command's arguments (`\\n`, `\\t` and `\\r` are no commands: a file may spell white space so),
subscripts, and what stands in `$…$`, `$$…$$`, `\\(…\\)` and `\\[…\\]`. Where it cannot be told,
it is text.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import lru_cache

NO_NAMES: frozenset[str] = frozenset()

_TOKEN = re.compile(r"\\[A-Za-z]+\*?(?:\[[^\[\]{}\n]*\])*|[{}]|[\"'”’]\s*:")
_NO_COMMANDS = ("\\n", "\\t", "\\r")
_SCRIPT = re.compile(r"(?:[^\W_]|[)\]}'|!])[_^]")
_MATHS = re.compile(
    r"\$\$[^$]++\$\$"
    r"|(?<![\w\\$])\$(?![\s$]|\{\w+\}(?![$^_=+\\]))[^$\n]*+(?<![\s\\])\$(?![\w{$])"
    r"|\\\((?:[^\\]|\\[^()\[\]])*+\\\)"
    r"|\\\[(?:[^\\]|\\[^()\[\]])*+\\\]"
)
_FOREIGN = re.compile(
    r"\{\{[#$^&>/]?\s*[^\W\d]\w*[^\w{}\n:][^{}\n]*\}\}"
    r"|\{[^\W\d]\w*(?:\.[^\W\d]|\[|![rsa]\b)[^{}\n]*\}"
    r'|(?<=")\{\{?[^\W\d]\w*\}\}?(?=")'
)
_SIGN = re.compile(r"[\\^_=+<>]")


@dataclass
class _Group:
    """What stands from `start`, a `{`, to before `end`; 0 while it is open."""

    start: int
    parent: _Group | None
    is_latex: bool
    is_json: bool = False
    end: int = 0


def fill(template: str, /, **values: str) -> str:
    """`template` with each known name filled, in one pass: values are not filled again."""
    if not values:
        return template
    return _fields(frozenset(values)).sub(lambda match: values[match[1] or match[2]], template)


def fields(template: str, names: Collection[str]) -> list[str]:
    """Where `fill` puts a value of `names`: the placeholders as they stand, in order."""
    return [match[0] for match in _fields(frozenset(names)).finditer(template)]


def field_names(template: str, names: Collection[str]) -> list[str]:
    """The names that stand in the placeholders that `fields` gives."""
    return [match[1] or match[2] for match in _fields(frozenset(names)).finditer(template)]


def stray(template: str, names: Collection[str]) -> list[str]:
    """The placeholders of `template` that none of `names` fills, as they stand, each once."""
    heads = {name.partition(".")[0] for name in names if "." in name}
    maths = _maths(template)
    span = next(maths, None)
    found: list[str] = []
    for group in _groups(template):
        while span is not None and span[1] <= group.start:
            span = next(maths, None)
        if group.is_json or group.is_latex or (span is not None and span[0] <= group.start):
            continue
        name, text = _placeholder(template, group)
        if name not in names and (name.isidentifier() or _is_path(name, heads)):
            found.append(text)
    return list(dict.fromkeys(found))


def foreign(template: str) -> list[str]:
    """What is text and may be meant for a placeholder, each once.

    That is `{{row.text}}`, `{text!r}` and `{a[0]}`, which other languages fill, and a name alone
    in a string of JSON: `{"a": "{text}"}`.
    """
    return list(dict.fromkeys(match[0] for match in _FOREIGN.finditer(template)))


def stray_problem(template: str, names: frozenset[str], others: frozenset[str] = NO_NAMES) -> str:
    """What is wrong with a user's `template`, to follow its name; empty where nothing is.

    `names` are those of the input, `others` those of what else is filled in.
    """
    found = stray(template, names | others)
    if not found:
        return ""
    meant = ""
    if not others and not fields(template, names):
        meant = f"where the input is meant write {_braced(names, ' or ')}; "
    return (
        f"holds {', '.join(found)}, which nothing fills: there is {_braced(names | others)}; "
        f"{meant}to send the braces put spaces inside them: {literal(found[0])}"
    )


def _is_path(name: str, heads: Collection[str]) -> bool:
    """Whether `name` is a path into a column into which another name leads."""
    head, *rest = name.split(".")
    return head in heads and bool(rest) and all(part and not part.isspace() for part in rest)


def literal(placeholder: str) -> str:
    """How the name of `placeholder` is written in braces that are text."""
    return f"{{ {placeholder.strip('{} ')} }}"


def _braced(names: Collection[str], apart: str = ", ") -> str:
    return apart.join(f"{{{name}}}" for name in sorted(names))


@lru_cache(maxsize=64)
def _fields(names: frozenset[str]) -> re.Pattern[str]:
    if not names:
        return re.compile(r"(?!)(?:()())")
    either = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    return re.compile(rf"\{{(?:\{{\s*({either})\s*\}}\}}|({either})\}})")


def _placeholder(text: str, group: _Group) -> tuple[str, str]:
    """The name between the braces, and what stands there: spaces count in single braces alone."""
    name, parent = text[group.start + 1 : group.end - 1], group.parent
    if parent and (parent.start, parent.end) == (group.start - 1, group.end + 1):
        return name.strip(), text[parent.start : parent.end]
    return name, text[group.start : group.end]


def _groups(text: str) -> list[_Group]:
    """The groups that are closed, in the order in which they open."""
    found: list[_Group] = []
    around: list[_Group] = []
    argument = -1  # where a brace opens an argument of a command
    for token in _TOKEN.finditer(text):
        at, sign = token.start(), token[0][0]
        if sign == "{":
            is_script = _SCRIPT.fullmatch(text, max(0, at - 2), at) is not None
            parent = around[-1] if around else None
            around.append(_Group(at, parent, is_script or at == argument))
            found.append(around[-1])
        elif sign == "}":
            if around:
                group = around.pop()
                group.end = token.end()
                argument = group.end if group.is_latex else -1
        elif sign == "\\":
            argument = -1 if token[0] in _NO_COMMANDS else token.end()
        elif around:
            around[-1].is_json = True
    closed = [group for group in found if group.end]
    for group in closed:
        # What is around an open group is open, too, and marks nothing.
        if group.parent and group.parent.end:
            group.is_latex |= group.parent.is_latex
            group.is_json |= group.parent.is_json
    return closed


def _maths(text: str) -> Iterator[tuple[int, int]]:
    for match in _MATHS.finditer(text):
        # Two prices with words between them are no formula.
        is_prose = " " in match[0] and not _SIGN.search(match[0])
        if not is_prose or match[0].startswith("$$"):
            yield match.span()
