"""What `results` and `Results.rows` are given: checked, or refused in a line with the mend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

from autoprompt_assets.changes import values_at
from autoprompt_assets.engine.errors import InputError, shown
from autoprompt_assets.engine.spec import no_such_field
from autoprompt_assets.frame_rows import EVALUATIONS

_EXAMPLE = 'write e.g. settings={"optimizer.iterations": 2}'


def refuse_no_text(name: str, value: object, mend: str) -> None:
    """Raise `InputError` where the argument `name` has a value that is no text."""
    if not isinstance(value, str):
        raise InputError(f"{name} = {shown(value)}: is no text; {mend}")


def plain_settings(settings: object) -> dict[str, Any]:
    """`settings` with values as JSON has them; none for `None`.

    Raises:
        InputError: it is no mapping of fields to values that an experiment's file can hold.
    """
    if settings is None:
        return {}
    if not isinstance(settings, Mapping):
        raise InputError(f"settings = {shown(settings)}: is no mapping; {_EXAMPLE}")
    found = {}
    for field, value in settings.items():
        if not isinstance(field, str) or not field:
            raise InputError(f"settings: {shown(field)} is no field's name; {_EXAMPLE}")
        try:
            found[field] = _plain(value)
        except (TypeError, RecursionError):
            raise InputError(
                f"settings: {field} = {shown(value)}: is no text, number, list or mapping; "
                f"{_EXAMPLE}"
            ) from None
    return found


def fitting(
    specs: Mapping[str, Mapping[str, Any]], settings: Mapping[str, Any], experiment: str
) -> list[str]:
    """The searches of `specs` that have these settings, in its order.

    Raises:
        InputError: none has, or there is no such field.
    """
    for path in settings:
        if not any(values_at(spec, path) for spec in specs.values()):
            raise InputError(f"settings: {_absent(specs.values(), path, experiment)}")
    found = [
        search
        for search, spec in specs.items()
        if all(values_at(spec, path) == [value] for path, value in settings.items())
    ]
    if not found:
        raise InputError(
            f"no search of {experiment} has the settings {shown(settings)}; `results"
            f"({experiment!r}).searches` tells what each has"
        )
    return found


def known_columns(columns: object) -> list[str]:
    """`columns` of evaluations, all for `None`.

    Raises:
        InputError: it is no list, names none, an unknown one or one twice.
    """
    if columns is None:
        return list(EVALUATIONS)
    if isinstance(columns, str | bytes) or not isinstance(columns, Iterable):
        raise InputError(
            f"columns = {shown(columns)}: is no list; write e.g. columns=['input', 'outcome']"
        )
    names = list(columns)
    if not names:
        raise InputError(f"columns = {shown(columns)}: names none; leave it out for all")
    for place, name in enumerate(names):
        if not isinstance(name, str) or name not in EVALUATIONS:
            raise InputError(
                f"columns: no column {shown(name)}; there are {', '.join(EVALUATIONS)}"
            )
        if name in names[:place]:
            raise InputError(f"columns: {shown(name)} is given twice; keep one")
    return names


def _plain(value: object) -> Any:
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, Real):
        return int(value) if isinstance(value, Integral) else float(value)
    if isinstance(value, Mapping) and all(isinstance(key, str) for key in value):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    raise TypeError


def _absent(specs: Iterable[Mapping[str, Any]], path: str, experiment: str) -> str:
    """Why no spec has `path`: told where it leaves the one that it follows furthest."""
    ends = [_end(spec, path) for spec in specs]
    places = max((places for places, _ in ends), key=len)
    names = {name for one, others in ends if len(one) == len(places) for name in others}
    return no_such_field(places, names) or (
        f"{path}: is in no search of {experiment} (it changes no search's path, or is another "
        "kind's); take it out"
    )


def _end(spec: Any, path: str) -> tuple[Sequence[str], Iterable[str]]:
    """The places that `path` follows in `spec`, with the first that is not there, and the names
    that are there instead.
    """
    heads = (path[:at] for at, sign in enumerate(path) if sign == ".")
    if not isinstance(spec, Mapping):
        return [path.split(".", maxsplit=1)[0]], ()
    head = next((one for one in heads if one in spec), None)
    if head is None:
        return [path.split(".", maxsplit=1)[0]], spec
    places, names = _end(spec[head], path[len(head) + 1 :])
    return [head, *places], names
