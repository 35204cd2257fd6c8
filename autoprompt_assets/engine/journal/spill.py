"""Answers that were paid for and could not be written: kept in files until the journal opens again.

A file stands beside the journal, or where that cannot be (a full disk, a server) in a folder of the
user's, or in the system's folder for temporary files. It appears whole, is on the disk before
anybody is told, is readable by its owner alone, and holds what the journal would: no credentials.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa
from pydantic import TypeAdapter, ValidationError

from autoprompt_assets.engine.journal.address import database_file, shown
from autoprompt_assets.engine.journal.rows import Rows, checksum
from autoprompt_assets.engine.journal.schema import exclusive, failure
from autoprompt_assets.engine.llm import Completion, Request, Role, request_key
from autoprompt_assets.engine.text import quantity

FORMAT = "autoprompt unwritten answers 1"

_named: set[str] = set()
"""What this process has said of files that it leaves where they are: each opening finds them."""
_HEADER_LIMIT = 10_000
_LOCK = 7_236_001_119  # any number of the spill files' own
_LARGEST = 2**63 - 1
_MOST_ATTEMPTS = 2**31 - 1


@dataclass(frozen=True)
class SpilledRequest:
    """What the journal holds of a request."""

    role: Role
    endpoint: str
    model: str
    payload: str
    replicate: int

    @property
    def key(self) -> str:
        """See `llm.Request`."""
        return request_key(self.endpoint, self.replicate, self.payload)


Spilled = tuple[SpilledRequest, Completion]


@dataclass(frozen=True)
class _SpilledAnswer:
    """One answer as it stands in a file."""

    key: str
    checksum: int
    request: SpilledRequest
    completion: Completion

    @property
    def as_written(self) -> bool:
        """It is what was written, and the journal can hold it."""
        counts = (self.completion.prompt_tokens, self.completion.completion_tokens)
        fits = max(counts) <= _LARGEST and self.completion.attempts <= _MOST_ATTEMPTS
        same = self.request.key == self.key
        return fits and same and self.checksum == checksum(self.key, self.completion)


_LINE = TypeAdapter(_SpilledAnswer)


@dataclass(frozen=True)
class Place:
    """A folder, and how the names of one journal's files begin in it."""

    folder: Path
    prefix: str

    def write(self, lines: Sequence[str]) -> Path:
        """A new file, on the disk with its name; nothing is left where it cannot be written.

        Raises:
            OSError: it cannot.
        """
        handle, beside = tempfile.mkstemp(dir=self.folder, prefix=f".{self.prefix}")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.writelines(f"{line}\n" for line in lines)
                file.flush()
                os.fsync(file.fileno())
            path = self.folder / f"{self.prefix}{os.urandom(6).hex()}.jsonl"
            Path(beside).rename(path)
        finally:
            Path(beside).unlink(missing_ok=True)
        _sync_folder(self.folder)
        return path

    def files(self) -> list[Path]:
        """The files that are there; none where the folder cannot be read."""
        with suppress(OSError):
            names = [name for name in os.listdir(self.folder) if name.startswith(self.prefix)]
            return [self.folder / name for name in sorted(names)]
        return []


class Spill:
    """Where the answers of one opening of the journal go that could not be written to it.

    `count` answers are in `files`, and `lost` ones are nowhere, for no place could be written.
    """

    def __init__(self, location: sa.URL, owner: tuple[str, str], spare: Sequence[Path]) -> None:
        self._places, self._owner = places(location, spare), owner
        self.files: list[Path] = []
        self.count = self.lost = 0

    def write(self, group: Sequence[tuple[Request, Completion]]) -> None:
        """Keep `group` at the first place that can be written; durable when this returns."""
        if not group:
            return
        lines = [json.dumps(_header(self._owner)), *map(_line, group)]
        for place in self._places:
            with suppress(OSError):
                self.files.append(place.write(lines))
                self.count += len(group)
                return
        self.lost += len(group)

    def notices(self) -> Iterator[str]:
        """What a user should know, in one line each."""
        if self.count:
            more = (
                f" and {quantity(len(self.files) - 1, 'file')} more" if len(self.files) > 1 else ""
            )
            yield (
                f"{quantity(self.count, 'answer')}, paid for, could not be written to the journal; "
                f"kept in {self.files[0]}{more}: the next run takes them in"
            )
        if self.lost:
            tried = ", ".join(str(place.folder) for place in self._places)
            yield (
                f"{quantity(self.lost, 'answer')}, paid for, lost: neither the journal nor any "
                f"of {tried} could be written"
            )


