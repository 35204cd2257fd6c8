"""Identity by content: the ids of rows, candidates, requests and searches."""

from __future__ import annotations

import hashlib
import json


def canonical_json(value: object) -> str:
    """JSON with one spelling for equal values: sorted keys, no spaces, no NaN."""
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def content_hash(value: object, length: int = 64) -> str:
    """SHA-256 over the canonical JSON of `value`, as `length` hexadecimal digits."""
    digest = hashlib.sha256(canonical_json(value).encode("utf-8", "surrogatepass")).hexdigest()
    return digest[:length]


def uniform(*parts: object) -> float:
    """A number in [0, 1) that is a pure function of `parts`: randomness without generator state."""
    return int(content_hash([str(part) for part in parts], 13), 16) / 16**13
