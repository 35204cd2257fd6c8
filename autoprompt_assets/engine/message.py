"""A message of a chat, as models are sent it."""

from __future__ import annotations

Message = dict[str, str]
