"""One value of a Parquet column as the plain value that `cells.cell_text` spells."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from autoprompt_assets.engine.dataset.table.cells import cell_text, float_text
from autoprompt_assets.engine.inputs import Spelled

Labels = tuple[str, ...]
"""The names of class labels 0, 1, …; none where a column holds no labels."""

_MOMENT = re.compile(r"(.*?)(\.[0-9]+)?(Z|[+-][0-9]{4})?")
_MIDNIGHT = " 00:00:00"
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def plain(scalar: Any, labels: Labels = ()) -> object:
    """`scalar`, a pyarrow Scalar, in None, str, bool, Spelled, list and dict.

    Dates and times are ISO text with a space between day and time, durations "2 days 01:30:00",
    bytes are UTF-8, a map is an object, floats are the shortest that read the same, and NaN is
    nothing.

    Raises:
        ValueError: no text can stand for it: bytes, a label without name, a day beyond year 9999.
    """
    import pyarrow as pa

    kind, types = scalar.type, pa.types
    if not scalar.is_valid:
        made: object = None
    elif types.is_dictionary(kind) or isinstance(scalar, pa.ExtensionScalar):
        made = plain(scalar.value, labels)
    elif types.is_map(kind):
        made = {cell_text(plain(key)): plain(item) for key, item in _pairs(scalar)}
    elif isinstance(scalar, pa.ListScalar):
        made = [plain(item, labels) for item in scalar.values]
    elif types.is_struct(kind):
        made = {name: plain(item) for name, item in scalar.items()}
    elif types.is_temporal(kind):
        made = _temporal(scalar)
    else:
        made = _simple(scalar.as_py(), kind, labels)
    return made


def _pairs(scalar: Any) -> list[tuple[Any, Any]]:
    entries = scalar.values
    return list(zip(entries.field(0), entries.field(1), strict=True))


def _simple(value: Any, kind: Any, labels: Labels) -> object:
    """The value of a type that holds no others."""
    import pyarrow as pa

    types = pa.types
    if types.is_boolean(kind) or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if types.is_integer(kind):
        return _label(value, labels) if labels else Spelled(value)
    if types.is_floating(kind):
        is_number = value - value == 0
        return Spelled(float_text(value, kind.bit_width)) if is_number else None
    if types.is_decimal(kind):
        return Spelled(format(value, "f"))
    return str(value)


def _label(number: int, labels: Labels) -> str | None:
    # The datasets library writes -1 where a row has no label.
    if number == -1:
        return None
    if not 0 <= number < len(labels):
        raise ValueError(f"the label {number} has no name among the {len(labels)} of the metadata")
    return labels[number]


def _temporal(scalar: Any) -> str:
    import pyarrow as pa

    if pa.types.is_duration(scalar.type):
        return _duration(scalar.cast(pa.int64()).as_py(), _PER_SECOND[scalar.type.unit])
    text = scalar.cast(pa.string()).as_py()
    if "out of range" in text:
        raise ValueError("holds a day beyond year 9999")
    found = _MOMENT.fullmatch(text)
    assert found
    moment, fraction, zone = found.groups(default="")
    if zone:
        zone = "+00:00" if zone == "Z" else f"{zone[:3]}:{zone[3:]}"
    return f"{moment}{fraction.rstrip('0').rstrip('.')}{zone}"


def _duration(count: int, per_second: int) -> str:
    sign, count = ("-", -count) if count < 0 else ("", count)
    seconds, rest = divmod(count, per_second)
    days, seconds = divmod(seconds, 86400)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    fraction = f"{rest / per_second:.9f}"[1:].rstrip("0").rstrip(".")
    whole = "" if not days else "1 day " if days == 1 else f"{days} days "
    return f"{sign}{whole}{clock}{fraction}"


def shown_day(texts: Sequence[str]) -> list[str]:
    """Moments as they are, or as days where every one of them is a midnight."""
    if all(text.endswith(_MIDNIGHT) for text in texts if text):
        return [text.removesuffix(_MIDNIGHT) for text in texts]
    return list(texts)
