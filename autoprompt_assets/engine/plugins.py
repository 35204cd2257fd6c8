"""What installed packages add: classes that they register by entry point, loaded when named.

A package's `pyproject.toml` says, for example:

    [project.entry-points."autoprompt.graders"]
    near = "my_package.near:NearGrader"
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TypeVar

from autoprompt_assets.engine.errors import InputError

T = TypeVar("T")


@cache
def plugins(group: str) -> Mapping[str, EntryPoint]:
    """The entry points of a group by name, as they are installed when this is first asked."""
    return {point.name: point for point in sorted(entry_points(group=group), key=described)}


def load(group: str, name: str, base: type[T]) -> type[T]:
    """The class that the entry point `name` of `group` stands for.

    Raises:
        InputError: it cannot be loaded, is no `base`, or two packages have an entry point of that
            name; one line that names package and entry point.
    """
    point, *others = [one for one in entry_points(group=group) if one.name == name]
    if others:
        both = " and ".join(sorted(map(described, [point, *others])))
        raise InputError(f"{both} have one name in {group}; uninstall one")
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # whatever somebody else's module does
        said = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise InputError(f"{described(point)} cannot be loaded ({said}); mend it") from error
    if not (isinstance(found, type) and issubclass(found, base)) or inspect.isabstract(found):
        raise InputError(f"{described(point)} is no complete {base.__name__}; mend it")
    return found


def taken(group: str, name: str) -> InputError:
    """The error of an entry point whose name this project uses itself."""
    return InputError(
        f"{described(plugins(group)[name])} has a name in {group} that is taken by autoprompt's "
        "own; rename it, or uninstall the package"
    )


def package_of(point: EntryPoint) -> str:
    """The package that an entry point belongs to, with its version: `my-package 1.0`."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown package"


def described(point: EntryPoint) -> str:
    """An entry point and its package, as an error names them."""
    return f"the entry point {point.name} = {point.value} of {package_of(point)}"
