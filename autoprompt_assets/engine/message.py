"""A message of a chat, as models are sent it."""

from __future__ import annotations

from typing import Any

from autoprompt_assets.engine.identity import canonical_json
from autoprompt_assets.engine.text import size_of

Message = dict[str, Any]
"""`role`, and `content`: a text, or a list of parts of which each is a text or an image."""

IMAGE_TOKENS = 16_384
"""What one image takes at most: Qwen's vision models, the hungriest of those served, cut there."""


def image_part(url: str) -> dict[str, Any]:
    """The part of a message that shows an image."""
    return {"type": "image_url", "image_url": {"url": url}}


def text_part(text: str) -> dict[str, Any]:
    """The part of a message that says a text."""
    return {"type": "text", "text": text}


def content_size(message: Message) -> int:
    """UTF-8 bytes of what a message says, an image counted as `IMAGE_TOKENS`."""
    content = message["content"]
    if isinstance(content, str):
        return size_of(content)
    if content is None:
        return size_of(canonical_json(message.get("tool_calls")))
    return sum(size_of(one["text"]) if "text" in one else IMAGE_TOKENS for one in content)
