"""A cell is the text that a person sees in it: values of JSON and Parquet as that text."""

from __future__ import annotations

import json
import struct

from autoprompt_assets.engine.json_text import MOST_LEVELS, is_shallow


class Spelled(str):
    """A number as it is spelled: "1.50", "1e3", or as many digits as it takes."""

    __slots__ = ()


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
        return str(value)
    if not is_shallow(value):
        raise ValueError(f"is nested more than {MOST_LEVELS} levels deep")
    return _json(value)


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
