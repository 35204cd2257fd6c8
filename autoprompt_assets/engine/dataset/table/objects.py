"""Tables behind a URL: looked at cheaply, fetched once, and every failure in one line.

What a store is told (keys, an endpoint of one's own, timeouts) its library takes from the
environment, as `AWS_ACCESS_KEY_ID` and `AWS_ENDPOINT_URL`: nothing of it stands in the URL. A look
is bounded by `LOOK_S`; what comes is read whole, so that what is hashed is what was read.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from autoprompt_assets.engine.dataset.settings import DatasetSpec
from autoprompt_assets.engine.dataset.table.object_faults import unusable
from autoprompt_assets.engine.errors import InputError
from autoprompt_assets.engine.identity import content_hash

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

LARGEST = 2**32
"""Bytes that are fetched: no reader needs less memory than the file has."""
LOOK_S = 20.0
"""Seconds within which a store must say what it has under a name."""
CONNECT_S, SILENCE_S = 10.0, 60.0
"""Seconds to connect, and between two pieces, for a web server; other libraries have their own."""
_PIECE = 2**23
_SIGNS = (
    *("etag", "md5", "md5hash", "crc32c", "crc", "generation", "versionid", "digest", "contentmd5"),
    *("lastmodified", "mtime", "modified", "updated", "created"),
)
"""What of a store's description tells one content from another, in any spelling."""
_SCHEME = re.compile(r"(?:^|::)([a-z0-9][a-z0-9+.-]*)://", re.IGNORECASE)
_NOWHERE = re.compile(r"(?:s3a?|gs|gcs|https?)://(?:/|$)", re.IGNORECASE)


def object_mark(spec: DatasetSpec) -> str | None:
    """Tells cheaply, without its content, whether the object at the dataset's URL may be another.

    `None` where the store tells nothing but a size.

    Raises:
        InputError: there is none, it is a folder, we may not read it, or a package is missing.
        Unreachable: the store gave no answer.
    """
    try:
        system, path = _reached(spec)
        return _mark(_look(spec, system, path))
    except InputError:
        raise
    except Exception as error:  # every protocol raises its own
        raise unusable(spec, error) from None


def fetched_object(spec: DatasetSpec) -> bytes:
    """The whole content of the object at the dataset's URL, all of one version.

    Raises:
        InputError: as `object_mark`, or it is too large, or was replaced while it was read.
        Unreachable: as `object_mark`.
    """
    try:
        system, path = _reached(spec)
        before = _look(spec, system, path)
        if (before.get("size") or 0) > LARGEST:
            raise _too_large(spec)
        content = _read(spec, system, path)
        after = _look(spec, system, path)
    except InputError:
        raise
    except Exception as error:
        raise unusable(spec, error) from None
    if _mark(before) != _mark(after):
        raise InputError(
            f"{spec.file}: was replaced while it was read; run again once it is written"
        )
    return content


def _reached(spec: DatasetSpec) -> tuple[AbstractFileSystem, str]:
    """The file system that a URL names, and the path in it; no connection is made yet."""
    from fsspec.core import url_to_fs

    schemes = _SCHEME.findall(spec.path)
    if _NOWHERE.match(spec.path):
        raise InputError(
            f"{spec.file}: names no bucket or host; write dataset.path as {schemes[0]}://PLACE/FILE"
        )
    options = {name: _web_options() for name in schemes if name in ("http", "https")}
    system, path = url_to_fs(spec.path, **options)
    return system, path


def _web_options() -> dict[str, Any]:
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_S, sock_read=SILENCE_S)
    return {"client_kwargs": {"timeout": timeout}}


def _look(spec: DatasetSpec, system: AbstractFileSystem, path: str) -> Mapping[str, Any]:
    """What the store says of the object; never what an earlier listing said."""
    from fsspec.asyn import AsyncFileSystem, sync

    system.invalidate_cache()
    found: Mapping[str, Any]
    if isinstance(system, AsyncFileSystem):
        found = sync(system.loop, system._info, path, timeout=LOOK_S)
    else:
        found = system.info(path)
    if found.get("type") == "directory":
        raise InputError(f"{spec.file}: is a folder; name a file in it as dataset.path")
    return found


def _mark(found: Mapping[str, Any]) -> str | None:
    """A hash of all that tells one content from another.

    An ETag alone decides where there is one: in most stores it is of the content, and a time of
    upload beside it would make a change of the same bytes sent anew.
    """
    said = {re.sub("[^a-z0-9]", "", key.lower()): str(found[key]) for key in found if found[key]}
    signs = {key: said[key] for key in _SIGNS if key in said}
    if "etag" in signs:
        signs = {"etag": signs["etag"]}
    return content_hash([signs, said.get("size")], 16) if signs else None


def _read(spec: DatasetSpec, system: AbstractFileSystem, path: str) -> bytes:
    # A web server's file comes in one answer: ranges of it may be of two contents.
    web = "http" in system.protocol
    content = io.BytesIO()
    with system.open(path, "rb", **({"block_size": 0} if web else {})) as file:
        while piece := file.read(_PIECE):
            content.write(piece)
            if content.tell() > LARGEST:
                raise _too_large(spec)
    return content.getvalue()


def _too_large(spec: DatasetSpec) -> InputError:
    return InputError(
        f"{spec.file}: holds more than {LARGEST // 2**20:,} MiB; give a smaller table as "
        "dataset.path"
    )
