"""A property that is worked out once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

Value = TypeVar("Value")


class lazy(Generic[Value]):  # noqa: N801 - it stands where `property` does
    """`functools.cached_property` without its lock, which Python 3.11 takes at each first access.

    For what every row of an evaluation comes by: two threads may both work a value out, as from
    Python 3.12 on.
    """

    def __init__(self, compute: Callable[[Any], Value]) -> None:
        self._compute, self.__doc__ = compute, compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Value:
        # The value that is kept in the instance goes before this from then on.
        value = instance.__dict__[self._name] = self._compute(instance)
        return value
