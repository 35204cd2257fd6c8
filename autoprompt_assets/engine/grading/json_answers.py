"""The grader `json`: an answer's JSON, or one field of it, against the target."""

from __future__ import annotations

import re
from typing import Any

from autoprompt_assets.engine.grading.grade import Grade, right_or_wrong, unparsable
from autoprompt_assets.engine.json_text import json_values, parse_json
from autoprompt_assets.engine.text import fold, visible

_INDEX = re.compile(r"\[(\d+)\]")


def grade_json(field: str | None, target: str, answer: str) -> Grade:
    """Compare by value. Of several JSON values in an answer, the first of the wanted form counts.

    `field` is a key, which may hold dots, or a path of keys and list indices: "a.b", "a.0.b".
    """
    try:
        wanted: Any = parse_json(target)
        is_json = True
    except ValueError:
        wanted, is_json = target, False
    found = list(json_values(answer))
    if not found:
        return unparsable("the answer is not JSON")
    if field is None:
        of_form = [value for value in found if is_json and type(value) is type(wanted)]
        return right_or_wrong(_is_target((of_form or found)[0], wanted, target))
    held = [values[0] for value in found if (values := at_path(value, field))]
    if not held:
        return unparsable(f"the answer's JSON lacks {field!r}")
    return right_or_wrong(_is_target(held[0], wanted, target))


def at_path(value: Any, path: str) -> list[Any]:
    """What stands at `path` in `value`, as a list of one; an empty list where nothing does."""
    if isinstance(value, dict) and path in value:
        return [value[path]]
    path = _INDEX.sub(r".\1", path).lstrip(".")
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        if not head.isdecimal() or int(head) >= len(value):
            return []
        return at_path(value[int(head)], rest) if rest else [value[int(head)]]
    if isinstance(value, dict):
        # The longest key first: a key may hold dots.
        for at in range(len(path), 0, -1):
            if path[:at] in value and path[at : at + 1] in ("", "."):
                return at_path(value[path[:at]], path[at + 1 :]) if path[at:] else [value[path]]
    return []


def _is_target(given: Any, wanted: Any, target: str) -> bool:
    if isinstance(given, str) and fold(given, False) == fold(target, False):
        return True
    # Tables that Python wrote say True where JSON says true.
    if isinstance(given, bool) and target.strip().casefold() == str(given).casefold():
        return True
    return _same(given, wanted)


def _same(given: Any, wanted: Any) -> bool:
    """Equal as JSON: 7 is 7.0, but true is not 1."""
    if isinstance(given, dict) and isinstance(wanted, dict):
        return given.keys() == wanted.keys() and all(_same(given[k], wanted[k]) for k in given)
    if isinstance(given, list) and isinstance(wanted, list):
        return len(given) == len(wanted) and all(map(_same, given, wanted))
    if isinstance(given, str) and isinstance(wanted, str):
        return visible(given) == visible(wanted)
    return bool(given == wanted) and isinstance(given, bool) == isinstance(wanted, bool)
