"""A cell is the text that a person sees in it: values of JSON and Parquet as that text."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Sequence

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.inputs import JsonText, Spelled
from autoprompt_assets.engine.json_text import MOST_LEVELS, is_shallow


def _distinct(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        twice = next(key for key, count in counts.items() if count > 1)
        raise ValueError(f"the key {shown(twice)} stands twice in one object")
    return made


DECODER = json.JSONDecoder(
    parse_float=Spelled,
    parse_int=Spelled,
    # NaN and Infinity, which are no JSON, are empty cells.
    parse_constant=lambda _: None,
    object_pairs_hook=_distinct,
)
"""Numbers keep the spelling that they have in the text."""


def cell_text(value: object) -> str:
    """The text of one cell; nothing is the empty text.

    `value` is made of None, str, bool, `Spelled`, list and dict. Lists and objects become JSON
    with sorted keys, no spaces, and numbers as they are spelled.

    Raises:
        ValueError: they are nested more deeply than is read.
    """
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if not is_shallow(value):
        raise ValueError(f"is nested more than {MOST_LEVELS} levels deep; make it flatter")
    return JsonText(_json(value))


def inner_text(value: object, path: Sequence[str]) -> str:
    """The text of what stands in a cell's JSON under `path`; empty where nothing does.

    Raises:
        ValueError: it is no JSON, or `path` leads into a text or a number.
    """
    if isinstance(value, str) and value.strip() and path:
        try:
            value = DECODER.decode(value)
        except (ValueError, RecursionError):
            raise ValueError(f"is no JSON ({shown(value, 40)})") from None
    for key in path:
        if isinstance(value, dict):
            value = value.get(key)
        elif isinstance(value, list):
            at = int(key) if key.isdecimal() and key.isascii() and len(key) < 10 else len(value)
            value = value[at] if at < len(value) else None
        elif value is None or value == "":
            return ""
        else:
            raise ValueError(f"holds no object ({shown(_json(value), 40)}) to look for {key!r} in")
    return cell_text(value)


def _json(value: object) -> str:
    if isinstance(value, Spelled):
        return str(value)
    if isinstance(value, dict):
        items = sorted(value.items())
        return "{" + ",".join(f"{_quoted(key)}:{_json(item)}" for key, item in items) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_json, value)) + "]"
    return _quoted(value)


def _quoted(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def float_text(value: float, width: int) -> str:
    """The shortest usual text that gives the same float of `width` bits (16, 32 or 64) again.

    Seen as 64 bits, the 32 bits of 0.1 are 0.10000000149011612.
    """
    form, least = {16: ("e", 3), 32: ("f", 6)}.get(width, ("d", 17))
    for digits in range(least, 10):
        near = float(f"{value:.{digits}g}")
        try:
            if struct.unpack(form, struct.pack(form, near))[0] == value:
                return repr(near)
        except OverflowError:  # rounded up beyond the largest
            continue
    return repr(value)
