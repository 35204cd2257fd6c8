"""Tells the tools that a Python file of the user's defines, run as a program of its own.

Its argument is the file's path; it writes one JSON object to its standard output, `{"tools": […]}`
or `{"problem": …}`. What the file prints itself goes to the standard error. The functions are
looked at and never called.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import os
import resource
import sys
from pathlib import Path
from types import FunctionType
from typing import Any

NAME = "tools_of_an_experiment"
CPU_S, MEMORY = 20, 2**32
"""Seconds of CPU time, and bytes of memory, that the file may take."""


def _tool(function: Any) -> dict[str, Any]:
    from pydantic import TypeAdapter

    for one in inspect.signature(function).parameters.values():
        if one.annotation is one.empty:
            raise TypeError(f"{function.__name__}: {one.name!r} has no type; annotate it")
        if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
            raise TypeError(
                f"{function.__name__}: {one.name!r} has no name to be given by; name it"
            )
    schema = TypeAdapter[Any](function).json_schema()
    schema.pop("title", None)
    for property_ in schema.get("properties", {}).values():
        property_.pop("title", None)
    said = inspect.getdoc(function) or ""
    return {"name": function.__name__, "description": said, "parameters": schema}


def _tools(path: Path) -> list[dict[str, Any]]:
    sys.path.insert(0, str(path.parent))
    found = importlib.util.spec_from_file_location(NAME, path)
    assert found is not None
    assert found.loader is not None
    # Types that stand in quotes are looked up in the module of this name.
    module = sys.modules[NAME] = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    own = [one for one in vars(module).values() if isinstance(one, FunctionType)]
    own = [one for one in own if one.__module__ == NAME and not one.__name__.startswith("_")]
    return [_tool(one) for one in own]


def _main() -> None:
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    try:
        answer: dict[str, Any] = {"tools": _tools(Path(sys.argv[1]))}
    except BaseException as error:
        words = str(error).strip().splitlines()
        answer = {"problem": f"{type(error).__name__}: {words[0] if words else ''}".rstrip(": ")}
    out.write(json.dumps(answer))
    out.flush()
    os._exit(0)


if __name__ == "__main__":
    _main()
