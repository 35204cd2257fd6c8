"""Files of an experiment's folder that decide which answer is right, and what they hold."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from autoprompt_assets.engine.errors import InputError, shown

MOST_FILES = 1000
"""Of Python in an experiment's folder: more are another project's."""


@dataclass(frozen=True)
class OwnFiles:
    """Files of `folder` with the hash that each had when this was made."""

    folder: Path
    hashes: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, folder: Path, named: Iterable[str], place: str) -> OwnFiles:
        """All Python files of `folder`, and those `named` in the field `place` beside them.

        Raises:
            InputError: one of them cannot be read, or there are too many.
        """
        folder = folder.resolve()
        names = [*_python_files(folder)]
        if len(names) > MOST_FILES:
            raise InputError(
                f"{place}: {folder} holds more than {MOST_FILES} Python files; give the experiment "
                "a folder of its own"
            )
        return cls(folder, {name: _hash(folder, name, place) for name in sorted({*names, *named})})

    def refuse_changed(self) -> None:
        """Refuse to go on with other files than those that the search began with.

        Raises:
            InputError: one has changed, is gone, or is new.
        """
        now = OwnFiles.of(self.folder, self.hashes, "grader").hashes
        changed = [
            name for name in {**self.hashes, **now} if self.hashes.get(name) != now.get(name)
        ]
        if changed:
            raise InputError(
                f"{self.folder / changed[0]} was changed while the search ran; run again, then "
                "all answers are graded anew, and none is paid again"
            )


def _python_files(folder: Path) -> Iterator[str]:
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") or part == "__pycache__" for part in parts):
            yield "/".join(parts)


def _hash(folder: Path, name: str, place: str) -> str:
    try:
        return hashlib.sha256((folder / name).read_bytes()).hexdigest()
    except OSError as error:
        said = error.strerror or type(error).__name__
        raise InputError(
            f"{place} = {shown(name)}: cannot be read in {folder} ({said}); write the name of a "
            "file there"
        ) from None
