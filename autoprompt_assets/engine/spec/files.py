"""Files beside an experiment that it names in place of what they hold: read here, so that their
content is part of the experiment.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from autoprompt_assets.engine.errors import shown
from autoprompt_assets.engine.llm import tools_of


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise ValueError("is no UTF-8 text; save it so") from None
    except ValueError as error:
        raise ValueError(f"is no JSON ({error}); mend it") from None


def _tools(path: Path) -> Any:
    return tools_of(path) if path.suffix == ".py" else _json(path)


_READ: Mapping[str, Callable[[Path], Any]] = {"response_format": _json, "tools": _tools}


def read_files(data: dict[str, Any], folder: Path) -> Iterator[str]:
    """Put the content of files in the place of their names; a line for each that cannot be."""
    roles = data.get("roles")
    target: Any = roles.get("target") if isinstance(roles, dict) else None
    for field, read in _READ.items() if isinstance(target, dict) else ():
        name = target.get(field)
        if not isinstance(name, str):
            continue
        place = f"roles.target.{field} = {shown(name)}"
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            yield f"{place}: is outside of the experiment's folder; put it there"
            continue
        try:
            target[field] = read(path)
        except OSError as error:
            why = "is not there" if isinstance(error, FileNotFoundError) else "cannot be read"
            yield f"{place}: {why}; name a file beside the experiment's"
        except ValueError as error:
            yield f"{place}: {error}"
