"""`.env`: Dagster's own commands learn the home from it, before any code of this project runs.

They put its values above the environment, so a line that names a folder would hide an exported
AUTOPROMPT_HOME from them. The lines written here hand that one on, and name the home that stands
where none is exported.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dotenv import dotenv_values, set_key

from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.resources.whole_file import replacing

HOME = "AUTOPROMPT_HOME"
NAMES = (HOME, "DAGSTER_HOME")


def resolved(said: str) -> Path:
    """The folder that `said` names; `~` is the user's own, and links are followed."""
    return Path(os.path.realpath(os.path.expanduser(said)))


def read_env(path: Path, *, as_it_stands: bool = False) -> dict[str, str | None]:
    """What the file sets; nothing where there is no file. `as_it_stands`: with its `${…}`.

    Raises:
        InputError: it cannot be read, or is a pipe, which may have no writer to wait for.
    """
    try:
        if path.exists() and stat.S_ISFIFO(path.stat().st_mode):
            raise InputError(
                f"{path.absolute()}: is a pipe, not a file, and is not read; export its variables, "
                "and move it or start in another folder"
            )
        found = dotenv_values(path, interpolate=not as_it_stands, encoding="utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path.absolute()}: is not UTF-8; save it as UTF-8") from None
    except OSError as error:
        raise InputError(
            f"{path.absolute()}: cannot be read ({error.strerror}); make it readable, or move it"
        ) from None
    if any("\0" in text for pair in found.items() for text in pair if text):
        raise InputError(f"{path.absolute()}: holds a null character; take it out")
    return found


def remembered(path: Path) -> str:
    """The home that the file names where none is exported, or an empty text."""
    with _none_exported():
        return read_env(path).get(HOME) or ""


def remember(path: Path, home: Path) -> str:
    """Name `home` in the file; a note on what a user may not have meant, or an empty text.

    Raises:
        InputError: the file cannot be read, or cannot hold the home's path.
    """
    known, before = read_env(path, as_it_stands=True), remembered(path)
    if all(known.get(name) == _line(home) for name in NAMES):
        return ""
    if "}" in str(home):
        raise InputError(f"{HOME}: {home} holds a brace, which .env cannot; choose another folder")
    before = before or read_env(path).get("DAGSTER_HOME") or ""
    try:
        _write(path, dict.fromkeys(NAMES, _line(home)))
    except OSError as error:
        return (
            f"{path.absolute()}: cannot be written ({error.strerror}), so Dagster's own commands "
            f"do not learn the home from it; export DAGSTER_HOME={home} and {HOME}={home} for them"
        )
    if before and resolved(before) != home:
        return f"{path.absolute()}: named {before} as the home, and names {home} from now on"
    return ""


def passed_over(path: Path, home: Path) -> str:
    """A note where the file, which is not ours to write, names another home than the one in use;
    an empty text where it does not.
    """
    said = remembered(path)
    if not said or resolved(said) == home:
        return ""
    return (
        f"{path.absolute()}: names {said} as the home, which is {home} now; the file is left as it "
        f"is: to change it, write {advice(home)} there"
    )


def advice(home: Path) -> str:
    """The lines of a `.env` that name `home` to Dagster's own commands, in words."""
    return " and ".join(f"{name}='{_line(home)}'" for name in NAMES)


def _line(home: Path) -> str:
    return f"${{{HOME}:-{home}}}"


def _write(path: Path, lines: Mapping[str, str]) -> None:
    """Set the lines and keep all others. A link stays one, and rights are kept; a new file is its
    owner's alone, for keys may follow.
    """
    target = Path(os.path.realpath(path))
    with replacing(target) as file:
        file.chmod(0o600)
        if target.exists():
            file.write_bytes(target.read_bytes())
            file.chmod(stat.S_IMODE(target.stat().st_mode))
        for name, line in lines.items():
            set_key(file, name, line)


def hides_the_environment(path: Path) -> bool:
    """True where the file's line, and not an exported AUTOPROMPT_HOME, may have set the home."""
    line = read_env(path, as_it_stands=True).get(HOME)
    return bool(line) and f"${{{HOME}" not in str(line) and line == os.environ.get(HOME)


@contextmanager
def _none_exported() -> Iterator[None]:
    exported = os.environ.pop(HOME, None)
    try:
        yield
    finally:
        if exported is not None:
            os.environ[HOME] = exported
