"""Whether a JSON schema is one that endpoints can hold a model to in every part."""

from __future__ import annotations

from typing import Any


def is_strict(schema: Any) -> bool:
    """Every object in it is closed and needs all its properties, as OpenAI's strict mode asks."""
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        properties = schema.get("properties", {})
        closed = schema.get("additionalProperties") is False
        if not closed or {*schema.get("required", ())} != {*properties}:
            return False
    return all(map(is_strict, schema.values()))
