"""Request fields that a strategy may tune, and the values that it tries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, JsonValue

from autoprompt_assets.engine.fields import LIMITS, RESERVED_EXTRA, UNSUPPORTED_EXTRA

Values = dict[str, tuple[JsonValue, ...]]


def _is_temperature(value: JsonValue) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return value is None or (number and 0 <= float(str(value)) <= 2)


def _is_count(value: JsonValue) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


_KNOWN: dict[str, tuple[Callable[[JsonValue], bool], str]] = {
    "temperature": (_is_temperature, "from 0 to 2"),
    **dict.fromkeys(LIMITS, (_is_count, "a whole number above 0")),
}


def _tunable(parameters: Values) -> Values:
    if set(LIMITS) <= parameters.keys():
        raise ValueError(f"{' and '.join(LIMITS)} are one limit; tune one of them")
    for key, values in parameters.items():
        if key in (*RESERVED_EXTRA, *UNSUPPORTED_EXTRA) and key not in _KNOWN:
            raise ValueError(f"{key!r} cannot be tuned; take it out")
        if not values:
            raise ValueError(f"{key!r} has no values; give some, or take it out")
        usable, wanted = _KNOWN.get(key, (lambda value: True, ""))
        if not all(map(usable, values)):
            raise ValueError(f"{key!r} has a value that is not {wanted}; mend it")
    return parameters


Tunable = Annotated[Values, AfterValidator(_tunable)]
"""A setting: the values to try by the request field's name."""