def places(location: sa.URL, spare: Sequence[Path]) -> list[Place]:
    """Where unwritten answers of the journal at `location` may be, the best place first."""
    found, file = [], database_file(location)
    if file is not None:
        file = file.resolve()
        found.append(Place(file.parent, f"{file.name}.unwritten-"))
    identity = str(file or (location.host, location.port or 5432, location.database))
    prefix = f"journal-{hashlib.sha256(identity.encode()).hexdigest()[:12]}.unwritten-"
    return found + [Place(folder, prefix) for folder in (*spare, Path(tempfile.gettempdir()))]


def take_in(engine: sa.Engine, spare: Sequence[Path], notice: Callable[[str], None]) -> None:
    """Write to the journal what earlier openings could not, and say how many answers that was.

    A file that is not whole, or not this user's, is named and left where it is. A kill between does
    not count anything twice.

    Raises:
        JournalError: the journal cannot be written; the files stay.
    """
    taken = 0
    for path in (path for place in places(engine.url, spare) for path in place.files()):
        try:
            owner, written_at, answers, whole = _read(path)
        except FileNotFoundError:
            continue  # another process has just taken it in
        except OSError as error:
            _say_once(
                notice,
                f"{path}: holds unwritten answers that cannot be taken in ({error.strerror})",
            )
            continue
        try:
            taken += _insert(engine, owner, answers, written_at)
        except sa.exc.SQLAlchemyError as error:
            what = f"the journal cannot be opened: {shown(engine.url)}"
            raise failure(what, error) from None
        if whole:
            path.unlink(missing_ok=True)
        else:
            _say_once(
                notice,
                f"{path}: is damaged, or no file of unwritten answers; {len(answers)} of them were "
                "taken in: delete it",
            )
    if taken:
        notice(
            f"taken in: {quantity(taken, 'answer')} that an earlier run paid for and could "
            "not write"
        )


def _say_once(notice: Callable[[str], None], line: str) -> None:
    if line not in _named:
        _named.add(line)
        notice(line)


def _insert(
    engine: sa.Engine, owner: tuple[str, str], answers: Sequence[Spilled], written_at: float
) -> int:
    """How many of `answers` the journal did not have; they are paid by `owner`."""
    if not answers:
        return 0
    rows = Rows(engine, *owner)
    with exclusive(engine, _LOCK) as connection:
        known = rows.read(connection, [request.key for request, _ in answers])
        new = {request.key: (request, one) for request, one in answers if request.key not in known}
        if new:
            rows.insert(connection, list(new.values()), written_at)
            rows.count(connection, list(new.values()), {})
    return len(new)


def _header(owner: tuple[str, str]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "experiment": owner[0],
        "search": owner[1],
        "written_at": time.time(),
    }


def _line(paid: tuple[Request, Completion]) -> str:
    request, completion = paid
    names = SpilledRequest.__dataclass_fields__
    sent = SpilledRequest(**{name: getattr(request, name) for name in names})
    mark = checksum(request.key, completion)
    return json.dumps(asdict(_SpilledAnswer(request.key, mark, sent, completion)))


def _read(path: Path) -> tuple[tuple[str, str], float, list[Spilled], bool]:
    """Who paid, when (seconds since 1970), the answers that are as written, and whether all are.

    Raises:
        OSError: it cannot be read, or may have been put there by somebody else.
    """
    with _opened(path) as file:
        header = _parsed(file.readline(_HEADER_LIMIT))
        names = (header.get("experiment"), header.get("search"))
        at = header.get("written_at")
        if header.get("format") != FORMAT or not isinstance(at, float):
            return ("", ""), 0.0, [], False
        if not all(isinstance(name, str) for name in names):
            return ("", ""), 0.0, [], False
        found = [_answer(line) for line in file]
    answers = [one for one in found if one is not None]
    return (str(names[0]), str(names[1])), at, answers, 0 < len(answers) == len(found)


def _opened(path: Path) -> IO[bytes]:
    # Folders for temporary files are everybody's: no link is followed, and no pipe waited for.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    state = os.fstat(handle)
    if not stat.S_ISREG(state.st_mode) or state.st_uid != os.geteuid():
        os.close(handle)
        raise PermissionError(0, "it is not a file of this user's")
    return os.fdopen(handle, "rb")


def _answer(line: bytes) -> Spilled | None:
    """One answer, or `None` where it is not what was written."""
    try:
        found = _LINE.validate_json(line, strict=True)
    except ValidationError:
        return None
    return (found.request, found.completion) if found.as_written else None


def _parsed(line: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # some file systems cannot
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
