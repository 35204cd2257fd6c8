"""Named fields of JSON: what each counts, and the credit of an answer over all of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field

from autoprompt_assets.engine.errors import type_word
from autoprompt_assets.engine.fields import Frozen, Number
from autoprompt_assets.engine.grading.json_credit import (
    Differences,
    Sameness,
    credit,
    shown_json,
    text_of,
)

JsonType = Literal["string", "number", "integer", "boolean", "array", "object", "null"]

_INDEX = re.compile(r"\[(\d+)\]")
_LONGEST_NAME = 60
_MISSING: Any = object()


class FieldRule(Frozen):
    """What one field counts, and when it is right; what is left out is the grader's own."""

    weight: Number = Field(1.0, ge=0)
    type: JsonType | None = None
    """Of another type it is wrong, and of a target that is a mistake."""
    tolerance: Number | None = Field(None, ge=0)
    ignore_case: bool | None = None
    order: Literal["fixed", "any"] | None = None
    required: bool = False
    """An answer that lacks it is worth nothing, whatever else it holds."""
    optional: bool = False
    """A target may lack it; then it is right where the answer lacks it too, or has null."""

    def same(self, how: Sameness) -> Sameness:
        """When its values are the same, where the grader says `how`."""
        any_order = how.any_order if self.order is None else self.order == "any"
        return Sameness(
            how.tolerance if self.tolerance is None else self.tolerance,
            how.ignore_case if self.ignore_case is None else self.ignore_case,
            any_order,
            how.ignore_extra,
        )


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


def credit_of_fields(
    rules: Mapping[str, FieldRule],
    given: Any,
    wanted: Any,
    how: Sameness,
    differences: Differences,
) -> tuple[float, dict[str, float]]:
    """The share of the fields' weight that is right, and the credit of each.

    A key of `given` that no path begins with and that `wanted` lacks counts as one of weight 1.
    """
    shares, lacking = {}, False
    for path, rule in rules.items():
        held = (at_path(given, path) or [_MISSING])[0]
        target = (at_path(wanted, path) or [_MISSING])[0]
        shares[path] = _of_field(held, target, rule.same(how), rule.type, (path, differences))
        lacking = lacking or (rule.required and held is _MISSING)
    total = sum(rule.weight * shares[path] for path, rule in rules.items())
    weight = sum(rule.weight for rule in rules.values())
    if not how.ignore_extra:
        for key in _extra(rules, given, wanted):
            weight += 1.0
            differences.add(key, "is not wanted")
    value = 0.0 if lacking else total / weight
    return value, {metric_of(path): one for path, one in shares.items()}


def fields_problem(rules: Mapping[str, FieldRule], wanted: Any) -> str:
    """What a target lacks of the fields, "trouble; mend", or an empty text."""
    if not isinstance(wanted, dict | list):
        return "is no JSON object, and grader.fields are looked up in it; write it as JSON"
    for path, rule in rules.items():
        held = at_path(wanted, path)
        if not held and not rule.optional:
            return (
                f"lacks the field {path!r} that grader.fields names; add it, or set "
                f"grader.fields.{path}.optional"
            )
        allowed = not held or (held[0] is None and rule.optional)
        if rule.type and not allowed and not _is_of(held[0], rule.type):
            return (
                f"has {shown_json(held[0])} at {path!r}, which is not of type {rule.type}; "
                f"mend it or grader.fields.{path}.type"
            )
    return ""


def metric_of(path: str) -> str:
    """The name under which the credit of a field is reported."""
    name = text_of(" ".join(path.split()))
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _of_field(
    given: Any, wanted: Any, how: Sameness, kind: JsonType | None, told: tuple[str, Differences]
) -> float:
    path, differences = told
    if wanted is _MISSING or wanted is None:
        if given is _MISSING or given is None:
            return 1.0
        differences.add(path, f"{shown_json(given)}, want none")
        return 0.0
    if given is _MISSING:
        differences.missing(path, wanted)
        return 0.0
    if kind is not None and not _is_of(given, kind):
        differences.add(path, f"{shown_json(given)} is {type_word(given)}, want {kind}")
        return 0.0
    return credit(given, wanted, how, differences, path)


def _extra(rules: Mapping[str, FieldRule], given: Any, wanted: Any) -> list[str]:
    if not (isinstance(given, dict) and isinstance(wanted, dict)):
        return []
    paths = [_INDEX.sub(r".\1", path) + "." for path in rules]
    return [
        key
        for key in given
        if key not in wanted and not any(path.startswith(f"{key}.") for path in paths)
    ]


def _is_of(value: Any, kind: JsonType) -> bool:
    if kind in ("number", "integer"):
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        return kind == "number" or isinstance(value, int) or value.is_integer()
    types = {"string": str, "boolean": bool, "array": list, "object": dict, "null": type(None)}
    return isinstance(value, types[kind])
