"""Images that rows bring: an address, a data URI, or a file beside the table.

A row keeps of a file its name and a hash of its bytes, so that another image is another row; the
bytes are read anew where a request is made.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from autoprompt_assets.engine.errors import InputError, shown

MOST_BYTES = 20 * 2**20
"""Of one image: OpenAI takes no larger one."""
_HASH = "#sha256:"
_DATA_URI = re.compile(r"data:(image/[\w.+-]+);base64,([A-Za-z0-9+/=\s]*)\Z", re.IGNORECASE)
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
}


def read_image(value: str, folder: Path | None) -> str:
    """How a row keeps an image: an address and a data URI as they are, a file with its hash.

    `folder` is the table's, `None` where the table is at an address.

    Raises:
        ValueError: it is none, or is too large; "trouble; mend".
    """
    given = value.strip()
    if given.lower().startswith("data:"):
        found = _DATA_URI.match(given)
        if found is None:
            raise ValueError("is no data URI of an image in base64; mend it")
        try:
            _kind(base64.b64decode(found[2], validate=False))
        except binascii.Error:
            raise ValueError("is a data URI that is no base64; mend it") from None
        return given
    if "://" in given:
        parts = urlsplit(given)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"is {shown(given, 60)} and no web address; use https://")
        if parts.username or parts.password:
            raise ValueError("is an address with a password in it; take it out")
        return given
    content = _content(given, folder)
    _kind(content)
    return f"{given}{_HASH}{_digest(content)}"


def image_url(value: str, folder: Path | None) -> str:
    """What a request shows of an image that `read_image` gave: an address, or a data URI.

    Raises:
        InputError: the file has changed since.
    """
    name, mark, digest = value.rpartition(_HASH)
    if not mark or value.lower().startswith("data:"):
        return value
    try:
        content = _content(name, folder)
        kind = _kind(content)
    except ValueError as error:
        raise InputError(f"the image {shown(name)} {error}") from None
    if _digest(content) != digest:
        raise InputError(
            f"the image {shown(name)} has changed since the rows were read; materialize `dataset` "
            "again"
        )
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _content(name: str, folder: Path | None) -> bytes:
    if not name:
        raise ValueError("is empty; name an image")
    if folder is None:
        raise ValueError(f"is {shown(name, 60)}, and a table at an address has no folder; use URLs")
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError(f"is {shown(name, 60)}, outside of the table's folder; put it there")
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ValueError(f"is larger than {MOST_BYTES // 2**20} MiB; make it smaller")
        return path.read_bytes()
    except OSError as error:
        why = "is not there" if isinstance(error, FileNotFoundError) else "cannot be read"
        raise ValueError(
            f"is {shown(name, 60)}, a file that {why}; put it beside the table"
        ) from None


def _kind(content: bytes) -> str:
    if len(content) > MOST_BYTES:
        raise ValueError(f"is larger than {MOST_BYTES // 2**20} MiB; make it smaller")
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return "image/webp"
    kind = next((kind for magic, kind in _MAGIC.items() if content.startswith(magic)), None)
    if kind is None:
        raise ValueError("is no PNG, JPEG, GIF or WebP image; convert it")
    return kind


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
