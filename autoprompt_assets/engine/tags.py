"""Tags around what is shown to a model: no text that stands between two can close them.

A tag that stands in the text in any spelling a model may take for it (another case, spaces in it,
full-width brackets) gets a number that does not. Pure, and linear in what is shown.
"""

from __future__ import annotations

import re
from functools import lru_cache

from autoprompt_assets.engine.template import fields, fill
from autoprompt_assets.engine.text import visible

WIDEST = 7
"""Characters that a number adds to a tag, at most: a hyphen, and as many digits as a text of eight
million characters can make necessary."""

_TEMPLATE_TAG = re.compile(r"<(/?)([A-Za-z][\w.-]{0,99})(\s[^<>]*)?>")


def tagged(tag: str, text: str) -> str:
    """`text` on lines of its own between `<tag>` and `</tag>`, or a numbered one."""
    name = _free(tag, text)
    return f"<{name}>\n{text}\n</{name}>"


def fill_apart(template: str, /, **values: str) -> str:
    """`template.fill`, where no value can close a tag of the template.

    A tag that a value holds gets a number, wherever it stands in `template`.
    """
    held = "\n".join(value for name, value in values.items() if fields(template, (name,)))
    if "<" not in visible(held):
        return fill(template, **values)
    names = {match[2]: "" for match in _TEMPLATE_TAG.finditer(template) if match[1]}
    names = {name: _free(name, held) for name in names}
    renamed = _TEMPLATE_TAG.sub(
        lambda tag: f"<{tag[1]}{names.get(tag[2], tag[2])}{tag[3] or ''}>", template
    )
    return fill(renamed, **values)


def room_for_numbers(shown: str) -> int:
    """Bytes that the tags in `shown` take more at most, whatever stands between them."""
    return WIDEST * shown.count("<")


def _free(tag: str, text: str) -> str:
    taken = {match[1] for match in _like(tag).finditer(visible(text))}
    if None not in taken:
        return tag
    number = 2
    while str(number) in taken:
        number += 1
    return f"{tag}-{number}"


@lru_cache(maxsize=256)
def _like(tag: str) -> re.Pattern[str]:
    """The tag and its numbered ones, opening or closing."""
    return re.compile(
        rf"<\s*+/?\s*+{re.escape(tag)}(?:-([1-9][0-9]{{0,5}}))?(?![\w-])", re.IGNORECASE
    )
