"""The bytes of a table's file: fetched, unpacked where they are gzip, and decoded to text."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from pathlib import Path

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.objects import fetched_object
from autoprompt_assets.engine.errors import InputError, shown

GZIP = b"\x1f\x8b"
LARGEST = 2**30
"""Bytes that a packed file may unpack to: a few kilobytes of gzip can hold any number of zeros."""
MOST_LAYERS = 2
_PIECE = 2**20
# The longer mark first: the four bytes of UTF-32 begin with the two of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def fetched(spec: DatasetSpec, folder: Path) -> bytes:
    """The bytes at the dataset's path; a relative path starts at `folder`.

    Raises:
        InputError: nothing can be read there.
        Unreachable: a store gave no answer.
    """
    if "://" not in spec.path:
        try:
            return (folder / os.path.expanduser(spec.path)).read_bytes()
        except (OSError, ValueError) as error:
            problem = getattr(error, "strerror", None) or "there can be no such path"
            raise InputError(
                f"{folder / spec.path}: cannot be read ({problem}); mend dataset.path = "
                f"{shown(spec.file)}"
            ) from None
    return fetched_object(spec)


def first_line(error: BaseException) -> str:
    """What an error says, printable and at most 200 characters."""
    line = (str(error).splitlines() or [type(error).__name__])[0][:200]
    return "".join(char for char in line if char.isprintable())


def unpacked(spec: DatasetSpec, content: bytes) -> bytes:
    """`content` without its gzip, whatever the file is called.

    Raises:
        InputError: the gzip is damaged, unpacks to more than `LARGEST` bytes, or is packed thrice.
    """
    for _ in range(MOST_LAYERS):
        if not content.startswith(GZIP):
            return content
        content = _gunzipped(spec, content)
    if content.startswith(GZIP):
        raise InputError(f"{spec.file}: is gzip inside gzip inside gzip; unpack it")
    return content


def _gunzipped(spec: DatasetSpec, content: bytes) -> bytes:
    pieces = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(content)) as file:
            while piece := file.read(_PIECE):
                pieces += piece
                if len(pieces) > LARGEST:
                    raise InputError(
                        f"{spec.file}: unpacks to more than {LARGEST // 2**20:,} MiB; give a "
                        "smaller table, or unpack it yourself"
                    )
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{spec.file}: is damaged gzip ({first_line(error)}); copy or pack it again"
        ) from None
    return bytes(pieces)


def decoded(spec: DatasetSpec, content: bytes) -> str:
    """`content` as text, in the encoding of its byte order mark or else in the dataset's.

    Raises:
        InputError: the encoding is unknown, or is not the file's.
    """
    marked = next((name for mark, name in _MARKS if content.startswith(mark)), None)
    try:
        encoding = codecs.lookup(spec.encoding).name
        text = content.decode(marked or encoding)
    except UnicodeError as error:
        line = content[: getattr(error, "start", 0)].count(b"\n") + 1
        raise InputError(
            f"{spec.file}: line {line} is not {marked or spec.encoding}; save the file as UTF-8, "
            "or set dataset.encoding (cp1252 is what Excel writes)"
        ) from None
    except (LookupError, ValueError):
        raise InputError(
            f"{spec.file}: dataset.encoding = {spec.encoding!r} is not known; try utf-8 or cp1252"
        ) from None
    if "\0" in text:
        raise InputError(f"{spec.file}: holds NUL bytes; set dataset.encoding (utf-16?)")
    return text
